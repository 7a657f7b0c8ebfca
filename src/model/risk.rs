//! What in a change to a container an operator should look at twice. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::container::Route;
use super::name::{ContainerName, VolumeName};
use super::quantity::ByteSize;
use super::run_specification::{ResolvedNeed, RunSpecification};
use super::text::{AbsolutePath, Word};

/// One container as one side of a comparison has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// How it runs.
    #[serde(flatten)]
    pub run: RunSpecification,
    /// What must be there first.
    pub needs: Vec<ResolvedNeed>,
    /// What starts before it when both run.
    pub uses: Vec<ContainerName>,
    /// Where the proxy shows it.
    pub routes: Vec<Route>,
    /// What it is built from, and the released version of that.
    pub bases: BTreeMap<ContainerName, String>,
}

/// Something to look at twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Risk {
    /// The field that changes: `volumes.data`.
    pub path: String,
    /// What may come of it.
    pub why: String,
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.why)
    }
}

fn risk(path: impl Into<String>, why: impl Into<String>) -> Risk {
    Risk {
        path: path.into(),
        why: why.into(),
    }
}

/// What is risky in going from one side to the other; `None` is a container that is not there.
pub fn risks(before: Option<&Side>, after: Option<&Side>) -> Vec<Risk> {
    let Some(after) = after else {
        let volumes = before.map_or(0, |side| side.run.volumes.len());
        let why = format!("production will not run it any more; {volumes} volumes stay behind");
        return before.map(|_| risk("kind", why)).into_iter().collect();
    };
    let mut found = reachable(before, after);
    found.extend(secrets(before, after));
    let Some(before) = before else {
        found.extend(root(None, after.run.user.as_ref()));
        return found;
    };
    found.extend(volumes(&before.run.volumes, &after.run.volumes));
    found.extend(user(
        before.run.user.as_ref(),
        after.run.user.as_ref(),
        &after.run.volumes,
    ));
    found.extend(memory(before.run.memory, after.run.memory));
    found.extend(guards(before, after));
    found.extend(dependencies(before, after));
    found
}

/// Ports and routes.
fn reachable(before: Option<&Side>, after: &Side) -> Vec<Risk> {
    let mut found = Vec::new();
    let published = before.map_or(&[][..], |side| &side.run.publish);
    for port in after
        .run
        .publish
        .iter()
        .filter(|it| !published.contains(it))
    {
        let why = format!("port {} of the host leads to it, past the proxy", port.host);
        found.push(risk("publish", why));
    }
    for port in published
        .iter()
        .filter(|it| !after.run.publish.contains(it))
    {
        let why = format!("whoever uses port {} of the host loses it", port.host);
        found.push(risk("publish", why));
    }
    let shown = before.map_or(&[][..], |side| &side.routes);
    for route in after
        .routes
        .iter()
        .filter(|it| !shown.iter().any(|other| other.is_at(it)))
    {
        let why = match &route.host {
            Some(host) => format!("the name {host} has to lead to the proxy, with a certificate"),
            None if route.prefix() == "/" => {
                "the proxy gives it everything that no other route takes".to_owned()
            }
            // A new container has to be somewhere.
            None if before.is_none() => continue,
            None => format!("the proxy shows it at {route} as well"),
        };
        found.push(risk("routes", why));
    }
    for route in shown
        .iter()
        .filter(|it| !after.routes.iter().any(|other| other.is_at(it)))
    {
        found.push(risk("routes", format!("links to {route} break")));
    }
    found
}

fn secrets(before: Option<&Side>, after: &Side) -> Vec<Risk> {
    let had = |name| before.is_some_and(|side| side.run.secret_names().any(|it| it == name));
    let new = after.run.secret_names().filter(|it| !had(*it));
    new.map(|name| {
        let why = format!("production has to have a value of {name} before it starts");
        risk("secrets", why)
    })
    .collect()
}

type Volumes = BTreeMap<VolumeName, AbsolutePath>;

fn volumes(before: &Volumes, after: &Volumes) -> Vec<Risk> {
    let mut found = Vec::new();
    for (name, path) in before {
        let at = format!("volumes.{name}");
        let renamed = after.iter().find(|(_, other)| *other == path);
        match (after.get(name), renamed) {
            (Some(now), _) if now == path => {}
            (Some(now), _) => {
                let why = format!(
                    "what is at {path} now is at {now} then: the program has to look there"
                );
                found.push(risk(at, why));
            }
            (None, Some((other, _))) => {
                let why = format!(
                    "{path} begins empty in the volume {other}: what is in {name} stays behind"
                );
                found.push(risk(at, why));
            }
            (None, None) => {
                let why = format!(
                    "it goes: what is in it stays behind, and {path} is lost with each container"
                );
                found.push(risk(at, why));
            }
        }
    }
    found
}

