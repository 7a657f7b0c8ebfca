//! What an image is made of, as an SPDX document.
//! Source: SPDX 2.3, <https://spdx.github.io/spdx-spec/v2.3/>, in JSON.

mod package;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::name::{ContainerName, PlatformName};
use super::subject::Subject;
use super::visible::visible;

pub use package::{Origin, Package, PackageChange, package_changes};

/// The in-toto `predicateType` of such a document, as cosign's `--type spdxjson` has it.
pub const TYPE: &str = "https://spdx.dev/Document";

/// More packages are refused.
const MOST: usize = 50_000;
/// Bytes of a document: in base64 it fits into what is attached to an image.
pub const LARGEST: usize = (3 << 20) - (64 << 10);
/// A document about one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sbom {
    /// The document as it is signed.
    pub text: String,
    /// What it lists.
    pub packages: BTreeSet<Package>,
}

/// What a document is about.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    pub platform: &'a PlatformName,
    pub container: &'a ContainerName,
    /// A version, or a reference's number.
    pub version: &'a str,
    /// The digest of the image's configuration.
    pub image: Digest,
    pub created: Timestamp,
    /// The distribution, by the `ID` of its os-release.
    pub distribution: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    spdx_version: String,
    data_license: String,
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    #[serde(rename = "documentNamespace")]
    namespace: String,
    creation_info: CreationInfo,
    packages: Vec<SpdxPackage>,
    relationships: Vec<Relationship>,
}

#[derive(Serialize, Deserialize)]
struct CreationInfo {
    created: Timestamp,
    creators: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpdxPackage {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    #[serde(default)]
    version_info: String,
    download_location: String,
    #[serde(default)]
    files_analyzed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_info: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<ExternalReference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    primary_package_purpose: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ExternalReference {
    #[serde(rename = "referenceCategory")]
    category: String,
    #[serde(rename = "referenceType")]
    kind: String,
    #[serde(rename = "referenceLocator")]
    locator: String,
}

#[derive(Serialize, Deserialize)]
struct Relationship {
    #[serde(rename = "spdxElementId")]
    from: String,
    #[serde(rename = "relationshipType")]
    kind: String,
    #[serde(rename = "relatedSpdxElement")]
    to: String,
}

const NOTHING_SAID: &str = "NOASSERTION";
const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const IMAGE: &str = "SPDXRef-image";
/// Where the place of a package stands.
const FOUND_IN: &str = "found in ";

impl Sbom {
    /// The document of an image; the same packages give the same text.
    pub fn new(about: &About<'_>, packages: BTreeSet<Package>) -> Result<Self, String> {
        if packages.len() > MOST {
            return Err(format!("it has more than {MOST} packages"));
        }
        let (platform, container) = (about.platform, about.container);
        let id =
            |index: usize, package: &Package| format!("SPDXRef-{}-{}", package.origin, index + 1);
        let image = SpdxPackage {
            id: IMAGE.to_owned(),
            name: format!("{platform}/{container}"),
            version_info: about.version.to_string(),
            download_location: NOTHING_SAID.to_owned(),
            files_analyzed: false,
            source_info: None,
            external_refs: Vec::new(),
            primary_package_purpose: Some("CONTAINER".to_owned()),
        };
        let listed = packages.iter().enumerate();
        let listed =
            listed.map(|(index, it)| SpdxPackage::new(id(index, it), it, about.distribution));
        let relationship = |from: &str, kind: &str, to: &str| Relationship {
            from: from.to_owned(),
            kind: kind.to_owned(),
            to: to.to_owned(),
        };
        let contained = packages.iter().enumerate();
        let contained =
            contained.map(|(index, it)| relationship(IMAGE, "CONTAINS", &id(index, it)));
        let describes = relationship(DOCUMENT, "DESCRIBES", IMAGE);
        let document = Document {
            spdx_version: "SPDX-2.3".to_owned(),
            data_license: "CC0-1.0".to_owned(),
            id: DOCUMENT.to_owned(),
            name: format!("{platform}/{container} {}", about.version),
            namespace: format!(
                "urn:devenv:sbom:{platform}:{container}:{}",
                about.image.hex()
            ),
            creation_info: CreationInfo {
                created: about.created,
                creators: vec![format!("Tool: devenv-{}", env!("CARGO_PKG_VERSION"))],
            },
            packages: std::iter::once(image).chain(listed).collect(),
            relationships: std::iter::once(describes).chain(contained).collect(),
        };
        let text = serde_json::to_string(&document).map_err(|error| error.to_string())?;
        if text.len() > LARGEST {
            return Err(format!(
                "the list of its {} packages has {} bytes; there may be {LARGEST}",
                packages.len(),
                text.len()
            ));
        }
        Ok(Self { text, packages })
    }

    /// Reads a document that was verified.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |error: serde_json::Error| visible(&error.to_string());
        let document: Document = serde_json::from_str(text).map_err(wrong)?;
        if document.packages.len() > MOST + 1 {
            return Err(format!("it lists more than {MOST} packages"));
        }
        let packages = document.packages.iter().filter_map(SpdxPackage::read);
        Ok(Self {
            packages: packages.collect(),
            text: text.to_owned(),
        })
    }

    /// The bytes to sign: an in-toto statement about an image, with the document as it is.
    pub fn to_payload(&self, subject: &Subject) -> Result<Vec<u8>, String> {
        let name = serde_json::to_string(&subject.name.to_string());
        let name = name.map_err(|error| error.to_string())?;
        let (digest, text) = (subject.digest.hex(), &self.text);
        let payload = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":{name},"digest":{{"sha256":"{digest}"}}}}],"predicateType":"{TYPE}","predicate":{text}}}"#
        );
        Ok(payload.into_bytes())
    }

