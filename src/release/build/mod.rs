//! From a definition to an image: what goes to the builder, and what must hold before and after.
//! The same for a release and for a developer's local build.

pub mod buildkit;
pub mod context;
pub mod dockerfile;
mod doubt;
pub mod instruction;
pub mod layers;
pub mod packages;
pub mod probe;
mod rules;
pub mod sources;
pub mod suspicious;
pub mod template;
