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
use crate::model::visible::visible;

/// Package to version.
pub type Packages = BTreeMap<String, String>;

/// Databases of Debian, of distroless images, and of Alpine. All are paragraphs of `key: value`,
/// with these keys for name and version. Source: deb-control(5), apk-installed(5).
const DATABASES: [(&str, &str, &str); 3] = [
    ("/var/lib/dpkg/status", "Package", "Version"),
    ("/var/lib/dpkg/status.d", "Package", "Version"),
    ("/lib/apk/db/installed", "P", "V"),
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
    for (path, name, version) in DATABASES {
        if let Some(archive) = fetch(docker, container, path).await? {
            let all = all.get_or_insert_with(Packages::new);
            for text in texts(&archive) {
                all.extend(parse(&text, name, version));
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

/// Name and version of each paragraph, without what a terminal obeys; of a package that dpkg removed only its settings are left.
fn parse(text: &str, name: &str, version: &str) -> Packages {
    let paragraph = |text: &str| {
        let value = |key: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| Some(line.strip_prefix(key)?.strip_prefix(':')?.trim()))
        };
        let installed = value("Status").is_none_or(|it| it.ends_with(" installed"));
        let (name, version) = (value(name)?, value(version)?);
        installed.then(|| (visible(name), visible(version)))
    };
    text.split("\n\n").filter_map(paragraph).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(packages: &Packages) -> String {
        let pairs: Vec<_> = packages.iter().map(|(a, b)| format!("{a} {b}")).collect();
        pairs.join(", ")
    }

    #[test]
    fn paragraphs_of_both_formats() {
        let dpkg = "Package: bash\nEssential: yes\nStatus: install ok installed\nVersion: 5.2.37-2\n\
                    Description: shell\n Package: not this\n\n\
                    Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
                    Package: base-files\nVersion: 13.8\n";
        let found = parse(dpkg, "Package", "Version");
        assert_eq!(shown(&found), "base-files 13.8, bash 5.2.37-2");
        let apk = "C:Q1abc=\nP:musl\nV:1.2.5-r9\nA:x86_64\n\nC:Q1def=\nP:busybox\nV:1.37.0-r12\n\n";
        let found = parse(apk, "P", "V");
        assert_eq!(shown(&found), "busybox 1.37.0-r12, musl 1.2.5-r9");
        assert!(parse("", "P", "V").is_empty());
        let hostile = parse("P:a\u{1b}[31m\nV:1\u{202e}\r2\n", "P", "V");
        assert_eq!(shown(&hostile), "a\\u{1b}[31m 1\\u{202e}\\r2");
    }

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
