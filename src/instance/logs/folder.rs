//! Whether a folder of this machine can be had for log files, found out without writing anything.

use std::path::Path;

use crate::error::{Error, Kind, PathContext, Result};
use crate::system::{Here, System as _};

/// It is a folder that this user may write into, or can be made in one.
///
/// # Errors
/// What is in its way.
pub fn check_folder(folder: &Path) -> Result<()> {
    // A link that leads nowhere is in the way too.
    let mut around = folder.ancestors();
    let Some(found) = around.find(|it| it.symlink_metadata().is_ok()) else {
        return Ok(());
    };
    let kind = std::fs::metadata(found).at(Kind::Usage, "read", found)?;
    if !kind.is_dir() {
        let text = format!("{} is not a folder", found.display());
        return Err(Error::usage(text).hint("log files need one: name another"));
    }
    Here::may_write(found).at(Kind::Usage, "write into", found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_or_a_place_for_one() {
        let home = tempfile::tempdir().unwrap();
        let inside = |name: &str| home.path().join(name);
        std::fs::write(inside("file"), "").unwrap();
        let refused = |name: &str| check_folder(&inside(name)).unwrap_err().to_string();
        check_folder(home.path()).unwrap();
        check_folder(&inside("new/logs")).unwrap();
        assert!(!inside("new").exists(), "nothing is made");
        for name in ["file", "file/logs"] {
            let text = refused(name);
            assert!(text.ends_with("file is not a folder"), "{text}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/nowhere/at/all", inside("link")).unwrap();
            assert!(refused("link").contains("cannot read"));
        }
    }
}
