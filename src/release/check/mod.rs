//! `devenv check`: all that is wrong with the definitions at one commit, at once.
//!
//! What is there is read first ([`gathered`]), then judged without a look at anything else
//! ([`examine`]). `release build` judges by the same functions.

pub mod container;
pub mod examine;
pub mod findings;
pub mod gathered;
mod stands;

pub use stands::stands;

use crate::definitions::{CommitId, Definitions};
use crate::error::{Error, Result};
use examine::Examined;
use gathered::Gathered;

/// Reads everything at `commit`, and tells what is wrong with it.
pub fn check(definitions: &Definitions, commit: CommitId) -> Result<Examined> {
    Ok(examine::examine(Gathered::at(definitions, commit)?))
}

/// Several faults as one error: the first speaks, the others follow it.
pub(super) fn all(faults: Vec<Error>) -> Error {
    let mut faults = faults.into_iter();
    let first = faults
        .next()
        .unwrap_or_else(|| Error::bug("refused without a fault"));
    faults.fold(first, |first, other| {
        let details = other.details().iter().map(String::as_str);
        let lines: Vec<&str> = details.collect();
        first.detail(format!("{other}\n{}", lines.join("\n")).trim_end())
    })
}
