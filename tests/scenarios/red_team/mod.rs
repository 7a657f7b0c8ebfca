//! Attacks with real tools on a real registry: each is refused with exit 5 (8 where the registry is
//! at fault) and its own words, and beside each its honest twin is accepted.

mod builds;
mod children;
mod cosign;
mod definitions;
mod engines;
mod flooding;
mod keys;
mod ledgers;
mod references;
mod registries;
mod releases;
mod trust_files;
mod workstations;

use devenv::model::digest::Digest;
use devenv::model::name::{ContainerName, PlatformName, Version};
use devenv::model::predicate::BuildPredicate;
use devenv::model::statement::{Statement, Subject, SubjectName};
use devenv::model::trust_file::{TrustFile, TrustedKey};
use devenv::registry::{Descriptor, Manifest, Tag};
use devenv::verify::trust::keys::SigningKey;
use ring::rand::SystemRandom;

use crate::app;
use crate::support::synthetic::{Synthetic, now};
use crate::support::workstation::{Ran, Workstation};

/// What a developer does, as far as nothing is started by it.
const UP: [&str; 4] = ["up", "billing", "--no-proxy", "--dry-run"];

/// A released platform of `billing` and `audit`.
async fn released() -> Synthetic {
    Synthetic::released(&[("billing", &app("")), ("audit", &app(""))]).await
}

/// The same under another trust file, signed by these keys.
async fn signed_by(
    change: impl FnOnce(&mut TrustFile),
    key: SigningKey,
    cosigners: Vec<SigningKey>,
) -> Synthetic {
    let containers = [("billing", app("")), ("audit", app(""))];
    let containers: Vec<(&str, &str)> = containers.iter().map(|(a, b)| (*a, b.as_str())).collect();
    let mut platform = Synthetic::trusting(&containers, change);
    platform.key = key;
    platform.cosigners = cosigners;
    platform.release_all(&containers).await;
    platform
}

fn new_key() -> SigningKey {
    SigningKey::generate(&SystemRandom::new()).unwrap()
}

fn trusted(name: &str, key: &SigningKey) -> TrustedKey {
    TrustedKey {
        name: name.to_owned(),
        key: key.public(),
        from: None,
        until: None,
    }
}

/// `up` on a machine that has seen nothing of the platform before.
fn up(platform: &Synthetic) -> Ran {
    Workstation::initialised(&platform.url()).run(&UP)
}

#[track_caller]
fn accepted(platform: &Synthetic) {
    up(platform).ok();
}

#[track_caller]
fn refused(platform: &Synthetic, words: &str) {
    up(platform).code(5).says(words);
}

/// Some other image in a container's repository.
async fn evil(platform: &Synthetic, name: &str) -> Descriptor {
    let repository = platform.repository(name);
    let marker = format!("evil {}", crate::support::real_engine::unique());
    let command = ["/probe", "exit", "66"];
    platform
        .publish_image(&repository, &marker, &command, &[])
        .await
}

/// Lets the next reference name this image as billing 1.0, and production run it.
async fn pin(platform: &mut Synthetic, digest: Digest) {
    let mut reference = platform.compile();
    reference.containers.get_mut("billing").unwrap().digest = Some(digest);
    let (number, digest) = platform.publish_reference(&reference).await;
    platform.promote_to("production", number, digest).await;
}

/// What an honest build of a container says.
fn built(platform: &str, name: &str, version: &str, digest: Digest) -> Statement<BuildPredicate> {
    let platform = PlatformName::new(platform).unwrap();
    let container = ContainerName::new(name).unwrap();
    Statement {
        subject: Subject {
            name: SubjectName::container(&platform, &container),
            digest,
        },
        predicate: BuildPredicate {
            platform,
            container,
            version: Version::new(version).unwrap(),
            commit: "c".repeat(40).parse().unwrap(),
            artifacts: std::collections::BTreeMap::new(),
            built: now(),
            base: None,
            imported: None,
            sbom: None,
            policy: None,
        },
    }
}

/// What billing 1.0 says of this image.
fn billing(digest: Digest) -> Statement<BuildPredicate> {
    built("acme", "billing", "1.0", digest)
}

/// What a tag of a repository names.
pub(crate) async fn tagged(platform: &Synthetic, name: &str, tag: &str) -> Manifest {
    let tag = Tag::new(tag).unwrap();
    platform
        .registry
        .manifest(&platform.repository(name), &tag, 4 << 20)
        .await
        .unwrap()
}

/// Lets a tag name something else.
pub(crate) async fn move_tag(platform: &Synthetic, name: &str, tag: &str, to: &Manifest) {
    let tag = Tag::new(tag).unwrap();
    platform
        .registry
        .put_manifest(
            &platform.repository(name),
            &tag,
            &to.media_type,
            to.bytes.clone(),
        )
        .await
        .unwrap();
}
