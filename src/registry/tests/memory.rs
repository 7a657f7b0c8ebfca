//! A registry in memory: manifests by tag and digest, the tag list, and the referrers API if wanted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::server::{Answer, Asked};
use crate::model::digest::Digest;
use crate::registry::{Descriptor, OCI_INDEX, OCI_MANIFEST};

/// One repository.
#[derive(Clone, Default)]
pub(super) struct Memory {
    manifests: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    has_referrers: bool,
}

impl Memory {
    /// With the referrers API.
    pub(super) fn with_referrers() -> Self {
        Self {
            has_referrers: true,
            ..Self::default()
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.manifests.lock().unwrap().get(name).cloned()
    }

    pub(super) fn put(&self, name: &str, bytes: &[u8]) {
        let mut manifests = self.manifests.lock().unwrap();
        manifests.insert(name.to_owned(), bytes.to_vec());
        manifests.insert(Digest::of(bytes).to_string(), bytes.to_vec());
    }

    pub(super) fn answer(&self, asked: &Asked) -> Answer {
        let name = asked.path.rsplit('/').next().unwrap();
        let is_manifest = asked.path.contains("/manifests/");
        match asked.method.as_str() {
            "GET" if asked.path.contains("/tags/list") => {
                let manifests = self.manifests.lock().unwrap();
                let tags: Vec<_> = manifests
                    .keys()
                    .filter(|name| !name.contains(':'))
                    .collect();
                Answer::new(
                    200,
                    json!({ "name": "acme/billing", "tags": tags }).to_string(),
                )
            }
            "GET" if self.has_referrers && asked.path.contains("/referrers/") => {
                Answer::new(200, self.referrers(name))
            }
            "HEAD" if asked.path.contains("/blobs/") => Answer::new(404, ""),
            "POST" => Answer::new(202, "").header("Location", "/upload"),
            "PUT" if is_manifest => {
                self.put(name, &asked.body);
                let created = Answer::new(201, "");
                match subject_of(&asked.body).filter(|_| self.has_referrers) {
                    Some(subject) => created.header("OCI-Subject", subject),
                    None => created,
                }
            }
            "PUT" => Answer::new(201, ""),
            "GET" | "HEAD" if is_manifest => match self.get(name) {
                Some(bytes) => {
                    let digest = Digest::of(&bytes).to_string();
                    Answer::new(200, bytes).header("Docker-Content-Digest", digest)
                }
                None => Answer::new(404, ""),
            },
            _ => Answer::new(404, "404 page not found"),
        }
    }

    fn referrers(&self, subject: &str) -> String {
        let manifests = self.manifests.lock().unwrap();
        let names = manifests.iter().filter(|(name, bytes)| {
            name.contains(':') && subject_of(bytes).as_deref() == Some(subject)
        });
        let list: Vec<_> = names
            .map(|(_, bytes)| Descriptor::of(OCI_MANIFEST, bytes))
            .collect();
        json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list }).to_string()
    }
}

fn subject_of(manifest: &[u8]) -> Option<String> {
    let manifest: Value = serde_json::from_slice(manifest).ok()?;
    Some(manifest.get("subject")?.get("digest")?.as_str()?.to_owned())
}
