//! Proxy images that embed something else than the reference that was signed.

use devenv::model::digest::Digest;
use devenv::model::predicate::ReferencePredicate;
use devenv::model::reference::{self, Reference};
use devenv::registry::Descriptor;

use super::{accepted, built, refused, released};
use crate::support::real_engine::tar;
use crate::support::synthetic::{Synthetic, now};
use crate::support::workstation::Workstation;

/// A proxy image with this last layer, whose statement says this of it.
async fn publish(
    platform: &Synthetic,
    layer: Vec<u8>,
    change: impl FnOnce(&mut ReferencePredicate),
    reference: &Reference,
) -> Descriptor {
    let repository = platform.repository("front");
    let marker = format!("front {}", reference.number);
    let image = platform
        .publish_image(&repository, &marker, &["/probe", "listen", "80"], &[layer])
        .await;
    let mut predicate = ReferencePredicate {
        platform: platform.trust.platform.clone(),
        number: reference.number,
        commit: platform.commit.parse().unwrap(),
        reference_sha256: Digest::of(reference.to_yaml().unwrap().as_bytes()),
        created: now(),
        sbom: None,
        policy: None,
    };
    change(&mut predicate);
    let statement = platform.statement("front", image.digest, predicate);
    platform
        .attach_all(&repository, &image, platform.bundles(&statement))
        .await;
    image
}

/// A layer made from a reference is refused in these words; the honest layer was accepted.
async fn attack(layer: impl FnOnce(&[u8]) -> Vec<u8>, words: &str) {
    let mut platform = released().await;
    accepted(&platform);
    let reference = platform.compile();
    let text = reference.to_yaml().unwrap();
    let image = publish(&platform, layer(text.as_bytes()), |_| {}, &reference).await;
    platform
        .promote_to("production", reference.number, image.digest)
        .await;
    refused(&platform, words);
}

/// Production made and signed it, and never said that it is to run: `--yes` does not let it.
#[tokio::test(flavor = "multi_thread")]
async fn a_reference_that_was_never_promoted_is_asked_about() {
    let mut platform = released().await;
    platform.release("billing", "2.0").await;
    platform.reference().await;
    let workstation = Workstation::initialised(&platform.url());
    let second = ["up", "billing", "--no-proxy", "--reference", "2"];
    let up = |more: &[&str]| workstation.run(&[&second[..], more].concat());
    let words = "reference 2 was never promoted anywhere";
    for more in [&[][..], &["--yes"]] {
        up(more).code(2).says(words).says("`--unpromoted` answers");
    }
    up(&["--dry-run"]).ok().says(words);
    let first = ["up", "billing", "--no-proxy", "--reference", "1"];
    workstation.run(&first).ok();
    // Fetched is not run.
    let pull = ["pull", "billing", "--reference", "2"];
    workstation.run(&pull).ok().says(words);
    up(&["--offline", "--yes"]).code(2).says(words);
    up(&["--unpromoted"]).ok().says(words);
    workstation.run(&["up", "--no-proxy"]).ok();
    up(&["--offline"]).ok();
    platform.promote("recette").await;
    let another = Workstation::initialised(&platform.url());
    another.run(&pull).ok();
    let offline = [&second[..], &["--offline"]].concat();
    another.run(&offline).ok();
}

/// A layer with the honest file and one more entry.
fn with_entry(text: &[u8], kind: tar::EntryType, path: &str, target: Option<&str>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder
        .append_data(&mut header, reference::PATH.trim_start_matches('/'), text)
        .unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_mode(0o644);
    match target {
        Some(target) => builder.append_link(&mut header, path, target).unwrap(),
        None => builder.append_data(&mut header, path, &b""[..]).unwrap(),
    }
    builder.into_inner().unwrap()
}

/// Refused: a second file in the last layer.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_file_in_the_last_layer() {
    let second = |text: &[u8]| {
        tar(&[
            (reference::PATH, 0o644, text),
            ("usr/sbin/apache2", 0o755, b"evil"),
        ])
    };
    attack(second, "front@sha256:").await;
}

/// Refused: a link in the last layer.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_the_last_layer() {
    let link = |text: &[u8]| {
        with_entry(
            text,
            tar::EntryType::Symlink,
            "etc/passwd",
            Some("/etc/devenv"),
        )
    };
    attack(link, "front@sha256:").await;
}

/// Refused: the reference itself a link.
#[tokio::test(flavor = "multi_thread")]
async fn the_reference_itself_a_link() {
    let link = |_: &[u8]| {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        let path = reference::PATH.trim_start_matches('/');
        builder
            .append_link(&mut header, path, "/proc/self/environ")
            .unwrap();
        builder.into_inner().unwrap()
    };
    attack(link, "front@sha256:").await;
}

