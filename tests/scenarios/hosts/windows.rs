//! Windows: the program that is compiled for it, run by Wine against this machine's engine.

use std::path::PathBuf;
use std::process::Command;

use tokio::net::{TcpListener, UnixStream};

use super::host::{Host, setting};
use super::{MACHINES_OWN, OTHER_ENGINES};
use crate::support::second_engine::may_start;
use crate::support::tls_proxy::TlsProxy;
use crate::support::workstation::ANOTHER;

/// Compiling takes minutes and a compiler of 3.4 GB: only where it is asked for.
const WANTED: &str = "DEVENV_TEST_DESKTOPS";

/// The engine at a TCP port.
#[tokio::test(flavor = "multi_thread")]
async fn windows_under_wine() {
    let Some(program) = built() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let engine = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut engine = UnixStream::connect("/var/run/docker.sock").await?;
                tokio::io::copy_bidirectional(&mut client, &mut engine).await
            });
        }
    });
    let host = Host {
        name: "windows",
        environment: vec![("DOCKER_HOST", format!("tcp://{engine}")), program],
        cannot: cannot(),
    };
    tokio::task::spawn_blocking(move || host.passes())
        .await
        .unwrap();
}

/// The engine behind TLS with boot2docker's recipe for certificates.
#[test]
fn windows_under_wine_with_tls() {
    let Some(program) = built() else { return };
    let engine = TlsProxy::start();
    let mut environment = engine.environment();
    environment.push(program);
    Host {
        name: "windows with tls",
        environment,
        cannot: cannot(),
    }
    .passes();
}

fn cannot() -> Vec<(&'static str, &'static str)> {
    [OTHER_ENGINES, MACHINES_OWN].concat()
}

/// What makes the scenarios try the program for Windows. `None` where nobody asked for it.
fn built() -> Option<(&'static str, String)> {
    if setting(WANTED).is_none() {
        eprintln!(
            "only with {WANTED}=all: a compiler for Windows and Wine take minutes and 3.4 GB"
        );
        return None;
    }
    if !may_start("compiling for Windows") {
        return None;
    }
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/desktops/windows");
    let built = Command::new(&script).arg("build").status().unwrap();
    assert!(built.success());
    let program = script.with_file_name("windows-devenv");
    Some((ANOTHER, program.display().to_string()))
}
