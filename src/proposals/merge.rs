//! What merging a branch of the definitions would change for production.

use std::collections::BTreeSet;

use serde::Serialize;

use super::effect::{Effect, proposed, proposed_in};
use crate::definitions::{CommitId, Definitions, FileChange, Tag};
use crate::error::{Error, Kind, Result};
use crate::model::catalogue::Catalogue;
use crate::model::difference::{Difference, differences};
use crate::model::name::{ContainerName, Version};
use crate::model::yaml;

/// Files at the root that say something about the platform as a whole.
const ROOT: [&str; 3] = ["platform.yaml", "policy.yaml", "trust.yaml"];

/// Two sides: the branch that something is to be merged into, and the same with that.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    /// How the branch is called.
    pub target: &'a str,
    /// Its commit.
    pub before: CommitId,
    /// The commit that the merge would give.
    pub after: CommitId,
}

/// What would change.
#[derive(Debug, Clone, Serialize)]
pub struct Merge {
    /// The branch.
    pub target: String,
    /// Its files.
    pub files: Vec<FileChange>,
    /// `platform.yaml`, `policy.yaml`, `trust.yaml`, field by field.
    pub platform: Vec<Difference>,
    /// The containers that their next release would change.
    pub containers: Vec<ContainerChange>,
}

/// What the next release of one container would change.
#[derive(Debug, Clone, Serialize)]
pub struct ContainerChange {
    /// Which.
    pub container: ContainerName,
    /// The version that the branch records as released.
    pub released: Option<Version>,
    /// What it is compared with: that version, or the branch.
    pub against: String,
    /// What would change.
    #[serde(flatten)]
    pub effect: Effect,
}

impl Merge {
    /// Compares. The sides are sound: what has faults is not compared.
    pub fn between(definitions: &Definitions, sides: &Sides<'_>) -> Result<Self> {
        let (before, after) = (
            definitions.catalogue(sides.before)?,
            definitions.catalogue(sides.after)?,
        );
        let files = definitions.changed_files(sides.before, sides.after)?;
        let mut platform = Vec::new();
        for path in ROOT {
            platform.extend(root(definitions, sides, path)?);
        }
        let names: BTreeSet<&ContainerName> = before
            .definitions
            .keys()
            .chain(after.definitions.keys())
            .collect();
        let mut containers = Vec::new();
        for name in names {
            let change = ContainerChange::of(definitions, sides, (&before, &after), name)?;
            let folder = format!("containers/{name}/");
            let touched = files.iter().any(|file| file.path.starts_with(&folder));
            containers.extend(change.filter(|it| touched || !it.effect.run.is_empty()));
        }
        Ok(Self {
            target: sides.target.to_owned(),
            files,
            platform,
            containers,
        })
    }
}

impl ContainerChange {
    /// `None` where the merge itself changes nothing in how it runs and is built.
    fn of(
        definitions: &Definitions,
        sides: &Sides<'_>,
        (before, after): (&Catalogue, &Catalogue),
        name: &ContainerName,
    ) -> Result<Option<Self>> {
        let old = proposed_in(before, definitions, sides.before, name)?;
        let new = proposed_in(after, definitions, sides.after, name)?;
        let released = before.platform.containers.get(name);
        let tag = released.map(|version| Tag::Release(name.clone(), version.clone()));
        let commit = match &tag {
            Some(tag) => definitions.reserved(tag)?.and_then(|it| it.commit),
            None => None,
        };
        // A release that this program cannot read any more is compared by the branch.
        let running = commit.and_then(|it| proposed(definitions, it, name).ok()?);
        let folder = format!("containers/{name}");
        let same = definitions.folder(sides.before, &folder)?
            == definitions.folder(sides.after, &folder)?;
        if same && old == new {
            return Ok(None);
        }
        let (against, effect) = match (released, running) {
            (Some(version), Some(running)) => (
                version.to_string(),
                Effect::of(Some(&running), new.as_ref())?,
            ),
            _ => (
                sides.target.to_owned(),
                Effect::of(old.as_ref(), new.as_ref())?,
            ),
        };
        Ok(Some(Self {
            container: name.clone(),
            released: released.cloned(),
            against,
            effect,
        }))
    }
}

/// A file at the root, field by field, its name in front.
fn root(definitions: &Definitions, sides: &Sides<'_>, path: &str) -> Result<Vec<Difference>> {
    let value = |commit| -> Result<serde_json::Value> {
        match definitions.read(commit, path)? {
            Some(text) => yaml::read(Kind::Definitions, path, &text),
            None => Ok(serde_json::json!({})),
        }
    };
    let named = |value: serde_json::Value| serde_json::json!({ path: value });
    let (before, after) = (named(value(sides.before)?), named(value(sides.after)?));
    Ok(differences(&before, &after))
}

/// The refusal of a merge that needs somebody's hand.
pub(super) fn conflict(target: &str, files: &[String]) -> Error {
    let text = format!("it cannot be merged into {target}: both sides changed the same lines");
    Error::definitions(text).detail(files.join("\n"))
}
