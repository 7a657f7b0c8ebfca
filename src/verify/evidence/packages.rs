//! The packages of a signed image: the list that its verified statement names by digest.

use bytes::Bytes;
use serde::Serialize;

use super::{VerifiedReference, Verifier, Wanted};
use crate::error::{Error, Result};
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::name::ContainerName;
use crate::model::reference::{Reference, ReferenceContainer};
use crate::model::sbom::{PackageChange, Sbom, package_changes};
use crate::verify::trust::bundle::Bundle;
use crate::verify::trust::policy::{ExpectedBuild, ExpectedReference};

/// Which document a statement's list was found in, by image.
const LISTS: &str = "packages";

/// A list of packages, and whose keys signed the statement that names it.
#[derive(Debug, Clone)]
pub struct VerifiedPackages {
    /// The list.
    pub sbom: Sbom,
    /// Whose keys.
    pub signers: Vec<String>,
}

/// What differs between two references.
#[derive(Debug, Clone, Default)]
pub struct PackagesBetween {
    /// Package by package.
    pub changes: Vec<ContainerPackage>,
    /// Containers whose packages are not known on one of the sides.
    pub unknown: Vec<ContainerName>,
}

/// A package of a container that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContainerPackage {
    /// In which.
    pub container: ContainerName,
    /// What.
    #[serde(flatten)]
    pub change: PackageChange,
}

impl std::fmt::Display for ContainerPackage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.container, self.change)
    }
}

impl Verifier<'_> {
    /// The packages that differ in containers that two references run in different versions.
    pub async fn packages_between(
        &self,
        before: &Reference,
        after: &Reference,
    ) -> Result<PackagesBetween> {
        let mut found = PackagesBetween::default();
        for (container, new) in &after.containers {
            let Some(old) = before.containers.get(container) else {
                continue;
            };
            if old.digest == new.digest {
                continue;
            }
            let (old, new) = (
                self.packages_of(container, old).await?,
                self.packages_of(container, new).await?,
            );
            match (old, new) {
                (Some(old), Some(new)) => {
                    let changes =
                        package_changes(&old.sbom.packages, &new.sbom.packages).into_iter();
                    found.changes.extend(changes.map(|change| ContainerPackage {
                        container: container.clone(),
                        change,
                    }));
                }
                _ => found.unknown.push(container.clone()),
            }
        }
        Ok(found)
    }

    async fn packages_of(
        &self,
        container: &ContainerName,
        entry: &ReferenceContainer,
    ) -> Result<Option<VerifiedPackages>> {
        let (Some(version), Some(digest)) = (&entry.version, entry.digest) else {
            return Ok(None);
        };
        let repository = &entry.repository;
        let wanted = Wanted {
            container,
            version,
            repository,
            digest,
        };
        self.packages(&wanted).await
    }

    /// The packages of an image; `None` where its statement names no list, as those of older
    /// releases. From the cache, else from the registry.
    pub async fn packages(&self, wanted: &Wanted<'_>) -> Result<Option<VerifiedPackages>> {
        let expected = ExpectedBuild {
            container: wanted.container,
            version: Some(wanted.version),
            digest: wanted.digest,
        };
        let verify = |bundles: &[Bytes]| self.policy().verify_build(&expected, bundles);
        let (repository, image) = (wanted.repository, &wanted.digest);
        let statement = self.verified(repository, image, verify).await?;
        let named = statement.predicate.sbom;
        self.list(repository, image, named, statement.signers).await
    }

    /// The packages of a reference's own image, the proxy.
    pub async fn proxy_packages(
        &self,
        reference: &VerifiedReference,
    ) -> Result<Option<VerifiedPackages>> {
        let image = &reference.proxy.image;
        let expected = ExpectedReference {
            proxy: &reference.reference.proxy,
            number: Some(reference.reference.number),
            digest: image.digest,
        };
        let verify = |bundles: &[Bytes]| self.policy().verify_reference(&expected, bundles);
        let (repository, digest) = (&image.repository, &image.digest);
        let statement = self.verified(repository, digest, verify).await?;
        let named = statement.predicate.sbom;
        self.list(repository, digest, named, statement.signers)
            .await
    }

    /// The list that a verified statement names.
    async fn list(
        &self,
        repository: &Repository,
        image: &Digest,
        named: Option<Digest>,
        signers: Vec<String>,
    ) -> Result<Option<VerifiedPackages>> {
        let Some(digest) = named else {
            return Ok(None);
        };
        let found = |sbom| Ok(Some(VerifiedPackages { sbom, signers }));
        let kept: Option<Digest> = self.source.cache.hint(LISTS, &image.hex());
        let kept = kept.and_then(|bundle| self.source.cache.content(&bundle));
        if let Some(sbom) = kept.and_then(|bundle| list(&bundle, &digest)) {
            return found(sbom?);
        }
        let enough =
            |bundles: &[Bytes]| bundles.iter().any(|bundle| list(bundle, &digest).is_some());
        let bundles = self.source.sboms(repository, image, enough).await?;
        let list = bundles
            .iter()
            .find_map(|bundle| Some((bundle, list(bundle, &digest)?)));
        let (bundle, sbom) = list.ok_or_else(|| {
            let image = repository.at(image);
            Error::trust(format!(
                "the list of packages that {image} was signed with is not attached to it"
            ))
        })?;
        let sbom = sbom?;
        let kept = self.source.cache.keep(bundle)?;
        self.source.cache.keep_hint(LISTS, &image.hex(), &kept)?;
        found(sbom)
    }
}

/// The list in a bundle, if it is that of the digest.
fn list(bundle: &[u8], digest: &Digest) -> Option<Result<Sbom>> {
    let bundle = Bundle::parse(bundle).ok()?;
    let found = Sbom::in_payload(&bundle.payload, digest)?;
    Some(found.map_err(|why| Error::trust(format!("a list of packages cannot be read: {why}"))))
}
