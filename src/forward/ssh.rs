//! The way through ssh: one `ssh -W` for each connection, over one shared connection where ssh can.

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::process::Stdio;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::process::Command;

use super::log::Log;

/// Where ssh leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Through {
    /// The user there, when named.
    pub user: Option<String>,
    /// Name or address.
    pub host: String,
    /// Port, when named.
    pub port: Option<u16>,
}

/// A way through ssh. The connection is made by the first that needs it and shared by the others.
#[derive(Debug, Clone)]
pub(super) struct Tunnel {
    through: Through,
    /// Where ssh keeps the socket of the shared connection.
    folder: Arc<TempDir>,
}

impl Tunnel {
    pub(super) fn new(through: Through) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        let prefixed = builder.prefix("devenv-");
        // The path of a socket has few characters: the system's own folder may be too long.
        let folder = if cfg!(unix) {
            prefixed.tempdir_in("/tmp")
        } else {
            prefixed.tempdir()
        };
        Ok(Self {
            through,
            folder: Arc::new(folder?),
        })
    }

    fn command(&self, address: IpAddr, port: u16) -> Command {
        let mut command = Command::new("ssh");
        command.args(["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]);
        if cfg!(unix) {
            let socket = self.folder.path().join("s");
            command.args(["-o", "ControlMaster=auto", "-o", "ControlPersist=60"]);
            command.args(["-o", &format!("ControlPath={}", socket.display())]);
        }
        if let Some(user) = &self.through.user {
            command.args(["-l", user]);
        }
        if let Some(port) = self.through.port {
            command.args(["-p", &port.to_string()]);
        }
        let there = match address {
            IpAddr::V4(address) => format!("{address}:{port}"),
            IpAddr::V6(address) => format!("[{address}]:{port}"),
        };
        command.args(["-W", &there, "--", &self.through.host]);
        command
    }

    /// Carries one connection until both sides have said all.
    pub(super) async fn carry(
        &self,
        client: TcpStream,
        address: IpAddr,
        port: u16,
        log: &Log,
    ) -> io::Result<()> {
        let mut child = self
            .command(address, port)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A file: the shared connection would hold a pipe open.
            .stderr(log.stdio())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("cannot start ssh: {error}")))?;
        let (Some(mut input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("ssh has no pipes"));
        };
        let (mut reading, mut writing) = client.into_split();
        let mut sending = pin!(async move {
            let _ = tokio::io::copy(&mut reading, &mut input).await;
            // Closed here, it tells ssh that the client has said all.
            drop(input);
        });
        let mut receiving = pin!(async move {
            let _ = tokio::io::copy(&mut output, &mut writing).await;
            let _ = writing.shutdown().await;
        });
        let mut all_sent = false;
        loop {
            tokio::select! {
                () = &mut sending, if !all_sent => all_sent = true,
                () = &mut receiving => break,
            }
        }
        if !all_sent {
            // Once ssh has ended, nothing that the client may still say gets anywhere.
            tokio::select! {
                () = &mut sending => {}
                _ = child.wait() => {}
            }
        }
        Ok(())
    }
}
