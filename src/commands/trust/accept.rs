//! `devenv trust accept`

use std::path::PathBuf;

use clap::Args;

use crate::context::Context;
use crate::error::{Error, Kind, PathContext, Result};
use crate::exit::Exit;
use crate::model::trust_file::TrustFile;

/// Pin a trust file by hand
///
/// For when the pinned keys are lost or stolen, so that no signature can hand over to the next ones.
/// Take the file from production by a way that you trust, and compare the fingerprints.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The `trust.yaml` that production gave you
    file: PathBuf,
}

/// Shows the difference, asks, pins.
pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let open = context.open()?;
    let path = &arguments.file;
    let text = std::fs::read(path).at(Kind::Usage, "read", path)?;
    let next = TrustFile::parse(&path.display().to_string(), &text)?;
    if next.platform != open.name {
        return Err(Error::trust(format!(
            "{} is about the platform `{}`, not `{}`",
            path.display(),
            next.platform,
            open.name
        )));
    }
    if next == open.trust {
        context.ui.data("this trust file is pinned already");
        return Ok(Exit::Done);
    }
    if next.root_version <= open.trust.root_version {
        return Err(Error::trust(format!(
            "{} has root version {}, and {} is pinned: it must be higher",
            path.display(),
            next.root_version,
            open.trust.root_version
        ))
        .hint("an old trust file would bring revoked keys back; ask production for the newest"));
    }
    super::show_change(context, &open.trust, &next)?;
    if !context
        .ui
        .confirm("trust these keys from now on?", "--yes")?
    {
        return Err(Error::trust(
            "the keys were not trusted; nothing was changed",
        ));
    }
    super::pin(context, &next)?;
    Ok(Exit::Done)
}
