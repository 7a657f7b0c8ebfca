//! Capsules that somebody made by hand.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use ring::rand::SystemRandom;
use tar::EntryType;

use super::*;
use crate::error::Kind;
use crate::home::reporter::testing::Silent;
use crate::instance::capsule::pack::{CAPSULE, Contents, INDEX, LAYOUT, MANIFEST, layout, place};
use crate::model::capsule::manifest::testing::manifest;
use crate::model::chunking::LARGEST;
use crate::model::snapshot::{Chunk, Origin, SavedVolume, Snapshot};
use crate::model::testing::{platform, time, trust_file};
use crate::model::trust_file::TrustedKey;
use crate::registry::{Descriptor, ImageIndex, ImageManifest, OCI_INDEX, OCI_MANIFEST};
use crate::verify::trust::keys::SigningKey;

const LINE: &str = r#"{"time":"2026-01-02T00:00:00Z","container":"billing","source":"stdout","file":null,"line":"wrong sum"}"#;

fn packed(text: &[u8]) -> Blob {
    content::pack(&std::env::temp_dir(), text).unwrap()
}

fn key() -> SigningKey {
    SigningKey::generate(&SystemRandom::new()).unwrap()
}

fn trust(key: &SigningKey) -> TrustFile {
    let mut trust = trust_file(1, 1);
    trust.keys.push(TrustedKey {
        name: "anna".to_owned(),
        key: key.public(),
        from: None,
        until: None,
    });
    trust
}

fn archive(
    change: impl FnOnce(&mut Manifest),
    parts: Vec<(Part, Blob)>,
    key: Option<&SigningKey>,
) -> Vec<u8> {
    let mut own = manifest();
    change(&mut own);
    let manifest = serde_json::to_vec(&own).unwrap();
    let contents = Contents { manifest, parts };
    layout(Vec::new(), contents, key, &Silent).unwrap().0
}

fn opened(archive: &[u8], trust: &TrustFile) -> Result<Chest> {
    let folder = tempfile::tempdir().unwrap();
    let unpacked = unpack(archive, folder.path(), &Silent)?;
    Chest::check(unpacked, trust, &platform(), time(9))
}

fn refused(archive: &[u8], why: &str) {
    let error = opened(archive, &trust_file(1, 1)).unwrap_err();
    let said = error.chain().join(": ");
    assert!(said.contains(why), "wanted {why:?}, not {said:?}");
}

#[test]
fn an_honest_capsule_is_read_as_it_was_written() {
    let own = key();
    let parts = vec![(Part::Logs, packed(format!("{LINE}\n").as_bytes()))];
    let chest = opened(&archive(|_| (), parts, Some(&own)), &trust(&own)).unwrap();
    assert_eq!(chest.manifest, manifest());
    let anna = Signer::Key {
        name: "anna".to_owned(),
    };
    assert_eq!(chest.signer, anna);
    let (events, of) = chest.timeline(5).unwrap();
    assert_eq!((events[0].text.as_str(), of), ("wrong sum", 1));
    let unsigned = opened(&archive(|_| (), Vec::new(), None), &trust(&own)).unwrap();
    assert_eq!(unsigned.signer, Signer::Nobody);
}

#[test]
fn each_byte_counts_and_the_end_is_its_end() {
    let own = key();
    let trust = trust(&own);
    let parts = vec![(Part::Logs, packed(format!("{LINE}\n").as_bytes()))];
    let whole = archive(|_| (), parts, Some(&own));
    let used = whole.len() - 1024;
    for at in (0..used).step_by(41) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        if let Ok(chest) = opened(&changed, &trust) {
            // Owners and times of entries are nobody's.
            assert_eq!(chest.manifest, manifest(), "byte {at}");
            assert_ne!(chest.signer, Signer::Nobody, "byte {at}");
        }
        if at % 12 == 0 {
            assert!(opened(&whole[..at], &trust).is_err(), "cut at {at}");
        }
    }
    refused(&[&whole[..], b"more"].concat(), "goes on after its end");
    refused(b"", "ends too early");
}

