//! An instance as it is now: what commands on existing containers begin with.

use crate::converge::observe::Observation;
use crate::converge::plan::lifecycle::Entries;
use crate::converge::select;
use crate::engine;
use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::{InstanceRecord, Owner};
use crate::model::identity::Identity;
use crate::model::name::{ContainerName, InstanceName};
use crate::model::observed::{ContainerState, ObservedContainer};
use crate::model::reference::Reference;
use crate::verify::choose::{Choice, Preparation};

/// Whose objects an instance's are.
pub fn identity(session: &Session, open: &OpenPlatform) -> Result<Identity> {
    Ok(Identity {
        owner: Owner::load(&session.home.paths)?.id,
        platform: open.name.clone(),
        instance: session.instance.clone(),
    })
}

/// The reference that an instance runs, verified again, if it is still in the cache; an entry for each copy.
pub async fn cached_reference(
    session: &Session,
    open: &OpenPlatform,
    record: &InstanceRecord,
) -> Option<Reference> {
    let preparation = Preparation::new(session, open, None);
    let choice = Choice::Pinned(record.reference.number, record.reference.digest);
    preparation
        .choose(&choice)
        .await
        .ok()
        .map(|chosen| record.spread(&chosen.verified.reference))
}

/// What an instance is, remembers and runs.
pub struct Running {
    /// Where.
    pub engine: Docker,
    /// Why there.
    pub choice: engine::Choice,
    /// Whose objects.
    pub identity: Identity,
    /// What was observed.
    pub observation: Observation,
    /// What it remembers.
    pub record: Option<InstanceRecord>,
    /// What it runs, if it is still known.
    pub reference: Option<Reference>,
}

impl Running {
    /// One look at the engine; nothing else is asked.
    pub async fn look(session: &Session, open: &OpenPlatform) -> Result<Self> {
        Self::look_at(session, open, &session.instance).await
    }

    /// The same of another instance of the platform.
    pub async fn look_at(
        session: &Session,
        open: &OpenPlatform,
        instance: &InstanceName,
    ) -> Result<Self> {
        let (engine, choice) = session.engine()?;
        let identity = Identity {
            instance: instance.clone(),
            ..identity(session, open)?
        };
        let record = InstanceRecord::load(&session.home.paths, &open.name, instance)?;
        let mut observation = Observation::take(&engine, &identity).await?;
        observation.mounts(&engine).await?;
        let reference = match &record {
            Some(record) => cached_reference(session, open, record).await,
            None => None,
        };
        Ok(Self {
            engine,
            choice,
            identity,
            observation,
            record,
            reference,
        })
    }

    /// The container that has the instance's own name for it.
    pub fn current(&self, name: &ContainerName) -> Option<&ObservedContainer> {
        let object = self.identity.object(name);
        self.observation.observed.current(name, &object)
    }

    /// Who needs whom, as far as the reference is known.
    pub(super) fn entries(&self) -> Entries {
        let reference = self.reference.as_ref();
        reference
            .map(|it| it.containers.clone())
            .unwrap_or_default()
    }

    /// Containers and bundles by name; all that are there without names.
    pub fn names(&self, names: &[String]) -> Result<Vec<ContainerName>> {
        let containers = &self.observation.observed.containers;
        if names.is_empty() {
            return Ok(containers.keys().cloned().collect());
        }
        let mut all = Vec::new();
        for name in names {
            match (containers.get_key_value(name.as_str()), &self.reference) {
                (Some((name, _)), _) => all.push(name.clone()),
                (None, Some(reference)) => {
                    all.extend(select::expand(reference, std::slice::from_ref(name))?);
                }
                (None, None) => {
                    all.push(ContainerName::new(name.as_str()).map_err(Error::usage)?);
                }
            }
        }
        all.sort();
        all.dedup();
        Ok(all)
    }

    /// Those of these names that are there; one that is not is an error.
    pub fn present(&self, names: &[ContainerName]) -> Result<Vec<ContainerName>> {
        match names.iter().find(|name| self.current(name).is_none()) {
            None => Ok(names.to_vec()),
            Some(name) => Err(Error::usage(format!(
                "{name} does not run in the instance {}",
                self.identity.instance
            ))
            .hint(format!("`devenv up {name}` starts it"))),
        }
    }

    /// A container in which commands can run, else an error that says what to do.
    pub fn ready_for_commands(&self, name: &str) -> Result<&ObservedContainer> {
        let names = self.names(&[name.to_owned()])?;
        let [name] = names.as_slice() else {
            let names: Vec<_> = names.iter().map(ContainerName::as_str).collect();
            return Err(Error::usage(format!("`{name}` is a bundle"))
                .hint(format!("name one of: {}", names.join(", "))));
        };
        let missing = || {
            Error::usage(format!(
                "{name} does not run in the instance {}",
                self.identity.instance
            ))
            .hint(format!("`devenv up {name}` starts it"))
        };
        let container = self.current(name).ok_or_else(missing)?;
        match container.state {
            ContainerState::Running => Ok(container),
            ContainerState::Paused => Err(Error::usage(format!("{name} is paused"))
                .hint(format!("`devenv resume {name}` lets it go on"))),
            ContainerState::Exited(code) => {
                let code = code.map_or_else(String::new, |code| format!(" (exit code {code})"));
                Err(Error::usage(format!("{name} has stopped{code}"))
                    .hint(format!("`devenv logs {name}` may tell why"))
                    .hint(format!("`devenv up {name}` starts it again")))
            }
            ContainerState::Restarting => Err(Error::usage(format!("{name} is just restarting"))
                .hint(format!("`devenv logs {name}` may tell why"))),
            _ => Err(missing()),
        }
    }
}
