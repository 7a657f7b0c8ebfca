//! Passwords; and where they are never sent.

use serde_json::json;

use super::super::credentials::CredentialStore;
use super::super::{Descriptor, Fault, Registry, Tag};
use super::server::{Answer, Asked, Server};
use super::{anonymous, repository, with_config};
use crate::error::Error;

/// `anna:geheim`
pub(super) const AUTH: &str = "YW5uYTpnZWhlaW0=";
pub(super) const MANIFEST: &str = r#"{"schemaVersion":2,"manifests":[]}"#;

fn tag() -> Tag {
    Tag::new("1.0").unwrap()
}

pub(super) async fn ask(registry: &Registry, server: &Server) -> Result<(), Fault> {
    let manifest = registry.manifest(&repository(server), &tag(), 1000).await;
    manifest.map(drop)
}

fn basic(asked: &Asked) -> Answer {
    match asked.header("authorization") {
        Some(value) if value == format!("Basic {AUTH}") => Answer::new(200, MANIFEST),
        _ => Answer::new(
            401,
            r#"{"errors":[{"code":"UNAUTHORIZED","message":"no\u001b[31m"}]}"#,
        )
        .header("WWW-Authenticate", "Basic realm=\"x\""),
    }
}

#[tokio::test]
async fn a_password_is_asked_for_used_and_never_shown() {
    let server = Server::start(basic).await;
    let folder = tempfile::tempdir().unwrap();
    let good = with_config(
        folder.path(),
        &json!({"auths": {&server.host: {"auth": AUTH}}}),
    );
    ask(&good, &server).await.unwrap();
    ask(&good, &server).await.unwrap();
    // The second request brings it along.
    assert_eq!(server.asked().len(), 3);
    assert!(!format!("{good:?}").contains("geheim"));
    assert!(!format!("{good:?}").contains(AUTH));

    let fault = ask(&anonymous(), &server).await.unwrap_err();
    assert!(
        matches!(&fault, Fault::Unauthorized { stored: false, .. }),
        "{fault}"
    );
    let error = Error::from(fault);
    assert_eq!(error.exit().code(), 8);
    assert_eq!(
        error.hints(),
        [format!("log in with: docker login {}", server.host)]
    );
    assert!(!error.to_string().contains('\u{1b}'), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_not_a_missing_image() {
    let server = Server::start(basic).await;
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"auths": {&server.host: {"username": "anna", "password": "falsch"}}});
    let wrong = with_config(folder.path(), &config);
    for _ in 0..2 {
        let fault = ask(&wrong, &server).await.unwrap_err();
        assert!(
            matches!(&fault, Fault::Unauthorized { stored: true, .. }),
            "{fault}"
        );
        assert!(!format!("{fault:?} {fault}").contains("falsch"));
    }
    let resolved = wrong.resolve(&repository(&server), &tag()).await;
    assert!(matches!(resolved, Err(Fault::Unauthorized { .. })));
    let blob = Descriptor::of("x", b"x");
    let has = wrong.has_blob(&repository(&server), &blob.digest).await;
    assert!(matches!(has, Err(Fault::Unauthorized { .. })));
}

#[tokio::test]
async fn forbidden_is_its_own_fault() {
    let server = Server::start(|_| Answer::new(403, "denied")).await;
    let fault = ask(&anonymous(), &server).await.unwrap_err();
    assert!(matches!(fault, Fault::Forbidden { .. }), "{fault}");
}

#[tokio::test]
async fn a_redirect_does_not_take_the_login_along() {
    let storage = Server::start(|_| Answer::new(200, "layer")).await;
    let address = format!("http://{}/data?signature=1", storage.host);
    let server = Server::start(move |asked| match asked.header("authorization") {
        Some(_) => Answer::new(307, "").header("Location", address.clone()),
        None => basic(asked),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let registry = with_config(
        folder.path(),
        &json!({"auths": {&server.host: {"auth": AUTH}}}),
    );
    let wanted = Descriptor::of("x", b"layer");
    let bytes = registry
        .blob(&repository(&server), &wanted, 10)
        .await
        .unwrap();
    assert_eq!(bytes, "layer");
    let asked = storage.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("authorization"), None);
}

#[tokio::test]
async fn an_upload_elsewhere_does_not_take_the_login_along() {
    let storage = Server::start(|_| Answer::new(201, "")).await;
    let address = format!("http://{}/upload", storage.host);
    let server = Server::start(move |asked| match asked.header("authorization") {
        Some(_) if asked.method == "POST" => {
            Answer::new(202, "").header("Location", address.clone())
        }
        Some(_) => Answer::new(404, ""),
        None => basic(asked),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let registry = with_config(
        folder.path(),
        &json!({"auths": {&server.host: {"auth": AUTH}}}),
    );
    let bytes = bytes::Bytes::from_static(b"layer");
    let put = registry.put_blob(&repository(&server), "x", bytes).await;
    put.unwrap();
    let asked = storage.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("authorization"), None);
}

#[tokio::test]
async fn nothing_is_fetched_in_the_clear_from_elsewhere() {
    let server =
        Server::start(|_| Answer::new(307, "").header("Location", "http://storage.invalid/data"))
            .await;
    let wanted = Descriptor::of("x", b"layer");
    let blob = anonymous().blob(&repository(&server), &wanted, 10).await;
    assert!(matches!(blob, Err(Fault::Answer { .. })));
}

#[tokio::test]
async fn storage_that_refuses_is_not_a_wrong_password() {
    let storage = Server::start(|_| Answer::new(403, "expired")).await;
    let address = format!("http://{}/data", storage.host);
    let server =
        Server::start(move |_| Answer::new(307, "").header("Location", address.clone())).await;
    let wanted = Descriptor::of("x", b"layer");
    let fault = anonymous()
        .blob(&repository(&server), &wanted, 10)
        .await
        .unwrap_err();
    assert!(
        matches!(fault, Fault::Server { status: 403, .. }),
        "{fault}"
    );
}

#[tokio::test]
async fn odd_configurations() {
    let folder = tempfile::tempdir().unwrap();
    let none = CredentialStore::new(Some(folder.path().join("absent")));
    assert_eq!(none.get("a.example").await.unwrap(), None);
    for text in [
        r#"{"auths": "geheim"}"#,
        r#"{"auths":{"a.example":{"auth":"Z2VoZWlt"}}}"#,
    ] {
        std::fs::write(folder.path().join("config.json"), text).unwrap();
        let store = CredentialStore::new(Some(folder.path().to_path_buf()));
        let fault = store.get("a.example").await.unwrap_err();
        assert!(matches!(&fault, Fault::Credentials { .. }));
        assert!(!format!("{fault} {fault:?}").contains("geheim"), "{fault}");
    }
    let legacy = r#"{"auths":{"https://a.example/v1/":{"auth":"YW5uYTpnZWhlaW0="}}}"#;
    std::fs::write(folder.path().join("config.json"), legacy).unwrap();
    let store = CredentialStore::new(Some(folder.path().to_path_buf()));
    assert!(store.get("a.example").await.unwrap().is_some());
    assert_eq!(store.get("b.example").await.unwrap(), None);
}
