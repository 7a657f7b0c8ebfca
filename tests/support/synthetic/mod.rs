//! A released platform of trivial containers, published without any build: for scenarios about
//! what a workstation accepts and how it converges. Real builds are `tests/ground release`'s.

mod promoting;
mod publishing;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use devenv::model::container::{Definition, Kind};
use devenv::model::digest::Digest;
use devenv::model::image::Repository;
use devenv::model::insecure_registries::InsecureRegistries;
use devenv::model::ledger::{Ledger, LedgerEntry};
use devenv::model::name::{ContainerName, EnvironmentName, PlatformName, Version};
use devenv::model::platform::Platform;
use devenv::model::predicate::{BuildPredicate, Predicate, ReferencePredicate};
use devenv::model::reference::{self, Reference, ReferenceContainer};
use devenv::model::run_specification::{ResolvedNeed, RunSpecification};
use devenv::model::statement::{Statement, Subject, SubjectName};
use devenv::model::trust_file::{TrustFile, TrustedKey};
use devenv::registry::{
    Artifact, Attachment, DOCKER_MANIFEST, Descriptor, OCI_INDEX, Options, Registry, Tag,
};
use devenv::verify::trust::bundle::{self, sign_statement};
use devenv::verify::trust::keys::SigningKey;
use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;

use super::real_engine::{probe_program, tar};
use super::registry::{prefix, prefix_at};

const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// On every image of a synthetic platform: its prefix.
const LABEL: &str = "devenv-test.prefix";

/// The platform's name in every test.
pub const PLATFORM: &str = "acme";

/// A platform that one test releases.
pub struct Synthetic {
    pub folder: tempfile::TempDir,
    pub prefix: String,
    pub key: SigningKey,
    /// Who signs everything besides.
    pub cosigners: Vec<SigningKey>,
    pub trust: TrustFile,
    pub registry: Registry,
    pub commit: String,
    /// What the images say of their volumes: `{ "/data": {} }`.
    pub volumes: serde_json::Value,
    /// The variables of the images: `["A=b"]`.
    pub environment: Vec<String>,
    /// What the proxy's image holds besides the probe program.
    pub proxy_layers: Vec<Vec<u8>>,
    versions: BTreeMap<ContainerName, (Version, Digest)>,
    number: u64,
    sequences: BTreeMap<EnvironmentName, u64>,
    ledgers: BTreeMap<EnvironmentName, Ledger>,
}

impl Synthetic {
    /// A platform of these containers (`container.yaml` by name) behind the proxy `front`, which
    /// answers everything by itself. Nothing is released yet.
    pub fn define(containers: &[(&str, &str)]) -> Self {
        Self::trusting(containers, |_| {})
    }

    /// The same with another trust file.
    pub fn trusting(containers: &[(&str, &str)], change: impl FnOnce(&mut TrustFile)) -> Self {
        Self::at(prefix(), containers, change)
    }

    /// The same, released, on whatever is in front of the registry.
    pub async fn released_behind(host: &str, containers: &[(&str, &str)]) -> Self {
        let mut synthetic = Self::at(prefix_at(host), containers, |_| {});
        synthetic.release_all(containers).await;
        synthetic
    }

    fn at(
        prefix: String,
        containers: &[(&str, &str)],
        change: impl FnOnce(&mut TrustFile),
    ) -> Self {
        let random = SystemRandom::new();
        let key = SigningKey::generate(&random).unwrap();
        let mut trust = TrustFile {
            schema: 1,
            platform: PlatformName::new(PLATFORM).unwrap(),
            root_version: 1,
            threshold: 1,
            keys: vec![TrustedKey {
                name: "production".into(),
                key: key.public(),
                from: None,
                until: None,
            }],
            servers: BTreeMap::new(),
            minimum_sequences: BTreeMap::new(),
            revoked: devenv::model::trust_file::Revoked::default(),
        };
        change(&mut trust);
        let host = prefix.split('/').next().unwrap_or_default().to_owned();
        let mut synthetic = Self {
            folder: tempfile::tempdir().unwrap(),
            prefix,
            key,
            cosigners: Vec::new(),
            trust,
            registry: Registry::new(Options {
                insecure: InsecureRegistries::new(vec![host]).unwrap(),
                ..Options::default()
            }),
            commit: String::new(),
            volumes: serde_json::Value::Null,
            environment: Vec::new(),
            proxy_layers: Vec::new(),
            versions: BTreeMap::new(),
            number: 0,
            sequences: BTreeMap::new(),
            ledgers: BTreeMap::new(),
        };
        synthetic.write_definitions(containers);
        synthetic.push("The platform");
        synthetic
    }

    /// Defines, releases every container as 1.0, compiles reference 1 and promotes it everywhere.
    pub async fn released(containers: &[(&str, &str)]) -> Self {
        let mut synthetic = Self::define(containers);
        synthetic.release_all(containers).await;
        synthetic
    }

    /// Releases every container as 1.0, compiles reference 1 and promotes it everywhere.
    pub async fn release_all(&mut self, containers: &[(&str, &str)]) {
        for (name, _) in containers {
            self.release(name, "1.0").await;
        }
        self.reference().await;
        for environment in ["recette", "production"] {
            self.promote(environment).await;
        }
    }

