//! `release key`: a key pair for signing releases.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use ring::rand::SystemRandom;

use crate::error::{Error, Kind, PathContext, Result};
use crate::model::name::PlatformName;
use crate::model::public_key::Fingerprint;
use crate::model::secret::Secret;
use crate::model::trust_file::{Revoked, SCHEMA, TrustFile, TrustedKey};
use crate::system::{Here, System as _};
use crate::verify::trust::keys::SigningKey;

/// The fewest characters of a passphrase.
const SHORTEST: usize = 8;

/// A key pair that is wanted.
#[derive(Debug, Clone)]
pub struct Order {
    /// Whose it is: letters, digits, `.`, `_`, `-` and `@`.
    pub name: String,
    /// Where `<name>.key` and `<name>.pub` go.
    pub directory: PathBuf,
    /// What the private half is encrypted with.
    pub passphrase: Secret,
    /// The platform that the trust file is for.
    pub platform: PlatformName,
    /// A `trust.yaml` to begin with this key.
    pub trust_file: Option<PathBuf>,
}

/// A key pair that was made.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// The encrypted private half, mode 0600, as cosign reads it.
    pub private: PathBuf,
    /// The public half, PEM.
    pub public: PathBuf,
    /// The SHA-256 of the public half.
    pub fingerprint: Fingerprint,
    /// A `trust.yaml` of this key alone.
    pub trust: TrustFile,
}

/// Makes an ECDSA P-256 key pair. Replaces no file. Fails with [`Kind::Usage`].
pub fn make(order: &Order) -> Result<KeyPair> {
    if order.passphrase.expose().chars().count() < SHORTEST {
        let text = format!("a passphrase has at least {SHORTEST} characters");
        return Err(Error::usage(text));
    }
    let random = SystemRandom::new();
    let key = SigningKey::generate(&random)?;
    let trust = TrustFile {
        schema: SCHEMA,
        platform: order.platform.clone(),
        root_version: 1,
        threshold: 1,
        keys: vec![TrustedKey {
            name: order.name.clone(),
            key: key.public(),
            from: None,
            until: None,
        }],
        servers: std::collections::BTreeMap::new(),
        minimum_sequences: std::collections::BTreeMap::new(),
        revoked: Revoked::default(),
    };
    trust.validate().map_err(Error::usage)?;
    let path = |ending: &str| order.directory.join(format!("{}.{ending}", order.name));
    let pair = KeyPair {
        private: path("key"),
        public: path("pub"),
        fingerprint: key.public().fingerprint(),
        trust,
    };
    let taken = [
        Some(&pair.private),
        Some(&pair.public),
        order.trust_file.as_ref(),
    ];
    if let Some(path) = taken.into_iter().flatten().find(|path| path.exists()) {
        let text = format!("{} exists and is not replaced", path.display());
        return Err(Error::usage(text)
            .hint("a key that was lost or stolen is revoked in trust.yaml, not replaced"));
    }
    Here::create_private(&order.directory).at(Kind::Usage, "create", &order.directory)?;
    let pem = key.to_encrypted_pem(&order.passphrase, &random)?;
    write_new(&pair.private, &pem, true)?;
    write_new(&pair.public, &key.public().to_pem(), false)?;
    if let Some(path) = &order.trust_file {
        write_new(path, &pair.trust.to_yaml()?, false)?;
    }
    Ok(pair)
}

fn write_new(path: &Path, text: &str, private: bool) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    Here::create_with_mode(&mut options, if private { 0o600 } else { 0o644 });
    let mut file = options.open(path).at(Kind::Usage, "create", path)?;
    file.write_all(text.as_bytes())
        .at(Kind::Usage, "write", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(folder: &Path) -> Order {
        Order {
            name: "acme-2026".to_owned(),
            directory: folder.to_owned(),
            passphrase: Secret::new("correct horse"),
            platform: PlatformName::new("acme").unwrap(),
            trust_file: Some(folder.join("trust.yaml")),
        }
    }

    #[test]
    fn a_pair_that_opens_again_and_a_trust_file_that_reads() {
        let folder = tempfile::tempdir().unwrap();
        let pair = make(&order(folder.path())).unwrap();
        let pem = Secret::new(std::fs::read_to_string(&pair.private).unwrap());
        let passphrase = Secret::new("correct horse");
        let key = SigningKey::from_pem(&pem, Some(&passphrase)).unwrap();
        assert_eq!(key.public().fingerprint(), pair.fingerprint);
        let text = std::fs::read(folder.path().join("trust.yaml")).unwrap();
        assert_eq!(TrustFile::parse("trust.yaml", &text).unwrap(), pair.trust);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&pair.private)
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn no_file_is_replaced_and_no_short_passphrase_taken() {
        let folder = tempfile::tempdir().unwrap();
        let mut order = order(folder.path());
        std::fs::write(folder.path().join("trust.yaml"), "precious").unwrap();
        let error = make(&order).unwrap_err();
        assert!(error.to_string().contains("not replaced"), "{error}");
        assert!(!folder.path().join("acme-2026.key").exists());
        order.passphrase = Secret::new("short");
        assert_eq!(make(&order).unwrap_err().kind(), Kind::Usage);
        order.passphrase = Secret::new("long enough");
        order.name = "../evil".to_owned();
        assert!(
            make(&order)
                .unwrap_err()
                .to_string()
                .contains("not a key name")
        );
    }
}
