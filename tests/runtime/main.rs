//! Tests below the command line that need an engine: the one in memory, the machine's own, or a
//! server that answers like one.

#![allow(
    clippy::wildcard_imports,
    reason = "a module in several files shares its imports"
)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::too_many_lines, reason = "tests read from top to bottom")]
#![allow(unreachable_pub, reason = "modules of one test program")]

#[path = "../support/mod.rs"]
mod support;

mod clean;
mod contract;
mod docker;
mod executor;
mod fake_engine;
mod health_probe;
mod logs;
mod serving;
mod ssh;
mod tls;
mod wire;
