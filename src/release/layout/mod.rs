//! An image as a folder: an OCI image layout, which policy, scanners and imports read.
//! Source: OCI image specification 1.1, `image-layout.md`.
//!
//! Whatever an archive calls its files, they are known by their digests alone: paths, links and
//! names in it lead nowhere.

mod budget;
mod check;
pub mod contents;
mod entries;
mod exported;
pub mod files;
mod found;
mod jar;
pub(in crate::release) mod packages;
mod rpm;
mod sqlite;
mod stream;
mod tree;
mod unpack;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::{Error, Kind, PathContext, Result};
use crate::model::digest::Digest;
use crate::registry::{Descriptor, ImageManifest, OCI_MANIFEST};
use crate::system::{Here, System as _};

pub use check::check;
pub use exported::exported;
pub use stream::Pieces;
pub use unpack::{Limits, unpack};

/// The type of an image's configuration.
const CONFIGURATION: &str = "application/vnd.oci.image.config.v1+json";
/// The type of a layer that is not compressed.
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// The type of one that is.
const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// One image in a folder of its own, which goes when it is dropped.
#[derive(Debug)]
pub struct Layout {
    folder: tempfile::TempDir,
    /// Its manifest.
    pub manifest: ImageManifest,
    /// The manifest's bytes: those of its maker where there were any.
    pub bytes: Vec<u8>,
    /// The configuration's bytes.
    pub configuration: Vec<u8>,
}

impl Layout {
    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The manifest's digest.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// The file of a blob.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        blob(self.folder.path(), digest)
    }
}

/// A layout that is being made: a folder as large as the image, which goes with it.
#[derive(Debug)]
pub struct Incoming(tempfile::TempDir);

impl Incoming {
    /// An empty one below a folder.
    pub fn new(below: &Path) -> Result<Self> {
        Here::create_private(below).at(Kind::Usage, "create", below)?;
        remove_remains(below);
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(below)
            .at(Kind::Usage, "create a folder in", below)?;
        let blobs = folder.path().join("blobs/sha256");
        Here::create_private(&blobs).at(Kind::Usage, "create", &blobs)?;
        Ok(Self(folder))
    }

    /// Where the blob of this digest is to be.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        blob(self.0.path(), digest)
    }

    /// Enters an image in its index, all of whose layers are there.
    pub fn finish(
        self,
        manifest: ImageManifest,
        bytes: Vec<u8>,
        configuration: Vec<u8>,
    ) -> Result<Layout> {
        let path = self.0.path();
        let media_type = manifest.media_type.as_deref().unwrap_or(OCI_MANIFEST);
        let descriptor = Descriptor::of(media_type, &bytes);
        let index = serde_json::json!({ "schemaVersion": 2, "manifests": [descriptor] });
        for (file, content) in [
            (blob(path, &descriptor.digest), bytes.clone()),
            (blob(path, &manifest.config.digest), configuration.clone()),
            (path.join("index.json"), index.to_string().into_bytes()),
            (
                path.join("oci-layout"),
                br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
            ),
        ] {
            std::fs::write(&file, content).at(Kind::Usage, "write", &file)?;
        }
        Ok(Layout {
            folder: self.0,
            manifest,
            bytes,
            configuration,
        })
    }
}

/// How such a folder begins.
const PREFIX: &str = "image-";
/// Older ones are remains of a killed command.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

fn remove_remains(below: &Path) {
    for entry in std::fs::read_dir(below).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let modified = entry.metadata().and_then(|data| data.modified());
        let age = modified.map(|time| SystemTime::now().duration_since(time).unwrap_or_default());
        if ours && age.is_ok_and(|age| age > STALE) {
            // The next one tries again.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn blob(folder: &Path, digest: &Digest) -> PathBuf {
    folder.join("blobs/sha256").join(digest.hex())
}

fn refuse(why: impl Into<String>) -> Error {
    Error::usage(why)
}