    /// The document in a payload, if it is the one of this digest.
    pub fn in_payload(payload: &[u8], wanted: &Digest) -> Option<Result<Self, String>> {
        #[derive(Deserialize)]
        struct Statement<'a> {
            #[serde(borrow)]
            predicate: &'a serde_json::value::RawValue,
        }
        let statement: Statement<'_> = serde_json::from_slice(payload).ok()?;
        let text = statement.predicate.get();
        (Digest::of(text.as_bytes()) == *wanted).then(|| Self::parse(text))
    }

    /// The digest by which a build statement names it.
    pub fn digest(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }
}

impl SpdxPackage {
    fn new(id: String, package: &Package, distribution: Option<&str>) -> Self {
        let url = package.url(distribution);
        let reference = |locator| ExternalReference {
            category: "PACKAGE-MANAGER".to_owned(),
            kind: "purl".to_owned(),
            locator,
        };
        Self {
            id,
            name: package.name.clone(),
            version_info: package.version.clone(),
            download_location: NOTHING_SAID.to_owned(),
            files_analyzed: false,
            source_info: package.place.as_ref().map(|it| format!("{FOUND_IN}{it}")),
            external_refs: url.into_iter().map(reference).collect(),
            primary_package_purpose: None,
        }
    }

    fn read(&self) -> Option<Package> {
        let word = self.id.strip_prefix("SPDXRef-")?.split('-').next()?;
        let origins = [Origin::Deb, Origin::Apk, Origin::Rpm, Origin::Jar];
        let origin = origins.into_iter().find(|it| it.word() == word)?;
        let place = self.source_info.as_deref();
        let url = self.external_refs.first().map(|it| &it.locator);
        let architecture = url.and_then(|it| it.split_once("?arch=")).map(|it| it.1);
        Some(Package {
            origin,
            name: self.name.clone(),
            version: self.version_info.clone(),
            architecture: architecture.map(ToOwned::to_owned),
            place: place
                .and_then(|it| it.strip_prefix(FOUND_IN))
                .map(ToOwned::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(origin: Origin, name: &str, version: &str) -> Package {
        Package {
            origin,
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: (origin == Origin::Deb).then(|| "amd64".to_owned()),
            place: (origin == Origin::Jar).then(|| "/opt/a.war".to_owned()),
        }
    }

    fn sbom(packages: &[Package]) -> Sbom {
        listed(packages).unwrap()
    }

    fn listed(packages: &[Package]) -> Result<Sbom, String> {
        let about = About {
            platform: &PlatformName::new("acme").unwrap(),
            container: &ContainerName::new("billing").unwrap(),
            version: "1.4",
            image: Digest::of(b"image"),
            created: Timestamp::UNIX_EPOCH,
            distribution: Some("debian"),
        };
        Sbom::new(&about, packages.iter().cloned().collect())
    }

    #[test]
    fn a_list_that_cannot_be_attached_is_refused_when_it_is_made() {
        let packages = |count: usize| -> Vec<Package> {
            let name = |it: usize| format!("package-{it}");
            let packages = (0..count).map(|it| package(Origin::Deb, &name(it), "1.2.3-4"));
            packages.collect()
        };
        assert!(listed(&packages(4000)).is_ok());
        let error = listed(&packages(20_000)).unwrap_err();
        assert!(
            error.starts_with("the list of its 20000 packages has"),
            "{error}"
        );
    }

    #[test]
    fn a_document_says_what_was_put_into_it() {
        let packages = [
            package(Origin::Deb, "libc6", "2.36-9+deb12u4"),
            package(Origin::Jar, "org.slf4j:slf4j-api", "2.0.1"),
            package(Origin::Jar, "nameless", "1"),
        ];
        let sbom = sbom(&packages);
        assert_eq!(Sbom::parse(&sbom.text).unwrap(), sbom);
        for url in [
            "pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64",
            "pkg:maven/org.slf4j/slf4j-api@2.0.1",
        ] {
            assert!(sbom.text.contains(url), "{}", sbom.text);
        }
        assert!(Sbom::parse("{}").is_err());
        let subject = Subject {
            name: "acme/billing".parse().unwrap(),
            digest: Digest::of(b"manifest"),
        };
        let payload = sbom.to_payload(&subject).unwrap();
        let found = Sbom::in_payload(&payload, &sbom.digest());
        assert_eq!(found, Some(Ok(sbom)));
        assert_eq!(Sbom::in_payload(&payload, &Digest::of(b"other")), None);
    }
}
