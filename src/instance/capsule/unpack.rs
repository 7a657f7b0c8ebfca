//! Reads the archive of a capsule that anybody may have written. No name in it is ever a path of this machine:
//! each entry has to be the very one that what came before it names, with that size and digest.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use tar::EntryType;

use super::pack::{CAPSULE, INDEX, LAYOUT, MANIFEST, place};
use super::spool::{Blob, Spool};
use crate::error::{Error, Result};
use crate::home::reporter::Work;
use crate::model::capsule::manifest;
use crate::model::capsule::part::Part;
use crate::model::digest::Digest;
use crate::registry::{
    Content, Descriptor, EMPTY, ImageIndex, ImageManifest, MANIFEST_LIMIT, OCI_MANIFEST,
};
use crate::verify::trust::bundle;

/// What an archive held, each part with the digest that the manifest names.
#[derive(Debug)]
pub(super) struct Unpacked {
    /// The bytes of its OCI manifest: what a signature covers.
    pub(super) capsule: Vec<u8>,
    pub(super) digest: Digest,
    /// Its own manifest.
    pub(super) manifest: Vec<u8>,
    pub(super) bundle: Option<Vec<u8>>,
    pub(super) parts: BTreeMap<Part, Blob>,
}

/// Reads all of it, to its end; parts go into files without names in this folder.
pub(super) fn unpack(from: impl Read, folder: &Path, work: &dyn Work) -> Result<Unpacked> {
    let mut archive = tar::Archive::new(from);
    let entries = archive.entries().map_err(unreadable)?.raw(true);
    let mut reading = Reading {
        entries,
        folder,
        work,
        done: 0,
    };
    let unpacked = reading.all()?;
    if reading.next()?.is_some() {
        return Err(wrong("it has something that its manifest does not name"));
    }
    // Only who reads an encrypted file to its end knows that it is whole.
    let mut rest = archive.into_inner();
    let mut piece = [0; 8192];
    loop {
        let read = rest.read(&mut piece).map_err(unreadable)?;
        if read == 0 {
            return Ok(unpacked);
        }
        if piece[..read].iter().any(|it| *it != 0) {
            return Err(wrong("it goes on after its end"));
        }
    }
}

struct Reading<'a, R: Read> {
    entries: tar::Entries<'a, R>,
    folder: &'a Path,
    work: &'a dyn Work,
    done: u64,
}

impl<'a, R: Read> Reading<'a, R> {
    fn all(&mut self) -> Result<Unpacked> {
        if self.bytes(LAYOUT.0, 1000)? != LAYOUT.1 {
            return Err(wrong("it is no OCI layout of version 1.0.0"));
        }
        let index = self.bytes(INDEX, MANIFEST_LIMIT)?;
        let (own, signature) = named(&index)?;
        let capsule = self.blob(&own)?;
        let image = image(&capsule)?;
        if image.artifact_type.as_deref() != Some(CAPSULE) || image.config.media_type != MANIFEST {
            return Err(wrong("it is an OCI layout of something else"));
        }
        let bundle = match signature {
            Some(it) => Some(self.signature(&it, &own)?),
            None => None,
        };
        if image.config.size > manifest::LARGEST {
            return Err(wrong("its manifest is too large"));
        }
        let manifest = self.blob(&image.config)?;
        let sizes = image.layers.iter().map(|it| it.size);
        let total = sizes.fold(0, u64::saturating_add);
        let mut parts = BTreeMap::new();
        for layer in &image.layers {
            let part = Part::of(&layer.media_type)
                .filter(|it| !parts.contains_key(it))
                .ok_or_else(|| {
                    wrong("it has a part that this devenv does not know, or one twice")
                })?;
            parts.insert(part, self.part(part, layer, total)?);
        }
        Ok(Unpacked {
            digest: own.digest,
            capsule,
            manifest,
            bundle,
            parts,
        })
    }

    /// The bundle of the artifact that is about the capsule.
    fn signature(&mut self, signature: &Descriptor, about: &Descriptor) -> Result<Vec<u8>> {
        let bytes = self.blob(signature)?;
        let image = image(&bytes)?;
        let subject = image.subject.as_ref().map(|it| it.digest);
        let [layer] = image.layers.as_slice() else {
            return Err(wrong("its signature has not one layer"));
        };
        if subject != Some(about.digest)
            || image.config.digest != Digest::of(b"{}")
            || image.config.media_type != EMPTY
            || layer.media_type != bundle::MEDIA_TYPE
        {
            return Err(wrong("its signature is of something else"));
        }
        self.blob(&image.config)?;
        self.blob(layer)
    }

