//! What the user asks of an instance, beyond what it remembers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::pin;
use crate::error::{Error, Result};
use crate::home::state::{InstanceRecord, ReferenceRecord, VersionRecord};
use crate::model::name::{BundleName, ConfigurationName, ContainerName, EnvironmentName, Version};
use crate::model::platform::Workstation;
use crate::model::reference::{Reference, ReferenceContainer};
use crate::verify::choose::{Chosen, Versions};

/// What is to become of an instance.
#[derive(Debug, Clone)]
pub enum Intent {
    /// Containers are added to what it runs; without any it is brought back to what it remembers.
    Add(Box<Addition>),
    /// These containers and bundles go, and what only they needed.
    Remove(Vec<String>),
    /// What runs from proposals is built and replaced; all else stays, the reference too.
    Refresh,
}

/// What is added, and what changes for the instance as a whole.
#[derive(Debug, Clone, Default)]
pub struct Addition {
    /// Containers and bundles.
    pub names: Vec<String>,
    /// Everything but one-shots that nobody needs.
    pub all: bool,
    /// Containers to leave out although they are needed.
    pub without: Vec<String>,
    /// Whether the proxy runs, where that is to change.
    pub proxy: Option<bool>,
    /// Whose versions run.
    pub versions: Versions,
    /// Whether a reference that was never promoted anywhere may run.
    pub unpromoted: bool,
    /// Whether older code may start on data that newer code wrote.
    pub over_newer_data: bool,
    /// Containers whose data goes first.
    pub fresh: Vec<ContainerName>,
    /// Which settings the images use, where that is to change.
    pub configuration: Option<ConfigurationName>,
    /// Host ports, by the port that the definition publishes.
    pub ports: BTreeMap<u16, u16>,
    /// Where containers come from, for those for which that is to change.
    pub sources: BTreeMap<ContainerName, RunFrom>,
    /// How many copies of containers run, for those for which that is to change.
    pub replicas: BTreeMap<ContainerName, u16>,
    /// Where log files go.
    pub logs_to: LogsTo,
}

/// Where a container comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunFrom {
    /// The developer's own proposal.
    Proposal,
    /// This released version, whatever the reference has.
    Version(Version),
    /// The same, where its image is known already.
    Exactly(VersionRecord),
    /// Production's release, as the reference has it.
    Release {
        /// When the proposal began that is there and is not to run.
        declined: Option<Timestamp>,
    },
}

/// Where log files go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LogsTo {
    /// As the instance remembers.
    #[default]
    Kept,
    /// To volumes.
    Volumes,
    /// To this folder of this machine.
    Folder(PathBuf),
}

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// The plan: nothing is asked, saved or changed.
    Planned,
    /// Everything is started.
    Started,
    /// Everything is ready.
    Ready,
}

/// How an intent is carried out.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// How far.
    pub until: Until,
    /// How long one container may take.
    pub limit: Duration,
}

impl Manner {
    /// Whether only the plan is wanted.
    pub fn is_plan(self) -> bool {
        self.until == Until::Planned
    }
}

static NO_PORTS: BTreeMap<u16, u16> = BTreeMap::new();

impl Intent {
    /// Whose versions run.
    pub(super) fn versions(&self) -> &Versions {
        match self {
            Self::Add(addition) => &addition.versions,
            Self::Remove(_) => &Versions::Remembered,
            Self::Refresh => &Versions::Same,
        }
    }

    /// Whether both are named: whose versions run, and with which settings.
    pub(super) fn says_what_runs(&self) -> bool {
        match self {
            Self::Add(addition) => {
                addition.versions.environment().is_some() && addition.configuration.is_some()
            }
            Self::Remove(_) | Self::Refresh => false,
        }
    }

    /// Whether a reference that was never promoted anywhere may run.
    pub(super) fn takes_unpromoted(&self) -> bool {
        matches!(self, Self::Add(addition) if addition.unpromoted)
    }

    /// Whether older code may start on data that newer code wrote.
    pub(super) fn takes_newer_data(&self) -> bool {
        matches!(self, Self::Add(addition) if addition.over_newer_data)
    }

    /// The settings that are named.
    pub(super) fn configuration(&self) -> Option<&ConfigurationName> {
        match self {
            Self::Add(addition) => addition.configuration.as_ref(),
            Self::Remove(_) | Self::Refresh => None,
        }
    }

