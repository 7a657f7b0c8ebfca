//! A released platform of trivial containers, published without any build: for scenarios about
//! what a workstation accepts and how it converges. Real builds are `tests/ground release`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use devenv::model::container::{Definition, Kind};
use devenv::model::digest::Digest;
use devenv::model::image::Repository;
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
use devenv::trust::bundle::{self, sign_statement};
use devenv::trust::keys::SigningKey;
use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;

use super::real_engine::{probe_program, tar};
use super::registry::prefix;

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
            minimum_sequences: BTreeMap::new(),
            revoked: devenv::model::trust_file::Revoked::default(),
        };
        change(&mut trust);
        let mut synthetic = Self {
            folder: tempfile::tempdir().unwrap(),
            prefix: prefix(),
            key,
            cosigners: Vec::new(),
            trust,
            registry: Registry::new(Options::default()),
            commit: String::new(),
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

    /// Attaches a bundle to an image.
    pub async fn attach(&self, repository: &Repository, manifest: &Descriptor, bundle: Vec<u8>) {
        let attachment = Attachment {
            artifact_type: bundle::MEDIA_TYPE.into(),
            media_type: bundle::MEDIA_TYPE.into(),
            bytes: bundle.into(),
            annotations: BTreeMap::new(),
        };
        self.registry
            .attach(repository, manifest, attachment)
            .await
            .unwrap();
    }

    /// Attaches several.
    pub async fn attach_all(
        &self,
        repository: &Repository,
        manifest: &Descriptor,
        bundles: Vec<Vec<u8>>,
    ) {
        for bundle in bundles {
            self.attach(repository, manifest, bundle).await;
        }
    }

    /// Gives a manifest one more tag.
    pub async fn tag(&self, repository: &Repository, manifest: &Descriptor, tag: &str) {
        let found = self
            .registry
            .manifest(repository, &manifest.digest, 1 << 20)
            .await
            .unwrap();
        let tag = Tag::new(tag).unwrap();
        self.registry
            .put_manifest(repository, &tag, &found.media_type, found.bytes)
            .await
            .unwrap();
    }

    /// Pushes an image of the probe program and more layers, each a list of files.
    pub async fn publish_image(
        &self,
        repository: &Repository,
        marker: &str,
        command: &[&str],
        more: &[Vec<u8>],
    ) -> Descriptor {
        let made = (architecture(), probe_program());
        self.publish_made(repository, marker, command, more, made)
            .await
    }

    /// The same of another program, for what the configuration calls its architecture.
    pub async fn publish_made(
        &self,
        repository: &Repository,
        marker: &str,
        command: &[&str],
        more: &[Vec<u8>],
        (architecture, program): (&str, Vec<u8>),
    ) -> Descriptor {
        let program = tar(&[("probe", 0o755, &program)]);
        let mut layers = Vec::new();
        let mut diff_ids = Vec::new();
        for layer in [&program].into_iter().chain(more) {
            diff_ids.push(Digest::of(layer).to_string());
            layers.push(
                self.registry
                    .put_blob(repository, LAYER, gzip(layer))
                    .await
                    .unwrap(),
            );
        }
        let config = serde_json::json!({
            "architecture": architecture, "os": "linux", "created": "2026-01-01T00:00:00Z",
            "config": { "Cmd": command, "Labels": { "marker": marker, LABEL: self.prefix } },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = Bytes::from(serde_json::to_vec(&config).unwrap());
        let config = self
            .registry
            .put_blob(repository, CONFIG, config)
            .await
            .unwrap();
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": layers,
        });
        let bytes = Bytes::from(serde_json::to_vec(&manifest).unwrap());
        let descriptor = Descriptor::of(DOCKER_MANIFEST, &bytes);
        self.registry
            .put_manifest(repository, &descriptor.digest, DOCKER_MANIFEST, bytes)
            .await
            .unwrap();
        descriptor
    }

    /// Puts images together into an index, each under the architecture that it is listed as.
    pub async fn publish_index(
        &self,
        repository: &Repository,
        images: &[(&str, Descriptor)],
    ) -> Descriptor {
        let manifests: Vec<_> = images
            .iter()
            .map(|(architecture, image)| {
                serde_json::json!({
                    "mediaType": DOCKER_MANIFEST, "digest": image.digest, "size": image.size,
                    "platform": { "os": "linux", "architecture": architecture },
                })
            })
            .collect();
        let index = serde_json::json!({
            "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests,
        });
        let bytes = Bytes::from(serde_json::to_vec(&index).unwrap());
        let descriptor = Descriptor::of(OCI_INDEX, &bytes);
        self.registry
            .put_manifest(repository, &descriptor.digest, OCI_INDEX, bytes)
            .await
            .unwrap();
        descriptor
    }

    /// The reference of what is released now, under the next number, not yet published.
    pub fn compile(&mut self) -> Reference {
        self.number += 1;
        let platform = Platform::parse(
            "platform.yaml",
            &fs::read(self.work().join("platform.yaml")).unwrap(),
        )
        .unwrap();
        let definition = |name: &str| -> Definition {
            let path = self
                .work()
                .join("containers")
                .join(name)
                .join("container.yaml");
            devenv::model::yaml::read(
                devenv::error::Kind::Definitions,
                name,
                &fs::read(path).unwrap(),
            )
            .unwrap()
        };
        let names: Vec<String> = self
            .versions
            .keys()
            .map(ToString::to_string)
            .chain(["front".into()])
            .collect();
        let definitions: BTreeMap<String, Definition> = names
            .iter()
            .map(|name| (name.clone(), definition(name)))
            .collect();
        let runs: BTreeMap<&str, RunSpecification> = definitions
            .iter()
            .map(|(name, it)| {
                (
                    name.as_str(),
                    RunSpecification::resolve(it, &platform.defaults),
                )
            })
            .collect();
        let containers = definitions
            .iter()
            .map(|(name, definition)| {
                let container = ContainerName::new(name.as_str()).unwrap();
                let released = self.versions.get(&container);
                let needs = definition.needs.iter().map(|need| ResolvedNeed {
                    until: need
                        .until
                        .unwrap_or_else(|| runs[need.container.as_str()].default_until()),
                    container: need.container.clone(),
                });
                let entry = ReferenceContainer {
                    version: released.map(|(version, _)| version.clone()),
                    repository: self.repository(name),
                    digest: released.map(|(_, digest)| *digest),
                    description: definition.description.clone(),
                    needs: needs.collect(),
                    uses: definition.uses.clone(),
                    routes: definition.routes.clone(),
                    run: runs[name.as_str()].clone(),
                };
                assert!(
                    released.is_some() || definition.kind == Kind::Proxy,
                    "{name} is not released"
                );
                (container, entry)
            })
            .collect();
        Reference {
            schema: reference::SCHEMA,
            platform: platform.platform,
            number: self.number,
            created: now(),
            commit: self.commit.clone(),
            environments: platform.environments,
            configuration_variable: platform.configuration_variable,
            proxy: platform.proxy,
            bundles: BTreeMap::new(),
            containers,
        }
    }

    /// Publishes and signs the next reference.
    pub async fn reference(&mut self) -> (u64, Digest) {
        let reference = self.compile();
        self.publish_reference(&reference).await
    }

    /// Publishes and signs a reference as it is.
    pub async fn publish_reference(&self, reference: &Reference) -> (u64, Digest) {
        let text = reference.to_yaml().unwrap();
        let layer = tar(&[(reference::PATH, 0o644, text.as_bytes())]);
        let repository = self.repository("front");
        let marker = format!("front {}", reference.number);
        let manifest = self
            .publish_image(&repository, &marker, &["/probe", "listen", "80"], &[layer])
            .await;
        let predicate = ReferencePredicate {
            platform: self.trust.platform.clone(),
            number: reference.number,
            commit: self.commit.parse().unwrap(),
            reference_sha256: Digest::of(text.as_bytes()),
            created: now(),
        };
        let statement = self.statement("front", manifest.digest, predicate);
        self.attach_all(&repository, &manifest, self.bundles(&statement))
            .await;
        self.tag(&repository, &manifest, &reference.number.to_string())
            .await;
        (reference.number, manifest.digest)
    }

    /// Promotes the newest reference: the next document of the environment's ledger.
    pub async fn promote(&mut self, environment: &str) {
        let repository = self.repository("front");
        let tag = Tag::new(self.number.to_string()).unwrap();
        let digest = self
            .registry
            .resolve(&repository, &tag)
            .await
            .unwrap()
            .unwrap();
        self.promote_to(environment, self.number, digest).await;
    }

    /// Appends an entry to an environment's ledger and publishes it.
    pub async fn promote_to(&mut self, environment: &str, number: u64, digest: Digest) {
        let environment = EnvironmentName::new(environment).unwrap();
        let sequence = self
            .sequences
            .get(&environment)
            .copied()
            .unwrap_or_default()
            + 1;
        let entry = LedgerEntry {
            number,
            digest,
            at: now(),
            by: "a test".into(),
            reason: String::new(),
        };
        let expires = now() + SignedDuration::from_hours(24 * 90);
        let ledger = match self.ledgers.get(&environment) {
            None => Ledger::first(
                self.trust.platform.clone(),
                environment.clone(),
                sequence,
                entry,
                expires,
            ),
            Some(before) => before.append(sequence, entry, expires),
        }
        .unwrap();
        let statement = self.statement("front", digest, ledger.clone());
        let tags = [format!("{environment}-{sequence}"), environment.to_string()];
        self.publish_document("environments", &tags, self.bundles(&statement))
            .await;
        self.sequences.insert(environment.clone(), sequence);
        self.ledgers.insert(environment, ledger);
    }

    /// Publishes a signed document (a ledger, a trust file) under these tags.
    pub async fn publish_document(&self, name: &str, tags: &[String], bundles: Vec<Vec<u8>>) {
        let repository = self.repository(name);
        let mut layers = Vec::new();
        for bundle in bundles {
            let stored = self
                .registry
                .put_blob(&repository, bundle::MEDIA_TYPE, bundle.into());
            layers.push(stored.await.unwrap());
        }
        let artifact = Artifact {
            artifact_type: bundle::MEDIA_TYPE.into(),
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        };
        for tag in tags {
            let tag = Tag::new(tag.as_str()).unwrap();
            self.registry
                .put_artifact(&repository, Some(&tag), &artifact)
                .await
                .unwrap();
        }
    }

    /// The digest of the newest version of a container.
    pub fn published(&self, name: &str) -> Option<Digest> {
        self.versions.get(name).map(|(_, digest)| *digest)
    }

    /// The ledger of an environment as it was last published.
    pub fn ledger(&self, environment: &str) -> Ledger {
        self.ledgers[environment].clone()
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

fn gzip(bytes: &[u8]) -> Bytes {
    use std::io::Read;
    let mut packed = Vec::new();
    flate2::read::GzEncoder::new(bytes, flate2::Compression::fast())
        .read_to_end(&mut packed)
        .unwrap();
    packed.into()
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
