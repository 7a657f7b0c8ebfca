//! How one kind of Docker host differs, from `profiles/<kind>.yaml`.

use std::net::IpAddr;

use serde::Deserialize;

use super::yaml;
use crate::error::{Kind, Result};

/// One kind of Docker host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostProfile {
    /// Its name, as `status` shows it.
    pub name: String,
    /// For people.
    pub description: String,
    /// The address that ports are published on.
    pub publish_address: IpAddr,
}

impl HostProfile {
    /// Reads a profile.
    pub fn parse(source: &str, text: &[u8]) -> Result<Self> {
        yaml::read(Kind::Usage, source, text)
    }

    /// An engine on the user's own Linux machine.
    pub fn linux() -> Result<Self> {
        Self::parse(
            "profiles/linux.yaml",
            include_bytes!("../../profiles/linux.yaml"),
        )
    }
}
