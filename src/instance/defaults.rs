//! What a workstation runs where nothing else is said, when the definitions change it: git is not
//! signed, so it is asked about.

use super::intent::Manner;
use crate::error::{Error, Result};
use crate::home::file;
use crate::home::session::{OpenPlatform, Session};
use crate::model::platform::{Platform, Workstation};

/// Remembers what the definitions say now.
///
/// # Errors
/// A file that cannot be written.
pub fn pin(session: &Session, platform: &Platform) -> Result<()> {
    let path = session.home.paths.workstation(&platform.platform);
    file::save(&path, &platform.workstation)
}

/// The defaults of an instance that is about to begin: where the definitions changed them, that is asked about.
///
/// # Errors
/// Without a terminal, defaults that changed.
pub(super) fn settled(
    session: &Session,
    open: &OpenPlatform,
    manner: Manner,
) -> Result<Workstation> {
    let now = &open.platform.workstation;
    let pinned = &open.workstation;
    if pinned == now {
        let path = session.home.paths.workstation(&open.name);
        if !manner.is_plan() && !path.exists() {
            pin(session, &open.platform)?;
        }
        return Ok(now.clone());
    }
    let change = format!(
        "the definitions of {} changed what workstations run by default: {} → {}",
        open.name,
        words(pinned),
        words(now)
    );
    if manner.is_plan() {
        let text = format!("{change}; `up` asks whether to take it over, this plan does not");
        session.reporter.warn(&text);
        return Ok(pinned.clone());
    }
    let answer = session
        .reporter
        .confirm(&format!("{change}. Take it over?"), "--yes");
    let answer = answer.map_err(|error: Error| {
        error.hint("`--environment NAME --configuration NAME` say it for this instance alone")
    })?;
    if answer {
        pin(session, &open.platform)?;
        return Ok(now.clone());
    }
    Ok(pinned.clone())
}

fn words(workstation: &Workstation) -> String {
    format!(
        "versions of {}, configuration {}",
        workstation.environment, workstation.configuration
    )
}
