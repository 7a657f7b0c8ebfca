//! Credential helpers: programs that docker and devenv ask.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::credentials::CredentialStore;
use crate::model::credentials::Credentials;
use crate::model::secret::Secret;

const PATIENT: Duration = Duration::from_secs(20);
/// `anna:geheim`
const AUTH: &str = "YW5uYTpnZWhlaW0=";

/// A store that asks a program with this script, for so long.
fn helper(folder: &Path, script: &str, time: Duration) -> CredentialStore {
    // Written by another process: a file that this one had open for writing could still be open
    // in a child of another test, and would then not run.
    let write = r#"printf '#!/bin/sh\n%s\n' "$1" > docker-credential-test && chmod +x docker-credential-test"#;
    let written = Command::new("sh")
        .current_dir(folder)
        .args(["-c", write, "sh", script])
        .status();
    assert!(written.unwrap().success());
    let config = json!({"credsStore": "test", "auths": {"file.example": {"auth": AUTH}}});
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    CredentialStore::new(Some(folder.to_path_buf())).with_helpers(folder.to_path_buf(), time)
}

#[tokio::test]
async fn helpers_are_asked() {
    let folder = tempfile::tempdir().unwrap();
    let store = helper(
        folder.path(),
        r#"read host; test "$1" = get && echo "{\"ServerURL\":\"$host\",\"Username\":\"$host\",\"Secret\":\"s\"}""#,
        PATIENT,
    );
    let password = |user: &str, password: &str| {
        Some(Credentials::Password {
            user: user.to_owned(),
            password: Secret::new(password),
        })
    };
    let found = store.get("a.example:5000").await.unwrap();
    assert_eq!(found, password("a.example:5000", "s"));
    let found = store.get("docker.io").await.unwrap();
    assert_eq!(found, password("https://index.docker.io/v1/", "s"));

    // One host has a helper of its own, which the store for all others is not.
    let config = json!({"credsStore": "none", "credHelpers": {"b.example": "test"}});
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let store = CredentialStore::new(Some(folder.path().to_path_buf()))
        .with_helpers(folder.path().to_path_buf(), PATIENT);
    let found = store.get("b.example").await.unwrap();
    assert_eq!(found, password("b.example", "s"));
    assert!(store.get("a.example").await.is_err());

    let store = helper(
        folder.path(),
        r#"echo '{"Username":"<token>","Secret":"t"}'"#,
        PATIENT,
    );
    let found = store.get("a.example").await.unwrap();
    assert_eq!(found, Some(Credentials::IdentityToken(Secret::new("t"))));

    let store = helper(
        folder.path(),
        "echo 'credentials not found in native keychain'; exit 1",
        PATIENT,
    );
    assert_eq!(store.get("a.example").await.unwrap(), None);
    assert_eq!(
        store.get("file.example").await.unwrap(),
        password("anna", "geheim")
    );
}

#[tokio::test]
async fn a_helper_that_fails_or_sleeps_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let store = helper(folder.path(), "echo 'keychain is locked'; exit 1", PATIENT);
    let fault = store.get("a.example").await.unwrap_err();
    assert!(fault.to_string().contains("keychain is locked"), "{fault}");

    let store = helper(folder.path(), "exec sleep 10", Duration::from_millis(400));
    let started = Instant::now();
    let fault = store.get("a.example").await.unwrap_err();
    assert!(fault.to_string().contains("no answer in 400ms"), "{fault}");
    assert!(started.elapsed() < Duration::from_secs(5));
}
