//! Whoever may push puts much beside what is honest, or in its place; whoever is in front hides it.

use devenv::model::digest::Digest;
use devenv::registry::{OCI_MANIFEST, Tag};
use devenv::verify::trust::bundle::sign_statement;

use super::registries::through;
use super::{UP, evil, move_tag, new_key, released, signed_by, tagged, trusted};
use crate::support::registry::address;
use crate::support::registry_proxy::{self, Answer};
use crate::support::synthetic::Synthetic;
use crate::support::workstation::Workstation;

/// What a flood is made of: a digest that nothing has.
fn junk(number: usize) -> Digest {
    Digest::of(format!("junk {number}").as_bytes())
}

/// Tags listed in front of that of an image's honest signature: some hide nothing, a flood of them
/// hides it, which is refused and never taken for signed.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_tags_before_the_honest_one() {
    let platform = released().await;
    let image = tagged(&platform, "billing", "1.0").await;
    let repository = platform.repository("billing");
    let honest = platform.registry.tags(&repository).await.unwrap();
    let evil = evil(&platform, "billing").await.digest;
    let evil = platform.registry.manifest(&repository, &evil, 1 << 20);
    let evil = evil.await.unwrap();
    for (flood, code) in [(10, 0), (70, 5)] {
        let tags = (0..flood).map(|it| Tag::of_referrer(&image.digest, &junk(it)));
        let mut tags: Vec<String> = tags.map(|it| it.as_str().to_owned()).collect();
        move_tag(&platform, "billing", &tags[0], &evil).await;
        tags.extend(honest.iter().cloned());
        let list = serde_json::json!({ "name": "x", "tags": tags }).to_string();
        // The tag list alone is left.
        let answer = move |path: &str| {
            if path.contains("/billing/tags/list") {
                return Some(("200 OK", list.clone().into_bytes()));
            }
            let is_fallback = path.contains("/manifests/sha256-") && !path.contains('.');
            let is_billing = path.contains("/billing/");
            let hidden = is_billing && (path.contains("/referrers/") || is_fallback);
            hidden.then(|| ("404 Not Found", b"{}".to_vec()))
        };
        let ran = through(&platform, answer).await.code(code);
        if code != 0 {
            ran.says("no signature is attached");
        }
    }
}

/// The same in the list of what is attached: the honest signature is found by its own tag, and where
/// that is hidden too, the image is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_referrers_before_the_honest_one() {
    let platform = released().await;
    let image = tagged(&platform, "billing", "1.0").await;
    let fallback = Tag::referrers_of(&image.digest);
    let honest = tagged(&platform, "billing", fallback.as_str()).await;
    let honest: serde_json::Value = serde_json::from_slice(&honest.bytes).unwrap();
    for (flood, is_hidden, code) in [(10, true, 0), (70, false, 0), (70, true, 5)] {
        let entry =
            |it| serde_json::json!({ "mediaType": OCI_MANIFEST, "digest": junk(it), "size": 99 });
        let mut manifests: Vec<_> = (0..flood).map(entry).collect();
        manifests.extend(honest["manifests"].as_array().unwrap().iter().cloned());
        let mut index = honest.clone();
        index["manifests"] = manifests.into();
        let (index, fallback) = (
            index.to_string(),
            format!("/manifests/{}", fallback.as_str()),
        );
        let answer = move |path: &str| {
            if path.ends_with(&fallback) {
                return Some(("200 OK", index.clone().into_bytes()));
            }
            let is_list = path.contains("/billing/tags/list") && is_hidden;
            is_list.then(|| ("200 OK", br#"{"name":"x","tags":["1.0"]}"#.to_vec()))
        };
        let ran = through(&platform, answer).await.code(code);
        if code != 0 {
            ran.says("no signature is attached");
        }
    }
}

/// The reference that production runs, as a new machine sees it.
fn seen(platform: &Synthetic) -> serde_json::Value {
    let workstation = Workstation::initialised(&platform.url());
    let ran = workstation.run(&[&UP[..], &["--json"]].concat()).ok();
    ran.json()["reference"].clone()
}

/// A document under a tag that says it adds to the newest ledger's.
async fn add(platform: &Synthetic, tag: &str) {
    let document = tagged(platform, "environments", tag).await;
    let ledger = Tag::new("production-2").unwrap();
    let addition = ledger.addition(&document.digest);
    move_tag(platform, "environments", addition.as_str(), &document).await;
}

/// A ledger that one of two has signed: what is added to its document by somebody else, replayed or
/// taken from elsewhere is no second signature; the second's own is.
#[tokio::test(flavor = "multi_thread")]
async fn squatted_additions_to_a_ledger() {
    let (first, second, stranger) = (new_key(), new_key(), new_key());
    let keys = vec![trusted("first", &first), trusted("second", &second)];
    let mut platform = signed_by(
        |trust| {
            trust.keys = keys;
            trust.threshold = 2;
        },
        first,
        vec![second],
    )
    .await;
    platform.reference().await;
    let second = std::mem::take(&mut platform.cosigners);
    platform.promote("production").await;
    assert_eq!(seen(&platform), 1, "signed by one of two");

    let ledger = platform.ledger("production");
    let digest = ledger.current().unwrap().digest;
    let statement = platform.statement("front", digest, ledger);
    for (tag, key) in [("again", &platform.key), ("stranger", &stranger)] {
        let mut bundle = sign_statement(&statement, key).unwrap();
        // The same signature in other bytes.
        bundle.push(b' ');
        platform
            .publish_document("environments", &[tag.to_owned()], vec![bundle])
            .await;
    }
    for tag in ["production-1", "recette-1", "again", "stranger"] {
        add(&platform, tag).await;
        assert_eq!(seen(&platform), 1, "{tag}");
    }
    let bundle = sign_statement(&statement, &second[0]).unwrap();
    platform
        .publish_document("environments", &["second".to_owned()], vec![bundle])
        .await;
    add(&platform, "second").await;
    assert_eq!(seen(&platform), 2);
}

/// Somebody refuses the newest ledger and does not list it, as some registries do with what is
/// missing: a machine that has seen it is not led back to the one before.
#[tokio::test(flavor = "multi_thread")]
async fn the_newest_ledger_refused_and_not_listed() {
    let mut platform = released().await;
    platform.reference().await;
    platform.promote("production").await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&UP).ok();
    let hides: Answer = |path| {
        let tags = br#"{"name":"x","tags":["production-1","recette","recette-1"]}"#;
        if path.contains("/environments/tags/list") {
            return Some(("200 OK", tags.to_vec()));
        }
        let hidden = ["production-2", "production"]
            .iter()
            .any(|it| path.ends_with(&format!("/environments/manifests/{it}")));
        hidden.then(|| ("403 Forbidden", b"{}".to_vec()))
    };
    let somebody = registry_proxy::start(hides).await;
    let mirror = format!(
        "registry_mirrors: {{ \"{}\": \"{somebody}\" }}\n",
        address()
    );
    workstation.write("config/settings.yaml", &mirror);
    let refused = tokio::task::spawn_blocking(move || {
        let refused = workstation.run(&UP);
        workstation.write("config/settings.yaml", "");
        workstation.run(&UP).ok();
        refused
    });
    let refused = refused.await.unwrap().code(5);
    refused.says("an old ledger is passed off as current");
}
