//! Referrers: refused and failing are never "none"; attaching, with and without the API.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use serde_json::json;

use super::super::{
    Attachment, Descriptor, Fault, ImageIndex, Listing, OCI_INDEX, OCI_MANIFEST, Tag, Way,
};
use super::memory::Memory;
use super::server::{Answer, Asked, Server};
use super::{anonymous, repository};
use crate::model::digest::Digest;

pub(super) fn subject() -> Descriptor {
    Descriptor::of(OCI_MANIFEST, b"subject")
}

fn index(names: &[&str]) -> String {
    let list: Vec<_> = names
        .iter()
        .map(|name| Descriptor::of("x", name.as_bytes()))
        .collect();
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list}).to_string()
}

/// What the ways lead to together, in order, and how many of the entries there are.
async fn listed(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Result<usize, Fault> {
    let server = Server::start(script).await;
    let (registry, repository) = (anonymous(), repository(&server));
    for way in Way::ALL {
        let subject = subject().digest;
        match registry.referrers(way, &repository, &subject).await? {
            Listing::Listed(list) => return Ok(list.len()),
            Listing::Emptied => return Ok(0),
            Listing::Nothing(_) => {}
        }
    }
    Ok(0)
}

fn is_api(asked: &Asked) -> bool {
    asked.path.contains("/referrers/")
}

#[tokio::test]
async fn refused_and_failing_are_not_none() {
    for status in [400, 401, 403, 405, 500, 503] {
        let fault = listed(move |_| Answer::new(status, "")).await;
        assert!(fault.is_err(), "{status}");
        let at_tag =
            listed(move |asked| Answer::new(if is_api(asked) { 404 } else { status }, "")).await;
        assert!(at_tag.is_err(), "{status} at the fallback tag");
    }
    for status in [500, 502] {
        let api = listed(move |asked| Answer::new(if is_api(asked) { status } else { 404 }, ""));
        assert!(api.await.is_err(), "{status} of the API");
    }
    let html = listed(|_| Answer::new(200, "<html>hotel login</html>")).await;
    assert!(matches!(html, Err(Fault::Answer { .. })));
    let no_index = listed(|asked| {
        if is_api(asked) {
            Answer::new(404, "")
        } else {
            Answer::new(200, "{}")
        }
    })
    .await;
    assert_eq!(no_index.unwrap(), 0, "something else is at the tag");
}

#[tokio::test]
async fn an_api_that_has_nothing_to_say_leads_to_the_fallback_tag() {
    assert_eq!(listed(|_| Answer::new(404, "")).await.unwrap(), 0);
    let html = Answer::new(200, "<html>not for you</html>");
    for api in [400, 401, 403, 404, 405, 406, 501]
        .map(|status| Answer::new(status, ""))
        .into_iter()
        .chain([Answer::new(200, index(&[])), html])
    {
        let fallback = listed(move |asked| {
            if is_api(asked) {
                api.clone()
            } else {
                Answer::new(200, index(&["a", "b"]))
            }
        });
        assert_eq!(fallback.await.unwrap(), 2);
    }
}

#[tokio::test]
async fn pages_are_followed() {
    let pages = listed(|asked| {
        if asked.path.contains("page=2") {
            Answer::new(200, index(&["c"]))
        } else {
            Answer::new(200, index(&["a", "b"])).header("Link", "<?page=2>; rel=\"next\"")
        }
    });
    assert_eq!(pages.await.unwrap(), 3);
}

pub(super) fn bundle(text: &'static str) -> Attachment {
    Attachment {
        artifact_type: "application/vnd.dev.sigstore.bundle.v0.3+json".to_owned(),
        media_type: "application/vnd.dev.sigstore.bundle.v0.3+json".to_owned(),
        bytes: Bytes::from_static(text.as_bytes()),
        annotations: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
    }
}

#[tokio::test]
async fn attaching_without_the_api_keeps_the_index() {
    let memory = Memory::default();
    let fallback = Tag::referrers_of(&subject().digest);
    // Another tool's entry, with a field that devenv does not know.
    let foreign = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"x","digest":"{}","size":1,"data":"eA=="}}]}}"#,
        Digest::of(b"foreign")
    );
    memory.put(fallback.as_str(), foreign.as_bytes());
    let script = memory.clone();
    let server = Server::start(move |asked| script.answer(asked)).await;
    let (registry, repository) = (anonymous(), repository(&server));
    let attach = async |text| {
        let attached = registry.attach(&repository, &subject(), bundle(text)).await;
        let (descriptor, way) = attached.unwrap();
        assert_eq!(way, Way::FallbackTag);
        descriptor
    };
    let (one, two) = (attach("one").await, attach("two").await);
    assert_eq!(one, attach("one").await);
    let list = registry
        .referrers(Way::FallbackTag, &repository, &subject().digest)
        .await
        .unwrap();
    let Listing::Listed(list) = list else {
        panic!("{list:?}")
    };
    let digests: Vec<_> = list.iter().map(|entry| entry.digest).collect();
    assert_eq!(digests, [Digest::of(b"foreign"), one.digest, two.digest]);
    let index = String::from_utf8(memory.get(fallback.as_str()).unwrap()).unwrap();
    assert!(index.contains(r#""data":"eA==""#), "{index}");
    let own = format!(
        "sha256-{}.{}",
        subject().digest.hex(),
        &one.digest.hex()[..16]
    );
    let manifest = memory.get(&own).unwrap();
    assert_eq!(Digest::of(&manifest), one.digest);
    let manifest = String::from_utf8(manifest).unwrap();
    assert!(
        manifest.contains(&subject().digest.to_string()),
        "{manifest}"
    );
}

#[tokio::test]
async fn attaching_with_the_api_leaves_the_tag_alone() {
    let memory = Memory::with_referrers();
    let script = memory.clone();
    let server = Server::start(move |asked| script.answer(asked)).await;
    let attached = anonymous()
        .attach(&repository(&server), &subject(), bundle("one"))
        .await;
    assert_eq!(attached.unwrap().1, Way::Api);
    let fallback = Tag::referrers_of(&subject().digest);
    assert_eq!(memory.get(fallback.as_str()), None);
}

#[tokio::test]
async fn who_is_overtaken_writes_again() {
    let memory = Memory::default();
    let fallback = Tag::referrers_of(&subject().digest);
    let (script, name) = (memory.clone(), fallback.clone());
    let overtaken = Mutex::new(false);
    let server = Server::start(move |asked| {
        let answer = script.answer(asked);
        let mut overtaken = overtaken.lock().unwrap();
        if asked.method == "PUT" && asked.path.ends_with(name.as_str()) && !*overtaken {
            *overtaken = true;
            script.put(name.as_str(), index(&["rival"]).as_bytes());
        }
        answer
    })
    .await;
    let registry = anonymous();
    let (mine, _) = registry
        .attach(&repository(&server), &subject(), bundle("one"))
        .await
        .unwrap();
    let index: ImageIndex =
        serde_json::from_slice(&memory.get(fallback.as_str()).unwrap()).unwrap();
    let digests: Vec<_> = index.manifests.iter().map(|entry| entry.digest).collect();
    assert_eq!(digests, [Digest::of(b"rival"), mine.digest]);
}
