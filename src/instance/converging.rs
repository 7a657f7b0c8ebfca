//! What was planned is walked until it is there, and waited for.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Instance;
use super::filling::{Emptied, Feeder};
use super::forwarding::Forwarding;
use super::gather;
use super::intent::Until;
use super::up::{Done, Up};
use super::walk::Walk;
use crate::converge::apply::{self, Failure};
use crate::converge::goal::{Goal, Planned};
use crate::converge::ready::Waiting;
use crate::error::Result;
use crate::model::name::ContainerName;

impl Up<'_> {
    /// Converges, on new volumes where some are filled at their first start; those go where that does not
    /// come to its end.
    pub(super) async fn fill(
        &self,
        goal: &Goal<'_>,
        forwarding: &Forwarding<'_>,
        mut planned: Planned,
        unproven: &BTreeSet<ContainerName>,
        mut feeder: Feeder,
    ) -> Result<Done> {
        let instance = self.instance;
        let places = feeder.begin(instance, &mut planned).await?;
        if places.is_empty() && feeder.is_idle() {
            let filler = Arc::new(feeder);
            return self
                .converge(goal, forwarding, planned, unproven, filler)
                .await;
        }
        let (mut overrides, fillings) = (goal.overrides.clone(), feeder.fillings());
        overrides.volumes.extend(places);
        let goal = Goal {
            overrides: &overrides,
            fillings: &fillings,
            ..*goal
        };
        let done = async {
            let planned = goal.plan(&instance.engine, planned.observation).await?;
            let filler = Arc::new(feeder);
            self.converge(&goal, forwarding, planned, unproven, filler)
                .await
        };
        let error = match Box::pin(done).await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let is_first =
            instance.data()?.unfinished.is_some() && matches!(self.emptied, Emptied::Nothing);
        if let Err(other) = instance.undo_restore().await {
            instance.session.reporter.warn(&other.chain().join(": "));
        } else if is_first {
            let text =
                "what was not filled to its end is removed again; `devenv up` begins once more";
            return Err(error.hint(text));
        }
        Err(error)
    }

    async fn converge(
        &self,
        goal: &Goal<'_>,
        forwarding: &Forwarding<'_>,
        planned: Planned,
        unproven: &BTreeSet<ContainerName>,
        filler: Arc<Feeder>,
    ) -> Result<Done> {
        let Instance {
            session,
            ref engine,
            ref identity,
            ..
        } = *self.instance;
        let walk = Walk::watching(session, engine, identity, &self.host.profile);
        let waiting = Waiting {
            engine,
            watch: &walk.watch,
            identity,
            reference: goal.reference,
            address: goal.host.address(),
            limit: self.manner.limit,
        };
        let is_proven = unproven.is_empty() || self.manner.until != Until::Ready;
        if planned.plan.is_empty()
            && is_proven
            && let Some(ready) = waiting.already(&planned)
        {
            let mended = forwarding.settle(&planned.ports).await?;
            if self.manner.until == Until::Ready {
                forwarding.prove(goal.reference, &planned, mended).await?;
            }
            return Ok((planned, ready));
        }
        let mirrors = &session.home.settings.registry_mirrors.value;
        let options = apply::Options {
            login: gather::login(self.registry, mirrors, goal.images, &planned.plan).await?,
            mirrors: mirrors.clone(),
            secrets: goal.secrets.values.clone(),
            filler: Some(filler),
            ..walk.options(self.manner.limit)
        };
        let work = Box::pin(async {
            let reporter = walk.reporter();
            let planned = goal
                .converge(engine, &reporter, &options, &walk.watch, planned)
                .await?;
            let settled = forwarding.settle(&planned.ports).await;
            settled.map_err(Failure::Other)?;
            let mut ready = waiting.untouched(&planned);
            if self.manner.until == Until::Ready {
                ready = waiting.all(&planned).await?;
                waiting.routes(&planned, unproven).await?;
                let proven = forwarding.prove(goal.reference, &planned, true).await;
                proven.map_err(Failure::Other)?;
            }
            Ok((planned, ready))
        });
        walk.following(Some(goal.reference), work).await
    }
}
