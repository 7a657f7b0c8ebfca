//! What a workstation runs where nothing else is said: `workstation` of `platform.yaml`, as it was
//! when the platform was first used here. Git is not signed: what it says later is asked about.

use super::intent::Manner;
use crate::error::{Error, Result};
use crate::home::file;
use crate::home::session::{OpenPlatform, Session};
use crate::model::platform::{Platform, Workstation};

/// What is remembered; what the definitions say where nothing is.
///
/// # Errors
/// A file that cannot be read.
pub fn pinned(session: &Session, open: &OpenPlatform) -> Result<Workstation> {
    let path = session.home.paths.workstation(&open.name);
    let pinned: Option<Workstation> = file::load(&path)?;
    Ok(pinned.unwrap_or_else(|| open.platform.workstation.clone()))
}

/// Remembers what the definitions say now.
///
/// # Errors
/// A file that cannot be written.
pub fn pin(session: &Session, platform: &Platform) -> Result<()> {
    let path = session.home.paths.workstation(&platform.platform);
    file::save(&path, &platform.workstation)
}

/// The same for an instance that is about to begin: changed defaults are asked about first.
///
/// # Errors
/// Without a terminal, defaults that changed.
pub(super) fn settled(
    session: &Session,
    open: &OpenPlatform,
    manner: Manner,
) -> Result<Workstation> {
    let path = session.home.paths.workstation(&open.name);
    let now = &open.platform.workstation;
    let pinned: Option<Workstation> = file::load(&path)?;
    let Some(pinned) = pinned.filter(|it| it != now) else {
        if !manner.is_plan() && !path.exists() {
            pin(session, &open.platform)?;
        }
        return Ok(now.clone());
    };
    let change = format!(
        "the definitions of {} changed what workstations run by default: {} → {}",
        open.name,
        words(&pinned),
        words(now)
    );
    if manner.is_plan() {
        let text = format!("{change}; `up` asks whether to take it over, this plan does not");
        session.reporter.warn(&text);
        return Ok(pinned);
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
    Ok(pinned)
}

fn words(workstation: &Workstation) -> String {
    format!(
        "versions of {}, configuration {}",
        workstation.environment, workstation.configuration
    )
}
