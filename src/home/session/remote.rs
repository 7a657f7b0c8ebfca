//! Git's other end.

use std::path::Path;

/// Where git is about to go.
#[derive(Debug, Clone, Copy)]
pub enum Remote<'a> {
    /// To this address.
    Url(&'a str),
    /// Where this clone came from.
    Clone(&'a Path),
}

impl<'a> Remote<'a> {
    pub(super) fn clone_path(self) -> Option<&'a Path> {
        match self {
            Self::Url(_) => None,
            Self::Clone(path) => Some(path),
        }
    }
}
