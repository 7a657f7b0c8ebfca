//! The way through ssh: one `ssh -W` for each connection, over the connection that ssh shares.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::process::Stdio;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::process::Command;

use super::log::Log;
use crate::engine::connect::ssh::SshHost;

/// Where ssh leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Through {
    /// The user there, when named.
    pub user: Option<String>,
    /// Name or address.
    pub host: String,
    /// Port, when named.
    pub port: Option<u16>,
    /// The folder of sockets of shared connections.
    pub control: Option<PathBuf>,
}

impl From<SshHost> for Through {
    fn from(host: SshHost) -> Self {
        Self {
            user: host.user,
            host: host.host,
            port: host.port,
            control: host.control,
        }
    }
}

impl Through {
    fn command(&self, address: IpAddr, port: u16) -> Command {
        let host = SshHost {
            user: self.user.clone(),
            host: self.host.clone(),
            port: self.port,
            control: self.control.clone(),
        };
        let there = match address {
            IpAddr::V4(address) => format!("{address}:{port}"),
            IpAddr::V6(address) => format!("[{address}]:{port}"),
        };
        host.command(&["-W", &there]).into()
    }
}

/// Carries one connection until both sides have said all.
pub(super) async fn carry(
    through: &Through,
    client: TcpStream,
    there: (IpAddr, u16),
    log: &Log,
) -> io::Result<()> {
    let mut child = through
        .command(there.0, there.1)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("cannot start ssh: {error}")))?;
    let (Some(mut input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::Error::other("ssh has no pipes"));
    };
    if let Some(words) = child.stderr.take() {
        // Apart: the shared connection, which outlives this ssh, holds the pipe open.
        let log = log.clone();
        tokio::spawn(async move { log.follow("ssh", words).await });
    }
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
    tokio::select! {
        () = &mut sending => receiving.await,
        () = &mut receiving => {
            // Once ssh has ended, nothing that the client may still say gets anywhere.
            tokio::select! {
                () = &mut sending => {}
                _ = child.wait() => {}
            }
        }
    }
    Ok(())
}
