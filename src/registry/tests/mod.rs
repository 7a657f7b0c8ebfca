//! The client against a scripted server of this process.

#[allow(dead_code, reason = "some rules are about engines")]
#[path = "../../../tests/support/registry_behaviour.rs"]
#[allow(unreachable_pub, reason = "shared with tests/support")]
mod behaviour;
mod content;
mod login;
#[cfg(unix)]
mod login_programs;
mod memory;
mod patience;
mod referrers;
mod server;
mod tls;
mod tokens;
mod transport;
mod wild;

use std::path::Path;

use server::Server;

use super::{Options, Registry};
use crate::model::image::Repository;

/// A client without logins.
fn anonymous() -> Registry {
    Registry::new(Options::default())
}

/// A client with this `config.json`.
fn with_config(folder: &Path, config: &serde_json::Value) -> Registry {
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    Registry::new(Options {
        docker_config: Some(folder.to_path_buf()),
        ..Options::default()
    })
}

fn repository(server: &Server) -> Repository {
    format!("{}/acme/billing", server.host).parse().unwrap()
}
