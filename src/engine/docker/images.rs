//! Images: pulled, pushed, listed, removed.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::models::ProgressDetail;
use bollard::query_parameters::{
    CreateImageOptions, CreateImageOptionsBuilder, ListImagesOptions, PushImageOptions,
    RemoveImageOptions,
};
use futures_util::StreamExt;

use super::refusal::registry_fault;
use super::{Docker, again, convert};
use crate::engine::{Fault, PullProgress, RegistryLogin};
use crate::model::digest::Digest;
use crate::model::image::Repository;

/// A row of the image list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineImage {
    /// Its Id.
    pub id: Digest,
    /// `repository:tag`, which prove nothing.
    pub tags: Vec<String>,
    /// `repository@digest` under which it was pulled or pushed.
    pub digests: Vec<String>,
    /// Labels of its configuration.
    pub labels: BTreeMap<String, String>,
    /// Bytes, layers shared with others included.
    pub size: u64,
    /// Seconds since 1970 of its build.
    pub created: i64,
}

/// How long to wait before images are listed again of which one was removed meanwhile: with containerd's store that
/// fails the whole list. Source: github.com/moby/moby/issues/52688.
const REMOVALS: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(800),
];

impl Docker {
    /// All images that are not an intermediate layer of another.
    pub async fn images(&self) -> Result<Vec<EngineImage>, Fault> {
        let list = || self.short(self.client.list_images(None::<ListImagesOptions>));
        let rows = again(&REMOVALS, "content digest", list).await?;
        let real = |name: &String| !name.contains("<none>");
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                Some(EngineImage {
                    id: convert::digest(Some(&row.id))?,
                    tags: row.repo_tags.into_iter().filter(real).collect(),
                    digests: row.repo_digests.into_iter().filter(real).collect(),
                    labels: row.labels.into_iter().collect(),
                    size: row.size.try_into().unwrap_or(0),
                    created: row.created,
                })
            })
            .collect())
    }

    /// Removes a tag, or with an Id the image itself. In use is [`crate::engine::FaultKind::Conflict`],
    /// absent is `NotFound`. Never by force.
    pub async fn remove_image(&self, id_or_tag: &str) -> Result<(), Fault> {
        let none = None::<RemoveImageOptions>;
        self.short(self.client.remove_image(id_or_tag, none, None))
            .await
            .map(drop)
    }

    /// Pushes `repository:tag`. Success proves nothing: resolve the tag at the registry.
    ///
    /// # Errors
    /// A refusal inside the stream is an error like one before it.
    pub async fn push(
        &self,
        repository: &Repository,
        tag: &str,
        login: Option<&RegistryLogin>,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<(), Fault> {
        let options = PushImageOptions {
            tag: Some(tag.to_owned()),
            platform: None,
        };
        let name = repository.as_str();
        let lines = self
            .client
            .push_image(name, Some(options), login.map(credentials));
        let mut lines = self.steady(lines);
        let mut layers = Layers::default();
        // bollard drops the layers' Ids from a push, so only the running sum of what moves is known.
        while let Some(line) = lines.next().await {
            let line = line.map_err(registry_fault)?;
            if let Some(detail) = line.progress_detail {
                let total = detail.total.unwrap_or_default();
                layers.note(&total.to_string(), None, &detail);
                progress(layers.sum());
            }
        }
        Ok(())
    }

    /// Pulls `repository@digest`.
    pub(super) async fn pull_image(
        &self,
        options: CreateImageOptions,
        login: Option<&RegistryLogin>,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<(), Fault> {
        let login = login.map(credentials);
        let lines = self.client.create_image(Some(options), None, login);
        let mut lines = self.steady(lines);
        let mut layers = Layers::default();
        while let Some(line) = lines.next().await {
            let line = line.map_err(registry_fault)?;
            let (Some(id), Some(status)) = (line.id, line.status) else {
                continue;
            };
            layers.note(
                &id,
                Some(&status),
                &line.progress_detail.unwrap_or_default(),
            );
            progress(layers.sum());
        }
        Ok(())
    }
}

/// What to pull.
pub(super) fn pull_options(
    repository: &Repository,
    digest: &Digest,
    platform: Option<&str>,
) -> CreateImageOptions {
    let options = CreateImageOptionsBuilder::default()
        .from_image(repository.as_str())
        .tag(&digest.to_string());
    match platform {
        Some(platform) => options.platform(platform).build(),
        None => options.build(),
    }
}

/// What the engine wants to know of a login.
pub(super) fn credentials(login: &RegistryLogin) -> DockerCredentials {
    let secret = Some(login.secret.expose().to_owned());
    let serveraddress = Some(login.host.clone());
    if login.is_token {
        DockerCredentials {
            identitytoken: secret,
            serveraddress,
            ..DockerCredentials::default()
        }
    } else {
        DockerCredentials {
            username: Some(login.username.clone()),
            password: secret,
            serveraddress,
            ..DockerCredentials::default()
        }
    }
}

/// Bytes per layer, as far as the engine has told.
#[derive(Default)]
struct Layers(HashMap<String, PullProgress>);

impl Layers {
    /// `Extracting` counts the same bytes a second time and is left out.
    fn note(&mut self, layer: &str, status: Option<&str>, detail: &ProgressDetail) {
        let bytes = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
        match status {
            None | Some("Downloading" | "Pushing") => {
                let entry = self.0.entry(layer.to_owned()).or_default();
                entry.current = bytes(detail.current).unwrap_or(entry.current);
                entry.total = bytes(detail.total)
                    .unwrap_or(entry.total)
                    .max(entry.current);
            }
            Some("Download complete" | "Pull complete") => {
                if let Some(entry) = self.0.get_mut(layer) {
                    entry.current = entry.total;
                }
            }
            Some(_) => {}
        }
    }

    fn sum(&self) -> PullProgress {
        let mut sum = PullProgress::default();
        for layer in self.0.values() {
            sum.current += layer.current;
            sum.total += layer.total;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_adds_up_over_layers() {
        let detail = |current, total| ProgressDetail {
            current: Some(current),
            total: Some(total),
        };
        let mut layers = Layers::default();
        layers.note("a", Some("Downloading"), &detail(10, 100));
        layers.note("b", Some("Downloading"), &detail(5, 50));
        layers.note("a", Some("Download complete"), &ProgressDetail::default());
        layers.note("a", Some("Extracting"), &detail(1, 100));
        let sum = PullProgress {
            current: 105,
            total: 150,
        };
        assert_eq!(layers.sum(), sum);
    }
}
