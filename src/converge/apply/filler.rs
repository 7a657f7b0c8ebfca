//! Who fills the empty volumes of containers.

use std::fmt::Debug;

use futures_util::future::BoxFuture;

use crate::error::Error;
use crate::model::name::ContainerName;

/// Fills volumes, and knows that it did.
pub trait Filler: Debug + Send + Sync {
    /// Fills those of one container, by its Id. `told` hears how
    /// many bytes of how many were read.
    ///
    /// # Errors
    /// It failed: what is in the volumes then is neither nothing nor the whole.
    fn fill<'a>(
        &'a self,
        container: &'a ContainerName,
        id: &'a str,
        told: &'a (dyn Fn(u64, u64) + Sync),
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// Whether it has done so.
    fn has_filled(&self, container: &ContainerName) -> bool;
}
