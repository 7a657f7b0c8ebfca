//! The checks, one file for what each looks at.

pub(super) mod architecture;
pub(super) mod authority;
pub(super) mod clock;
pub(super) mod engine;
pub(super) mod forwarders;
pub(super) mod host;
pub(super) mod leftovers;
pub(super) mod names;
pub(super) mod ports;
pub(super) mod proxies;
pub(super) mod registry;
pub(super) mod resources;
pub(super) mod trust;