    /// What is small enough to be held.
    fn blob(&mut self, it: &Descriptor) -> Result<Vec<u8>> {
        if it.size > MANIFEST_LIMIT {
            return Err(wrong("a manifest in it is too large"));
        }
        let bytes = self.bytes(&place(&it.digest), it.size)?;
        if Descriptor::of("", &bytes).digest != it.digest || bytes.len() as u64 != it.size {
            return Err(changed());
        }
        Ok(bytes)
    }

    fn part(&mut self, part: Part, layer: &Descriptor, total: u64) -> Result<Blob> {
        if layer.size > part.largest() {
            return Err(wrong(&format!("its part {part} is too large")));
        }
        let spool = Spool::new_in(self.folder).map_err(unkept)?;
        let (work, before) = (self.work, self.done);
        let entry = self.entry(&place(&layer.digest), layer.size)?;
        let counted = Counted {
            from: entry,
            work,
            done: before,
            total,
        };
        let blob = spool.fill(counted, layer.size).map_err(unreadable)?;
        if blob.size != layer.size || blob.digest != layer.digest {
            return Err(changed());
        }
        self.done += layer.size;
        Ok(blob)
    }

    fn bytes(&mut self, path: &str, most: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut entry = self.entry(path, most)?;
        entry.read_to_end(&mut bytes).map_err(unreadable)?;
        Ok(bytes)
    }

    /// The next entry, which has to be a file of this name, and no larger.
    fn entry(&mut self, path: &str, most: u64) -> Result<tar::Entry<'a, R>> {
        let entry = self.next()?.ok_or_else(|| wrong("it ends too early"))?;
        let kind = entry.header().entry_type();
        if !matches!(kind, EntryType::Regular) {
            return Err(wrong("it has something else than files"));
        }
        if *entry.path_bytes() != *path.as_bytes() {
            return Err(wrong(
                "it has something else than its manifest names, or in another order",
            ));
        }
        if entry.size() > most {
            return Err(wrong("a part of it is larger than its manifest says"));
        }
        Ok(entry)
    }

    fn next(&mut self) -> Result<Option<tar::Entry<'a, R>>> {
        self.entries.next().transpose().map_err(unreadable)
    }
}

/// The capsule's manifest, and the one of its signature.
fn named(index: &[u8]) -> Result<(Descriptor, Option<Descriptor>)> {
    let Ok(Content::Index(ImageIndex { manifests, .. })) = Content::parse(index) else {
        return Err(wrong("its index cannot be read"));
    };
    let is_manifest = |it: &Descriptor| it.media_type == OCI_MANIFEST;
    let of = |kind: &str| {
        let mut found = manifests.iter();
        found.find(|it| it.artifact_type.as_deref() == Some(kind) && is_manifest(it))
    };
    let (Some(own), signature) = (of(CAPSULE), of(bundle::MEDIA_TYPE)) else {
        return Err(wrong("it is an OCI layout of something else"));
    };
    if manifests.len() != 1 + usize::from(signature.is_some()) {
        return Err(wrong("its index names more than a capsule"));
    }
    Ok((own.clone(), signature.cloned()))
}

fn image(bytes: &[u8]) -> Result<ImageManifest> {
    match Content::parse(bytes) {
        Ok(Content::Image(image)) => Ok(*image),
        _ => Err(wrong("a manifest in it cannot be read")),
    }
}

fn unreadable(error: io::Error) -> Error {
    Error::usage("it cannot be read to its end: it is cut off, or was changed").because(error)
}

fn unkept(error: io::Error) -> Error {
    Error::usage("cannot keep a part of it while it is checked").because(error)
}

fn changed() -> Error {
    wrong("a part of it is not what its digest says")
}

fn wrong(what: &str) -> Error {
    Error::usage(what).hint("`devenv capsule save` writes capsules")
}

/// Tells how far it was read.
struct Counted<'a, R> {
    from: R,
    work: &'a dyn Work,
    done: u64,
    total: u64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.done += read as u64;
        self.work.bytes(self.done, self.total);
        Ok(read)
    }
}
