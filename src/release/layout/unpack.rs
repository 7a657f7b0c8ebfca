//! From an archive, as `docker save` and the tools of others make them, to a layout.
//!
//! Three kinds are read: an OCI image layout, the engine's own format with names of layers in
//! `manifest.json`, and either packed with gzip.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use flate2::read::GzDecoder;
use ring::digest::{Context, SHA256};
use serde::Deserialize;

use super::{CONFIGURATION, Incoming, LAYER, LAYER_GZIP, Layout, entries, refuse};
use crate::error::{Error, Kind, PathContext, Result};
use crate::model::digest::Digest;
use crate::model::image_configuration::{self, ImageConfiguration};
use crate::model::visible::visible;
use crate::registry::{
    Content, Descriptor, ImageIndex, ImageManifest, MANIFEST_LIMIT, OCI_MANIFEST,
};

/// What an archive may hold at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of all its files, unpacked.
    pub bytes: u64,
    /// Entries.
    pub files: usize,
}

impl Default for Limits {
    /// Room for the largest images that are usual.
    fn default() -> Self {
        Self {
            bytes: 32 << 30,
            files: 10_000,
        }
    }
}

/// Images in an image are looked for this deep: an index in an index.
const DEEPEST: usize = 3;
/// Images of one archive, of all platforms: their manifests are in memory at once.
const MOST_IMAGES: usize = 64;
/// Bytes that are copied at a time.
const PIECE: usize = 256 * 1024;
/// How a gzip stream begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// One image of the engine's own `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
}

/// Unpacks an archive of one image below `folder`; of several platforms the image for
/// `architecture`. Fails with [`Kind::Usage`] on anything else than one image.
pub fn unpack(
    archive: impl Read,
    folder: &Path,
    architecture: &str,
    limits: Limits,
) -> Result<Layout> {
    let mut archive = BufReader::with_capacity(PIECE, archive);
    let is_packed = io::BufRead::fill_buf(&mut archive)
        .map_err(|error| refuse("the archive cannot be read").because(error))?
        .starts_with(&GZIP);
    if is_packed {
        read(GzDecoder::new(archive), folder, architecture, limits)
    } else {
        read(archive, folder, architecture, limits)
    }
}

fn read(archive: impl Read, below: &Path, architecture: &str, limits: Limits) -> Result<Layout> {
    let incoming = Incoming::new(below)?;
    let unpacked = Unpacked::all(archive, &incoming, limits)?;
    let image = match unpacked.small.get("index.json") {
        Some(index) => unpacked.of_index(index, architecture)?,
        None => unpacked.of_engine()?,
    };
    unpacked.check(&image)?;
    incoming.finish(image.manifest, image.bytes, image.configuration)
}

/// The files of an archive, by digest.
struct Unpacked<'a> {
    incoming: &'a Incoming,
    /// The digest of the file at each path.
    names: BTreeMap<String, Digest>,
    sizes: BTreeMap<Digest, u64>,
    /// The content of the two files that are known by their names.
    small: BTreeMap<String, Vec<u8>>,
}

struct Image {
    manifest: ImageManifest,
    bytes: Vec<u8>,
    configuration: Vec<u8>,
}

impl<'a> Unpacked<'a> {
    fn all(archive: impl Read, incoming: &'a Incoming, limits: Limits) -> Result<Self> {
        let mut unpacked = Self {
            incoming,
            names: BTreeMap::new(),
            sizes: BTreeMap::new(),
            small: BTreeMap::new(),
        };
        let mut left = limits.bytes;
        entries::each(archive, limits.files, |head, content| {
            if !head.kind.is_file() {
                return Ok(());
            }
            let (digest, size) = unpacked.keep(content, left, limits.bytes)?;
            left -= size;
            if head.path == "index.json" || head.path == "manifest.json" {
                let small = unpacked.read(&digest, MANIFEST_LIMIT)?;
                unpacked.small.insert(head.path.clone(), small);
            }
            unpacked.names.insert(head.path.clone(), digest);
            unpacked.sizes.insert(digest, size);
            Ok(())
        })
        .map_err(|error| error.within("this is no archive of one image"))?;
        Ok(unpacked)
    }

    /// Writes a file under its digest.
    fn keep(&self, content: &mut dyn Read, left: u64, limit: u64) -> Result<(Digest, u64)> {
        let path = self.incoming.blob(&Digest::of(b"incoming"));
        let mut file = File::create(&path).at(Kind::Usage, "create", &path)?;
        let (mut hash, mut size) = (Context::new(&SHA256), 0);
        let mut piece = vec![0; PIECE];
        loop {
            let count = content
                .read(&mut piece)
                .map_err(|error| refuse("the archive ends too early").because(error))?;
            if count == 0 {
                break;
            }
            size += count as u64;
            if size > left {
                return Err(refuse(format!("the archive holds more than {limit} bytes")));
            }
            hash.update(&piece[..count]);
            file.write_all(&piece[..count])
                .at(Kind::Usage, "write", &path)?;
        }
        let mut value = [0; 32];
        value.copy_from_slice(hash.finish().as_ref());
        let digest = Digest::from_bytes(value);
        let kept = self.incoming.blob(&digest);
        std::fs::rename(&path, &kept).at(Kind::Usage, "write", &kept)?;
        Ok((digest, size))
    }

    fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>> {
        let path = self.incoming.blob(digest);
        if self.sizes.get(digest).is_some_and(|size| *size > limit) {
            return Err(refuse(format!(
                "{digest} in the archive has more than {limit} bytes"
            )));
        }
        let file = File::open(&path)
            .map_err(|_| refuse(format!("{digest} is missing from the archive")))?;
        let mut content = Vec::new();
        file.take(limit + 1)
            .read_to_end(&mut content)
            .at(Kind::Usage, "read", &path)?;
        if content.len() as u64 > limit {
            return Err(refuse(format!(
                "{digest} in the archive has more than {limit} bytes"
            )));
        }
        Ok(content)
    }

    /// The one image that an index leads to.
    fn of_index(&self, index: &[u8], architecture: &str) -> Result<Image> {
        let mut found = Vec::new();
        self.collect(index, DEEPEST, &mut BTreeSet::new(), &mut found)?;
        let mut fitting: Vec<Image> = Vec::new();
        let count = found.len();
        for image in found {
            let configuration = ImageConfiguration::parse(&image.configuration).map_err(refuse)?;
            if count == 1 || configuration.architecture() == Some(architecture) {
                fitting.push(image);
            }
        }
        match fitting.len() {
            1 => Ok(fitting.swap_remove(0)),
            0 => Err(refuse(format!(
                "of {count} images in the archive none is for {architecture}"
            ))),
            many => Err(refuse(format!("the archive holds {many} images, not one"))),
        }
    }

    /// Each manifest is looked at once, however often it is named.
    fn collect(
        &self,
        index: &[u8],
        depth: usize,
        seen: &mut BTreeSet<Digest>,
        found: &mut Vec<Image>,
    ) -> Result<()> {
        let wrong = |error: serde_json::Error| refuse("its index cannot be read").because(error);
        let index: ImageIndex = serde_json::from_slice(index).map_err(wrong)?;
        for entry in index.manifests {
            // What `docker buildx` attaches is no image.
            let foreign = entry.platform.as_ref().is_some_and(|it| it.os != "linux");
            if foreign || !seen.insert(entry.digest) {
                continue;
            }
            let bytes = self.read(&entry.digest, MANIFEST_LIMIT)?;
            match Content::parse(&bytes).map_err(refuse)? {
                Content::Index(_) if depth > 1 => {
                    self.collect(&bytes, depth - 1, seen, found)?;
                }
                Content::Index(_) => return Err(refuse("its indexes go too deep")),
                Content::Image(manifest) => {
                    let configuration =
                        self.read(&manifest.config.digest, image_configuration::LARGEST)?;
                    if found.len() == MOST_IMAGES {
                        return Err(refuse(format!("it holds more than {MOST_IMAGES} images")));
                    }
                    found.push(Image {
                        manifest: *manifest,
                        bytes,
                        configuration,
                    });
                }
            }
        }
        Ok(())
    }

    /// The one image of the engine's own format: its layers are found by the digests in its
    /// configuration.
    fn of_engine(&self) -> Result<Image> {
        let none = || refuse("there is neither an index.json nor a manifest.json in the archive");
        let wrong =
            |error: serde_json::Error| refuse("its manifest.json cannot be read").because(error);
        let saved = self.small.get("manifest.json").ok_or_else(none)?;
        let saved: Vec<Saved> = serde_json::from_slice(saved).map_err(wrong)?;
        let [saved] = &saved[..] else {
            return Err(refuse(format!(
                "the archive holds {} images, not one",
                saved.len()
            )));
        };
        let digest = self.names.get(&saved.config).ok_or_else(|| {
            let name = visible(&saved.config);
            refuse(format!("{name} is missing from the archive"))
        })?;
        let configuration = self.read(digest, image_configuration::LARGEST)?;
        let parsed = ImageConfiguration::parse(&configuration).map_err(refuse)?;
        let layer = |digest: &Digest| -> Result<Descriptor> {
            let missing = || refuse(format!("the layer {digest} is missing from the archive"));
            let size = self.sizes.get(digest).ok_or_else(missing)?;
            Ok(Descriptor::new(LAYER, *digest, *size))
        };
        let manifest = ImageManifest {
            schema_version: 2,
            media_type: Some(OCI_MANIFEST.to_owned()),
            artifact_type: None,
            config: Descriptor::of(CONFIGURATION, &configuration),
            layers: parsed.layers().iter().map(layer).collect::<Result<_>>()?,
            subject: None,
            annotations: BTreeMap::new(),
        };
        let bytes = serde_json::to_vec(&manifest)
            .map_err(|error| Error::bug("cannot write a manifest").because(error))?;
        Ok(Image {
            manifest,
            bytes,
            configuration,
        })
    }

    /// Whether everything that the image names is there, and as large as it says.
    fn check(&self, image: &Image) -> Result<()> {
        let configuration = ImageConfiguration::parse(&image.configuration).map_err(refuse)?;
        if configuration.layers().len() != image.manifest.layers.len() {
            return Err(refuse(
                "its configuration and its manifest name other layers",
            ));
        }
        for layer in &image.manifest.layers {
            let known = [LAYER, LAYER_GZIP].contains(&layer.media_type.as_str())
                || layer.media_type.ends_with(".tar.gzip");
            if !known {
                let media_type = visible(&layer.media_type);
                return Err(refuse(format!(
                    "a layer is a `{media_type}`, which is not read here"
                )));
            }
            match self.sizes.get(&layer.digest) {
                None => {
                    let digest = layer.digest;
                    return Err(refuse(format!(
                        "the layer {digest} is missing from the archive"
                    )));
                }
                Some(size) if *size != layer.size => {
                    return Err(refuse(format!(
                        "the layer {} has {size} bytes, not {}",
                        layer.digest, layer.size
                    )));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;
