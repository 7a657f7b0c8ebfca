//! The definitions against a real git server: every test of the network runs over the `git`
//! program and over the git that is built in.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

#[allow(unreachable_pub, reason = "other test programs share it")]
#[path = "../support/forge/http.rs"]
mod http;
mod local;
mod network;
mod reservations;
mod server;
mod world;
