//! What is left over, decided from what was seen. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use crate::engine::docker::EngineImage;
use crate::model::identity;
use crate::model::name::{ContainerName, PlatformName};
use crate::model::observed::{ObservedContainer, ObservedNetwork, ObservedVolume};
use crate::release::local::REPOSITORY;

/// Everything that decides.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Whose objects may be removed.
    pub owner: String,
    /// Only this platform's.
    pub platform: Option<PlatformName>,
    /// Containers of everybody: they use images and volumes.
    pub containers: Vec<ObservedContainer>,
    /// Networks of the owner.
    pub networks: Vec<ObservedNetwork>,
    /// Volumes of the owner; empty where they are not asked for.
    pub volumes: Vec<ObservedVolume>,
    /// Images of everybody.
    pub images: Vec<EngineImage>,
    /// The instances that have a record.
    pub recorded: BTreeSet<Instance>,
    /// Local tags that environments and instances refer to, of the platforms of which all are known.
    pub kept: BTreeMap<PlatformName, BTreeSet<String>>,
    /// Names of local images that proposals refer to, where all proposals are known.
    pub proposed: Option<BTreeSet<String>>,
}

/// The platform and the instance that labels name; they need not exist any more.
pub type Instance = (String, String);

/// One thing that nobody needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leftover {
    /// A container that is not an instance's own.
    Container {
        id: String,
        object: String,
        instance: Instance,
        why: &'static str,
    },
    /// A network without containers.
    Network {
        id: String,
        name: String,
        instance: Instance,
    },
    /// A volume of an instance that nothing remembers.
    Volume { name: String, instance: Instance },
    /// An image by the names that go; by its Id where it has none.
    Image {
        names: Vec<String>,
        size: u64,
        why: &'static str,
    },
    /// Half of a proposal: a work tree that nothing remembers, or the other way round.
    Proposal {
        platform: PlatformName,
        container: ContainerName,
        why: &'static str,
    },
    /// A file of the cache.
    Content { path: PathBuf, size: u64 },
    /// Chunks of snapshots, and halves of them.
    Chunks {
        platform: PlatformName,
        files: usize,
        size: u64,
    },
}

impl Leftover {
    /// `container`, `network`, `volume`, `image`, `proposal`, `cache` or `chunks`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Container { .. } => "container",
            Self::Network { .. } => "network",
            Self::Volume { .. } => "volume",
            Self::Image { .. } => "image",
            Self::Proposal { .. } => "proposal",
            Self::Content { .. } => "cache",
            Self::Chunks { .. } => "chunks",
        }
    }

    /// The instance that made it, of what instances make.
    pub fn instance(&self) -> Option<&Instance> {
        match self {
            Self::Container { instance, .. }
            | Self::Network { instance, .. }
            | Self::Volume { instance, .. } => Some(instance),
            Self::Image { .. }
            | Self::Proposal { .. }
            | Self::Content { .. }
            | Self::Chunks { .. } => None,
        }
    }

    /// Why it is not needed.
    pub fn why(&self) -> &'static str {
        match self {
            Self::Container { why, .. } | Self::Image { why, .. } | Self::Proposal { why, .. } => {
                why
            }
            Self::Network { .. } => "its instance has no containers",
            Self::Volume { .. } => "its instance was removed",
            Self::Content { .. } => "no reference leads to it",
            Self::Chunks { .. } => "no snapshot needs them",
        }
    }

    /// Bytes, as far as they are known; of an image, layers shared with others included.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Image { size, .. } | Self::Content { size, .. } | Self::Chunks { size, .. } => {
                Some(*size)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container { object, .. } => f.write_str(object),
            Self::Network { name, .. } | Self::Volume { name, .. } => f.write_str(name),
            Self::Image { names, .. } => f.write_str(names.first().map_or("", String::as_str)),
            Self::Proposal {
                platform,
                container,
                ..
            } => write!(f, "{platform}/{container}"),
            Self::Chunks {
                platform, files, ..
            } => write!(f, "{platform}: {files} files"),
            Self::Content { path, .. } => {
                f.write_str(&path.file_name().unwrap_or_default().to_string_lossy())
            }
        }
    }
}

/// What nobody needs, in the order of removal.
pub fn leftovers(survey: &Survey) -> Vec<Leftover> {
    let (gone, stays): (Vec<_>, Vec<_>) = survey
        .containers
        .iter()
        .partition(|container| superfluous(survey, container).is_some());
    let mut all: Vec<Leftover> = gone
        .iter()
        .filter_map(|container| {
            Some(Leftover::Container {
                id: container.id.clone(),
                object: container.object.clone(),
                instance: instance(&container.labels),
                why: superfluous(survey, container)?,
            })
        })
        .collect();
    all.extend(networks(survey, &stays));
    all.extend(volumes(survey, &stays));
    all.extend(images(survey, &stays));
    all.sort();
    all
}

