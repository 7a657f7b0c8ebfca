//! Beginning again with empty volumes, which images fill as at their first start.

use std::collections::BTreeMap;

use super::volumes;
use crate::error::{Error, Result};
use crate::instance::intent::{Intent, Manner};
use crate::instance::running::Running;
use crate::instance::{Brought, Instance};
use crate::model::name::ContainerName;
use crate::model::snapshot::SavedVolume;

impl Instance<'_> {
    /// Brings the instance to what is intended, the data of these containers gone, once the user agreed.
    /// Where that does not get ready, the data is what it was before.
    ///
    /// # Errors
    /// A refused question; as [`Self::up`].
    pub(in crate::instance) async fn up_afresh(
        &self,
        names: &[ContainerName],
        intent: &Intent,
        manner: Manner,
    ) -> Result<Brought> {
        let running = Running::look(self.session, self.open).await?;
        let there = &running.observation.observed.volumes;
        let found = volumes::of_instance(&self.identity, &self.data()?, there).into_iter();
        let emptied: Vec<SavedVolume> = found
            .filter(|it| names.contains(&it.container))
            .map(|it| SavedVolume {
                container: it.container,
                volume: it.volume,
                chunks: Vec::new(),
            })
            .collect();
        let reporter = &self.session.reporter;
        if emptied.is_empty() {
            reporter.note("nothing to begin again: there is no data yet");
            return Box::pin(self.up_under_lock(intent, manner)).await;
        }
        let text: Vec<String> = emptied.iter().map(ToString::to_string).collect();
        reporter.note(&format!(
            "all data in these will be removed: {}",
            text.join(", ")
        ));
        if !reporter.confirm("begin again with empty volumes?", "--yes")? {
            return Err(Error::usage("nothing was changed").hint(
                "`devenv snapshot save NAME` keeps what is there before `devenv up --fresh`",
            ));
        }
        self.fill(&running, &emptied, &BTreeMap::new()).await?;
        self.try_out(intent, manner).await.map_err(|error| {
            error.hint("the data is what it was before; `devenv up` starts what ran on it")
        })
    }
}
