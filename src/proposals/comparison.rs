//! What a proposal changes: files, how the container runs, what is in its image, and what is risky.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Proposal;
use super::effect::{Effect, bases, proposed, runs};
use crate::definitions::{Definitions, FileChange};
use crate::engine::docker::EngineImage;
use crate::error::{Error, Kind, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::home::state;
use crate::model::container::Kind as ContainerKind;
use crate::model::digest::Digest;
use crate::model::name::ContainerName;
use crate::model::reference::ReferenceContainer;
use crate::model::risk::Side;
use crate::release::build::packages::Packages;
use crate::release::build::probe::Looker;
use crate::verify::choose::{Chosen, Preparation};
use crate::verify::evidence::Wanted;

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
    /// Why it is compared with the commit that the proposal began at instead, and nothing is told
    /// of images.
    pub without_production: Option<String>,
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
    pub async fn of(session: &Session, open: &OpenPlatform, proposal: &Proposal) -> Result<Self> {
        let name = &proposal.container;
        let definitions = session.definitions(&open.name)?;
        let now = proposal.snapshot(session, open, &definitions)?;
        let registry = session.registry();
        let preparation = Preparation::new(session, open, registry.as_ref());
        let environment = &open.workstation.environment;
        let found = found(preparation.current(environment).await)?;
        let released = found.as_ref().ok().and_then(|chosen| {
            let containers = &chosen.as_ref()?.verified.reference.containers;
            containers.get(name)
        });
        let before = match &found {
            Ok(_) => production(&definitions, proposal, released)?,
            Err(_) => proposed(&definitions, proposal.base, name)?,
        };
        let after = proposed(&definitions, now, name)?;
        let image = match (released, proposal.built) {
            (Some(entry), Some(built)) => {
                images(session, open, &preparation, (name, entry), &built.image).await
            }
            _ => None,
        };
        Ok(Self {
            container: name.clone(),
            files: definitions.changed_files(proposal.base, now)?,
            effect: Effect::of(before.as_ref(), after.as_ref())?,
            without_production: found.err(),
            image,
            local: proposal.built.map(|built| built.version()),
        })
    }

    /// Whether the proposal changes nothing.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.effect.run.is_empty()
    }
}

/// What production runs, or why that cannot be read now; distrust stays an error.
fn found(asked: Result<Option<Chosen>>) -> Result<Result<Option<Chosen>, String>> {
    match asked {
        Ok(chosen) => Ok(Ok(chosen)),
        Err(error) if error.kind() == Kind::Registry => Ok(Err(error.chain().join(": "))),
        Err(error) => Err(error),
    }
}

/// How production runs it.
fn production(
    definitions: &Definitions,
    proposal: &Proposal,
    released: Option<&ReferenceContainer>,
) -> Result<Option<Side>> {
    let Some(entry) = released else {
        // A base is in no reference, and is no new one for that.
        let defined = proposed(definitions, proposal.base, &proposal.container)?;
        return Ok(defined.filter(|it| it.run.kind == ContainerKind::Base));
    };
    let bases = bases(definitions, proposal.base, &proposal.container)?;
    Ok(Some(runs(entry, bases)))
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
async fn images(
    session: &Session,
    open: &OpenPlatform,
    preparation: &Preparation<'_>,
    (name, entry): (&ContainerName, &ReferenceContainer),
    local: &Digest,
) -> Option<ImageComparison> {
    let compared = async {
        let released = accepted(preparation, name, entry).await?;
        let (engine, _) = session.engine()?;
        let looker = Looker {
            docker: &engine,
            owner: &state::Owner::load(&session.home.paths)?.id,
            platform: &open.name,
        };
        compare(&looker, &released, local).await
    };
    compared.await.unwrap_or_else(|error: Error| {
        let why = error.chain().join(": ");
        session
            .reporter
            .note(&format!("the images are not compared: {why}"));
        None
    })
}

async fn compare(
    looker: &Looker<'_>,
    released: &[Digest],
    local: &Digest,
) -> Result<Option<ImageComparison>> {
    let images = looker.docker.images().await?;
    let find = |ids: &[Digest]| images.iter().find(|image| ids.contains(&image.id));
    let (Some(one), Some(other)) = (find(released), find(&[*local])) else {
        return Ok(None);
    };
    let read = async |image: &EngineImage| looker.packages(&image.id).await;
    let packages = match (read(one).await?, read(other).await?) {
        (Some(one), Some(other)) => Some(package_changes(&one, &other)),
        _ => None,
    };
    Ok(Some(ImageComparison {
        released: one.size,
        local: other.size,
        packages,
    }))
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
    fn what_cannot_be_reached_is_told_and_distrust_is_an_error() {
        let lost = found(Err(Error::new(Kind::Registry, "it is gone")));
        assert_eq!(lost.unwrap().unwrap_err(), "it is gone");
        assert!(matches!(found(Ok(None)), Ok(Ok(None))));
        let forged = found(Err(Error::trust("forged")));
        assert_eq!(forged.unwrap_err().kind(), Kind::Trust);
    }

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
