use std::io::Write as _;

use serde_json::{Value, json};

use super::*;
use crate::registry::OCI_INDEX;

/// A tar archive of these files.
fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, &content[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn named(path: &str, content: impl Into<Vec<u8>>) -> (String, Vec<u8>) {
    (path.to_owned(), content.into())
}

fn configuration(layers: &[Vec<u8>], architecture: &str) -> Vec<u8> {
    let layers: Vec<String> = layers
        .iter()
        .map(|layer| Digest::of(layer).to_string())
        .collect();
    let value = json!({ "architecture": architecture, "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": layers } });
    value.to_string().into_bytes()
}

/// As the classic engine saves it: names of layers mean nothing.
fn saved() -> Vec<(String, Vec<u8>)> {
    let layers = [tar(&[named("a", "1")]), tar(&[named("b", "2")])];
    vec![
        named("x/layer.tar", layers[1].clone()),
        named("../../y/layer.tar", layers[0].clone()),
        named("c.json", configuration(&layers, "amd64")),
        named(
            "manifest.json",
            r#"[{"Config":"c.json","Layers":["/etc/passwd"]}]"#,
        ),
    ]
}

/// An OCI layout with an image for each architecture, in an index in its index.
fn layout(architectures: &[&str]) -> Vec<(String, Vec<u8>)> {
    let layer = tar(&[named("a", "1")]);
    let blob = |bytes: &[u8]| {
        let path = format!("blobs/sha256/{}", Digest::of(bytes).hex());
        (path, bytes.to_vec())
    };
    let mut files = vec![blob(&layer)];
    let mut children: Vec<Value> = Vec::new();
    for architecture in architectures {
        let configuration = configuration(std::slice::from_ref(&layer), architecture);
        let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": Descriptor::of(CONFIGURATION, &configuration),
            "layers": [Descriptor::of(LAYER, &layer)] });
        let manifest = manifest.to_string().into_bytes();
        let mut child = json!(Descriptor::of(OCI_MANIFEST, &manifest));
        child["platform"] = json!({ "os": "linux", "architecture": architecture });
        children.push(child);
        files.extend([blob(&configuration), blob(&manifest)]);
    }
    // What buildx attaches is no image, and need not be there.
    let mut foreign = json!(Descriptor::of(OCI_MANIFEST, b"attestation"));
    foreign["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
    children.push(foreign);
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children });
    let index = index.to_string().into_bytes();
    let top = json!({ "schemaVersion": 2, "manifests": [Descriptor::of(OCI_INDEX, &index)] });
    files.push(blob(&index));
    files.push(named("index.json", top.to_string()));
    files
}

fn read(files: &[(String, Vec<u8>)]) -> Result<Layout> {
    let below = tempfile::tempdir().unwrap();
    unpack(&tar(files)[..], below.path(), "amd64", Limits::default())
}

fn refused(files: &[(String, Vec<u8>)]) -> String {
    read(files).unwrap_err().chain().join(": ")
}

#[test]
fn an_image_is_known_by_its_digests_alone() {
    let below = tempfile::tempdir().unwrap();
    let archive = tar(&saved());
    let found = unpack(&archive[..], below.path(), "amd64", Limits::default()).unwrap();
    let layers: Vec<Digest> = found.manifest.layers.iter().map(|it| it.digest).collect();
    let wanted = [tar(&[named("a", "1")]), tar(&[named("b", "2")])];
    assert_eq!(layers, wanted.each_ref().map(|it| Digest::of(it)));
    assert_eq!(std::fs::read(found.blob(&layers[0])).unwrap(), wanted[0]);
    // A layout that others can read, and nothing of it outside.
    let index = std::fs::read(found.path().join("index.json")).unwrap();
    let index: ImageIndex = serde_json::from_slice(&index).unwrap();
    assert_eq!(index.manifests[0].digest, found.digest());
    assert_eq!(
        std::fs::read(found.blob(&found.digest())).unwrap(),
        found.bytes
    );
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&archive).unwrap();
    let again = unpack(
        &packed.finish().unwrap()[..],
        below.path(),
        "amd64",
        Limits::default(),
    );
    assert_eq!(again.unwrap().digest(), found.digest());
    let folders = std::fs::read_dir(below.path()).unwrap().count();
    assert_eq!(folders, 1, "a layout goes when it is dropped");
}

