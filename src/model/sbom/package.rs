//! Packages, what patterns mean them, and what differs between two lists of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::model::visible::visible;

/// What needs no escape in a package URL.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b'~');

/// Where a package is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// dpkg's database.
    Deb,
    /// apk's.
    Apk,
    /// rpm's.
    Rpm,
    /// A jar, a war or an ear.
    Jar,
}

/// One package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Package {
    /// Where it is listed.
    pub origin: Origin,
    /// Its name; of a jar `group:artifact` where it says so.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The processor that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The file that it was found in, where that says more than the origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl Origin {
    /// The word in a document.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::Rpm => "rpm",
            Self::Jar => "jar",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl Package {
    /// Its package URL. Source: <https://github.com/package-url/purl-spec>.
    pub fn url(&self, distribution: Option<&str>) -> Option<String> {
        let escape = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
        let (scheme, namespace, name) = match self.origin {
            Origin::Jar => {
                let (group, artifact) = self.name.split_once(':')?;
                ("maven", group, artifact)
            }
            other => (other.word(), distribution?, self.name.as_str()),
        };
        let architecture = self.architecture.as_deref();
        let architecture = architecture.map(|it| format!("?arch={}", escape(it)));
        Some(format!(
            "pkg:{scheme}/{}/{}@{}{}",
            escape(namespace),
            escape(name),
            escape(&self.version),
            architecture.unwrap_or_default()
        ))
    }

    /// Whether a pattern of the policy means it: `name` or `name@version`, `*` is any text. A jar is
    /// meant by its artifact alone as well.
    pub fn is_like(&self, pattern: &str) -> bool {
        let (name, version) = pattern.split_once('@').unwrap_or((pattern, "*"));
        let artifact = self.name.rsplit(':').next().unwrap_or_default();
        let named = matches(name, &self.name) || matches(name, artifact);
        named && matches(version, &self.version)
    }
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// Whether a text is like a pattern in which `*` is any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A package whose versions differ between two images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// Its name.
    pub name: String,
    /// Its versions before; empty where it is new.
    pub before: BTreeSet<String>,
    /// Its versions now; empty where it is gone.
    pub after: BTreeSet<String>,
}

impl fmt::Display for PackageChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions = |versions: &BTreeSet<String>| {
            let versions: Vec<String> = versions.iter().map(|it| visible(it)).collect();
            versions.join(", ")
        };
        let name = visible(&self.name);
        match (self.before.is_empty(), self.after.is_empty()) {
            (true, _) => write!(f, "{name}: added {}", versions(&self.after)),
            (_, true) => write!(f, "{name}: removed {}", versions(&self.before)),
            _ => write!(
                f,
                "{name}: {} → {}",
                versions(&self.before),
                versions(&self.after)
            ),
        }
    }
}

/// What differs, by name.
pub fn package_changes(
    before: &BTreeSet<Package>,
    after: &BTreeSet<Package>,
) -> Vec<PackageChange> {
    type Versions<'a> = BTreeMap<(Origin, &'a str), BTreeSet<String>>;
    fn versions(packages: &BTreeSet<Package>) -> Versions<'_> {
        let mut all = Versions::new();
        for package in packages {
            let key = (package.origin, package.name.as_str());
            all.entry(key).or_default().insert(package.version.clone());
        }
        all
    }
    let (mut before, mut after) = (versions(before), versions(after));
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
    let changes = keys.into_iter().map(|key| PackageChange {
        name: key.1.to_owned(),
        before: before.remove(&key).unwrap_or_default(),
        after: after.remove(&key).unwrap_or_default(),
    });
    changes.filter(|it| it.before != it.after).collect()
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

    #[test]
    fn patterns_name_packages() {
        let log4j = package(Origin::Jar, "org.apache.logging.log4j:log4j-core", "2.14.1");
        for like in [
            "log4j-core",
            "log4j*@2.14.*",
            "org.apache.*",
            "*",
            "*core@2.14.1",
        ] {
            assert!(log4j.is_like(like), "{like}");
        }
        for other in [
            "log4j",
            "*log4j",
            "log4j-core@2.15*",
            "core",
            "log4j-core@2.14",
            "",
        ] {
            assert!(!log4j.is_like(other), "{other}");
        }
    }

    #[test]
    fn packages_come_go_and_change() {
        let before = BTreeSet::from([
            package(Origin::Deb, "a", "1"),
            package(Origin::Deb, "b", "1"),
            package(Origin::Jar, "b", "7"),
        ]);
        let after = BTreeSet::from([
            package(Origin::Deb, "b", "2"),
            package(Origin::Jar, "b", "7"),
            package(Origin::Deb, "c", "1"),
        ]);
        let changes = package_changes(&before, &after);
        let shown: Vec<String> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a: removed 1", "b: 1 → 2", "c: added 1"]);
        assert!(package_changes(&after, &after).is_empty());
    }
}