/// What an image without a `USER` runs as, or one that names it.
fn is_root(user: Option<&Word>) -> bool {
    let user = user.map_or("root", |word| word.as_str());
    matches!(user.split(':').next(), Some("root" | "0"))
}

fn root(before: Option<&Word>, after: Option<&Word>) -> Option<Risk> {
    let named = after.is_some() || before.is_some_and(|user| !is_root(Some(user)));
    (named && is_root(after)).then(|| {
        let why = match after {
            Some(_) => "it runs as root",
            None => "it runs as the image's own user, which is root where the image names none",
        };
        risk("user", why)
    })
}

fn user(before: Option<&Word>, after: Option<&Word>, volumes: &Volumes) -> Vec<Risk> {
    if before == after {
        return Vec::new();
    }
    let mut found: Vec<Risk> = root(before, after).into_iter().collect();
    if !volumes.is_empty() {
        let why =
            "files that are in its volumes keep their owner: it may not be able to write them";
        found.push(risk("user", why));
    }
    found
}

fn memory(before: Option<ByteSize>, after: Option<ByteSize>) -> Option<Risk> {
    let why = match (before, after) {
        (Some(before), None) => {
            format!("without a limit (it was {before}) it can take all memory of the host")
        }
        (Some(before), Some(after)) if after > before => {
            format!("the hosts have to have {after} for it, not {before}")
        }
        (Some(before), Some(after)) if after < before => {
            format!("it is killed at {after}, no longer at {before}")
        }
        (None, Some(after)) => format!("it is killed at {after}; until now nothing limited it"),
        _ => return None,
    };
    Some(risk("memory", why))
}

/// What protects a container, and others from it.
fn guards(before: &Side, after: &Side) -> Vec<Risk> {
    let (one, other) = (&before.run, &after.run);
    let mut found = Vec::new();
    if one.health.is_some() && other.health.is_none() {
        let why = "it counts as ready as soon as its process runs, and nobody sees it hang";
        found.push(risk("health", why));
    }
    if one.read_only && !other.read_only {
        found.push(risk("read_only", "its files can be written to"));
    }
    if one.cpus.is_some() && other.cpus.is_none() {
        found.push(risk("cpus", "it can take all processors of the host"));
    }
    if one.kind != other.kind {
        let why = format!("{} becomes {}", one.kind.as_str(), other.kind.as_str());
        found.push(risk("kind", why));
    }
    let environments: BTreeSet<_> = one.replicas.keys().chain(other.replicas.keys()).collect();
    for environment in environments {
        let count = |side: &RunSpecification| side.replicas.get(environment).copied().unwrap_or(1);
        let (before, after) = (count(one), count(other));
        if before != after {
            let why = format!("the servers of {environment} run {after} of it, until now {before}");
            found.push(risk("replicas", why));
        }
    }
    if let (Some(before), Some(after)) = (one.stop_grace, other.stop_grace)
        && after.duration() < before.duration()
    {
        let why = format!("it is killed {after} after it was asked to stop, no longer {before}");
        found.push(risk("stop_grace", why));
    }
    found
}