#[test]
fn of_several_platforms_one_is_taken() {
    let both = read(&layout(&["arm64", "amd64"])).unwrap();
    let only = read(&layout(&["amd64"])).unwrap();
    assert_eq!(both.digest(), only.digest());
    // The only one is taken whatever it is for: it may run by emulation.
    assert!(read(&layout(&["riscv64"])).is_ok());
    assert!(refused(&layout(&["arm64", "riscv64"])).contains("none is for amd64"));
}

#[test]
fn what_is_no_whole_image_is_refused() {
    let without = |place: usize| {
        let mut files = saved();
        files.remove(place);
        refused(&files)
    };
    assert!(without(0).contains("is missing from the archive"));
    assert!(without(2).contains("c.json is missing"));
    assert!(without(3).contains("neither an index.json nor a manifest.json"));
    let mut two = saved();
    two[3].1 = br#"[{"Config":"c.json"},{"Config":"c.json"}]"#.to_vec();
    assert!(refused(&two).contains("2 images, not one"));
    let mut changed = saved();
    changed[0].1.extend([0; 512]);
    assert!(refused(&changed).contains("is missing from the archive"));
    for place in 0..4 {
        let mut files = layout(&["amd64"]);
        files.remove(place);
        assert!(refused(&files).contains("missing"), "{place}");
    }
    assert!(refused(&[]).contains("neither"));
    let below = tempfile::tempdir().unwrap();
    let nonsense = unpack(&b"nonsense"[..], below.path(), "amd64", Limits::default());
    assert!(nonsense.is_err());
}

#[test]
fn an_archive_without_end_is_not_kept() {
    let below = tempfile::tempdir().unwrap();
    let small = Limits {
        bytes: 4000,
        files: 3,
    };
    let limited = |files: &[(String, Vec<u8>)]| {
        let read = unpack(&tar(files)[..], below.path(), "amd64", small);
        read.unwrap_err().chain().join(": ")
    };
    assert!(limited(&[named("a", vec![0; 5000])]).contains("more than 4000 bytes"));
    assert!(limited(&saved()).contains("more than 4000 bytes"));
    let many: Vec<_> = (0..5).map(|it| named(&it.to_string(), "")).collect();
    assert!(limited(&many).contains("more than 3 entries"));
    let mut long = tar::Header::new_gnu();
    long.set_entry_type(tar::EntryType::GNULongName);
    long.set_size(1 << 20);
    long.set_cksum();
    let mut archive = long.as_bytes().to_vec();
    archive.extend(vec![b'a'; 1 << 20]);
    let read = unpack(&archive[..], below.path(), "amd64", Limits::default());
    assert!(
        read.unwrap_err()
            .chain()
            .join(": ")
            .contains("a name in it")
    );
    assert_eq!(std::fs::read_dir(below.path()).unwrap().count(), 0);
}

#[test]
fn an_index_that_is_named_often_is_read_once() {
    let blob = |bytes: &[u8]| {
        let path = format!("blobs/sha256/{}", Digest::of(bytes).hex());
        (path, bytes.to_vec())
    };
    // The last two files of a layout are its index and `index.json`.
    let mut files = layout(&["amd64"]);
    let mut index = files.remove(files.len() - 2).1;
    files.pop();
    files.push(blob(&index));
    let entries = vec![Descriptor::of(OCI_INDEX, &index); 600];
    index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries })
        .to_string()
        .into_bytes();
    files.push(blob(&index));
    let entries = vec![Descriptor::of(OCI_INDEX, &index); 600];
    let top = json!({ "schemaVersion": 2, "manifests": entries });
    files.push(named("index.json", top.to_string()));
    let begin = std::time::Instant::now();
    assert_eq!(
        read(&files).unwrap().digest(),
        read(&layout(&["amd64"])).unwrap().digest()
    );
    assert!(begin.elapsed() < std::time::Duration::from_secs(5));
}

#[test]
fn an_archive_of_any_number_of_images_is_refused() {
    let names: Vec<String> = (0..65).map(|it| format!("a{it}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(refused(&layout(&names)).contains("more than 64 images"));
}
