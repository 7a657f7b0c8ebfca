//! The policy: the norms that a container meets before production signs it. Pure.
//!
//! [`file`] is `policy.yaml`; a [`Finding`] is something that a rule is about; [`judge`] says what
//! comes of it.

pub mod file;
pub mod judge;
pub mod rule;

pub use file::{Norms, Scanner};
pub use judge::{Finding, Judgement, Ruling, shortened};
pub use rule::{Level, Rule};
