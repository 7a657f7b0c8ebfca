//! Referrers: refused and failing are never "none"; attaching, with and without the API.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::json;

use super::super::{Attachment, Descriptor, Fault, ImageIndex, OCI_INDEX, OCI_MANIFEST, Tag};
use super::server::{Answer, Asked, Server};
use super::{anonymous, repository};
use crate::model::digest::Digest;

fn subject() -> Descriptor {
    Descriptor::of(OCI_MANIFEST, b"subject")
}

fn index(names: &[&str]) -> String {
    let list: Vec<_> = names
        .iter()
        .map(|name| Descriptor::of("x", name.as_bytes()))
        .collect();
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list}).to_string()
}

async fn listed(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Result<usize, Fault> {
    let server = Server::start(script).await;
    let referrers = anonymous()
        .referrers(&repository(&server), &subject().digest)
        .await;
    referrers.map(|list| list.len())
}

fn is_api(asked: &Asked) -> bool {
    asked.path.contains("/referrers/")
}

#[tokio::test]
async fn refused_and_failing_are_not_none() {
    for status in [400, 401, 403, 405, 429, 500, 503] {
        let fault = listed(move |_| Answer::new(status, "")).await;
        assert!(fault.is_err(), "{status}");
        let at_tag =
            listed(move |asked| Answer::new(if is_api(asked) { 404 } else { status }, "")).await;
        assert!(at_tag.is_err(), "{status} at the fallback tag");
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
    assert!(matches!(no_index, Err(Fault::Answer { .. })));
}

#[tokio::test]
async fn only_two_absences_are_none() {
    assert_eq!(listed(|_| Answer::new(404, "")).await.unwrap(), 0);
    let fallback = listed(|asked| {
        if is_api(asked) {
            Answer::new(404, "")
        } else {
            Answer::new(200, index(&["a", "b"]))
        }
    });
    assert_eq!(fallback.await.unwrap(), 2);
    // An empty list of the API is the answer: the tag is not asked.
    let api = listed(|asked| {
        if is_api(asked) {
            Answer::new(200, index(&[]))
        } else {
            Answer::new(200, index(&["a"]))
        }
    });
    assert_eq!(api.await.unwrap(), 0);
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

/// A registry's memory of manifests by tag or digest.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<HashMap<String, Vec<u8>>>>);

impl Memory {
    fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.0.lock().unwrap().get(name).cloned()
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        self.0
            .lock()
            .unwrap()
            .insert(name.to_owned(), bytes.to_vec());
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let name = asked.path.rsplit('/').next().unwrap();
        match asked.method.as_str() {
            "HEAD" if asked.path.contains("/blobs/") => Answer::new(404, ""),
            "POST" => Answer::new(202, "").header("Location", "/upload"),
            "PUT" if asked.path.contains("/manifests/") => {
                self.put(name, &asked.body);
                Answer::new(201, "")
            }
            "PUT" => Answer::new(201, ""),
            "GET" if asked.path.contains("/manifests/") => match self.get(name) {
                Some(bytes) => Answer::new(200, bytes),
                None => Answer::new(404, ""),
            },
            _ => Answer::new(404, "404 page not found"),
        }
    }
}

fn bundle(text: &'static str) -> Attachment {
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
    let one = registry
        .attach(&repository, &subject(), bundle("one"))
        .await
        .unwrap();
    let two = registry
        .attach(&repository, &subject(), bundle("two"))
        .await
        .unwrap();
    let again = registry
        .attach(&repository, &subject(), bundle("one"))
        .await
        .unwrap();
    assert_eq!(one, again);
    let list = registry
        .referrers(&repository, &subject().digest)
        .await
        .unwrap();
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
    let memory = Memory::default();
    let script = memory.clone();
    let server = Server::start(move |asked| {
        script
            .answer(asked)
            .header("OCI-Subject", subject().digest.to_string())
    })
    .await;
    anonymous()
        .attach(&repository(&server), &subject(), bundle("one"))
        .await
        .unwrap();
    assert_eq!(
        memory.get(Tag::referrers_of(&subject().digest).as_str()),
        None
    );
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
    let mine = registry
        .attach(&repository(&server), &subject(), bundle("one"))
        .await
        .unwrap();
    let index: ImageIndex =
        serde_json::from_slice(&memory.get(fallback.as_str()).unwrap()).unwrap();
    let digests: Vec<_> = index.manifests.iter().map(|entry| entry.digest).collect();
    assert_eq!(digests, [Digest::of(b"rival"), mine.digest]);
}