#[test]
fn a_signature_is_of_this_capsule() {
    let own = key();
    let other = archive(
        |it| it.reason = Some("other".to_owned()),
        Vec::new(),
        Some(&own),
    );
    let error = opened(&other, &trust_file(1, 1)).unwrap_err();
    assert_eq!(error.kind(), Kind::Trust);
    assert!(
        error.to_string().contains("no key of the pinned"),
        "{error}"
    );
    // The same length: only names of blobs and the manifest differ.
    let swapped = archive(
        |it| it.reason = Some("swaps".to_owned()),
        Vec::new(),
        Some(&own),
    );
    let mut mixed = tar::Builder::new(Vec::new());
    let mut honest = entries(&other);
    let forged = entries(&swapped);
    // The forged manifest with the signature of the honest capsule.
    honest[1] = forged[1].clone();
    honest[2] = forged[2].clone();
    let last = forged.len() - 1;
    honest[last] = forged[last].clone();
    for (path, bytes) in &honest {
        put(&mut mixed, EntryType::Regular, path, bytes);
    }
    let mixed = mixed.into_inner().unwrap();
    assert!(opened(&mixed, &trust(&own)).is_err());
}

fn entries(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(archive);
    let read = |it: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = it.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (path, bytes)
    };
    archive.entries().unwrap().map(read).collect()
}

fn put(builder: &mut tar::Builder<Vec<u8>>, kind: EntryType, path: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o777);
    header.set_cksum();
    builder.append(&header, bytes).unwrap();
}

/// An honest capsule with one entry in place of another, or behind all.
fn with(at: Option<usize>, kind: EntryType, path: &str, bytes: &[u8]) -> Vec<u8> {
    let honest = archive(|_| (), vec![(Part::Logs, packed(LINE.as_bytes()))], None);
    let mut builder = tar::Builder::new(Vec::new());
    for (index, (own, content)) in entries(&honest).iter().enumerate() {
        if Some(index) == at {
            put(&mut builder, kind, path, bytes);
        } else {
            put(&mut builder, EntryType::Regular, own, content);
        }
    }
    if at.is_none() {
        put(&mut builder, kind, path, bytes);
    }
    builder.into_inner().unwrap()
}

#[test]
fn nothing_leads_out_and_nothing_is_a_link() {
    for path in [
        "../../etc/passwd",
        "/etc/passwd",
        "blobs/sha256/../../x",
        "other",
    ] {
        for at in [Some(0), Some(1), Some(3), Some(4)] {
            refused(&with(at, EntryType::Regular, path, b"x"), "something else");
        }
        refused(&with(None, EntryType::Regular, path, b"x"), "does not name");
    }
    let kinds = [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Directory,
        EntryType::Char,
        EntryType::Fifo,
        EntryType::GNULongName,
        EntryType::XHeader,
        EntryType::GNUSparse,
    ];
    for kind in kinds {
        let bad = with(Some(1), kind, INDEX, b"x");
        refused(&bad, "something else than files");
    }
}

/// An OCI layout of these descriptors and blobs, in order.
fn made(image: &ImageManifest, blobs: &[(Digest, Vec<u8>)], kind: &str) -> Vec<u8> {
    let image = serde_json::to_vec(image).unwrap();
    let mut own = Descriptor::of(OCI_MANIFEST, &image);
    own.artifact_type = Some(kind.to_owned());
    let index = ImageIndex {
        schema_version: 2,
        media_type: Some(OCI_INDEX.to_owned()),
        manifests: vec![own.clone()],
        annotations: BTreeMap::new(),
    };
    let mut builder = tar::Builder::new(Vec::new());
    put(&mut builder, EntryType::Regular, LAYOUT.0, LAYOUT.1);
    let index = serde_json::to_vec(&index).unwrap();
    put(&mut builder, EntryType::Regular, INDEX, &index);
    put(
        &mut builder,
        EntryType::Regular,
        &place(&own.digest),
        &image,
    );
    for (digest, bytes) in blobs {
        put(&mut builder, EntryType::Regular, &place(digest), bytes);
    }
    builder.into_inner().unwrap()
}

