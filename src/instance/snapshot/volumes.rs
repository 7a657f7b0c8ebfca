//! Which volumes hold the data of an instance. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::converge::plan::Observed;
use crate::home::data::DataRecord;
use crate::model::identity::Identity;
use crate::model::name::{ContainerName, LOGS, VolumeName};

/// A volume with data of a container: log files are none, they are neither saved nor replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::instance) struct DataVolume {
    /// Whose.
    pub(in crate::instance) container: ContainerName,
    /// Its name in the definition.
    pub(in crate::instance) volume: VolumeName,
    /// The engine's name of the one that is in use.
    pub(in crate::instance) object: String,
}

/// Those that are there, in order.
pub(in crate::instance) fn of_instance(
    identity: &Identity,
    data: &DataRecord,
    volumes: &BTreeSet<String>,
) -> Vec<DataVolume> {
    let places = data.places_on(volumes);
    let names: BTreeMap<&String, &String> = volumes
        .iter()
        .filter(|it| !data.places.contains_key(*it))
        .map(|it| (it, it))
        .chain(&places)
        .collect();
    let found = names.into_iter().filter_map(|(own, object)| {
        let (container, volume) = parts(identity, own)?;
        Some(DataVolume {
            container,
            volume,
            object: object.clone(),
        })
    });
    found.filter(|it| it.volume.as_str() != LOGS).collect()
}

fn parts(identity: &Identity, name: &str) -> Option<(ContainerName, VolumeName)> {
    let rest = name.strip_prefix(&identity.network())?.strip_prefix('-')?;
    let (container, volume) = rest.split_once('.')?;
    Some((
        ContainerName::new(container).ok()?,
        VolumeName::new(volume).ok()?,
    ))
}

/// The containers that mount one of these volumes.
pub(in crate::instance) fn users<'a>(
    identity: &Identity,
    observed: &Observed,
    volumes: impl IntoIterator<Item = &'a str>,
) -> BTreeSet<ContainerName> {
    let volumes: BTreeSet<&str> = volumes.into_iter().collect();
    let mounts = |name: &&ContainerName| {
        let current = observed.current(name, &identity.object(name));
        current.is_some_and(|it| it.volumes.keys().any(|it| volumes.contains(it.as_str())))
    };
    observed.containers.keys().filter(mounts).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::{InstanceName, PlatformName};

    #[test]
    fn data_is_what_is_in_use_and_no_log() {
        let identity = Identity {
            owner: "me".to_owned(),
            platform: PlatformName::new("acme").unwrap(),
            instance: InstanceName::new("default").unwrap(),
        };
        let name = |it: &str| format!("devenv-acme-default-{it}");
        let there = [
            "billing.logs",
            "billing.data",
            "db.data",
            "db.data.1234",
            "db.data.9999",
        ];
        let there: BTreeSet<String> = there.iter().map(|it| name(it)).collect();
        let mut data = DataRecord::default();
        let of = |data: &DataRecord| -> Vec<String> {
            let all = of_instance(&identity, data, &there).into_iter();
            all.map(|it| format!("{} {} {}", it.container, it.volume, it.object))
                .collect()
        };
        let billing = format!("billing data {}", name("billing.data"));
        assert_eq!(
            of(&data),
            [billing.clone(), format!("db data {}", name("db.data"))]
        );
        let place = |data: &mut DataRecord, it: &str| {
            let new = BTreeMap::from([(name("db.data"), name(it))]);
            data.replace(&new, &there);
        };
        place(&mut data, "db.data.1234");
        assert_eq!(
            of(&data),
            [billing.clone(), format!("db data {}", name("db.data.1234"))]
        );
        // Of another engine: here it is what it was.
        place(&mut data, "db.data.elsewhere");
        assert_eq!(
            of(&data),
            [billing.clone(), format!("db data {}", name("db.data"))]
        );
        place(&mut data, "db.data.9999");
        assert_eq!(
            of(&data),
            [billing.clone(), format!("db data {}", name("db.data.9999"))]
        );
        data.forget(&there);
        let left: Vec<&String> = data.places.keys().collect();
        assert_eq!(left, [&name("db.data.elsewhere")]);
    }
}
