//! The last layer of a proxy image: it holds the reference, its parent folders, and nothing else.

use std::io::Read;

use crate::model::reference::PATH;
use crate::model::visible::visible;
use crate::model::yaml;

/// The most compressed bytes that the layer may have.
pub const LARGEST: u64 = 1 << 20;

/// The most bytes unpacked: the file, and tar's blocks around it.
const UNPACKED: u64 = yaml::LARGEST as u64 + (64 << 10);

/// The content of the reference in a layer (gzip or plain tar). Anything else in it is refused:
/// another file, a link, a device, a second copy.
pub fn reference(layer: &[u8]) -> Result<Vec<u8>, String> {
    let unpacked: Box<dyn Read + '_> = if layer.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::read::GzDecoder::new(layer))
    } else {
        Box::new(layer)
    };
    let wrong = |error: std::io::Error| format!("its last layer is no archive: {error}");
    let mut archive = tar::Archive::new(unpacked.take(UNPACKED));
    let mut found = None;
    for entry in archive.entries().map_err(wrong)? {
        let mut entry = entry.map_err(wrong)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path
            .trim_start_matches("./")
            .trim_end_matches('/')
            .to_owned();
        let kind = entry.header().entry_type();
        let is_parent = path.is_empty() || PATH.starts_with(&format!("{path}/"));
        if kind.is_dir() && is_parent {
            continue;
        }
        if path != PATH || !kind.is_file() {
            return Err(format!(
                "its last layer holds more than the reference: `{}`",
                visible(&path)
            ));
        }
        if found.is_some() {
            return Err("its last layer holds two references".to_owned());
        }
        let mut text = Vec::new();
        entry.read_to_end(&mut text).map_err(wrong)?;
        if text.len() as u64 != entry.size() {
            return Err(format!(
                "its reference has more than {} bytes",
                yaml::LARGEST
            ));
        }
        found = Some(text);
    }
    found.ok_or_else(|| format!("its last layer holds no /{PATH}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            if *kind == tar::EntryType::Symlink {
                header.set_link_name("/etc/passwd").unwrap();
            }
            builder.append_data(&mut header, path, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    const FILE: tar::EntryType = tar::EntryType::Regular;
    const FOLDER: tar::EntryType = tar::EntryType::Directory;

    #[test]
    fn the_reference_is_found_packed_or_not() {
        let plain = layer(&[
            ("etc/", FOLDER, b""),
            ("etc/devenv/", FOLDER, b""),
            (PATH, FILE, b"x: 1"),
        ]);
        let mut packed = Vec::new();
        flate2::read::GzEncoder::new(plain.as_slice(), flate2::Compression::fast())
            .read_to_end(&mut packed)
            .unwrap();
        assert_eq!(reference(&plain).unwrap(), b"x: 1");
        assert_eq!(reference(&packed).unwrap(), b"x: 1");
    }

    #[test]
    fn anything_beside_it_is_refused() {
        let evil: [&[(&str, tar::EntryType, &[u8])]; 6] = [
            &[(PATH, FILE, b"x"), ("etc/passwd", FILE, b"")],
            &[(PATH, FILE, b"x"), (PATH, FILE, b"y")],
            &[(PATH, tar::EntryType::Symlink, b"")],
            &[
                ("etc/devenv/null", tar::EntryType::Char, b""),
                (PATH, FILE, b"x"),
            ],
            &[("etc/devenv/.wh..wh..opq", FILE, b""), (PATH, FILE, b"x")],
            &[("etc/", FOLDER, b"")],
        ];
        for entries in evil {
            assert!(reference(&layer(entries)).is_err(), "{entries:?}");
        }
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let content = vec![b'x'; 64 << 20];
        let plain = layer(&[(PATH, FILE, &content)]);
        let mut packed = Vec::new();
        flate2::read::GzEncoder::new(plain.as_slice(), flate2::Compression::best())
            .read_to_end(&mut packed)
            .unwrap();
        assert!(reference(&packed).is_err());
    }
}
