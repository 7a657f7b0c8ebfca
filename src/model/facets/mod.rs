//! Facets: in what a container here can differ from the same container elsewhere. Pure.
//!
//! - [`table`]: every [`facet`], one row each. [`value`]: what was found, or why not.
//! - [`asked`]: what an engine was asked to do. [`inside`]: what is effective in a container.
//! - [`record`]: a file of them. [`compare`]: two sides and what declares a difference.

pub mod asked;
pub mod compare;
pub mod facet;
pub mod inside;
mod jvm;
pub mod record;
pub mod table;
pub mod value;
