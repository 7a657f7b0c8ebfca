//! Everything that a subset takes, fetched and verified ahead; nothing is started.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::gather;
use crate::apply::{self, Failure, Options, Watch};
use crate::context::{Context, OpenPlatform};
use crate::converge::observe;
use crate::desired::ports::Ports;
use crate::desired::{self, Inputs, Secrets};
use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::evidence::VerifiedImage;
use crate::model::host_profile::Host;
use crate::model::identity::Identity;
use crate::model::name::ContainerName;
use crate::plan::{Observed, Plan, Step, images};
use crate::prepare::{self, Chosen, Preparation, Wish};
use crate::proposals::Locals;
use crate::registry::Registry;
use crate::select::{self, Request, Selection};
use crate::state::{InstanceRecord, Owner};
use crate::ui::progress::Progress;

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

/// Fetches and verifies what `wish` names, or what the instance runs: ledger, reference, evidence
/// and images.
pub async fn fetch(context: &Context, open: &OpenPlatform, wish: &Wish) -> Result<Fetched> {
    let registry = context.registry();
    let preparation = Preparation::new(context, open, registry.as_ref());
    let record = InstanceRecord::load(&context.paths, &open.name, &context.instance)?;
    let (_, choice) = prepare::choice(open, record.as_ref(), wish);
    let chosen = preparation.choose(&choice).await?;
    for warning in &chosen.warnings {
        context.ui.warn(warning);
    }
    let selection = select::select(&chosen.verified.reference, &request(wish, record.as_ref())?)?;
    let images = gather::images(&preparation, &chosen, &Locals::default(), &selection).await?;
    let (engine, _) = context.engine()?;
    let fetching = Fetching {
        context,
        open,
        engine: &engine,
        registry: registry.as_ref(),
        chosen: &chosen,
        selection: &selection,
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

/// The names that were given, else what the instance was asked for.
fn request(wish: &Wish, record: Option<&InstanceRecord>) -> Result<Request> {
    if wish.all || !wish.names.is_empty() {
        return Ok(Request {
            names: wish.names.clone(),
            all: wish.all,
            without: Vec::new(),
            proxy: true,
        });
    }
    match record.filter(|it| it.all || !it.asked.is_empty()) {
        Some(record) => Ok(Request {
            names: record.asked.clone(),
            all: record.all,
            without: record.without.clone(),
            proxy: record.proxy,
        }),
        None => Err(Error::usage(
            "nothing to fetch: no container was ever asked for in this instance",
        )
        .hint("`devenv pull NAME` fetches a container with what it needs, `--all` everything")),
    }
}

struct Fetching<'a> {
    context: &'a Context,
    open: &'a OpenPlatform,
    engine: &'a Docker,
    registry: Option<&'a Registry>,
    chosen: &'a Chosen,
    selection: &'a Selection,
}

impl Fetching<'_> {
    /// Walks a plan of nothing but pulls and binds, and gives it.
    async fn pull(&self, verified: &BTreeMap<ContainerName, VerifiedImage>) -> Result<Plan> {
        let owner = Owner::load(&self.context.paths)?;
        let identity = Identity {
            owner: owner.id,
            platform: self.open.name.clone(),
            instance: self.context.instance.clone(),
        };
        let for_engine = gather::for_engine(verified);
        // Neither ports nor secrets are of any concern to an image.
        let desired = desired::desired(&Inputs {
            reference: &self.chosen.verified.reference,
            selection: self.selection,
            images: &for_engine,
            identity: &identity,
            configuration: &self.open.platform.workstation.configuration,
            host: &Host::unknown()?,
            overrides: &gather::own_overrides(self.context, self.open)?,
            ports: &Ports::default(),
            secrets: &Secrets {
                values: BTreeMap::new(),
                key: owner.key,
            },
        });
        let present = observe::images(self.engine, &desired).await?;
        let plan = images::images(&desired, &present);
        let mirrors = &self.context.settings.registry_mirrors.value;
        let options = Options {
            concurrency: self.context.settings.concurrency.value,
            wait: Duration::ZERO,
            login: gather::login(self.registry, mirrors, &for_engine, &plan).await?,
            mirrors: mirrors.clone(),
        };
        let progress = Progress::new(&self.context.ui);
        let apply_context = apply::Context {
            engine: self.engine,
            reporter: &progress,
            identity: &identity,
            desired: &desired,
            observed: &Observed::default(),
            options: &options,
            watch: &Watch::default(),
        };
        apply::apply(&apply_context, &plan)
            .await
            .map_err(Failure::into_error)?;
        Ok(plan)
    }
}
