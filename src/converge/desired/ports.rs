//! Which host port each published port gets. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::model::container::Publish;
use crate::model::name::ContainerName;
use crate::model::reference::Reference;

/// Host ports by container and published port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ports(BTreeMap<(ContainerName, Publish), u16>);

impl Ports {
    /// The host port that this published port got.
    pub fn of(&self, container: &ContainerName, publish: Publish) -> Option<u16> {
        self.0.get(&(container.clone(), publish)).copied()
    }

    /// Records a host port.
    pub fn insert(&mut self, container: ContainerName, publish: Publish, host: u16) {
        self.0.insert((container, publish), host);
    }

    /// The host port that the proxy's first published port got; the wanted one where none is known.
    pub fn proxy(&self, reference: &Reference) -> Option<u16> {
        let entry = reference.containers.get(&reference.proxy)?;
        let publish = entry.run.publish.first()?;
        Some(self.of(&reference.proxy, *publish).unwrap_or(publish.host))
    }

    /// The published port, as `--port` names it, that got this host port.
    pub fn wanted(&self, host: u16) -> Option<u16> {
        let mut all = self.iter();
        all.find_map(|(_, publish, given)| (given == host).then_some(publish.host))
    }

    /// All of them, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = (&ContainerName, Publish, u16)> {
        self.0
            .iter()
            .map(|((container, publish), host)| (container, *publish, *host))
    }
}

/// A port that did not get the host port it wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Whose.
    pub container: ContainerName,
    /// Wanted.
    pub wanted: u16,
    /// Given instead.
    pub given: u16,
    /// Why the wanted one cannot be had: `taken by nginx`.
    pub why: String,
}

/// Gives every wanted port a host port: the user's choice, else the remembered one, else the
/// wanted one; a taken port `p` falls to `8000 + p`, then upward. Nobody falls to a port that
/// another one has a claim to. `holder` says why a port cannot be had.
pub fn assign(
    wanted: &[(ContainerName, Publish)],
    chosen: &BTreeMap<u16, u16>,
    remembered: &Ports,
    holder: &mut dyn FnMut(u16) -> Option<String>,
) -> Result<(Ports, Vec<Moved>)> {
    let claim = |(container, publish): &(ContainerName, Publish)| {
        let chosen = chosen.get(&publish.host).copied();
        chosen.or_else(|| remembered.of(container, *publish))
    };
    let claimed: BTreeSet<u16> = wanted
        .iter()
        .map(|it| claim(it).unwrap_or(it.1.host))
        .collect();
    let mut given = BTreeSet::new();
    let mut taken = |port: u16, given: &BTreeSet<u16>| {
        let twice = given.contains(&port);
        let other = || "taken by another container of this instance".to_owned();
        twice.then(other).or_else(|| holder(port))
    };
    let mut wanted: Vec<_> = wanted.iter().collect();
    wanted.sort_by_key(|it| claim(it).is_none());
    let mut ports = Ports::default();
    let mut moved = Vec::new();
    for (container, publish) in wanted {
        let host = if let Some(port) = chosen.get(&publish.host) {
            match taken(*port, &given) {
                Some(holder) => return Err(refused(*port, publish.host, &holder)),
                None => *port,
            }
        } else {
            let remembered = remembered.of(container, *publish);
            let candidates = remembered
                .into_iter()
                .chain([publish.host])
                .chain(fallbacks(publish.host).filter(|port| !claimed.contains(port)));
            let mut first_holder = None;
            let mut is_free = |port: &u16| {
                let holder = taken(*port, &given);
                let free = holder.is_none();
                if *port == publish.host {
                    first_holder = holder;
                }
                free
            };
            let port = candidates.into_iter().find(&mut is_free).ok_or_else(|| {
                Error::engine(format!("no free host port was found for {}", publish.host))
            })?;
            moved.extend(first_holder.map(|holder| Moved {
                container: container.clone(),
                wanted: publish.host,
                given: port,
                why: holder,
            }));
            port
        };
        given.insert(host);
        ports.insert(container.clone(), *publish, host);
    }
    Ok((ports, moved))
}

fn refused(port: u16, wanted: u16, holder: &str) -> Error {
    Error::usage(format!("port {port}, which you asked for, is {holder}"))
        .hint(format!("choose another one: `--port {wanted}=PORT`"))
}

fn fallbacks(port: u16) -> impl Iterator<Item = u16> {
    let first = port.checked_add(8000).unwrap_or(port);
    (first..=u16::MAX).take(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn front() -> ContainerName {
        ContainerName::new("front").unwrap()
    }

    const WEB: Publish = Publish {
        host: 80,
        container: 80,
    };

    #[test]
    fn a_taken_port_falls_and_names_its_holder() {
        let mut holder = |port| {
            [80, 8080]
                .contains(&port)
                .then(|| "taken by nginx".to_owned())
        };
        let (ports, moved) = assign(
            &[(front(), WEB)],
            &BTreeMap::new(),
            &Ports::default(),
            &mut holder,
        )
        .unwrap();
        assert_eq!(ports.of(&front(), WEB), Some(8081));
        assert_eq!(
            moved,
            [Moved {
                container: front(),
                wanted: 80,
                given: 8081,
                why: "taken by nginx".into()
            }]
        );
    }

    #[test]
    fn a_remembered_port_stays_without_a_word() {
        let mut remembered = Ports::default();
        remembered.insert(front(), WEB, 8080);
        let (ports, moved) = assign(
            &[(front(), WEB)],
            &BTreeMap::new(),
            &remembered,
            &mut |_| None,
        )
        .unwrap();
        assert_eq!((ports.of(&front(), WEB), moved.len()), (Some(8080), 0));
        assert_eq!((ports.wanted(8080), ports.wanted(80)), (Some(80), None));
    }

    #[test]
    fn nobody_falls_to_a_port_that_another_one_has() {
        let other = ContainerName::new("aside").unwrap();
        let theirs = Publish {
            host: 8080,
            container: 8080,
        };
        for wanted in [
            [(front(), WEB), (other.clone(), theirs)],
            [(other.clone(), theirs), (front(), WEB)],
        ] {
            let mut holder = |port| (port == 80).then(|| "nginx".to_owned());
            let none = Ports::default();
            let (ports, _) = assign(&wanted, &BTreeMap::new(), &none, &mut holder).unwrap();
            assert_eq!(ports.of(&front(), WEB), Some(8081));
            assert_eq!(ports.of(&other, theirs), Some(8080));
        }
    }

    #[test]
    fn a_chosen_port_that_is_taken_is_refused() {
        let chosen = BTreeMap::from([(80, 8000)]);
        let mut holder = |port| (port == 8000).then(|| "taken by python3".to_owned());
        let error = assign(&[(front(), WEB)], &chosen, &Ports::default(), &mut holder).unwrap_err();
        assert!(error.to_string().contains("taken by python3"), "{error}");
    }
}
