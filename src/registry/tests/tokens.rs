//! Tokens: fetched once, renewed, and from whom.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::super::Fault;
use super::login::{AUTH, MANIFEST, ask};
use super::server::{Answer, Server};
use super::{anonymous, with_config};

/// A registry and its token server; a token is good for one `repository:…` scope.
async fn bearer() -> Server {
    let issued = AtomicUsize::new(0);
    Server::start(move |asked| {
        if asked.path.starts_with("/token") {
            let known = asked.header("authorization") == Some(&format!("Basic {AUTH}"))
                || asked
                    .body
                    .windows(21)
                    .any(|part| part == b"refresh_token=refresh")
                || asked.body.ends_with(b"&refresh_token=re%2Ffresh");
            let number = issued.fetch_add(1, Ordering::SeqCst);
            return if known {
                let token = format!("{{\"token\":\"good-{number}\",\"expires_in\":300}}");
                Answer::new(200, token)
            } else {
                Answer::new(401, "{}")
            };
        }
        if asked.path.contains("/tags/list") {
            return Answer::new(401, "");
        }
        match asked.header("authorization") {
            Some(value) if value.starts_with("Bearer good-") && value != "Bearer good-0" => {
                Answer::new(200, MANIFEST)
            }
            _ => Answer::new(401, "").header(
                "WWW-Authenticate",
                format!(
                    "Bearer realm=\"http://{}/token?x=1\",service=\"s\"",
                    asked.header("host").unwrap()
                ),
            ),
        }
    })
    .await
}

#[tokio::test]
async fn tokens_are_fetched_once_and_renewed_when_refused() {
    let server = bearer().await;
    let folder = tempfile::tempdir().unwrap();
    let registry = with_config(
        folder.path(),
        &json!({"auths": {&server.host: {"auth": AUTH}}}),
    );
    // The server refuses its first token: the client does not insist.
    let fault = ask(&registry, &server).await.unwrap_err();
    assert!(
        matches!(fault, Fault::Unauthorized { stored: true, .. }),
        "{fault}"
    );
    // The next request finds out and renews.
    ask(&registry, &server).await.unwrap();
    let all = futures_util::future::join_all((0..8).map(|_| ask(&registry, &server))).await;
    assert!(all.iter().all(Result::is_ok));
    let path = "/token?x=1&scope=repository%3Aacme%2Fbilling%3Apull&service=s";
    assert_eq!(server.count("GET", path), 2, "{:?}", server.asked());
}

#[tokio::test]
async fn parallel_requests_share_one_token() {
    let server = bearer().await;
    let folder = tempfile::tempdir().unwrap();
    let registry = with_config(
        folder.path(),
        &json!({"auths": {&server.host: {"auth": AUTH}}}),
    );
    let _ = ask(&registry, &server).await;
    let before = server.asked().len();
    let all = futures_util::future::join_all((0..8).map(|_| ask(&registry, &server))).await;
    assert!(all.iter().all(Result::is_ok));
    let asked = server.asked().split_off(before);
    let tokens = asked
        .iter()
        .filter(|asked| asked.path.starts_with("/token"))
        .count();
    assert_eq!(tokens, 1, "{asked:?}");
}

#[tokio::test]
async fn an_identity_token_is_posted() {
    let server = bearer().await;
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"auths": {&server.host: {"auth": "", "identitytoken": "re/fresh"}}});
    let registry = with_config(folder.path(), &config);
    let _ = ask(&registry, &server).await;
    ask(&registry, &server).await.unwrap();
    let asked = server.asked();
    let post = asked.iter().find(|asked| asked.method == "POST").unwrap();
    assert_eq!(
        String::from_utf8_lossy(&post.body),
        "scope=repository%3Aacme%2Fbilling%3Apull&service=s&grant_type=refresh_token\
         &client_id=devenv&refresh_token=re%2Ffresh"
    );
}

#[tokio::test]
async fn a_refused_password_at_the_token_server_is_unauthorized() {
    let server = bearer().await;
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"auths": {&server.host: {"auth": "YTpi"}}});
    let fault = ask(&with_config(folder.path(), &config), &server)
        .await
        .unwrap_err();
    assert!(
        matches!(fault, Fault::Unauthorized { stored: true, .. }),
        "{fault}"
    );
    let fault = ask(&anonymous(), &server).await.unwrap_err();
    assert!(
        matches!(fault, Fault::Unauthorized { stored: false, .. }),
        "{fault}"
    );
}

#[tokio::test]
async fn a_token_server_in_the_clear_gets_nothing() {
    let server = Server::start(|_| {
        let realm = "Bearer realm=\"http://token.invalid/\",service=\"s\"";
        Answer::new(401, "").header("WWW-Authenticate", realm)
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let registry = with_config(
        folder.path(),
        &json!({"auths": {&server.host: {"auth": AUTH}}}),
    );
    let fault = ask(&registry, &server).await.unwrap_err();
    assert!(fault.to_string().contains("not behind https"), "{fault}");
}

#[tokio::test]
async fn the_scope_that_the_registry_names_is_asked_for() {
    let server = Server::start(|asked| {
        if asked.path == "/token?scope=repository%3Amirror%2Fbilling%3Apull" {
            return Answer::new(200, r#"{"access_token":"right"}"#);
        }
        if asked.header("authorization") == Some("Bearer right") {
            return Answer::new(200, MANIFEST);
        }
        let realm = format!("realm=\"http://{}/token\"", asked.header("host").unwrap());
        let challenge = format!("Bearer {realm},scope=\"repository:mirror/billing:pull\"");
        Answer::new(401, "").header("WWW-Authenticate", challenge)
    })
    .await;
    ask(&anonymous(), &server).await.unwrap();
}