    /// Host ports that the user chose.
    pub(super) fn ports(&self) -> &BTreeMap<u16, u16> {
        match self {
            Self::Add(addition) => &addition.ports,
            Self::Remove(_) | Self::Refresh => &NO_PORTS,
        }
    }

    /// Every name that is said.
    fn named(&self) -> Vec<&String> {
        match self {
            Self::Add(addition) => addition.names.iter().chain(&addition.without).collect(),
            Self::Remove(names) => names.iter().collect(),
            Self::Refresh => Vec::new(),
        }
    }

    /// Where log files go.
    pub(super) fn logs_to(&self) -> &LogsTo {
        match self {
            Self::Add(addition) => &addition.logs_to,
            Self::Remove(_) | Self::Refresh => &LogsTo::Kept,
        }
    }

    /// The versions that are named; with the image, where that is known.
    pub(super) fn named_versions(
        &self,
    ) -> impl Iterator<Item = (&ContainerName, &Version, Option<&VersionRecord>)> {
        let sources = match self {
            Self::Add(addition) => Some(&addition.sources),
            Self::Remove(_) | Self::Refresh => None,
        };
        let all = sources.into_iter().flatten();
        all.filter_map(|(name, from)| match from {
            RunFrom::Version(version) => Some((name, version, None)),
            RunFrom::Exactly(known) => Some((name, &known.version, Some(known))),
            RunFrom::Proposal | RunFrom::Release { .. } => None,
        })
    }

    /// What the instance remembers from now on; `versions` are the named ones as they were found.
    ///
    /// # Errors
    /// A container that goes back to its release, but was never released; more copies than the proxy knows.
    pub(super) fn applied(
        &self,
        workstation: &Workstation,
        record: Option<InstanceRecord>,
        environment: EnvironmentName,
        chosen: &Chosen,
        versions: BTreeMap<ContainerName, VersionRecord>,
    ) -> Result<InstanceRecord> {
        let reference = ReferenceRecord {
            number: chosen.verified.reference.number,
            digest: chosen.verified.proxy.image.digest,
        };
        let mut next = record.unwrap_or_else(|| InstanceRecord {
            asked: Vec::new(),
            all: false,
            without: Vec::new(),
            proxy: true,
            environment: environment.clone(),
            reference,
            pinned: false,
            versions: BTreeMap::new(),
            configuration: workstation.configuration.clone(),
            local: BTreeSet::new(),
            declined: BTreeMap::new(),
            replicas: BTreeMap::new(),
            logs_to: None,
            unproven: BTreeSet::new(),
            ports: BTreeMap::new(),
        });
        next.environment = environment;
        next.reference = reference;
        if *self.versions() != Versions::Same {
            next.pinned = chosen.pinned;
        }
        let is_named = self.versions().environment().is_some();
        let gone = match self {
            Self::Remove(names) => &names[..],
            Self::Add(_) | Self::Refresh => &[],
        };
        let bundles = &chosen.verified.reference.bundles;
        pin::end(&mut next.versions, is_named, gone, bundles);
        next.versions.extend(versions);
        refuse_copies(&chosen.verified.reference, &next, self.named())?;
        match self {
            Self::Add(addition) => addition.apply(&mut next, chosen)?,
            Self::Remove(names) => {
                let reference = &chosen.verified.reference;
                next.replicas
                    .retain(|name, _| !names.iter().any(|it| it == name.as_str()));
                if std::mem::take(&mut next.all) {
                    next.asked.extend(everything(reference));
                }
                next.asked = left(&next.asked, names, &reference.bundles);
            }
            Self::Refresh => {}
        }
        Ok(next)
    }
}

/// What `--all` asks for.
fn everything(reference: &Reference) -> impl Iterator<Item = String> {
    let runs = |entry: &ReferenceContainer| !entry.run.once;
    let all = reference.containers.iter();
    all.filter(move |(_, entry)| runs(entry))
        .map(|(name, _)| name.to_string())
}

