//! From what is to be released to an image under its staging tag, judged by the policy.

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::attempt::Attempt;
use super::image::{Naming, asks_by_path};
use super::layout::Layout;
use super::norms::Candidate;
use super::order::{Content, Made, Order, Prepared, Source};
use super::{Desk, Workshop};
use crate::engine::docker::Docker;
use crate::error::{Error, Result};

impl Desk<'_> {
    /// Up to the staging tag. What was built is judged before it leaves the engine.
    pub(super) async fn make(
        &self,
        workshop: &Workshop<'_>,
        prepared: &Prepared,
        order: &Order,
        attempt: &Attempt,
    ) -> Result<Made> {
        let platform = &prepared.checkout.catalogue.platform;
        let docker = workshop.docker;
        let candidate = Candidate {
            container: &order.container,
            version: order.version.as_str(),
            definition: prepared.checkout.definition(&order.container)?,
            platform,
            policy: prepared.policy.as_ref(),
            findings: &prepared.findings,
            base_layers: 0,
        };
        let (artifacts, recipe) = match &prepared.content {
            Content::Build(artifacts, recipe) => (artifacts, recipe),
            Content::Import(layout, _) => {
                return self
                    .make_imported(docker, prepared, &candidate, layout, attempt)
                    .await;
            }
        };
        self.archive(platform, artifacts).await?;
        let naming = Naming {
            version: order.version.as_str(),
            commit: prepared.checkout.commit,
        };
        let no_cache = matches!(order.source, Source::Build { no_cache: true, .. });
        let id = self.build_image(docker, recipe, &naming, no_cache).await?;
        let layout = Arc::new(self.exported(docker, &id).await?);
        let candidate = Candidate {
            base_layers: self.base_layers(recipe).await?,
            ..candidate
        };
        let inspected = self
            .inspect(docker, &candidate, &layout, async || Ok(id))
            .await?;
        let staged = self
            .stage(docker, &id, &prepared.repository, attempt.token())
            .await?;
        Ok(Made {
            id: Some(id),
            staged,
            inspected,
        })
    }

    /// An imported image leaves this machine once the policy has nothing against what is in it; one that is
    /// to be started or looked into then is pulled under its staging tag.
    async fn make_imported(
        &self,
        docker: &Docker,
        prepared: &Prepared,
        candidate: &Candidate<'_>,
        layout: &Arc<Layout>,
        attempt: &Attempt,
    ) -> Result<Made> {
        let (cell, repository) = (OnceCell::new(), &prepared.repository);
        let staged = async || {
            cell.get_or_try_init(|| self.stage_layout(layout, repository, attempt.token()))
                .await
        };
        let pulled = async || self.pulled(docker, staged().await?).await;
        let inspected = async {
            let inspected = self.inspect(docker, candidate, layout, &pulled).await?;
            if asks_by_path(candidate.definition) {
                let id = pulled().await?;
                self.check_health_client(docker, candidate.container, &id)
                    .await?;
            }
            staged().await?;
            Ok(inspected)
        };
        let inspected = inspected.await;
        match (inspected, cell.into_inner()) {
            (Ok(inspected), Some(staged)) => Ok(Made {
                id: None,
                staged,
                inspected,
            }),
            (Ok(_), None) => Err(Error::bug("what was imported is not staged")),
            (Err(error), staged) => {
                if let Some(staged) = staged {
                    self.remove_staging(&staged).await;
                }
                Err(error)
            }
        }
    }
}