/// Refused: a device in the last layer.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_in_the_last_layer() {
    let device = |text: &[u8]| with_entry(text, tar::EntryType::Block, "dev/sda", None);
    attack(device, "front@sha256:").await;
}

/// Refused: a removal in the last layer.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_in_the_last_layer() {
    let whiteout = |text: &[u8]| with_entry(text, tar::EntryType::Regular, "etc/.wh.passwd", None);
    attack(whiteout, "front@sha256:").await;
}

/// Refused: a last layer that unpacks to gigabytes.
#[tokio::test(flavor = "multi_thread")]
async fn a_last_layer_that_unpacks_to_gigabytes() {
    let bomb = |_: &[u8]| tar(&[(reference::PATH, 0o644, &vec![b'\n'; 64 << 20])]);
    attack(bomb, "front@sha256:").await;
}

/// Refused: another file than the signed one.
#[tokio::test(flavor = "multi_thread")]
async fn another_file_than_the_signed_one() {
    let other = |text: &[u8]| {
        let text = String::from_utf8(text.to_vec()).unwrap();
        let text = text.replace("/probe", "/evil");
        tar(&[(reference::PATH, 0o644, text.as_bytes())])
    };
    attack(
        other,
        "the file in the image is not the one that was signed",
    )
    .await;
}

/// A reference that was signed, but says something else of itself, is refused.
async fn inconsistent(change: impl FnOnce(&mut Reference), words: &str) {
    let mut platform = released().await;
    accepted(&platform);
    let honest = platform.compile();
    let mut reference = honest.clone();
    change(&mut reference);
    let text = reference.to_yaml().unwrap();
    let layer = tar(&[(reference::PATH, 0o644, text.as_bytes())]);
    let number = honest.number;
    let signed_number = |predicate: &mut ReferencePredicate| predicate.number = number;
    let image = publish(&platform, layer, signed_number, &reference).await;
    platform
        .promote_to("production", number, image.digest)
        .await;
    refused(&platform, words);
}

/// Refused: a number that differs from the statement.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_differs_from_the_statement() {
    inconsistent(|it| it.number = 7, "the file in it calls itself number 7").await;
}

/// Refused: another platforms reference.
#[tokio::test(flavor = "multi_thread")]
async fn another_platforms_reference() {
    let other = |it: &mut Reference| it.platform = "other".parse().unwrap();
    inconsistent(other, "it belongs to the platform `other`").await;
}

/// Refused: a number that differs from the ledger.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_differs_from_the_ledger() {
    let mut platform = released().await;
    accepted(&platform);
    let (_, digest) = platform.reference().await;
    platform.promote_to("production", 7, digest).await;
    refused(&platform, "it is reference 2, not 7");
}

/// Refused: a build statement instead of a reference.
#[tokio::test(flavor = "multi_thread")]
async fn a_build_statement_instead_of_a_reference() {
    let mut platform = released().await;
    accepted(&platform);
    let repository = platform.repository("front");
    let image = super::evil(&platform, "front").await;
    let statement = built("acme", "front", "2", image.digest);
    platform
        .attach_all(&repository, &image, platform.bundles(&statement))
        .await;
    platform.promote_to("production", 2, image.digest).await;
    refused(&platform, "the statement is a `urn:devenv:build:1`");
}

/// Refused: a strangers reference.
#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_reference() {
    let mut platform = released().await;
    accepted(&platform);
    let own = std::mem::replace(&mut platform.key, super::new_key());
    let (number, digest) = platform.reference().await;
    platform.key = own;
    platform.promote_to("production", number, digest).await;
    refused(&platform, "reference 2 (sha256:");
}

/// Refused: an index instead of a proxy image.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_instead_of_a_proxy_image() {
    let mut platform = released().await;
    accepted(&platform);
    let repository = platform.repository("front");
    let reference = platform.compile();
    let text = reference.to_yaml().unwrap();
    let layer = tar(&[(reference::PATH, 0o644, text.as_bytes())]);
    let image = publish(&platform, layer, |_| {}, &reference).await;
    let architecture = crate::support::synthetic::architecture();
    let index = platform
        .publish_index(&repository, &[(architecture, image)])
        .await;
    let predicate = ReferencePredicate {
        platform: platform.trust.platform.clone(),
        number: reference.number,
        commit: platform.commit.parse().unwrap(),
        reference_sha256: Digest::of(text.as_bytes()),
        created: now(),
        sbom: None,
        policy: None,
    };
    let statement = platform.statement("front", index.digest, predicate);
    platform
        .attach_all(&repository, &index, platform.bundles(&statement))
        .await;
    platform
        .promote_to("production", reference.number, index.digest)
        .await;
    refused(&platform, "a proxy is one image, not an index");
}
