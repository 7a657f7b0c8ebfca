//! What is to be released, and what it becomes on the way.

use std::path::PathBuf;
use std::sync::Arc;

use super::checkout::Checkout;
use super::image::Recipe;
use super::layout::Layout;
use super::norms::{Inspected, Policy};
use super::publish::Staged;
use super::record::Recorded;
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::name::{ContainerName, Version};
use crate::model::norms::Finding;
use crate::model::predicate::Imported;
use crate::release::build::context::Artifact;

/// What is to be released.
#[derive(Debug, Clone)]
pub struct Order {
    /// Which container.
    pub container: ContainerName,
    /// Under which version.
    pub version: Version,
    /// Where its image comes from.
    pub source: Source,
    /// Whether to replace another's dead reservation.
    pub take_over: bool,
}

/// Where an image comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Its Dockerfile.
    Build {
        /// The files that production received for it.
        artifacts: Vec<PathBuf>,
        /// Whether to build without the engine's layer cache.
        no_cache: bool,
    },
    /// A file, as `docker save` writes it.
    Archive(PathBuf),
    /// A registry, by digest.
    Image(Repository, Digest),
}

/// A released version.
#[derive(Debug, Clone)]
pub struct Released {
    /// Where it is published.
    pub repository: Repository,
    /// The signed digest.
    pub digest: Digest,
    /// The definitions' commit that it was built from.
    pub commit: String,
    /// How many more signatures the trust file asks for.
    pub missing_signatures: usize,
    /// Where the version was recorded.
    pub recorded: Recorded,
}

/// What stands before the reservation.
pub(super) struct Prepared {
    pub(super) checkout: Checkout,
    pub(super) repository: Repository,
    pub(super) policy: Option<Policy>,
    /// What the definitions tell about the policy's rules.
    pub(super) findings: Vec<Finding>,
    pub(super) content: Content,
}

/// What the image is made of.
pub(super) enum Content {
    Build(Vec<Artifact>, Box<Recipe>),
    Import(Arc<Layout>, Imported),
}

/// An image up to its staging tag, and what is signed about it besides.
pub(super) struct Made {
    /// On the engine; an imported one need not be there.
    pub(super) id: Option<Digest>,
    pub(super) staged: Staged,
    pub(super) inspected: Inspected,
}
