//! Requests that a proxy gets: where they go, what the cache did with them, and the rules that say so; and those
//! that were written down, from several sources into one form.

pub mod access_log;
pub mod apache;
mod audit;
pub mod caching;
mod forensic;
pub mod har;
pub mod recorded;
pub mod scrub;
pub mod source;
pub mod target;
