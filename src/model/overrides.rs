//! `overrides/<platform>.yaml`: the user's own changes to how containers run here.
//!
//! ```yaml
//! containers:
//!   billing:
//!     environment: { TRACE: "1", JAVA_OPTS: null }     # null removes it, the image's own too
//!     memory: 1GiB
//!     publish: [5005]                                  # in addition: a debugger's port
//!     command: [catalina.sh, jpda, run]
//!     entrypoint: [/bin/sh, -c]
//!     mounts: [{ from: ~/billing/webapps, to: /opt/tomcat/webapps, read_only: true }]
//!     health: off                                      # the image's own check too
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::container::Publish;
use super::host_profile::HostProfile;
use super::members::Member;
use super::name::{ContainerName, VariableName};
use super::quantity::ByteSize;
use super::run_specification::RunSpecification;
use super::text::{AbsolutePath, HostPath};
use super::yaml::{self, Step};
use crate::error::{Error, Kind, Result};

/// All overrides of one platform.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Overrides {
    /// By container.
    pub containers: BTreeMap<ContainerName, Override>,
    /// The folder, by its path on the engine's side, that holds a folder for the log files of each
    /// container; `None`: they are in volumes. Not of the file: `up --logs-to` says it.
    #[serde(skip)]
    pub logs_to: Option<String>,
    /// Volumes that take the places of others, by the names that these would have. Not of the file:
    /// `snapshot restore` says it.
    #[serde(skip)]
    pub volumes: BTreeMap<String, String>,
}

/// What is different for one container. What is not said stays as the reference has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Override {
    /// Added, or in place of what is there; `None` removes a variable, the image's own too.
    pub environment: BTreeMap<VariableName, Option<String>>,
    /// The most memory it may use.
    pub memory: Option<ByteSize>,
    /// Published in addition, as in `container.yaml`.
    pub publish: Vec<Publish>,
    /// Arguments; with `entrypoint` alone, those of the definition stay.
    pub command: Option<Vec<String>>,
    /// The program and its first arguments.
    pub entrypoint: Option<Vec<String>>,
    /// Folders and files of the user's; each takes the place of a volume at the same path.
    pub mounts: Vec<Mount>,
    /// Switches the health check off: the container counts as ready when it has started.
    pub health: Option<HealthOverride>,
}

/// A folder or file of this machine, seen by a container.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Here; [`Overrides::share`] makes it the path on the engine's side.
    pub from: HostPath,
    /// Inside the container.
    pub to: AbsolutePath,
    /// Whether the container cannot change it.
    #[serde(default)]
    pub read_only: bool,
}

/// All that can be said of a health check here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthOverride {
    /// The engine does not check.
    Off,
}

impl Override {
    /// The keys that are said, as in the file.
    pub fn keys(&self) -> Vec<&'static str> {
        let said = [
            ("environment", !self.environment.is_empty()),
            ("memory", self.memory.is_some()),
            ("publish", !self.publish.is_empty()),
            ("command", self.command.is_some()),
            ("entrypoint", self.entrypoint.is_some()),
            ("mounts", !self.mounts.is_empty()),
            ("health", self.health.is_some()),
        ];
        let said = said.into_iter().filter(|(_, is_said)| *is_said);
        said.map(|(key, _)| key).collect()
    }
}

impl Overrides {
    /// Gives each copy of a container what is said of that; ports to the first alone.
    pub fn spread(&mut self, members: &BTreeMap<ContainerName, Member>) {
        let copies = members.iter().filter(|(name, member)| **name != member.of);
        let spread = copies.filter_map(|(name, member)| {
            let mut own = self.containers.get(&member.of)?.clone();
            if member.number > 1 {
                own.publish.clear();
            }
            Some((name.clone(), own))
        });
        let spread: BTreeMap<_, _> = spread.collect();
        let copied = |name: &ContainerName| {
            !members.contains_key(name) && members.values().any(|it| it.of == *name)
        };
        self.containers.retain(|name, _| !copied(name));
        self.containers.extend(spread);
    }

    /// Reads the file. Fails with [`Kind::Usage`] and the place of what is wrong.
    pub fn parse(source: &str, text: &[u8]) -> Result<Self> {
        let overrides: Self = yaml::read(Kind::Usage, source, text)?;
        for (name, own) in &overrides.containers {
            if let Some((place, message)) = own.fault() {
                let container = [Step::Value("containers"), Step::Value(name.as_str())];
                let steps = [&container[..], &place].concat();
                let text = String::from_utf8_lossy(text);
                return Err(yaml::at(Kind::Usage, source, &text, &steps, &message));
            }
        }
        Ok(overrides)
    }

    /// What is different for a container, if anything is.
    pub fn of(&self, container: &ContainerName) -> Option<&Override> {
        self.containers.get(container)
    }

