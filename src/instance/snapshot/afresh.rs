//! Beginning again with empty volumes, which images fill as at their first start.

use super::restore::New;
use super::volumes;
use crate::error::{Error, Result};
use crate::instance::filling::Emptied;
use crate::instance::intent::{Intent, Manner};
use crate::instance::running::Running;
use crate::instance::{Brought, Instance};
use crate::model::name::ContainerName;

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
        let emptied: Vec<_> = found.filter(|it| names.contains(&it.container)).collect();
        let reporter = &self.session.reporter;
        if emptied.is_empty() {
            reporter.note("nothing to begin again: there is no data yet");
            return Box::pin(self.up_under_lock(intent, manner, Emptied::Nothing)).await;
        }
        let text = emptied.iter();
        let text: Vec<String> = text
            .map(|it| format!("{} of {}", it.volume, it.container))
            .collect();
        reporter.note(&format!(
            "all data in these will be removed: {}",
            text.join(", ")
        ));
        if !reporter.confirm("begin again with empty volumes?", "--yes")? {
            return Err(Error::usage("nothing was changed").hint(
                "`devenv snapshot save NAME` keeps what is there before `devenv up --fresh`",
            ));
        }
        let emptied = emptied.iter();
        let new = New {
            volumes: emptied.map(|it| (&it.container, &it.volume)).collect(),
            files: &[],
            snapshot: None,
        };
        self.fill(&running, &new).await?;
        let emptied = Emptied::Of(names);
        let brought = self.try_out(intent, manner, emptied).await;
        brought.map_err(|error| {
            error.hint("the data is what it was before; `devenv up` starts what ran on it")
        })
    }
}
