//! Names, each with its grammar, parsed once at the border.

use crate::model::visible::visible;
/// Makes a newtype over shared text whose value satisfies `$valid`; clones cost nothing.
macro_rules! name {
    ($(#[$docs:meta])* $type:ident, $what:literal, $rule:literal, $valid:expr) => {
        $(#[$docs])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(std::sync::Arc<str>);

        impl $type {
            /// Parses; the error says what would be right.
            pub fn new(text: impl Into<String>) -> Result<Self, String> {
                let text = text.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) {
                    Ok(Self(text.into()))
                } else {
                    Err(format!("`{}` is not {} ({})", visible(&text), $what, $rule))
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.0, f)
            }
        }

        impl std::str::FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $type {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                Self::new(text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

/// Names that the registry's layout uses itself.
pub const RESERVED: [&str; 3] = ["environments", "trust", "artifacts"];

name!(
    /// A container of the platform; a host name inside the instance and a repository's last part.
    ContainerName,
    "a container name",
    "lower-case letters, digits and single dashes, from a letter, at most 40; not `environments`, `trust` or `artifacts`",
    |text| dashed(text, 40) && !RESERVED.contains(&text)
);
name!(
    /// A platform. No dash, so that `devenv-<platform>-<instance>-<container>` reads one way only.
    PlatformName,
    "a platform name",
    "lower-case letters, digits and `_`, from a letter, at most 30",
    |text| plain(text, 30)
);
name!(
    /// One running copy of a subset. No dash, as for [`PlatformName`].
    InstanceName,
    "an instance name",
    "lower-case letters, digits and `_`, from a letter, at most 30",
    |text| plain(text, 30)
);
name!(
    /// A place that references are promoted to.
    EnvironmentName,
    "an environment name",
    "lower-case letters, digits and single dashes, from a letter, at most 40",
    |text| dashed(text, 40)
);
name!(
    /// A folder under `configuration/`: which settings an image uses at run time.
    ConfigurationName,
    "a configuration name",
    "lower-case letters, digits and single dashes, from a letter, at most 40",
    |text| dashed(text, 40)
);
name!(
    /// A bundle: a name for several containers.
    BundleName,
    "a bundle name",
    "lower-case letters, digits and single dashes, from a letter, at most 40",
    |text| dashed(text, 40)
);
/// The name of the volume that holds log files.
pub const LOGS: &str = "logs";

name!(
    /// A volume of one container. No dash, as for [`PlatformName`].
    VolumeName,
    "a volume name",
    "lower-case letters, digits and `_`, from a letter, at most 30",
    |text| plain(text, 30)
);
name!(
    /// A released version, which is also an image tag.
    Version,
    "a version",
    "letters, digits, `.`, `_` and `-`, from a letter or digit, at most 60",
    |text| {
        text.len() <= 60
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && !text.starts_with("staging-")
            && !text.starts_with("sha256-")
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    }
);
name!(
    /// A snapshot of data; also a file's name, in file systems that tell no cases apart.
    SnapshotName,
    "a snapshot name",
    "lower-case letters, digits, `.`, `_` and `-`, from a letter or digit, at most 60",
    |text| {
        (1..=60).contains(&text.len())
            && !text.starts_with(['.', '_', '-'])
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
    }
);
name!(
    /// An environment variable or a secret.
    VariableName,
    "a variable name",
    "letters, digits and `_`, not from a digit, at most 100",
    |text| {
        (1..=100).contains(&text.len())
            && !text.starts_with(|c: char| c.is_ascii_digit())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    }
);
name!(
    /// A file beside a definition: one path component.
    FileName,
    "a file name",
    "letters, digits, `.`, `_`, `-`, not from a dot or dash, at most 100",
    |text| {
        (1..=100).contains(&text.len())
            && !text.starts_with(['.', '-'])
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    }
);

fn dashed(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && !text.contains("--")
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn plain(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_names() {
        for good in ["billing", "ledger-db", "a1"] {
            assert!(ContainerName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "Billing",
            "-a",
            "a-",
            "a--b",
            "a/b",
            "..",
            "trust",
            "a\u{1b}[31m",
        ] {
            assert!(ContainerName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_error_never_carries_control_characters() {
        let error = Version::new("1\u{1b}]0;x").unwrap_err();
        assert!(!error.contains('\u{1b}'), "{error}");
    }

    #[test]
    fn snapshot_names_are_file_names() {
        assert!(SnapshotName::new("before-15.3").is_ok());
        for bad in ["", ".", "..", "-a", "a/b", "A", "a b"] {
            assert!(SnapshotName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn staging_tags_are_no_versions() {
        assert!(Version::new("staging-1").is_err());
        assert!(Version::new("sha256-00").is_err());
    }
}
