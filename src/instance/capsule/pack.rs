//! Writes a capsule: an OCI layout in a tar archive, encrypted on its way into the file.

use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use super::cipher::{self, Lock};
use super::signature;
use super::spool::Blob;
use crate::error::{Error, Kind, PathContext as _, Result};
use crate::home::reporter::Work;
use crate::model::capsule::part::Part;
use crate::model::digest::Digest;
use crate::registry::{Descriptor, EMPTY, ImageIndex, ImageManifest, OCI_INDEX, OCI_MANIFEST};
use crate::verify::trust::bundle;
use crate::verify::trust::keys::SigningKey;

/// What the artifact of a capsule is.
pub(super) const CAPSULE: &str = "application/vnd.devenv.capsule.v1";

/// What its configuration is.
pub(super) const MANIFEST: &str = "application/vnd.devenv.capsule.manifest.v1+json";

/// The file that tells what an archive is, and what it holds. Source: OCI image-spec 1.1, "Image Layout".
pub(super) const LAYOUT: (&str, &[u8]) = ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);

/// The file that names what is in it.
pub(super) const INDEX: &str = "index.json";

/// Where a blob is.
pub(super) fn place(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// What goes into a capsule.
#[derive(Debug)]
pub(super) struct Contents {
    /// The bytes of its manifest.
    pub(super) manifest: Vec<u8>,
    pub(super) parts: Vec<(Part, Blob)>,
}

/// What was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    /// Of the capsule's OCI manifest.
    pub(super) digest: Digest,
    /// Bytes of the file.
    pub(super) size: u64,
}

/// Writes a file that is not there yet: whole, or not at all.
pub(super) fn write(
    file: &Path,
    contents: Contents,
    lock: &Lock,
    key: Option<&SigningKey>,
    work: &dyn Work,
) -> Result<Written> {
    let folder = file.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let part =
        tempfile::NamedTempFile::new_in(folder).at(Kind::Usage, "create a file in", folder)?;
    let sealed = cipher::seal(lock, BufWriter::new(part))?;
    let (sealed, digest) = layout(sealed, contents, key, work)?;
    let part = sealed
        .finish()
        .and_then(|it| it.into_inner().map_err(io::IntoInnerError::into_error));
    let part = part.at(Kind::Usage, "write", file)?;
    part.as_file().sync_all().at(Kind::Usage, "write", file)?;
    let written = part.persist_noclobber(file).map_err(|error| error.error);
    let size = written.and_then(|it| Ok(it.metadata()?.len()));
    let size = size.at(Kind::Usage, "write", file)?;
    Ok(Written { digest, size })
}

/// The archive: what names something comes before it.
pub(super) fn layout<W: Write>(
    to: W,
    contents: Contents,
    key: Option<&SigningKey>,
    work: &dyn Work,
) -> Result<(W, Digest)> {
    let layers = contents.parts.iter();
    let layers = layers.map(|(part, it)| Descriptor::new(part.media_type(), it.digest, it.size));
    let capsule = json(&artifact(
        CAPSULE,
        Descriptor::of(MANIFEST, &contents.manifest),
        layers.collect(),
        None,
    ))?;
    let own = Descriptor::of(OCI_MANIFEST, &capsule);
    let signed = key.map(|key| signature::sign(&capsule, key)).transpose()?;
    let signature = signed.as_ref().map(|signed| {
        let layer = Descriptor::of(bundle::MEDIA_TYPE, signed);
        let config = Descriptor::of(EMPTY, b"{}");
        json(&artifact(
            bundle::MEDIA_TYPE,
            config,
            vec![layer],
            Some(own.clone()),
        ))
    });
    let signature = signature.transpose()?;
    let mut manifests = vec![typed(&own, CAPSULE)];
    manifests.extend(
        signature
            .as_ref()
            .map(|it| typed(&Descriptor::of(OCI_MANIFEST, it), bundle::MEDIA_TYPE)),
    );
    let index = json(&ImageIndex {
        schema_version: 2,
        media_type: Some(OCI_INDEX.to_owned()),
        manifests,
        annotations: std::collections::BTreeMap::new(),
    })?;
    let mut archive = Archive(tar::Builder::new(to));
    archive.bytes(LAYOUT.0, LAYOUT.1)?;
    archive.bytes(INDEX, &index)?;
    archive.blob(&capsule)?;
    if let (Some(signature), Some(signed)) = (&signature, &signed) {
        archive.blob(signature)?;
        archive.blob(b"{}")?;
        archive.blob(signed)?;
    }
    archive.blob(&contents.manifest)?;
    let total: u64 = contents.parts.iter().map(|(_, it)| it.size).sum();
    let mut done = 0;
    for (_, blob) in contents.parts {
        let counted = Counted {
            file: blob.file,
            work,
            done,
            total,
        };
        archive.add(&place(&blob.digest), blob.size, counted)?;
        done += blob.size;
    }
    let to = archive.0.into_inner().map_err(unwritten)?;
    Ok((to, own.digest))
}

fn artifact(
    kind: &str,
    config: Descriptor,
    layers: Vec<Descriptor>,
    subject: Option<Descriptor>,
) -> ImageManifest {
    ImageManifest {
        schema_version: 2,
        media_type: Some(OCI_MANIFEST.to_owned()),
        artifact_type: Some(kind.to_owned()),
        config,
        layers,
        subject,
        annotations: std::collections::BTreeMap::new(),
    }
}

fn typed(it: &Descriptor, kind: &str) -> Descriptor {
    Descriptor {
        artifact_type: Some(kind.to_owned()),
        ..it.clone()
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::bug("cannot write a manifest").because(error))
}

fn unwritten(error: io::Error) -> Error {
    Error::usage("cannot write the capsule").because(error)
}

struct Archive<W: Write>(tar::Builder<W>);

impl<W: Write> Archive<W> {
    fn blob(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes(&place(&Digest::of(bytes)), bytes)
    }

    fn bytes(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        self.add(path, bytes.len() as u64, bytes)
    }

    fn add(&mut self, path: &str, size: u64, content: impl Read) -> Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_size(size);
        header.set_mode(0o600);
        let added = self.0.append_data(&mut header, path, content);
        added.map_err(unwritten)
    }
}

/// Tells how far it was read.
struct Counted<'a> {
    file: std::fs::File,
    work: &'a dyn Work,
    done: u64,
    total: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.done += read as u64;
        self.work.bytes(self.done, self.total);
        Ok(read)
    }
}