    /// The statement as everybody signs it who signs here: a bundle each.
    pub fn bundles<P: Predicate>(&self, statement: &Statement<P>) -> Vec<Vec<u8>> {
        let keys = [&self.key].into_iter().chain(&self.cosigners);
        keys.map(|key| sign_statement(statement, key).unwrap())
            .collect()
    }

    /// Where a developer clones the definitions from.
    pub fn url(&self) -> String {
        format!("file://{}", self.bare().display())
    }

    fn bare(&self) -> PathBuf {
        self.folder.path().join("definitions.git")
    }

    /// The work tree that changes are committed in.
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn write_definitions(&self, containers: &[(&str, &str)]) {
        let work = self.work();
        fs::create_dir_all(work.join("containers/front")).unwrap();
        fs::write(work.join("platform.yaml"), self.platform_yaml()).unwrap();
        fs::write(work.join("trust.yaml"), self.trust.to_yaml().unwrap()).unwrap();
        let front = "kind: proxy\npublish: [80]\ncommand: [/probe, listen, \"80\"]\n";
        fs::write(work.join("containers/front/container.yaml"), front).unwrap();
        for (name, text) in containers {
            self.write_container(name, text);
        }
        git(&work, &["init", "--quiet", "--initial-branch=main"]);
        git(
            self.folder.path(),
            &[
                "init",
                "--quiet",
                "--bare",
                "--initial-branch=main",
                "definitions.git",
            ],
        );
    }

    fn platform_yaml(&self) -> String {
        let mut text = format!(
            "schema: 1\nplatform: {PLATFORM}\nregistry: {}\nproxy: front\nenvironments: [recette, production]\n\
             configuration_variable: PLATFORM_ENVIRONMENT\n\
             workstation: {{ environment: production, configuration: recette }}\n\
             bundles:\n  everything: [",
            self.prefix
        );
        text.push_str("]\ncontainers: {}\n");
        let _ = write!(text, "");
        text
    }

    /// Writes one `container.yaml`, not yet committed.
    pub fn write_container(&self, name: &str, text: &str) {
        let folder = self.work().join("containers").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("container.yaml"), text).unwrap();
    }

    /// Commits everything and pushes it.
    pub fn push(&mut self, message: &str) {
        let work = self.work();
        git(&work, &["add", "--all"]);
        git(
            &work,
            &["commit", "--quiet", "--allow-empty", "--message", message],
        );
        git(
            &work,
            &["push", "--quiet", &self.url(), "HEAD:refs/heads/main"],
        );
        self.commit = git(&work, &["rev-parse", "HEAD"]);
    }

    /// The repository of a container.
    pub fn repository(&self, name: &str) -> Repository {
        format!("{}/{name}", self.prefix).parse().unwrap()
    }

    /// Publishes and signs a version of a container: an image of the probe program alone.
    pub async fn release(&mut self, name: &str, version: &str) -> Digest {
        let repository = self.repository(name);
        let manifest = self
            .publish_image(
                &repository,
                &format!("{name} {version}"),
                &["/probe", "sleep"],
                &[],
            )
            .await;
        self.sign_build(name, version, &manifest).await;
        manifest.digest
    }

    /// Signs and tags an image or an index as that version of a container.
    pub async fn sign_build(&mut self, name: &str, version: &str, manifest: &Descriptor) {
        let repository = self.repository(name);
        let version = Version::new(version).unwrap();
        let container = ContainerName::new(name).unwrap();
        let predicate = BuildPredicate {
            platform: self.trust.platform.clone(),
            container: container.clone(),
            version: version.clone(),
            commit: self.commit.parse().unwrap(),
            artifacts: BTreeMap::new(),
            built: now(),
            base: None,
            imported: None,
            sbom: None,
            policy: None,
        };
        let statement = self.statement(name, manifest.digest, predicate);
        self.attach_all(&repository, manifest, self.bundles(&statement))
            .await;
        self.tag(&repository, manifest, version.as_str()).await;
        self.versions.insert(container, (version, manifest.digest));
    }

    /// A statement about an image of this platform.
    pub fn statement<P: Predicate>(
        &self,
        name: &str,
        digest: Digest,
        predicate: P,
    ) -> Statement<P> {
        let name = ContainerName::new(name).unwrap();
        let name = SubjectName::container(&self.trust.platform, &name);
        Statement {
            subject: Subject { name, digest },
            predicate,
        }
    }
}

/// The present in whole seconds, as releases round it.
pub fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap()
}

impl Drop for Synthetic {
    /// Removes what engines hold of it, which nothing runs any more.
    fn drop(&mut self) {
        let filter = format!("label={LABEL}={}", self.prefix);
        let list = ["image", "ls", "--quiet", "--no-trunc", "--filter", &filter];
        let Ok(found) = Command::new("docker").args(list).output() else {
            return;
        };
        let found = String::from_utf8_lossy(&found.stdout);
        let images: BTreeSet<&str> = found.lines().collect();
        if !images.is_empty() {
            let _ = Command::new("docker")
                .args(["image", "rm", "--force"])
                .args(images)
                .output();
        }
    }
}

/// This machine's, in images' words.
pub fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    }
}

/// Bytes that nothing packs well.
pub fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let xorshift = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    xorshift.flatten().take(bytes).collect()
}

/// Runs git without anybody's settings and gives what it printed.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(folder)
        .args([
            "-c",
            "user.name=test",
            "-c",
            "user.email=test@localhost",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
