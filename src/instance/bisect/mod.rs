//! Searching for the change that made something bad: over the references that an environment ran, then
//! among what one reference changed.

mod begin;
mod candidate;
mod guilt;
mod kept;
mod search;
mod trial;
mod walk;

pub use begin::{Wish, begin};
pub use candidate::Candidate;
pub use guilt::{Guilty, Promoted, guilty};
pub use search::{Found, Next, Search};
pub use trial::{Change, Trial, Tried};
pub use walk::{Answer, end, walk};