/// Bases and needs.
fn dependencies(before: &Side, after: &Side) -> Vec<Risk> {
    let mut found = Vec::new();
    let names: BTreeSet<_> = before.bases.keys().chain(after.bases.keys()).collect();
    for name in names {
        let path = format!("bases.{name}");
        match (before.bases.get(name), after.bases.get(name)) {
            (None, Some(version)) => {
                let why = format!("everything below it is {name} {version} then");
                found.push(risk(path, why));
            }
            (Some(one), Some(other)) if one != other => {
                let why = format!("everything below it changes: {name} {one} → {other}");
                found.push(risk(path, why));
            }
            _ => {}
        }
    }
    let had = |name: &ContainerName| before.needs.iter().any(|it| it.container == *name);
    for need in after.needs.iter().filter(|need| !had(&need.container)) {
        let why = format!("it does not start where {} does not run", need.container);
        found.push(risk("needs", why));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::model::container::Definition;
    use crate::model::platform::Defaults;
    use crate::model::yaml;

    fn side(text: &str, base: &str) -> Side {
        let definition: Definition =
            yaml::read(Kind::Definitions, "container.yaml", text.as_bytes())
                .unwrap_or_else(|error| panic!("{text}: {error}"));
        let run = RunSpecification::resolve(&definition, &Defaults::default());
        let until = run.default_until();
        let needs = definition.needs.iter().map(|need| ResolvedNeed {
            container: need.container.clone(),
            until,
        });
        Side {
            needs: needs.collect(),
            uses: definition.uses.clone(),
            routes: definition.routes.clone(),
            bases: [(ContainerName::new("tomcat").unwrap(), base.to_owned())].into(),
            run,
        }
    }

    fn found(before: &str, after: &str) -> Vec<String> {
        let (before, after) = (side(before, "1"), side(after, "1"));
        let found = risks(Some(&before), Some(&after));
        found
            .iter()
            .map(|it| format!("{}: {}", it.path, it.why))
            .collect()
    }

    /// Before → after → how the risk begins.
    const RISKY: &str = "\
        {} → publish: [8443] → publish: port 8443 of the host leads to it
        publish: [8443] → {} → publish: whoever uses port 8443
        {} → secrets: [A] → secrets: production has to have a value of A
        volumes: { d: /a } → {} → volumes.d: it goes
        volumes: { d: /a } → volumes: { d: /b } → volumes.d: what is at /a
        volumes: { d: /a } → volumes: { e: /a } → volumes.d: /a begins empty in the volume e
        user: tomcat → user: root → user: it runs as root
        user: tomcat → user: '0:0' → user: it runs as root
        user: tomcat → {} → user: it runs as the image's own
        memory: 1GiB → {} → memory: without a limit (it was 1GiB)
        memory: 1GiB → memory: 2GiB → memory: the hosts have to have 2GiB
        memory: 1GiB → memory: 512MiB → memory: it is killed at 512MiB
        health: { command: [a] } → {} → health: it counts as ready
        read_only: true → {} → read_only: its files
        cpus: 1 → {} → cpus: it can take all
        kind: service → {} → kind: service becomes app
        stop_grace: 20s → stop_grace: 5s → stop_grace: it is killed 5s
        {} → replicas: { production: 2 } → replicas: the servers of production run 2 of it, until now 1
        replicas: { production: 2 } → {} → replicas: the servers of production run 1 of it, until now 2
        {} → needs: [ledger-db] → needs: it does not start where ledger-db
        {} → routes: [{ host: a.example }] → routes: the name a.example
        {} → routes: [{ path: / }] → routes: the proxy gives it everything
        routes: [{ path: /a }] → routes: [{ path: /b }] → routes: links to /a break";

    #[test]
    fn each_of_these_is_looked_at_twice() {
        for line in RISKY.lines() {
            let parts: Vec<&str> = line.trim().split(" → ").collect();
            let [before, after, wanted] = parts.as_slice() else {
                panic!("{line}");
            };
            let all = found(before, after);
            let is_found = all.iter().any(|it| it.starts_with(wanted));
            assert!(is_found, "{line}: {all:?}");
        }
        let (before, after) = (side("{}", "1"), side("{}", "2"));
        let base = &risks(Some(&before), Some(&after))[0];
        assert_eq!(base.path, "bases.tomcat");
        assert!(base.why.ends_with("tomcat 1 → 2"), "{base:?}");
        assert_eq!(risks(Some(&before), None)[0].path, "kind");
    }

    #[test]
    fn these_are_not() {
        for (before, after) in [
            ("memory: 1GiB", "memory: 1GiB"),
            ("{}", "environment: { A: b }"),
            ("{}", "volumes: { d: /a }"),
            ("secrets: [A]", "{}"),
            ("user: root", "{}"),
            ("{}", "health: { command: [a] }"),
            ("needs: [ledger-db]", "{}"),
            ("stop_grace: 5s", "stop_grace: 20s"),
            ("{}", "replicas: { production: 1 }"),
        ] {
            assert_eq!(found(before, after), [""; 0], "{before} → {after}");
        }
        assert!(risks(None, Some(&side("routes: [{ path: /a }]", "1"))).is_empty());
        assert!(risks(None, None).is_empty());
    }
}