    /// How a container runs here. [`Override::environment`] and [`Override::mounts`] are not in it:
    /// a specification has no words for them.
    pub fn run<'a>(
        &self,
        container: &ContainerName,
        run: &'a RunSpecification,
    ) -> Cow<'a, RunSpecification> {
        match self.of(container) {
            None => Cow::Borrowed(run),
            Some(own) => Cow::Owned(own.applied(run)),
        }
    }

    /// A mount of one of these containers whose folder or file is not there: an engine would say it once
    /// what ran before has stopped. `home` is the user's folder.
    pub fn missing_folder(
        &self,
        source: &str,
        home: &str,
        is_about: impl Fn(&ContainerName) -> bool,
    ) -> Option<Error> {
        let own = self.containers.iter().filter(|(name, _)| is_about(name));
        let mut mounts = own.flat_map(|(name, own)| own.mounts.iter().map(move |it| (name, it)));
        mounts.find_map(|(name, mount)| {
            let from = mount.from.below(home);
            let is_missing = std::path::Path::new(&from).symlink_metadata().is_err();
            is_missing.then(|| {
                Error::usage(format!(
                    "{source}: `{name}` is to mount {from}, which is not there"
                ))
                .hint("make it, or take the mount out")
            })
        })
    }

    /// Turns each mount's `from` into its path on the engine's side; `home` is the user's folder.
    /// Fails with [`Kind::Usage`] where the engine does not see a folder.
    pub fn share(&mut self, source: &str, profile: &HostProfile, home: &str) -> Result<()> {
        for (name, own) in &mut self.containers {
            for mount in &mut own.mounts {
                let from = mount.from.below(home);
                let there = profile.translate(&from, home).map(HostPath::new);
                mount.from = there.and_then(Result::ok).ok_or_else(|| {
                    let shared: Vec<_> = profile.shares.iter().map(|it| &*it.host).collect();
                    let message = format!(
                        "{source}: the engine cannot see {from}, which `{name}` is to mount"
                    );
                    Error::usage(message).hint(match shared[..] {
                        [] => "this engine shares no folder of this machine".to_owned(),
                        _ => format!("choose a folder below {}", shared.join(", ")),
                    })
                })?;
            }
        }
        Ok(())
    }
}

impl Override {
    fn applied(&self, run: &RunSpecification) -> RunSpecification {
        let mounted = |path: &AbsolutePath| self.mounts.iter().any(|mount| mount.to == *path);
        let mut run = run.clone();
        run.memory = self.memory.or(run.memory);
        run.publish.extend(&self.publish);
        run.command = self.command.clone().or(run.command);
        run.entrypoint = self.entrypoint.clone().or(run.entrypoint);
        run.health = run.health.filter(|_| self.health.is_none());
        run.volumes.retain(|_, path| !mounted(path));
        run.tmpfs.retain(|path| !mounted(path));
        run.secrets
            .retain(|name| !self.environment.contains_key(name));
        run
    }

    /// What no type refuses, with its place in this container's map.
    fn fault(&self) -> Option<(Vec<Step<'static>>, String)> {
        for (key, words) in [("command", &self.command), ("entrypoint", &self.entrypoint)] {
            if words.as_ref().is_some_and(Vec::is_empty) {
                let message = format!("`{key}` is empty; leave it out, and the image's own runs");
                return Some((vec![Step::Key(key)], message));
            }
        }
        let repeated = |index: &usize| {
            let to = &self.mounts[*index].to;
            self.mounts[..*index].iter().any(|other| other.to == *to)
        };
        let index = (0..self.mounts.len()).find(repeated)?;
        let message = format!("two mounts are at {}", self.mounts[index].to);
        let place = [Step::Value("mounts"), Step::Item(index), Step::Value("to")];
        Some((place.to_vec(), message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, wanted: &str) {
        let error = Overrides::parse("own.yaml", text.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.to_string().starts_with(wanted), "{text}: {error}");
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_place() {
        refused(
            "containers: { a: { mounts: [{ from: src, to: /x }] } }",
            "own.yaml:1:37: `src` is not a path of this machine",
        );
        refused(
            "containers:\n  a:\n    mounts:\n    - { from: /x, to: /y }\n    - { from: /z, to: /y }\n",
            "own.yaml:5:23: two mounts are at /y",
        );
        refused(
            "containers:\n  a:\n    command: []\n",
            "own.yaml:3:5: `command` is empty",
        );
        refused(
            "containers: { a: { health: on } }",
            "own.yaml:1:28: unknown variant `on`",
        );
        refused(
            "containers: { a: { privileged: true } }",
            "own.yaml:1:20: unknown field",
        );
        refused(
            "containers: { a: { mounts: [{ from: ../x, to: /y }] } }",
            "own.yaml:1:37: `../x` is not a path of this machine",
        );
    }

    #[test]
    fn folders_get_their_path_on_the_engines_side() {
        let read = |from: &str| {
            let text = format!("containers: {{ a: {{ mounts: [{{ from: {from}, to: /y }}] }} }}");
            Overrides::parse("own.yaml", text.as_bytes()).unwrap()
        };
        let profile = HostProfile {
            shares: vec![crate::model::host_profile::Share {
                host: "~".to_owned(),
                engine: "/hosthome".to_owned(),
            }],
            ..HostProfile::fallback().unwrap()
        };
        for from in ["~/src", "/home/anna/src"] {
            let mut overrides = read(from);
            overrides.share("own.yaml", &profile, "/home/anna").unwrap();
            let a = &overrides.containers["a"];
            assert_eq!(a.mounts[0].from.as_str(), "/hosthome/src");
        }
        let error = read("/srv/x").share("own.yaml", &profile, "/home/anna");
        let error = error.unwrap_err();
        assert!(error.to_string().contains("cannot see /srv/x"), "{error}");
        assert_eq!(error.hints(), ["choose a folder below ~"]);
    }
}
