//! What is in an image: its packages and what else the policy asks about, layer by layer, without
//! running anything of it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;

use super::Layout;
use super::tree::{OS_RELEASE, PASSWD, Tree};
use crate::error::{Kind, PathContext, Result};
use crate::model::sbom::Package;
use crate::model::visible::visible;

/// Bytes of all layers, unpacked.
const LARGEST: u64 = 64 << 30;

/// What an image has.
#[derive(Debug, Default)]
pub struct Contents {
    /// Of every database and jar.
    pub packages: BTreeSet<Package>,
    /// Files above the base that run as another user than the one that starts them.
    pub setuid: Vec<String>,
    /// Bytes of all layers, unpacked.
    pub size: u64,
    /// `/etc/passwd`
    pub passwd: Vec<u8>,
    /// The `ID` of its os-release.
    pub distribution: Option<String>,
    /// Paths of what could not be read.
    pub unread: Vec<String>,
}

/// Reads all layers; the first `base` of them are its base's.
pub fn read(layout: &Layout, base: usize) -> Result<Contents> {
    let mut tree = Tree::default();
    let mut left = LARGEST;
    for (index, layer) in layout.manifest.layers.iter().enumerate() {
        let is_above = index >= base;
        let path = layout.blob(&layer.digest);
        let file = File::open(&path).at(Kind::Usage, "read", &path)?;
        let mut bytes = Counted {
            inner: BufReader::with_capacity(256 << 10, file),
            left,
        };
        let read = if layer.media_type.ends_with("gzip") {
            let mut unpacked = Counted {
                inner: MultiGzDecoder::new(bytes),
                left,
            };
            let read = tree.lay(&mut unpacked, is_above);
            left = unpacked.left;
            read
        } else {
            let read = tree.lay(&mut bytes, is_above);
            left = bytes.left;
            read
        };
        read.map_err(|error| error.within(format!("cannot read the layer {}", layer.digest)))?;
    }
    let mut contents = Contents {
        size: LARGEST - left,
        ..Contents::default()
    };
    let mut unread = BTreeSet::new();
    for (path, held) in tree.files {
        if held.is_setuid && held.is_above {
            contents.setuid.push(visible(&format!("/{path}")));
        }
        let packages = held.found.packages.iter();
        contents.packages.extend(packages.cloned());
        unread.extend(held.found.unread.iter().cloned());
        if path == PASSWD {
            contents.passwd.clone_from(&held.text);
        } else if !held.text.is_empty() {
            let found = identity(&String::from_utf8_lossy(&held.text));
            // `/etc/os-release` goes before the one that it usually leads to.
            if path == OS_RELEASE[0] || contents.distribution.is_none() {
                contents.distribution = found.or(contents.distribution);
            }
        }
    }
    contents.unread = unread.into_iter().collect();
    Ok(contents)
}

/// The `ID` in an os-release. Source: os-release(5).
fn identity(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix("ID="))?;
    let id = line.trim().trim_matches(['"', '\'']);
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (!id.is_empty() && id.chars().all(plain)).then(|| id.to_owned())
}

/// A reader that ends with an error where there is more than there may be.
struct Counted<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::other(format!("the image has more than {LARGEST} bytes unpacked"))
        })?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_ends_the_reading() {
        let mut endless = Counted {
            inner: io::repeat(0),
            left: 1 << 20,
        };
        let error = Tree::default().lay(&mut endless, false).unwrap_err();
        assert!(error.chain().join(" ").contains("unpacked"), "{error}");
        assert!(Tree::default().lay(&mut &b"nonsense"[..], false).is_err());
    }

    #[test]
    fn the_distribution_is_named() {
        assert_eq!(identity("NAME=x\nID=debian\n").as_deref(), Some("debian"));
        assert_eq!(identity("ID=\"rhel\"\n").as_deref(), Some("rhel"));
        assert_eq!(identity("ID=a b\n"), None);
    }
}
