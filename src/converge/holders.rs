//! Who holds a port, or why it cannot be had.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::observe::Observation;
use crate::model::host_profile::Host;
use crate::model::identity::{self, Identity};

/// What is known of ports before the engine is asked to bind them.
pub(super) struct Holders<'a> {
    /// The containers of everybody, or of the instance alone.
    pub(super) observation: &'a Observation,
    /// Whose ports are free to take.
    pub(super) identity: &'a Identity,
    /// Where ports are.
    pub(super) host: &'a Host,
    /// Ports that the instance's own forwarder holds.
    pub(super) forwarded: &'a BTreeSet<u16>,
    /// Ports that the engine did not give, and its words.
    pub(super) refused: &'a BTreeMap<u16, String>,
}

impl Holders<'_> {
    /// Why a port cannot be had, as it is said of a port (`taken by nginx`); `None` when it is free
    /// or held by this instance itself.
    pub(super) fn of(&self, port: u16) -> Option<String> {
        let lowest = self.host.profile.lowest_port;
        if port < lowest {
            let kind = &self.host.profile.name;
            return Some(format!(
                "below {lowest}, the lowest that `{kind}` hosts give"
            ));
        }
        if let Some(words) = self.refused.get(&port) {
            return Some(format!("refused by the engine ({words})"));
        }
        let mut publishing = self.observation.everything.iter().filter(|container| {
            let mut ports = container.ports.iter();
            ports.any(|published| published.host == port)
        });
        if let Some(container) = publishing.next() {
            if self.identity.covers(&container.labels) {
                return None;
            }
            let labels = &container.labels;
            let name = labels.get(identity::CONTAINER);
            return Some(match (name, labels.get(identity::INSTANCE)) {
                (Some(name), Some(instance)) => {
                    format!("taken by {name} of the instance `{instance}`")
                }
                _ => format!("taken by the container `{}`", container.object),
            });
        }
        // Elsewhere only the engine can tell, when it binds.
        let here = self.host.bound_here()?;
        if self.forwarded.contains(&port) {
            return None;
        }
        self.on_this_machine(here, port)
    }

    fn on_this_machine(&self, address: IpAddr, port: u16) -> Option<String> {
        let taken = || format!("taken by {}", process(port));
        match TcpListener::bind(SocketAddr::new(address, port)) {
            Ok(_) => None,
            Err(error) if error.kind() == ErrorKind::AddrInUse => Some(taken()),
            // The forwarder is this user's: what he cannot bind, it cannot.
            Err(error) if self.host.is_forwarded() => {
                Some(format!("not yours to bind here ({error})"))
            }
            // Not ours to bind, but perhaps the engine's: taken only if somebody answers.
            Err(_) => answers(address, port).then(taken),
        }
    }
}

fn answers(address: IpAddr, port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::new(address, port), Duration::from_millis(200)).is_ok()
}

/// The process that listens, as far as this system tells (Linux, own processes or as root).
fn process(port: u16) -> String {
    let unknown = || "another program".to_owned();
    let Some(inode) = listening_inode(port) else {
        return unknown();
    };
    let wanted = format!("socket:[{inode}]");
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return unknown();
    };
    for entry in processes.flatten() {
        let Ok(open) = std::fs::read_dir(entry.path().join("fd")) else {
            continue;
        };
        let holds = |file: std::fs::DirEntry| {
            std::fs::read_link(file.path())
                .is_ok_and(|target| target.as_os_str() == wanted.as_str())
        };
        if open.flatten().any(holds) {
            let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            let pid = entry.file_name().to_string_lossy().into_owned();
            return format!("{} (process {pid})", name.trim());
        }
    }
    unknown()
}

/// Source: `Documentation/networking/proc_net_tcp.rst` of Linux; state `0A` is LISTEN.
fn listening_inode(port: u16) -> Option<String> {
    let suffix = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|path| {
        let text = std::fs::read_to_string(path).ok()?;
        text.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let listens = fields.get(1)?.ends_with(&suffix) && *fields.get(3)? == "0A";
            listens.then(|| fields.get(9).map(ToString::to_string))?
        })
    })
}
