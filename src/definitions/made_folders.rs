//! Folders that go again where what they were made for fails.

use std::path::{Path, PathBuf};

use crate::error::{Kind, PathContext, Result};
use crate::system::{Here, System as _};

/// Folders that were made for something that may fail: without [`Self::keep`] they go again, where
/// nothing is in them.
pub struct MadeFolders(Vec<PathBuf>);

impl MadeFolders {
    /// Makes the folder with those above it that are missing.
    pub fn make(folder: &Path) -> Result<Self> {
        let missing = folder.ancestors().take_while(|it| !it.exists());
        let made = Self(missing.map(Path::to_owned).collect());
        Here::create_private(folder).at(Kind::Git, "create", folder)?;
        Ok(made)
    }

    /// They stay.
    pub fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for MadeFolders {
    fn drop(&mut self) {
        for folder in &self.0 {
            // Another command may have put something there meanwhile.
            let _ = std::fs::remove_dir(folder);
        }
    }
}
