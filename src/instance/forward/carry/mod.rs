//! Listening, and carrying connections both ways.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::log::Log;
use super::ssh::{self, Through};

/// How long the other side may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// After a connection could not be accepted: no free file numbers, most likely.
const BREATH: Duration = Duration::from_millis(100);

/// The way to the other side.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// Directly.
    Address(IpAddr),
    /// Through ssh.
    Ssh(Through, IpAddr),
}

/// The listeners, by port. Connections outlive the listener that accepted them.
#[derive(Debug, Default)]
pub(super) struct Listeners(BTreeMap<u16, JoinHandle<()>>);

impl Listeners {
    /// Listens on exactly these ports; gives those that it could not have, and why.
    pub(super) async fn set(
        &mut self,
        ports: &BTreeSet<u16>,
        way: &Way,
        log: &Log,
    ) -> BTreeMap<u16, String> {
        let gone: Vec<u16> = self.0.keys().copied().collect();
        for port in gone.into_iter().filter(|port| !ports.contains(port)) {
            if let Some(listener) = self.0.remove(&port) {
                listener.abort();
                // Its port is free once it has ended.
                let _ = listener.await;
                log.write(&format!("no longer on port {port}"));
            }
        }
        let mut failed = BTreeMap::new();
        for port in ports {
            if self.0.contains_key(port) {
                continue;
            }
            match TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).await {
                Ok(listener) => {
                    let accepting = accept(listener, *port, way.clone(), log.clone());
                    self.0.insert(*port, tokio::spawn(accepting));
                    log.write(&format!("listens on port {port}"));
                }
                Err(error) => {
                    failed.insert(*port, error.to_string());
                }
            }
        }
        failed
    }

    /// Listens nowhere, so that all can be set anew.
    pub(super) async fn clear(&mut self) {
        for (_, listener) in std::mem::take(&mut self.0) {
            listener.abort();
            let _ = listener.await;
        }
    }
}

async fn accept(listener: TcpListener, port: u16, way: Way, log: Log) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                let (way, log) = (way.clone(), log.clone());
                tokio::spawn(async move {
                    if let Err(error) = carry(client, port, &way, &log).await {
                        log.write(&format!("port {port}: {error}"));
                    }
                });
            }
            Err(error) => {
                log.write(&format!("port {port}: cannot accept: {error}"));
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

/// Carries one connection until both sides have said all.
async fn carry(mut client: TcpStream, port: u16, way: &Way, log: &Log) -> io::Result<()> {
    client.set_nodelay(true)?;
    match way {
        Way::Address(address) => {
            let connecting = TcpStream::connect((*address, port));
            let mut server = tokio::time::timeout(CONNECT_LIMIT, connecting).await??;
            server.set_nodelay(true)?;
            // Passes the end of each direction on by itself, and holds no more than its buffers.
            tokio::io::copy_bidirectional(&mut client, &mut server).await?;
            Ok(())
        }
        Way::Ssh(through, address) => ssh::carry(through, client, (*address, port), log).await,
    }
}

#[cfg(test)]
mod tests;
