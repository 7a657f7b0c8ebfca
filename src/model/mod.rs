//! What the files and statements say, as types. Pure: no clock, no network, no file system.

pub mod by_name;
pub mod catalogue;
pub mod circle;
pub mod commit;
pub mod container;
pub mod create_body;
pub mod credentials;
pub mod difference;
pub mod digest;
pub mod forge;
pub mod host_profile;
pub mod identity;
pub mod image;
pub mod ledger;
pub mod mirrors;
pub mod name;
pub mod nearest;
pub mod observed;
pub mod overrides;
pub mod platform;
pub mod predicate;
pub mod public_key;
pub mod quantity;
pub mod reference;
pub mod released;
pub mod run_specification;
pub mod secret;
pub mod statement;
#[cfg(test)]
pub(crate) mod testing;
pub mod text;
pub mod trust_file;
pub mod urls;
pub mod version_change;
pub mod visible;
pub mod yaml;
