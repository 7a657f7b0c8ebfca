//! What a proposal changes: files, how the container runs, what is in its image, and what is risky.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Proposal;
use super::effect::{Effect, bases, proposed, runs};
use crate::build::packages::{Packages, packages};
use crate::context::{Context, OpenPlatform};
use crate::definitions::FileChange;
use crate::engine::docker::{Docker, EngineImage};
use crate::error::{Error, Result};
use crate::evidence::Wanted;
use crate::model::digest::Digest;
use crate::model::name::ContainerName;
use crate::model::reference::ReferenceContainer;
use crate::prepare::Preparation;
use crate::state;

/// What one proposal changes.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// Which container it is about.
    pub container: ContainerName,
    /// Files that differ from the commit that the proposal began at.
    pub files: Vec<FileChange>,
    /// How it would run, compared with how production runs it now.
    #[serde(flatten)]
    pub effect: Effect,
    /// The image that was built last, compared with the released one; where both are on the engine.
    pub image: Option<ImageComparison>,
    /// What that image is called.
    pub local: Option<String>,
}

/// Two images.
#[derive(Debug, Serialize)]
pub struct ImageComparison {
    /// Bytes of the released one.
    pub released: u64,
    /// Bytes of the local one.
    pub local: u64,
    /// Packages that differ; `None` where either image has no package database.
    pub packages: Option<Vec<PackageChange>>,
}

/// A package that is not the same in two images.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// Its name.
    pub name: String,
    /// Its version in the released image.
    pub before: Option<String>,
    /// Its version in the local image.
    pub after: Option<String>,
}

impl Comparison {
    /// Compares a proposal with what it began at and with what production runs now. Without an
    /// engine nothing is told of images.
    pub async fn of(context: &Context, open: &OpenPlatform, proposal: &Proposal) -> Result<Self> {
        let name = &proposal.container;
        let definitions = context.definitions(&open.name)?;
        let now = proposal.snapshot(context, open, &definitions)?;
        let registry = context.registry();
        let preparation = Preparation::new(context, open, registry.as_ref());
        let environment = &open.platform.workstation.environment;
        let chosen = preparation.current(environment).await?;
        let released = chosen.as_ref().and_then(|chosen| {
            let containers = &chosen.verified.reference.containers;
            containers.get(name)
        });
        let before = match released {
            Some(entry) => Some(runs(entry, bases(&definitions, proposal.base, name)?)),
            None => None,
        };
        let after = proposed(&definitions, now, name)?;
        let image = match (released, proposal.built) {
            (Some(entry), Some(built)) => {
                let released = accepted(&preparation, name, entry).await?;
                images(context, &released, &built.image).await
            }
            _ => None,
        };
        Ok(Self {
            container: name.clone(),
            files: definitions.changed_files(proposal.base, now)?,
            effect: Effect::of(before.as_ref(), after.as_ref())?,
            image,
            local: proposal.built.map(|built| built.version()),
        })
    }

    /// Whether the proposal changes nothing.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.effect.run.is_empty()
    }
}

/// The Ids of the released image.
async fn accepted(
    preparation: &Preparation<'_>,
    container: &ContainerName,
    entry: &ReferenceContainer,
) -> Result<Vec<Digest>> {
    let (Some(version), Some(digest)) = (&entry.version, entry.digest) else {
        return Ok(Vec::new());
    };
    let wanted = Wanted {
        container,
        version,
        repository: &entry.repository,
        digest,
    };
    let verified = preparation.verifier().image(&wanted).await?;
    Ok(verified.image.accepted)
}

/// Compares images that are on the engine; what cannot be read is told, and is no error.
async fn images(context: &Context, released: &[Digest], local: &Digest) -> Option<ImageComparison> {
    let compared = async {
        let (engine, _) = context.engine()?;
        compare(&engine, released, local).await
    };
    compared.await.unwrap_or_else(|error: Error| {
        let why = error.chain().join(": ");
        context
            .ui
            .note(&format!("the images are not compared: {why}"));
        None
    })
}

async fn compare(
    engine: &Docker,
    released: &[Digest],
    local: &Digest,
) -> Result<Option<ImageComparison>> {
    let images = engine.images().await?;
    let find = |ids: &[Digest]| images.iter().find(|image| ids.contains(&image.id));
    let (Some(one), Some(other)) = (find(released), find(&[*local])) else {
        return Ok(None);
    };
    let both = (read(engine, one).await?, read(engine, other).await?);
    let packages = match both {
        (Some(one), Some(other)) => Some(package_changes(&one, &other)),
        _ => None,
    };
    Ok(Some(ImageComparison {
        released: one.size,
        local: other.size,
        packages,
    }))
}

async fn read(engine: &Docker, image: &EngineImage) -> Result<Option<Packages>> {
    let object = format!("devenv-diff-{}", state::random_hex(6)?);
    packages(engine, &image.id, &object).await
}

/// By name.
fn package_changes(before: &Packages, after: &Packages) -> Vec<PackageChange> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let change = |name: &String| PackageChange {
        name: name.clone(),
        before: before.get(name).cloned(),
        after: after.get(name).cloned(),
    };
    names
        .into_iter()
        .map(change)
        .filter(|it| it.before != it.after)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_come_go_and_change() {
        let of = |pairs: &[(&str, &str)]| -> Packages {
            let pairs = pairs.iter();
            pairs
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
                .collect()
        };
        let before = of(&[("bash", "5.1"), ("curl", "8"), ("zlib", "1")]);
        let after = of(&[("bash", "5.2"), ("wget", "1"), ("zlib", "1")]);
        let changes = package_changes(&before, &after);
        let text = |it: &Option<String>| it.clone().unwrap_or_default();
        let shown: Vec<_> = changes
            .iter()
            .map(|it| format!("{} {}>{}", it.name, text(&it.before), text(&it.after)))
            .collect();
        assert_eq!(shown, ["bash 5.1>5.2", "curl 8>", "wget >1"]);
    }
}
