//! The secrets of an instance: what the user's file and commands say, and what its containers were given, which
//! may be an older value.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::home::secrets;
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::InstanceRecord;
use crate::instance::running::Running;
use crate::model::redaction::{Redaction, SHORTEST, Tokens};
use crate::model::secret::Secret;

/// What takes them out; those that are too short for that are asked about.
///
/// # Errors
/// Values that cannot be read; a refused question.
pub(super) async fn redaction(
    session: &Session,
    open: &OpenPlatform,
    running: &Running,
    record: &InstanceRecord,
) -> Result<Redaction> {
    let mut all = secrets::named(session, &open.name, &record.configuration).await?;
    let observed = running.observation.observed.containers.values().flatten();
    let entries = running.entries();
    let names = entries.values().flat_map(|it| it.run.secret_names());
    let names: BTreeSet<String> = names.map(ToString::to_string).collect();
    for container in observed {
        let given = running.engine.asked(&container.id).await?.environment;
        for variable in given {
            if let Some((name, value)) = variable.split_once('=')
                && names.contains(name)
            {
                all.push((name.to_owned(), Secret::new(value)));
            }
        }
    }
    let redaction = Redaction::new(all, Tokens::Names);
    let short = redaction.short().join(", ");
    if short.is_empty() {
        return Ok(redaction);
    }
    let reporter = &session.reporter;
    reporter.warn(&format!(
        "shorter than {SHORTEST} characters, so that their values are in every text and cannot be taken out: {short}"
    ));
    if reporter.confirm("save the capsule with them in it?", "--yes")? {
        return Ok(redaction);
    }
    Err(Error::usage("nothing was saved").hint(
        "a longer secret can be taken out: give it another value, and start its containers again",
    ))
}
