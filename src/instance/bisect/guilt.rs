//! What the guilty changes consist of, as far as what is signed tells, and who promoted them.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::search::{Found, Search};
use crate::error::Result;
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::VersionRecord;
use crate::model::difference::{Difference, differences};
use crate::model::name::{ContainerName, EnvironmentName};
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
        let before = facts(&examination, container, versions.map(|it| &it.0), &good).await?;
        let after = facts(&examination, container, versions.map(|it| &it.1), &bad).await?;
        guilty.push(Guilty {
            container: container.clone(),
            differences: differences(&before, &after),
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

/// What its statement says, and how it runs.
async fn facts(
    examination: &Examination<'_>,
    container: &ContainerName,
    released: Option<&VersionRecord>,
    verified: &VerifiedReference,
) -> Result<Value> {
    let reference = &verified.reference;
    let entry = reference.containers.get(container);
    let (version, report) = match released.zip(entry) {
        Some((released, entry)) => {
            let wanted = Wanted {
                container,
                version: &released.version,
                repository: &entry.repository,
                digest: released.digest,
            };
            let report = examination.image(&wanted).await?;
            (released.version.to_string(), report)
        }
        None => (
            reference.number.to_string(),
            examination.reference(verified),
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
    Ok(Value::Object(facts))
}
