//! One walk of a plan: told while it goes on, with the engine's events at hand, and explained where
//! it fails.

use std::time::Duration;

use super::explain::explain;
use super::unfinished::Journal;
use crate::converge::apply::{self, Failure, Options, Reliance, Watch};
use crate::converge::desired::Desired;
use crate::converge::plan::{Observed, Plan};
use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::home::session::Session;
use crate::model::host_profile::HostProfile;
use crate::model::identity::Identity;
use crate::model::reference::Reference;

/// What walks of one command share.
pub(super) struct Walk<'a> {
    pub(super) session: &'a Session,
    pub(super) engine: &'a Docker,
    pub(super) identity: &'a Identity,
    /// What happens to containers meanwhile.
    pub(super) watch: Watch,
}

impl<'a> Walk<'a> {
    /// A walk that starts containers: `profile` tells what the engine's events can be relied on for.
    pub(super) fn watching(
        session: &'a Session,
        engine: &'a Docker,
        identity: &'a Identity,
        profile: &HostProfile,
    ) -> Self {
        Self {
            watch: Watch::new(Reliance::of(profile)),
            ..Self::new(session, engine, identity)
        }
    }

    /// A walk that starts nothing.
    pub(super) fn new(session: &'a Session, engine: &'a Docker, identity: &'a Identity) -> Self {
        Self {
            session,
            engine,
            identity,
            watch: Watch::default(),
        }
    }

    /// How plans are walked: `wait` is how long one container may take.
    pub(super) fn options(&self, wait: Duration) -> Options {
        Options {
            concurrency: self.session.home.settings.concurrency.value,
            wait,
            ..Options::default()
        }
    }

    /// Shows what is done, and keeps what would go on without this command.
    pub(super) fn reporter(&self) -> Journal<'_> {
        let path = self.session.home.paths.unfinished(self.identity);
        Journal::new(path, self.session.reporter.plan())
    }

    /// Walks a plan once.
    pub(super) async fn plan(
        &self,
        plan: &Plan,
        desired: &Desired,
        observed: &Observed,
        options: &Options,
    ) -> Result<(), Failure> {
        let reporter = self.reporter();
        let context = apply::Context {
            engine: self.engine,
            reporter: &reporter,
            identity: self.identity,
            desired,
            observed,
            options,
            watch: &self.watch,
        };
        apply::apply(&context, plan).await
    }

    /// Does the work with the engine's events subscribed before it begins; a container that does not
    /// get ready is explained by what the engine knows of it.
    pub(super) async fn following<T>(
        &self,
        reference: Option<&Reference>,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T> {
        let label = apply::event_label(self.identity);
        let following = self.watch.follow(self.engine, &label).await?;
        let result = tokio::select! {
            result = work => result,
            never = following => match never {},
        };
        match (result, reference) {
            (Ok(done), _) => Ok(done),
            (Err(failure), Some(reference)) => Err(self.explained(failure, reference).await),
            (Err(failure), None) => Err(failure.into_error()),
        }
    }

    /// A container that an engine ended with itself is not to blame.
    async fn explained(&self, failure: Failure, reference: &Reference) -> Error {
        let blamed = matches!(failure, Failure::NotReady { .. });
        let error = explain(self.engine, reference, failure).await;
        if blamed && self.watch.was_interrupted() {
            return error.within(
                "the engine was away while this waited: it was restarted, perhaps, which ends containers",
            );
        }
        error
    }
}
