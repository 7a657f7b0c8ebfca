//! Short texts with a grammar that end up in engine calls, shell commands and proxy templates.

use crate::model::visible::visible;
/// Makes a newtype like [`super::name`]'s, for text that is no name.
macro_rules! text {
    ($(#[$docs:meta])* $type:ident, $what:literal, $valid:expr) => {
        $(#[$docs])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Parses; the error says what would be right.
            pub fn new(text: impl Into<String>) -> Result<Self, String> {
                let text = text.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) {
                    Ok(Self(text))
                } else {
                    Err(format!(concat!("`{}` is not ", $what), visible(&text)))
                }
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                Self::new(text)
            }
        }

        impl From<$type> for String {
            fn from(text: $type) -> Self {
                text.0
            }
        }
    };
}

text!(
    /// An absolute path inside a container.
    AbsolutePath,
    "an absolute path (from `/`, without `..`, white space, `:` or `,`)",
    |text| {
        text.len() > 1
            && text.len() <= 255
            && text.starts_with('/')
            && !text.split('/').any(|part| part == ".." || part == ".")
            && text.chars().all(|c| c.is_ascii_graphic() && !":,\"'\\$`;*?".contains(c))
    }
);
text!(
    /// A path of the user's machine: from `/`, from a drive, or from `~/`, the user's folder.
    HostPath,
    "a path of this machine (from `/`, `~/` or a drive such as `C:\\`, without `..`)",
    |text| {
        let drive = text.as_bytes();
        let is_drive = drive.len() > 2
            && drive[0].is_ascii_alphabetic()
            && drive[1] == b':'
            && [b'/', b'\\'].contains(&drive[2]);
        (text.starts_with('/') || text.starts_with("~/") || is_drive)
            && text.len() <= 4096
            && !text.split(['/', '\\']).any(|part| part == ".." || part == ".")
            && !text.chars().any(char::is_control)
    }
);

impl HostPath {
    /// The path with `~` as the folder `home`.
    pub fn below(&self, home: &str) -> String {
        match self.0.strip_prefix("~/") {
            Some(rest) => format!("{}/{rest}", home.trim_end_matches(['/', '\\'])),
            None => self.0.clone(),
        }
    }
}

text!(
    /// A path in a URL.
    RoutePath,
    "a route path (from `/`; letters, digits and `-._~/`)",
    |text| {
        text.starts_with('/')
            && text.len() <= 200
            && !text.contains("//")
            && !text.split('/').any(|part| part == ".." || part == ".")
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._~/".contains(c))
    }
);
text!(
    /// A DNS name.
    HostName,
    "a host name (lower-case letters, digits, dots and dashes)",
    |text| {
        (1..=200).contains(&text.len())
            && text.split('.').all(|label| {
                !label.is_empty()
                    && label.len() <= 63
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            })
    }
);
text!(
    /// A word that the engine reads: a user, a signal, a limit's name.
    Word,
    "a word (letters, digits, `_`, `.`, `:` and `-`)",
    |text| {
        (1..=64).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.:-".contains(c))
    }
);
