//! `devenv trust accept`

use std::path::PathBuf;

use clap::Args;

use super::pinning;
use crate::cli::ui::Ui;
use crate::error::{Error, Exit, Kind, PathContext, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::model::trust_file::TrustFile;

/// Pin a trust file by hand
///
/// Needed only if the pinned keys are lost or stolen, so that they cannot sign the next trust file.
/// Get the file from production by a channel that you trust, and compare the fingerprints.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The `trust.yaml` that production gave you
    file: PathBuf,
}

pub(super) fn run(ui: &Ui, session: &Session, arguments: &Arguments) -> Result<Exit> {
    let open = session.open()?;
    let path = &arguments.file;
    let text = std::fs::read(path).at(Kind::Usage, "read", path)?;
    let next = TrustFile::parse(&path.display().to_string(), &text)?;
    if next.platform != open.name {
        return Err(Error::trust(format!(
            "{} is for the platform `{}`, not for `{}`",
            path.display(),
            next.platform,
            open.name
        )));
    }
    if next == open.trust {
        pinning::json(ui, &next, false);
        ui.data("this trust file is pinned already");
        return Ok(Exit::Done);
    }
    if next.root_version <= open.trust.root_version {
        return Err(Error::trust(format!(
            "{} has root version {}, and {} is pinned: it must be higher",
            path.display(),
            next.root_version,
            open.trust.root_version
        ))
        .hint("an old trust file may contain keys that were revoked later; ask production for the newest"));
    }
    pinning::show_change(ui, &open.trust, &next)?;
    if !ui.confirm("trust these keys from now on?", "--yes")? {
        return Err(Error::trust(
            "the keys were not trusted; nothing was changed",
        ));
    }
    pinning::pin(ui, session, &next)?;
    Ok(Exit::Done)
}
