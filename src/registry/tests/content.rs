//! Manifests, blobs and tags: what is verified and what is bounded.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::super::{Content, Descriptor, Fault, OCI_INDEX, OCI_MANIFEST, Tag};
use super::server::{Answer, Server};
use super::{anonymous, repository};
use crate::error::{Error, Kind};
use crate::model::digest::Digest;

const MANIFEST: &str = r#"{"schemaVersion":2,"manifests":[]}"#;

fn tag() -> Tag {
    Tag::new("1.0").unwrap()
}

#[tokio::test]
async fn a_manifest_is_what_its_digest_names() {
    let server =
        Server::start(|_| Answer::new(200, MANIFEST).header("Content-Type", OCI_INDEX)).await;
    let (registry, repository) = (anonymous(), repository(&server));
    let manifest = registry.manifest(&repository, &tag(), 1000).await.unwrap();
    assert_eq!(manifest.digest, Digest::of(MANIFEST.as_bytes()));
    assert_eq!(manifest.media_type, OCI_INDEX);
    let again = registry
        .manifest(&repository, &manifest.digest, 1000)
        .await
        .unwrap();
    assert_eq!(again, manifest);

    let other = Digest::of(b"other");
    let fault = registry
        .manifest(&repository, &other, 1000)
        .await
        .unwrap_err();
    assert!(matches!(fault, Fault::Tampered { .. }), "{fault}");
    assert_eq!(Error::from(fault).kind(), Kind::Trust);
}

#[tokio::test]
async fn a_registry_that_contradicts_itself_is_tampered() {
    let server = Server::start(|_| {
        let other = Digest::of(b"other").to_string();
        Answer::new(200, MANIFEST).header("Docker-Content-Digest", other)
    })
    .await;
    let fault = anonymous()
        .manifest(&repository(&server), &tag(), 1000)
        .await;
    assert!(matches!(fault, Err(Fault::Tampered { .. })));
}

#[tokio::test]
async fn no_more_is_read_than_the_limit() {
    for answer in [
        Answer::new(200, vec![b' '; 5000]),
        Answer::new(200, vec![b' '; 5000]).without_length(),
    ] {
        let server = Server::start(move |_| answer.clone()).await;
        let fault = anonymous()
            .manifest(&repository(&server), &tag(), 4999)
            .await
            .unwrap_err();
        assert!(
            matches!(fault, Fault::TooLarge { limit: 4999, .. }),
            "{fault}"
        );
    }
}

#[tokio::test]
async fn resolve_tells_absent_from_failing() {
    let digest = Digest::of(MANIFEST.as_bytes());
    let server =
        Server::start(
            move |asked| match (asked.method.as_str(), asked.path.rsplit('/').next()) {
                ("HEAD", Some("promised")) => {
                    Answer::new(200, "").header("Docker-Content-Digest", digest.to_string())
                }
                ("HEAD", Some("silent")) => Answer::new(200, ""),
                ("HEAD", Some("get-only")) => Answer::new(405, ""),
                ("HEAD", Some("broken")) => Answer::new(500, ""),
                ("GET", _) => Answer::new(200, MANIFEST),
                _ => Answer::new(404, ""),
            },
        )
        .await;
    let (registry, repository) = (anonymous(), repository(&server));
    for name in ["promised", "silent", "get-only"] {
        let resolved = registry
            .resolve(&repository, &Tag::new(name).unwrap())
            .await;
        assert_eq!(resolved.unwrap(), Some(digest), "{name}");
    }
    let absent = registry
        .resolve(&repository, &Tag::new("absent").unwrap())
        .await;
    assert_eq!(absent.unwrap(), None);
    let broken = registry
        .resolve(&repository, &Tag::new("broken").unwrap())
        .await;
    assert!(matches!(broken, Err(Fault::Server { status: 500, .. })));
}

