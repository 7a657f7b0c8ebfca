//! Everything that a subset takes, fetched and verified ahead; nothing is started.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::gather;
use super::intent::Intent;
use super::meanwhile::Meanwhile;
use super::walk::Walk;
use crate::converge::apply::{Failure, Options};
use crate::converge::desired::ports::Ports;
use crate::converge::desired::{self, Inputs, Placement, Secrets};
use crate::converge::observe;
use crate::converge::plan::{Observed, Plan, Step, images};
use crate::converge::select::{self, Request, Selection};
use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::{InstanceRecord, Owner};
use crate::model::host_profile::Host;
use crate::model::identity::Identity;
use crate::model::name::{ConfigurationName, ContainerName};
use crate::model::reference::Reference;
use crate::registry::Registry;
use crate::verify::choose::{self, Chosen, Preparation, Versions};
use crate::verify::evidence::VerifiedImage;

/// What is here now.
#[derive(Debug)]
pub struct Fetched {
    /// The reference that decided.
    pub chosen: Chosen,
    /// The verified images, by container.
    pub images: BTreeMap<ContainerName, VerifiedImage>,
    /// Those that the engine did not have.
    pub pulled: BTreeSet<ContainerName>,
}

/// Which containers of which reference; none named: what the instance was asked for.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// Containers and bundles.
    pub names: Vec<String>,
    /// Everything but one-shots that nobody needs.
    pub all: bool,
    /// Whose versions.
    pub versions: Versions,
}

impl Which {
    /// What an intent is about to start.
    pub(super) fn of(intent: &Intent) -> Self {
        match intent {
            Intent::Add(addition) => Self {
                names: addition.names.clone(),
                all: addition.all,
                versions: addition.versions.clone(),
            },
            Intent::Remove(_) | Intent::Refresh => Self::default(),
        }
    }

    fn request(&self, record: Option<&InstanceRecord>) -> Result<Request> {
        if self.all || !self.names.is_empty() {
            return Ok(Request {
                names: self.names.clone(),
                all: self.all,
                without: Vec::new(),
                proxy: true,
            });
        }
        match record.filter(|it| it.asks_for_something()) {
            Some(record) => Ok(Request::from(record)),
            None => Err(Error::usage(
                "nothing to fetch: no container was ever asked for in this instance",
            )
            .hint("`devenv pull NAME` fetches a container with what it needs, `--all` everything")),
        }
    }
}

/// Fetches and verifies ledger, reference, evidence and images.
///
/// # Errors
/// What does not verify, or cannot be fetched.
pub async fn fetch(session: &Session, open: &OpenPlatform, which: &Which) -> Result<Fetched> {
    let registry = session.registry();
    let preparation = Preparation::new(session, open, registry.as_ref());
    let record = InstanceRecord::load(&session.home.paths, &open.name, &session.instance)?;
    let workstation = &open.workstation;
    let (environment, choice) = choose::choice(workstation, record.as_ref(), &which.versions);
    let chosen = gather::chosen(session, &preparation, &choice).await?;
    let looking = Meanwhile::look(&preparation, None, (&choice, &environment), &chosen);
    if let Some(doubt) = looking.await.doubt() {
        let text = format!("{doubt}: `devenv up` asks before it runs");
        session.reporter.warn(&text);
    }
    let request = which.request(record.as_ref())?;
    let own = record.filter(|_| matches!(which.versions, Versions::Remembered | Versions::Same));
    let own = own.map(|it| it.versions).unwrap_or_default();
    let mixed = gather::mixed(session, open, &preparation, &chosen, &own).await?;
    let selection = select::select(&mixed.reference, &request)?;
    let images = gather::released(&preparation, &chosen, &mixed, &selection).await?;
    let (engine, _) = session.engine()?;
    let fetching = Fetching {
        session,
        open,
        engine: &engine,
        registry: registry.as_ref(),
        reference: &mixed.reference,
        selection: &selection,
        configuration: &workstation.configuration,
    };
    let plan = fetching.pull(&images).await?;
    let pulled = plan.nodes.into_iter().filter_map(|node| match node.step {
        Step::Pull(name) => Some(name),
        _ => None,
    });
    Ok(Fetched {
        pulled: pulled.collect(),
        chosen,
        images,
    })
}

struct Fetching<'a> {
    session: &'a Session,
    open: &'a OpenPlatform,
    engine: &'a Docker,
    registry: Option<&'a Registry>,
    reference: &'a Reference,
    selection: &'a Selection,
    configuration: &'a ConfigurationName,
}

impl Fetching<'_> {
    /// Walks a plan of nothing but pulls and binds, and gives it.
    async fn pull(&self, verified: &BTreeMap<ContainerName, VerifiedImage>) -> Result<Plan> {
        let owner = Owner::load(&self.session.home.paths)?;
        let identity = Identity {
            owner: owner.id,
            platform: self.open.name.clone(),
            instance: self.session.instance.clone(),
        };
        let image = |(name, it): (&ContainerName, &VerifiedImage)| (name.clone(), it.image.clone());
        let for_engine = verified.iter().map(image).collect();
        // Neither ports nor secrets are of any concern to an image.
        let desired = desired::desired(&Inputs {
            reference: self.reference,
            selection: self.selection,
            images: &for_engine,
            identity: &identity,
            configuration: self.configuration,
            host: &Host::unknown()?,
            overrides: &gather::own_overrides(self.session, self.open)?,
            ports: &Ports::default(),
            secrets: &Secrets {
                values: BTreeMap::new(),
                key: owner.key,
            },
            placement: &Placement::Published,
            fillings: &BTreeMap::new(),
        });
        let present = observe::images(self.engine, &desired).await?;
        let plan = images::images(&desired, &present);
        let mirrors = &self.session.home.settings.registry_mirrors.value;
        let walk = Walk::new(self.session, self.engine, &identity);
        let options = Options {
            login: gather::login(self.registry, mirrors, &for_engine, &plan).await?,
            mirrors: mirrors.clone(),
            ..walk.options(Duration::ZERO)
        };
        walk.plan(&plan, &desired, &Observed::default(), &options)
            .await
            .map_err(Failure::into_error)?;
        Ok(plan)
    }
}