#[test]
fn a_part_is_no_larger_and_no_other_than_the_manifest_says() {
    let own = serde_json::to_vec(&manifest()).unwrap();
    let config = Descriptor::of(MANIFEST, &own);
    let content = vec![1; 1000];
    let layer = Descriptor::of(Part::Logs.media_type(), &content);
    let image = |layer: Descriptor| ImageManifest {
        schema_version: 2,
        media_type: Some(OCI_MANIFEST.to_owned()),
        artifact_type: Some(CAPSULE.to_owned()),
        config: config.clone(),
        layers: vec![layer],
        subject: None,
        annotations: BTreeMap::new(),
    };
    let blobs = |layer: &Descriptor| {
        vec![
            (config.digest, own.clone()),
            (layer.digest, content.clone()),
        ]
    };
    let of = |change: fn(&mut Descriptor)| {
        let mut layer = layer.clone();
        change(&mut layer);
        let blobs = blobs(&layer);
        made(&image(layer), &blobs, CAPSULE)
    };
    refused(&of(|_| ()), "its part logs cannot be read");
    refused(&of(|it| it.size = 999), "larger than its manifest says");
    refused(&of(|it| it.size = 1001), "not what its digest says");
    refused(
        &of(|it| it.digest = Digest::of(b"")),
        "not what its digest says",
    );
    refused(&of(|it| it.size = 2 << 40), "too large");
    refused(&of(|it| it.media_type = "x/y".to_owned()), "does not know");
    let twice = ImageManifest {
        layers: vec![layer.clone(), layer.clone()],
        ..image(layer.clone())
    };
    refused(&made(&twice, &blobs(&layer), CAPSULE), "twice");
    let other = made(&image(layer.clone()), &blobs(&layer), "application/x");
    refused(&other, "something else");
}

#[test]
fn what_would_fill_the_disk_is_refused() {
    let zeros = |count: u64| {
        let mut packer = content::packer(&std::env::temp_dir()).unwrap();
        let piece = vec![b' '; 1 << 20];
        (0..count).for_each(|_| packer.write_all(&piece).unwrap());
        content::packed(packer).unwrap()
    };
    let bomb = |part| archive(|_| (), vec![(part, zeros(270))], None);
    refused(&bomb(Part::Facts), "more than it may");
    refused(&bomb(Part::Requests), "more than it may");
    refused(&bomb(Part::Logs), "a line is too long");
    refused(
        &archive(|_| (), vec![(Part::Logs, packed(b"no json\n"))], None),
        "logs cannot be read",
    );
    refused(
        &archive(|_| (), vec![(Part::Facts, packed(b"{}"))], None),
        "no record of facets",
    );

    let chunk = Chunk {
        digest: Digest::of(b"a chunk"),
        size: u32::try_from(LARGEST).unwrap(),
    };
    let snapshot = |count: usize, platform: &str| {
        let own = manifest();
        let origin = Origin {
            platform: platform.parse().unwrap(),
            instance: own.instance,
            environment: own.environment,
            configuration: own.configuration,
            reference: 7,
            digest: own.reference.digest,
            writers: BTreeMap::new(),
        };
        let volume = SavedVolume {
            container: "db".parse().unwrap(),
            volume: "data".parse().unwrap(),
            chunks: vec![chunk; count],
        };
        let name = "s".parse().unwrap();
        let saved = Snapshot::new(name, time(1), origin, (vec![volume], Vec::new()));
        let mut builder = tar::Builder::new(Vec::new());
        let bytes = serde_json::to_vec(&saved).unwrap();
        put(&mut builder, EntryType::Regular, "manifest.json", &bytes);
        let bytes = builder.into_inner().unwrap();
        let spool = super::super::spool::Spool::new_in(&std::env::temp_dir()).unwrap();
        let blob = spool.fill(&bytes[..], 1 << 30).unwrap();
        archive(|_| (), vec![(Part::Snapshot, blob)], None)
    };
    refused(&snapshot(20_000, "acme"), "would unpack to");
    refused(&snapshot(1, "other"), "of another reference");
    assert!(opened(&snapshot(1, "acme"), &trust_file(1, 1)).is_ok());
}

#[test]
fn another_platform_an_end_and_another_schema_are_refused() {
    let of = |change: fn(&mut Manifest)| archive(change, Vec::new(), None);
    refused(
        &of(|it| it.platform = "other".parse().unwrap()),
        "of the platform other",
    );
    refused(&of(|it| it.expires = time(9)), "it expired at");
    refused(&of(|it| it.schema = 2), "its schema is 2");
}
