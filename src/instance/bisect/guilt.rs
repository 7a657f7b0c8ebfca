//! What the guilty changes consist of, as far as what is signed tells, and who promoted them.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::search::{Found, Search};
use crate::error::{Error, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::VersionRecord;
use crate::model::difference::{Difference, differences};
use crate::model::digest::Digest;
use crate::model::name::{ContainerName, EnvironmentName};
use crate::release::layout::{self, files::FileDifference};
use crate::verify::choose::Preparation;
use crate::verify::evidence::{VerifiedReference, Wanted};
use crate::verify::examine::Examination;

/// A container that makes it bad.
#[derive(Debug, Clone, Serialize)]
pub struct Guilty {
    /// The one that is guilty, or one of several.
    pub container: ContainerName,
    /// From the good one to the bad one.
    pub differences: Vec<Difference>,
    /// The same of the files in their images, where the engine has both.
    pub files: Option<Vec<FileDifference>>,
}

/// When and by whom a reference was promoted.
#[derive(Debug, Clone, Serialize)]
pub struct Promoted {
    /// The environment that the bad reference was promoted to.
    pub environment: EnvironmentName,
    /// When.
    pub at: jiff::Timestamp,
    /// By whom.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
}

/// Looks at the two releases of each guilty container, and at the ledger.
///
/// # Errors
/// A registry that does not answer; what does not verify any more.
pub async fn guilty(
    session: &Session,
    open: &OpenPlatform,
    search: &Search,
    found: &Found,
) -> Result<(Vec<Guilty>, Option<Promoted>)> {
    let registry = session.registry();
    let preparation = Preparation::new(session, open, registry.as_ref());
    let examination = Examination {
        preparation: &preparation,
        definitions: &session.definitions(&open.name)?,
    };
    let verified = async |number| -> Result<VerifiedReference> {
        let choice = search.candidate(number).choice();
        Ok(preparation.choose(&choice).await?.verified)
    };
    let (good, bad) = (verified(found.good).await?, verified(found.bad).await?);
    let mut guilty = Vec::new();
    for change in &found.changes {
        let container = &change.container;
        let versions = change.versions.as_ref();
        let (before, old) = facts(&examination, container, versions.map(|it| &it.0), &good).await?;
        let (after, new) = facts(&examination, container, versions.map(|it| &it.1), &bad).await?;
        guilty.push(Guilty {
            container: container.clone(),
            differences: differences(&before, &after),
            files: files(session, container, [&old, &new]).await,
        });
    }
    let environment = &search.environment;
    let look = preparation.ledger_if_any(environment).await?;
    let entries = look.map_or_else(Vec::new, |it| it.ledger.predicate.entries);
    let mut entries = entries.into_iter();
    let promoted = entries
        .find(|it| it.number == found.bad)
        .map(|it| Promoted {
            environment: environment.clone(),
            at: it.at,
            by: it.by,
            reason: it.reason,
        });
    Ok((guilty, promoted))
}

/// What differs in two images that the engine has; what cannot be read is told, and is no error.
async fn files(
    session: &Session,
    container: &ContainerName,
    ids: [&[Digest]; 2],
) -> Option<Vec<FileDifference>> {
    let work = session.reporter.work(&format!("the files of {container}"));
    let compared = async {
        let (engine, _) = session.engine()?;
        let below = session.home.paths.scratch();
        let images = engine.images().await?;
        let there = |ids: &[Digest]| images.iter().map(|it| it.id).find(|it| ids.contains(it));
        let (Some(old), Some(new)) = (there(ids[0]), there(ids[1])) else {
            return Ok(None);
        };
        let old = layout::exported(&engine, &below, &old).await?;
        let new = layout::exported(&engine, &below, &new).await?;
        let compared = tokio::task::spawn_blocking(move || layout::files::differing(&old, &new));
        let bug = |error| Error::bug("files were not compared").because(error);
        compared.await.map_err(bug)?.map(Some)
    };
    let compared = compared.await.unwrap_or_else(|error: Error| {
        let why = error.chain().join(": ");
        session.reporter.note(&format!(
            "the images of {container} are not compared: {why}"
        ));
        None
    });
    work.finish("compared");
    compared
}

/// What its statement says, and how it runs; the Ids that its image can have.
async fn facts(
    examination: &Examination<'_>,
    container: &ContainerName,
    released: Option<&VersionRecord>,
    verified: &VerifiedReference,
) -> Result<(Value, Vec<Digest>)> {
    let reference = &verified.reference;
    let entry = reference.containers.get(container);
    let (version, report, ids) = match released.zip(entry) {
        Some((released, entry)) => {
            let wanted = Wanted {
                container,
                version: &released.version,
                repository: &entry.repository,
                digest: released.digest,
            };
            let report = examination.image(&wanted).await?;
            let verifier = examination.preparation.verifier();
            let ids = verifier.image(&wanted).await?.image.accepted;
            (released.version.to_string(), report, ids)
        }
        None => (
            reference.number.to_string(),
            examination.reference(verified),
            verified.proxy.image.accepted.clone(),
        ),
    };
    let mut facts = Map::new();
    facts.insert("version".to_owned(), version.into());
    facts.insert("digest".to_owned(), json!(report.digest));
    facts.insert("signed by".to_owned(), report.signers.join(", ").into());
    for fact in &report.facts {
        // `artifact billing.war sha256:…`: what it is about is part of the name.
        let (name, value) = match fact.value.split_once(' ') {
            Some((about, value)) if ["artifact", "base"].contains(&fact.name) => {
                (format!("{} {about}", fact.name), value)
            }
            _ => (fact.name.to_owned(), fact.value.as_str()),
        };
        facts.insert(name, value.into());
    }
    let entry = entry.and_then(|it| serde_json::to_value(it).ok());
    for key in ["needs", "uses", "routes", "run"] {
        let value = entry.as_ref().and_then(|it| it.get(key));
        facts.extend(value.map(|value| (key.to_owned(), value.clone())));
    }
    Ok((Value::Object(facts), ids))
}
