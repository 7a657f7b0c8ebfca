//! Images, references and signed documents, pushed as they are.

use super::*;

impl Synthetic {
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
            "config": {
                "Cmd": command, "Labels": { "marker": marker, LABEL: self.prefix },
                "Volumes": self.volumes, "Env": self.environment,
            },
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

    /// Publishes and signs a reference as it is.
    pub async fn publish_reference(&self, reference: &Reference) -> (u64, Digest) {
        let text = reference.to_yaml().unwrap();
        let layer = tar(&[(reference::PATH, 0o644, text.as_bytes())]);
        let repository = self.repository("front");
        let marker = format!("front {}", reference.number);
        let layers = [&self.proxy_layers[..], &[layer]].concat();
        let manifest = self
            .publish_image(&repository, &marker, &["/probe", "listen", "80"], &layers)
            .await;
        let predicate = ReferencePredicate {
            platform: self.trust.platform.clone(),
            number: reference.number,
            commit: self.commit.parse().unwrap(),
            reference_sha256: Digest::of(text.as_bytes()),
            created: now(),
            sbom: None,
            policy: None,
        };
        let statement = self.statement("front", manifest.digest, predicate);
        self.attach_all(&repository, &manifest, self.bundles(&statement))
            .await;
        self.tag(&repository, &manifest, &reference.number.to_string())
            .await;
        (reference.number, manifest.digest)
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
}

fn gzip(bytes: &[u8]) -> Bytes {
    use std::io::Read;
    let mut packed = Vec::new();
    flate2::read::GzEncoder::new(bytes, flate2::Compression::fast())
        .read_to_end(&mut packed)
        .unwrap();
    packed.into()
}