/// What is still asked for once these containers and bundles are gone. A bundle that loses some of its
/// containers is asked for by the others.
pub(super) fn left(
    asked: &[String],
    gone: &[String],
    bundles: &BTreeMap<BundleName, Vec<ContainerName>>,
) -> Vec<String> {
    let members = |name: &String| bundles.get(name.as_str()).into_iter().flatten();
    let all = gone.iter().flat_map(members).map(ToString::to_string);
    let gone: BTreeSet<String> = gone.iter().cloned().chain(all).collect();
    let still = |name: &ContainerName| !gone.contains(name.as_str());
    let mut left = BTreeSet::new();
    for name in asked.iter().filter(|it| !gone.contains(*it)) {
        if members(name).all(still) {
            left.insert(name.clone());
        } else {
            left.extend(
                members(name)
                    .filter(|it| still(it))
                    .map(ToString::to_string),
            );
        }
    }
    left.into_iter().collect()
}

impl Addition {
    fn apply(&self, next: &mut InstanceRecord, chosen: &Chosen) -> Result<()> {
        if let Some(configuration) = &self.configuration {
            next.configuration = configuration.clone();
        }
        next.all |= self.all;
        next.proxy = self.proxy.unwrap_or(next.proxy);
        next.asked.extend(self.names.iter().cloned());
        next.without.extend(self.without.iter().cloned());
        next.without.retain(|name| !self.names.contains(name));
        for (name, count) in &self.replicas {
            refuse_unknown_copies(&chosen.verified.reference, name, *count)?;
            next.replicas.insert(name.clone(), *count);
        }
        next.replicas.retain(|_, count| *count > 1);
        for list in [&mut next.asked, &mut next.without] {
            list.sort();
            list.dedup();
        }
        for (name, from) in &self.sources {
            next.declined.remove(name);
            match from {
                RunFrom::Proposal => {
                    refuse_both(name, next.versions.contains_key(name))?;
                    next.local.insert(name.clone());
                }
                RunFrom::Version(_) | RunFrom::Exactly(_) => {
                    refuse_both(name, next.local.contains(name))?;
                }
                RunFrom::Release { declined } => {
                    refuse_unreleased(chosen, name, *declined)?;
                    next.local.remove(name);
                    next.versions.remove(name);
                    next.declined
                        .extend(declined.map(|begun| (name.clone(), begun)));
                }
            }
        }
        Ok(())
    }
}

/// What is remembered are containers: a copy is none by itself.
fn refuse_copies(
    reference: &Reference,
    record: &InstanceRecord,
    names: Vec<&String>,
) -> Result<()> {
    let spread = record.spread(reference);
    let copy = names.into_iter().find_map(|name| {
        let member = spread.members.get(name.as_str())?;
        (member.of.as_str() != name).then_some((name, &member.of))
    });
    let Some((name, of)) = copy else {
        return Ok(());
    };
    let text = format!("`{name}` is a copy of {of}, which is started and ended as a whole");
    Err(Error::usage(text).hint(format!("`devenv up --replicas {of}=1` runs one of it")))
}

/// The proxy knows as many copies as any environment runs.
fn refuse_unknown_copies(reference: &Reference, name: &ContainerName, count: u16) -> Result<()> {
    let number = reference.number;
    let Some(entry) = reference.containers.get(name) else {
        let text = format!("reference {number} has no container called `{name}`");
        return Err(Error::usage(text));
    };
    let most = entry.run.most();
    if (1..=most).contains(&count) {
        return Ok(());
    }
    let text = format!(
        "{name} cannot run {count} times: the proxy of reference {number} knows {most} of it"
    );
    let hint =
        format!("`replicas` in containers/{name}/container.yaml says how many an environment runs");
    Err(Error::usage(text).hint(hint))
}

/// One container cannot run from a proposal and as a released version.
fn refuse_both(name: &ContainerName, both: bool) -> Result<()> {
    if !both {
        return Ok(());
    }
    let text = format!(
        "{name} cannot run from your proposal and as a version of its own at the same time"
    );
    Err(Error::usage(text).hint(format!(
        "`devenv up {name}:reference` first: it runs as the reference has it"
    )))
}

/// A container that exists in a proposal alone has no release to go back to.
fn refuse_unreleased(
    chosen: &Chosen,
    name: &ContainerName,
    declined: Option<Timestamp>,
) -> Result<()> {
    let reference = &chosen.verified.reference;
    if declined.is_none() || reference.containers.contains_key(name) {
        return Ok(());
    }
    let text = format!("reference {} has no {name} to go back to", reference.number);
    Err(Error::usage(text).hint(format!(
        "`devenv down {name}` ends the one from your proposal"
    )))
}
