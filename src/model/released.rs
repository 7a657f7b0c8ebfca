//! How people name what production released.

use std::str::FromStr;

use super::name::{ContainerName, EnvironmentName, Version};

/// A version, a reference or an environment's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Released {
    /// `NAME:VERSION`
    Build(ContainerName, Version),
    /// `N`
    Reference(u64),
    /// An environment's name.
    Environment(EnvironmentName),
}

impl FromStr for Released {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((name, version)) = text.split_once(':') {
            return Ok(Self::Build(
                ContainerName::new(name)?,
                Version::new(version)?,
            ));
        }
        match text.parse() {
            Ok(number) => Ok(Self::Reference(number)),
            Err(_) => EnvironmentName::new(text).map(Self::Environment),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms() {
        let parse = |text: &str| text.parse::<Released>();
        assert!(matches!(parse("billing:1.4.2"), Ok(Released::Build(..))));
        assert_eq!(parse("42"), Ok(Released::Reference(42)));
        assert!(matches!(parse("production"), Ok(Released::Environment(_))));
        assert!(parse("Billing:1").is_err() && parse("a:").is_err() && parse("").is_err());
    }
}
