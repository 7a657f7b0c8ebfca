//! An image's configuration: what the image itself says about how it runs.
//! Source: OCI image specification, `config.md`; `Healthcheck` is Docker's own (moby,
//! `image/spec/spec.md`).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::digest::Digest;
use super::name::VolumeName;
use super::text::AbsolutePath;

/// The most bytes that an image's configuration may have.
pub const LARGEST: u64 = 8 << 20;

/// The fields that are read.
#[derive(Debug, Deserialize)]
pub struct ImageConfiguration {
    #[serde(default)]
    architecture: Option<String>,
    #[serde(default)]
    config: Settings,
    rootfs: RootFileSystem,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Settings {
    user: Option<String>,
    healthcheck: Option<Healthcheck>,
    #[allow(clippy::zero_sized_map_values, reason = "the document's own shape")]
    volumes: Option<BTreeMap<String, serde::de::IgnoredAny>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Healthcheck {
    test: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct RootFileSystem {
    diff_ids: Vec<Digest>,
}

/// What holds for a container unless its run specification says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageDefaults {
    /// Whether the image brings a `HEALTHCHECK`.
    pub has_health: bool,
    /// The paths of its `VOLUME` instructions.
    pub volumes: BTreeSet<AbsolutePath>,
}

impl ImageConfiguration {
    /// Reads the JSON document.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// Digests of the uncompressed layers, lowest first.
    pub fn layers(&self) -> &[Digest] {
        &self.rootfs.diff_ids
    }

    /// The processor that it is for, as images name it: `amd64`.
    pub fn architecture(&self) -> Option<&str> {
        self.architecture.as_deref()
    }

    /// The user that it runs as; root where it says nothing.
    pub fn user(&self) -> &str {
        self.config.user.as_deref().unwrap_or_default()
    }

    /// What the image says about running it.
    pub fn defaults(&self) -> ImageDefaults {
        let settings = &self.config;
        let test = settings
            .healthcheck
            .as_ref()
            .and_then(|it| it.test.as_ref());
        let volumes = settings.volumes.iter().flat_map(|it| it.keys());
        ImageDefaults::new(test.map(Vec::as_slice), volumes.map(String::as_str))
    }
}

impl ImageDefaults {
    /// From `Healthcheck.Test` and the keys of `Volumes`. A path that no mount can name
    /// (`:` or white space in it) is left to the engine.
    pub fn new<'a>(test: Option<&[String]>, volumes: impl Iterator<Item = &'a str>) -> Self {
        let runs = |test: &[String]| {
            test.first()
                .is_some_and(|kind| !["", "NONE"].contains(&kind.as_str()))
        };
        let volumes = volumes.filter_map(|path| AbsolutePath::new(path.trim_end_matches('/')).ok());
        Self {
            has_health: test.is_some_and(runs),
            volumes: volumes.collect(),
        }
    }
}

/// The volume that keeps what an image's `VOLUME` holds where `declared` does not name its path:
/// `/var/lib/data` gets `image_var_lib_data`.
pub fn volume_name(
    path: &AbsolutePath,
    declared: &BTreeMap<VolumeName, AbsolutePath>,
) -> Option<VolumeName> {
    let path = path.as_str();
    let plain = |c: char| c == '/' || c.is_ascii_lowercase() || c.is_ascii_digit();
    let readable = path.chars().all(plain).then(|| path.replace('/', "_"));
    let unique = format!("_{}", Digest::of(path.as_bytes()).short());
    let names = readable.into_iter().chain([unique]);
    names
        .filter_map(|name| VolumeName::new(format!("image{name}")).ok())
        .find(|name| !declared.contains_key(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults(config: &str) -> ImageDefaults {
        let text = format!("{{\"config\":{config},\"rootfs\":{{\"diff_ids\":[]}}}}");
        ImageConfiguration::parse(text.as_bytes())
            .unwrap()
            .defaults()
    }

    #[test]
    fn a_check_counts_unless_it_is_switched_off() {
        for (test, counts) in [
            ("{\"Test\":[\"CMD-SHELL\",\"true\"]}", true),
            ("{\"Test\":[\"CMD\",\"/probe\"],\"Interval\":1}", true),
            ("{\"Test\":[\"NONE\"]}", false),
            ("{\"Test\":[]}", false),
            ("{\"Interval\":1}", false),
            ("null", false),
        ] {
            let found = defaults(&format!("{{\"Healthcheck\":{test}}}"));
            assert_eq!(found.has_health, counts, "{test}");
        }
        assert_eq!(defaults("{}"), ImageDefaults::default());
    }

    #[test]
    fn volumes_are_paths_and_get_names_that_differ() {
        let found = defaults("{\"Volumes\":{\"/data/\":{},\"/var/lib/x\":{},\"/a b\":{}}}");
        let paths: Vec<_> = found.volumes.iter().map(AbsolutePath::as_str).collect();
        assert_eq!(paths, ["/data", "/var/lib/x"]);
        assert_eq!(defaults("{\"Volumes\":null}").volumes.len(), 0);
        let none = BTreeMap::new();
        let path = |path: &str| AbsolutePath::new(path).unwrap();
        let name = |text: &str| volume_name(&path(text), &none).unwrap();
        assert_eq!(name("/var/lib/x").as_str(), "image_var_lib_x");
        for other in ["/var_lib/x", "/Var/lib/x", "/var/lib/x.d", "/var//lib/x"] {
            assert_ne!(name(other), name("/var/lib/x"), "{other}");
        }
        let declared = BTreeMap::from([(name("/data"), path("/other"))]);
        assert_ne!(volume_name(&path("/data"), &declared), Some(name("/data")));
        assert!(volume_name(&path(&"/long".repeat(20)), &none).is_some());
    }
}
