//! What several test programs share. Each uses only a part of it.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]
#![allow(
    clippy::wildcard_imports,
    reason = "a module in several files shares its imports"
)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a test talks to whoever runs it")]
#![allow(clippy::too_many_lines, reason = "scenarios read from top to bottom")]

pub mod certificates;
pub mod company;
pub mod fake_engine;
pub mod fake_state;
pub mod forge;
pub mod forward_proxy;
pub mod mounted;
pub mod old_api;
pub mod podman;
pub mod real_engine;
pub mod registry;
pub mod registry_behaviour;
pub mod registry_proxy;
pub mod second_engine;
#[cfg(target_os = "linux")]
pub mod server;
pub mod shape;
pub mod shapes;
pub mod socket_proxy;
pub mod ssh_engine;
pub mod synthetic;
pub mod tls_engine;
pub mod tls_proxy;
pub mod tls_server;
pub mod workstation;
