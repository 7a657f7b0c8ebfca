//! Versions of the Docker Engine API.

use std::fmt;

/// A version of the Docker Engine API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    /// Always 1 so far.
    pub major: u32,
    /// `41` of `1.41`.
    pub minor: u32,
}

impl ApiVersion {
    /// The oldest that devenv uses: Docker 1.13.
    pub const FLOOR: Self = Self {
        major: 1,
        minor: 25,
    };
    /// The newest that the types here describe (bollard 0.21).
    pub const CEILING: Self = Self {
        major: 1,
        minor: 53,
    };

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once('.')?;
        Some(Self {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        let version = |text| ApiVersion::parse(text).unwrap();
        assert!(version("1.9") < version("1.41"));
        assert_eq!(version("1.41").to_string(), "1.41");
        assert_eq!(ApiVersion::parse("one"), None);
        let bollard = bollard::API_DEFAULT_VERSION.to_string();
        assert_eq!(ApiVersion::CEILING.to_string(), bollard);
    }
}