type Labels = BTreeMap<String, String>;

fn label<'a>(labels: &'a Labels, name: &str) -> &'a str {
    labels.get(name).map_or("", String::as_str)
}

fn is_ours(survey: &Survey, labels: &Labels) -> bool {
    let platform = label(labels, identity::PLATFORM);
    label(labels, identity::OWNER) == survey.owner
        && survey
            .platform
            .as_ref()
            .is_none_or(|it| it.as_str() == platform)
}

/// The instance that labels name.
pub fn instance(labels: &Labels) -> Instance {
    (
        label(labels, identity::PLATFORM).to_owned(),
        label(labels, identity::INSTANCE).to_owned(),
    )
}

fn superfluous(survey: &Survey, container: &ObservedContainer) -> Option<&'static str> {
    let labels = &container.labels;
    if !is_ours(survey, labels) {
        return None;
    }
    if labels.contains_key(identity::READER) {
        return Some("a command that only looked into it was interrupted");
    }
    let name = labels.get(identity::CONTAINER)?;
    let (platform, instance) = instance(labels);
    let set_aside = format!("devenv-{platform}-{instance}-{name}-old-");
    (container.object.starts_with(&set_aside)).then_some("an interrupted replacement left it")
}

fn networks(survey: &Survey, stays: &[&ObservedContainer]) -> Vec<Leftover> {
    let empty = |network: &&ObservedNetwork| {
        let used = |it: &&ObservedContainer| {
            let mut endpoints = it.networks.values();
            instance(&it.labels) == instance(&network.labels)
                || endpoints.any(|endpoint| endpoint.network == network.id)
        };
        is_ours(survey, &network.labels) && !stays.iter().any(used)
    };
    let leftover = |network: &ObservedNetwork| Leftover::Network {
        id: network.id.clone(),
        name: network.name.clone(),
        instance: instance(&network.labels),
    };
    survey.networks.iter().filter(empty).map(leftover).collect()
}

fn volumes(survey: &Survey, stays: &[&ObservedContainer]) -> Vec<Leftover> {
    let forgotten = |volume: &&ObservedVolume| {
        let mounts = |it: &&ObservedContainer| it.volumes.contains_key(&volume.name);
        is_ours(survey, &volume.labels)
            && !survey.recorded.contains(&instance(&volume.labels))
            && !stays.iter().any(mounts)
    };
    let leftover = |volume: &ObservedVolume| Leftover::Volume {
        name: volume.name.clone(),
        instance: instance(&volume.labels),
    };
    survey
        .volumes
        .iter()
        .filter(forgotten)
        .map(leftover)
        .collect()
}

fn images(survey: &Survey, stays: &[&ObservedContainer]) -> Vec<Leftover> {
    let used: BTreeSet<_> = stays.iter().filter_map(|it| it.image).collect();
    let unused = survey.images.iter().filter(|it| !used.contains(&it.id));
    unused
        .filter_map(|image| leftover_image(survey, image))
        .collect()
}

fn leftover_image(survey: &Survey, image: &EngineImage) -> Option<Leftover> {
    if image.tags.is_empty() {
        let dangling = is_ours(survey, &image.labels) && image.digests.is_empty();
        return dangling.then(|| Leftover::Image {
            names: vec![image.id.to_string()],
            size: image.size,
            why: "a build was replaced by a later one",
        });
    }
    let unproposed = |tag: &String| {
        tag.starts_with(&format!("{REPOSITORY}/"))
            && is_ours(survey, &image.labels)
            && survey.proposed.as_ref().is_some_and(|it| !it.contains(tag))
    };
    let nobody_refers = |tag: &&String| {
        unproposed(tag)
            || survey.kept.iter().any(|(platform, kept)| {
                tag.starts_with(&format!("localhost/devenv/{platform}/")) && !kept.contains(*tag)
            })
    };
    let mut names: Vec<String> = image.tags.iter().filter(nobody_refers).cloned().collect();
    if names.is_empty() {
        return None;
    }
    let why = if names.iter().any(unproposed) {
        "no proposal refers to it"
    } else {
        "no environment and no container refers to it"
    };
    // Its names by digest hold an image as well; they go with the last tag.
    if names.len() == image.tags.len() {
        names.extend(image.digests.iter().cloned());
    }
    Some(Leftover::Image {
        names,
        size: image.size,
        why,
    })
}

#[cfg(test)]
mod tests;
