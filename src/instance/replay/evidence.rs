//! A file with the result of a replay, which anybody may have written.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::error::{Error, Kind, PathContext as _, Result};
use crate::home::session::OpenPlatform;
use crate::model::replay::evidence::{Evidence, LARGEST};

/// Reads the result of a replay of this platform.
///
/// # Errors
/// A file that cannot be read, or is none; another platform's.
pub fn evidence(path: &Path, open: &OpenPlatform) -> Result<Evidence> {
    let file = File::open(path).at(Kind::Usage, "read", path)?;
    let mut text = String::new();
    let mut limited = file.take(LARGEST);
    limited
        .read_to_string(&mut text)
        .at(Kind::Usage, "read", path)?;
    let evidence = Evidence::parse(&path.display().to_string(), &text)?;
    if evidence.platform != open.name {
        let (other, own) = (&evidence.platform, &open.name);
        let text = format!("the evidence is of the platform {other}, not {own}");
        return Err(Error::usage(text));
    }
    Ok(evidence)
}
