//! Content by digest, checked whenever it is read, and unverified hints beside it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::file;
use crate::error::Result;
use crate::home::paths::Paths;
use crate::model::digest::Digest;

/// What the registry gave before.
#[derive(Debug, Clone)]
pub struct Cache {
    paths: Paths,
    read: Option<Arc<Mutex<BTreeSet<PathBuf>>>>,
}

impl Cache {
    /// The cache in these folders.
    pub fn new(paths: &Paths) -> Self {
        Self {
            paths: paths.clone(),
            read: None,
        }
    }

    /// The same cache, which records the files of content that are read through it.
    #[must_use]
    pub fn recording(&self) -> Self {
        Self {
            paths: self.paths.clone(),
            read: Some(Arc::default()),
        }
    }

    /// What was recorded.
    pub fn recorded(&self) -> BTreeSet<PathBuf> {
        let read = self.read.as_ref();
        read.map(|read| read.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .unwrap_or_default()
    }

    /// The content of this digest; a damaged file counts as absent.
    pub fn content(&self, digest: &Digest) -> Option<Bytes> {
        let path = self.paths.content(digest);
        let bytes = std::fs::read(&path).ok()?;
        if Digest::of(&bytes) != *digest {
            return None;
        }
        if let Some(read) = &self.read {
            read.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(path);
        }
        Some(Bytes::from(bytes))
    }

    /// Keeps content under its own digest.
    pub fn keep(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        file::write(&self.paths.content(&digest), bytes)?;
        Ok(digest)
    }

    /// A hint; a damaged file counts as absent.
    pub fn hint<T: DeserializeOwned>(&self, kind: &str, key: &str) -> Option<T> {
        file::load(&self.paths.hint(kind, key)).ok().flatten()
    }

    /// Keeps a hint.
    pub fn keep_hint<T: Serialize>(&self, kind: &str, key: &str, value: &T) -> Result<()> {
        file::save(&self.paths.hint(kind, key), value)
    }
}
