//! Tests that need no engine: the cheapest ones, which cargo runs first. `layout` reads the
//! sources, `cli` holds transcripts, `definitions` and `forges` talk to git servers of their own.

#![allow(
    clippy::wildcard_imports,
    reason = "a module in several files shares its imports"
)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::too_many_lines, reason = "tests read from top to bottom")]

#[path = "../support/mod.rs"]
mod support;

mod checking;
mod cli;
mod corpus;
mod definitions;
mod forges;
mod help;
mod layout;
mod readme;
mod vectors;
