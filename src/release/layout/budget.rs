//! What reading one image may cost: nobody vouches for its archives, and a few bytes of them may
//! promise any number.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek, SeekFrom, Write};

use tempfile::SpooledTempFile;

use super::refuse;
use crate::error::Result;
use crate::model::sbom::Package;

/// Bytes unpacked of all jars.
const UNPACKED: u64 = 8 << 30;
/// Bytes of packages and names that are kept of all files.
const KEPT: usize = 256 << 20;
/// What one of them takes besides its text.
const EACH: usize = 128;
/// What looking into a jar costs at least, in bytes: there may be many that are empty.
const EACH_JAR: u64 = 4096;
/// Bytes of a jar that stay in memory.
const IN_MEMORY: usize = 64 << 20;

#[derive(Debug)]
pub(super) struct Budget {
    unpacked: u64,
    kept: usize,
    is_full: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(UNPACKED, KEPT)
    }
}

impl Budget {
    pub(super) fn new(unpacked: u64, kept: usize) -> Self {
        Self {
            unpacked,
            kept,
            is_full: false,
        }
    }

    /// Copies what was packed; `None` where it is damaged, or more than is left. It is charged either
    /// way.
    pub(super) fn unpack(&mut self, content: &mut dyn Read, to: &mut dyn Write) -> Option<()> {
        let mut content = content.take(self.unpacked.saturating_add(1));
        let limit = content.limit();
        let copied = io::copy(&mut content, to);
        let size = limit - content.limit();
        let fits = size <= self.unpacked;
        self.unpacked = self.unpacked.saturating_sub(size);
        (copied.is_ok() && fits).then_some(())
    }

    /// [`unpack`](Self::unpack) to a file that can be read from its start.
    pub(super) fn spool(&mut self, content: &mut dyn Read) -> Option<SpooledTempFile> {
        self.unpacked = self.unpacked.checked_sub(EACH_JAR)?;
        let mut file = SpooledTempFile::new(IN_MEMORY);
        self.unpack(content, &mut file)?;
        file.seek(SeekFrom::Start(0)).ok()?;
        Some(file)
    }

    /// Charges a text that is kept.
    pub(super) fn keep(&mut self, bytes: usize) -> Option<()> {
        match self.kept.checked_sub(bytes.saturating_add(EACH)) {
            Some(left) => self.kept = left,
            None => self.is_full = true,
        }
        (!self.is_full).then_some(())
    }

    pub(super) fn add(&mut self, found: &mut BTreeSet<Package>, package: Package) -> Option<()> {
        if !found.contains(&package) {
            let optional = [&package.architecture, &package.place];
            let optional = optional.into_iter().flatten().map(String::len);
            self.keep(package.name.len() + package.version.len() + optional.sum::<usize>())?;
            found.insert(package);
        }
        Some(())
    }

    /// Fails once more was to be kept than may be: what is left out would be missing from a signed list.
    pub(super) fn check(&self) -> Result<()> {
        if self.is_full {
            return Err(refuse(format!(
                "its packages and the names of its files take more than {} MiB",
                KEPT >> 20
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_empty_jars_cost_something() {
        let mut budget = Budget::new(3 * EACH_JAR - 1, 0);
        let spooled = (0..9).filter_map(|_| budget.spool(&mut io::empty()));
        assert_eq!(spooled.count(), 2);
    }

    #[test]
    fn more_than_is_left_is_charged_as_well() {
        let mut budget = Budget::new(10, 0);
        let mut unpack = |content: &[u8]| budget.unpack(&mut &content[..], &mut io::sink());
        assert_eq!(unpack(b"12345"), Some(()));
        assert_eq!(unpack(b"123456"), None);
        assert_eq!(unpack(b"1"), None);
    }
}
