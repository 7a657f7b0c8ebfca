//! What the real cosign makes with production's key is accepted here as production's.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use devenv::model::secret::Secret;
use devenv::verify::trust::keys::SigningKey;

use super::{accepted, billing, evil, pin, refused, signed_by, trusted};
use crate::support::registry::tests;
use crate::support::synthetic::Synthetic;

const PASSWORD: &str = "correct horse";

fn cosign() -> PathBuf {
    let peers = Command::new(tests().join("peers"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(peers.status.success(), "tests/peers failed");
    let bin = String::from_utf8(peers.stdout).unwrap();
    Path::new(bin.trim()).join("cosign")
}

#[track_caller]
fn run(folder: &Path, arguments: &[&str]) {
    let output = Command::new(cosign())
        .current_dir(folder)
        .args(arguments)
        .env("COSIGN_PASSWORD", PASSWORD)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cosign {arguments:?}: {said}");
}

fn read(path: &Path) -> SigningKey {
    let pem = Secret::new(std::fs::read_to_string(path).unwrap());
    let passphrase = SigningKey::needs_passphrase(pem.expose()).then(|| Secret::new(PASSWORD));
    SigningKey::from_pem(&pem, passphrase.as_ref()).unwrap()
}

/// An image whose statement cosign signs with the key in `cosign.key` runs; a byte of it changed
/// afterwards, it does not.
async fn attested(mut platform: Synthetic, folder: &Path) {
    for honest in [true, false] {
        let image = evil(&platform, "billing").await;
        let payload = billing(image.digest).to_payload().unwrap();
        std::fs::write(folder.join("statement.json"), payload).unwrap();
        let bundle = folder.join("bundle.json");
        let attest = [
            "attest-blob",
            "--key=cosign.key",
            "--statement=statement.json",
            "--bundle=bundle.json",
            "--use-signing-config=false",
            "--tlog-upload=false",
            "--yes",
        ];
        run(folder, &attest);
        let mut bundle = std::fs::read_to_string(bundle).unwrap();
        if !honest {
            bundle = bundle.replacen("\"sig\":\"MEU", "\"sig\":\"MEQ", 1);
            bundle = bundle.replacen("\"payload\":\"eyJf", "\"payload\":\"eyBf", 1);
        }
        let repository = platform.repository("billing");
        platform
            .attach(&repository, &image, bundle.into_bytes())
            .await;
        pin(&mut platform, image.digest).await;
        if honest {
            accepted(&platform);
        } else {
            refused(&platform, "is refused");
        }
    }
}

/// Refused: what cosign signs with its own encrypted key is accepted, and refused once changed.
#[tokio::test(flavor = "multi_thread")]
async fn what_cosign_signs_with_its_own_encrypted_key() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["generate-key-pair"]);
    let key = read(&folder.path().join("cosign.key"));
    let keys = vec![trusted("cosign", &key)];
    let platform = signed_by(|trust| trust.keys = keys, key, Vec::new()).await;
    attested(platform, folder.path()).await;
}

/// Refused: what cosign signs with a pkcs8 key of openssl is accepted, and refused once changed.
#[tokio::test(flavor = "multi_thread")]
async fn what_cosign_signs_with_a_pkcs8_key_of_openssl() {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("openssl")
        .current_dir(folder.path())
        .args(["genpkey", "-algorithm", "EC", "-out", "plain.pem"])
        .args(["-pkeyopt", "ec_paramgen_curve:P-256"])
        .output()
        .unwrap();
    assert!(made.status.success());
    // The same key, as it is and as cosign imports it.
    let key = read(&folder.path().join("plain.pem"));
    let import = [
        "import-key-pair",
        "--key=plain.pem",
        "--output-key-prefix=cosign",
    ];
    run(folder.path(), &import);
    let imported = read(&folder.path().join("cosign.key"));
    assert_eq!(key.public().fingerprint(), imported.public().fingerprint());
    let keys = vec![trusted("plain", &key)];
    let platform = signed_by(|trust| trust.keys = keys, key, Vec::new()).await;
    attested(platform, folder.path()).await;
}