#[tokio::test]
async fn blobs_are_verified_in_size_and_content() {
    let body = Arc::new(Mutex::new(Answer::new(200, "layer")));
    let script = Arc::clone(&body);
    let server = Server::start(move |_| script.lock().unwrap().clone()).await;
    let (registry, repository) = (anonymous(), repository(&server));
    let wanted = Descriptor::of("x", b"layer");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blob");
    let seen = AtomicUsize::new(0);
    let progress = |bytes| seen.store(usize::try_from(bytes).unwrap(), Ordering::SeqCst);

    assert_eq!(
        registry.blob(&repository, &wanted, 5).await.unwrap(),
        "layer"
    );
    registry
        .blob_to_file(&repository, &wanted, 5, &path, &progress)
        .await
        .unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"layer");
    assert_eq!(seen.load(Ordering::SeqCst), 5);
    std::fs::remove_file(&path).unwrap();

    for wrong in ["Layer", "laye", "layers"] {
        for answer in [
            Answer::new(200, wrong),
            Answer::new(200, wrong).without_length(),
        ] {
            *body.lock().unwrap() = answer;
            let fault = registry.blob(&repository, &wanted, 5).await.unwrap_err();
            assert!(matches!(fault, Fault::Tampered { .. }), "{wrong}: {fault}");
            let fault = registry
                .blob_to_file(&repository, &wanted, 5, &path, &progress)
                .await
                .unwrap_err();
            assert!(matches!(fault, Fault::Tampered { .. }), "{wrong}: {fault}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let before = server.asked().len();
    let fault = registry.blob(&repository, &wanted, 4).await.unwrap_err();
    assert!(matches!(fault, Fault::TooLarge { .. }));
    assert_eq!(server.asked().len(), before, "the limit needs no request");
}

#[tokio::test]
async fn an_upload_is_one_post_and_one_put_unless_it_is_there() {
    let server = Server::start(|asked| match asked.method.as_str() {
        "HEAD" if asked.path.ends_with(&Digest::of(b"there").hex()) => Answer::new(200, ""),
        "POST" => Answer::new(202, "").header("Location", "/upload/7?state=a%3D"),
        "PUT" => Answer::new(201, ""),
        _ => Answer::new(404, ""),
    })
    .await;
    let (registry, repository) = (anonymous(), repository(&server));
    registry
        .put_blob(&repository, "x", Bytes::from_static(b"there"))
        .await
        .unwrap();
    assert_eq!(server.asked().len(), 1);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("billing.war");
    let war = vec![7; 300_000];
    std::fs::write(&path, &war).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let steps = Arc::clone(&seen);
    let progress = Arc::new(move |bytes| steps.lock().unwrap().push(bytes));
    let descriptor = registry
        .put_blob_from_file(&repository, "war", &path, progress)
        .await
        .unwrap();
    assert_eq!(descriptor, Descriptor::of("war", &war));
    let asked = server.asked();
    let put = asked.last().unwrap();
    let address = format!(
        "/upload/7?state=a%3D&digest=sha256%3A{}",
        Digest::of(&war).hex()
    );
    assert!(put.is("PUT", &address), "{}", put.path);
    assert_eq!(put.body, war);
    let seen = seen.lock().unwrap();
    assert!(seen.len() > 1 && seen.is_sorted() && seen.last() == Some(&300_000));
}

#[tokio::test]
async fn tags_come_in_pages() {
    let server = Server::start(|asked| match asked.path.split_once('?') {
        Some((_, "n=1000")) => Answer::new(200, r#"{"name":"x","tags":["a","b"]}"#).header(
            "Link",
            "</v2/acme/billing/tags/list?last=b&n=2>; rel=\"next\"",
        ),
        Some((_, "last=b&n=2")) => {
            Answer::new(200, r#"{"tags":null}"#).header("Link", "<?last=c>; title=\"x\"; rel=next")
        }
        _ => Answer::new(200, r#"{"tags":["d"]}"#),
    })
    .await;
    let tags = anonymous().tags(&repository(&server)).await.unwrap();
    assert_eq!(tags, ["a", "b", "d"]);
}

#[tokio::test]
async fn pages_stay_on_their_server_and_end() {
    let server = Server::start(|_| {
        Answer::new(200, r#"{"tags":["a"]}"#)
            .header("Link", "<https://other.invalid/v2/>; rel=\"next\"")
    })
    .await;
    let fault = anonymous().tags(&repository(&server)).await.unwrap_err();
    assert!(matches!(fault, Fault::Answer { .. }), "{fault}");
    let server = Server::start(|asked| {
        Answer::new(200, r#"{"tags":["a"]}"#)
            .header("Link", format!("<{}>; rel=\"next\"", asked.path))
    })
    .await;
    let fault = anonymous().tags(&repository(&server)).await.unwrap_err();
    assert!(matches!(fault, Fault::TooLarge { .. }), "{fault}");
}

#[test]
fn a_manifest_that_reads_two_ways_is_refused() {
    let d = r#"{"mediaType":"x","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0}"#;
    let both = format!(r#"{{"schemaVersion":2,"config":{d},"layers":[],"manifests":[]}}"#);
    assert!(Content::parse(both.as_bytes()).is_err());
    let liar = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","manifests":[]}}"#);
    assert!(Content::parse(liar.as_bytes()).is_err());
    assert!(Content::parse(b"{}").is_err());
    assert!(Content::parse(b"<html>").is_err());
    let image = format!(r#"{{"schemaVersion":2,"config":{d},"layers":[{d}]}}"#);
    assert!(matches!(
        Content::parse(image.as_bytes()),
        Ok(Content::Image(_))
    ));
}

#[test]
fn tags_have_a_grammar() {
    for good in ["1.0", "_x", "sha256-0.1", &"a".repeat(128)] {
        assert!(Tag::new(good).is_ok(), "{good}");
    }
    for bad in ["", ".a", "-a", "a/b", "a:b", "ä", "a\n", &"a".repeat(129)] {
        assert!(Tag::new(bad).is_err(), "{bad}");
    }
}
