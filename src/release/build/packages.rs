//! Which packages an image has: its package database, read without running anything of it.

use std::collections::BTreeMap;
use std::io::Read;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::probe::Looker;
use crate::engine::FaultKind;
use crate::engine::docker::Docker;
use crate::error::Result;
use crate::model::digest::Digest;
use crate::model::sbom::Origin;
use crate::release::layout::packages;

/// Package to version.
pub type Packages = BTreeMap<String, String>;

/// Databases of Debian, of distroless images, and of Alpine.
const DATABASES: [(&str, Origin); 4] = [
    ("/var/lib/dpkg/status", Origin::Deb),
    ("/var/lib/dpkg/status.d", Origin::Deb),
    ("/lib/apk/db/installed", Origin::Apk),
    ("/usr/lib/apk/db/installed", Origin::Apk),
];
/// Larger ones are not read.
const LARGEST: usize = 64 << 20;

impl Looker<'_> {
    /// The packages of `image`; `None` where it has no database that is known. A container is
    /// created, looked into and removed.
    pub async fn packages(&self, image: &Digest) -> Result<Option<Packages>> {
        self.inside(image, async |container| read(self.docker, container).await)
            .await
    }
}

async fn read(docker: &Docker, container: &str) -> Result<Option<Packages>> {
    let mut all = None;
    for (path, origin) in DATABASES {
        if let Some(archive) = fetch(docker, container, path).await? {
            let all = all.get_or_insert_with(Packages::new);
            for text in texts(&archive) {
                let found = packages::read(origin, &text);
                all.extend(found.map(|it| (it.name, it.version)));
            }
        }
    }
    Ok(all)
}

async fn fetch(docker: &Docker, container: &str, path: &str) -> Result<Option<Bytes>> {
    let mut pieces = docker.read_archive(container, path);
    let mut archive = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => archive.extend_from_slice(&piece),
            Err(fault) if fault.kind == FaultKind::NotFound => return Ok(None),
            Err(fault) => return Err(fault.into()),
        }
        if archive.len() > LARGEST {
            return Ok(None);
        }
    }
    Ok(Some(archive.freeze()))
}

/// The files in an archive that are text; a damaged one ends early.
fn texts(archive: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(archive);
    let Ok(entries) = archive.entries() else {
        return Vec::new();
    };
    let text = |mut entry: tar::Entry<'_, &[u8]>| {
        let mut text = String::new();
        entry.read_to_string(&mut text).ok().map(|_| text)
    };
    entries.map_while(Result::ok).filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_archives_give_what_can_be_read() {
        assert!(texts(b"nonsense").is_empty());
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(4);
        header.set_cksum();
        archive
            .append_data(&mut header, "status", &b"P:a\n"[..])
            .unwrap();
        let bytes = archive.into_inner().unwrap();
        assert_eq!(texts(&bytes), ["P:a\n"]);
    }
}
