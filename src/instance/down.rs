//! An instance ends: its containers and networks go; volumes only where that is asked for.

use std::collections::BTreeSet;
use std::time::Duration;

use super::walk::Walk;
use super::{Instance, forward, intent, mirror};
use crate::converge::apply::Failure;
use crate::converge::desired::{self, Dependencies, Desired};
use crate::converge::observe::Observation;
use crate::converge::plan::{Plan, removal};
use crate::error::{Error, Result};
use crate::home::data::DataRecord;
use crate::home::state::InstanceRecord;
use crate::instance::running::cached_reference;
use crate::model::name::ContainerName;

/// How long a container may take to stop, beyond its own grace.
const LIMIT: Duration = Duration::from_secs(60);

/// What went, or would go.
#[derive(Debug)]
pub struct Removed {
    /// What was done, or would be.
    pub plan: Plan,
    /// The containers that were there.
    pub containers: Vec<ContainerName>,
}

impl Instance<'_> {
    /// Whether nothing that was asked for is left once these containers and bundles are gone.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub async fn ends_without(&self, names: &[String]) -> Result<bool> {
        let Some(record) = self.record()? else {
            return Ok(true);
        };
        let reference = cached_reference(self.session, self.open, &record).await;
        let bundles = reference.map(|it| it.bundles).unwrap_or_default();
        Ok(!record.all && intent::left(&record.asked, names, &bundles).is_empty())
    }

    /// What ending the instance would do.
    ///
    /// # Errors
    /// An engine that does not answer.
    pub async fn plan_down(&self, volumes: bool) -> Result<Removed> {
        Ok(self.removal(volumes).await?.0)
    }

    /// Ends the instance. What is in volumes is asked about before it goes.
    ///
    /// # Errors
    /// A refused question, or an engine that does not let something go.
    pub async fn down(&self, volumes: bool) -> Result<Removed> {
        self.end(volumes, true).await
    }

    /// Ends an instance that a command made for itself, with its volumes. Nobody is asked.
    ///
    /// # Errors
    /// An engine that does not let something go.
    pub async fn discard(&self) -> Result<Removed> {
        self.end(true, false).await
    }

    async fn end(&self, volumes: bool, asks: bool) -> Result<Removed> {
        let _lock = self.lock().await?;
        let (removed, observation) = self.removal(volumes).await?;
        let observed = &observation.observed;
        if volumes && asks && !observed.volumes.is_empty() {
            let volumes: Vec<&str> = observed.volumes.iter().map(String::as_str).collect();
            self.ask(&volumes)?;
        }
        if removed.plan.is_empty() {
            self.session.reporter.note("nothing runs");
        }
        let record = self.record()?;
        mirror::copy_out(&self.engine, &self.identity, record.as_ref()).await?;
        let walk = Walk::new(self.session, &self.engine, &self.identity);
        walk.plan(
            &removed.plan,
            &Desired::default(),
            observed,
            &walk.options(LIMIT),
        )
        .await
        .map_err(Failure::into_error)?;
        let paths = &self.session.home.paths;
        let files = forward::Files::new(paths, &self.open.name, &self.session.instance);
        forward::Forwarder::new(files).stop().await?;
        if !asks {
            self.change_data(|data| *data = DataRecord::default())?;
        }
        self.forget(record, volumes.then_some(&observed.volumes))?;
        Ok(removed)
    }

    async fn removal(&self, volumes: bool) -> Result<(Removed, Observation)> {
        let observation = Observation::take(&self.engine, &self.identity).await?;
        let dependencies = self.dependencies().await?;
        let removed = Removed {
            plan: removal::instance(&observation.observed, &dependencies, volumes),
            containers: observation.observed.containers.keys().cloned().collect(),
        };
        Ok((removed, observation))
    }

    fn ask(&self, volumes: &[&str]) -> Result<()> {
        let reporter = &self.session.reporter;
        reporter.note(&format!(
            "these volumes and all data in them will be removed:\n  {}",
            volumes.join("\n  ")
        ));
        if reporter.confirm("remove them?", "--yes")? {
            return Ok(());
        }
        Err(Error::usage("nothing was removed"))
    }

    /// Who needs whom, from the reference that runs.
    async fn dependencies(&self) -> Result<Dependencies> {
        let Some(record) = self.record()? else {
            return Ok(Dependencies::new());
        };
        let reference = cached_reference(self.session, self.open, &record).await;
        let of = |it: crate::model::reference::Reference| {
            desired::dependencies(&it, it.containers.keys())
        };
        Ok(reference.map(of).unwrap_or_default())
    }

    /// With the volumes goes all that is remembered.
    fn forget(
        &self,
        record: Option<InstanceRecord>,
        volumes: Option<&BTreeSet<String>>,
    ) -> Result<()> {
        if let Some(volumes) = volumes {
            self.change_data(|data| data.forget(volumes))?;
        }
        let Some(mut record) = record else {
            return Ok(());
        };
        // What is on another engine is still this instance's.
        if volumes.is_some() && self.data()? == DataRecord::default() {
            let paths = &self.session.home.paths;
            return InstanceRecord::remove(paths, &self.open.name, &self.session.instance);
        }
        record.end();
        self.save(&record)
    }
}
