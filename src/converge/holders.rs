//! Who holds a port of this machine.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::observe::Observation;
use crate::model::identity::{self, Identity};

/// Who holds `port`, in words; `None` when it is free or held by this instance itself.
pub fn holder(
    observation: &Observation,
    identity: &Identity,
    address: IpAddr,
    port: u16,
) -> Option<String> {
    let mut publishing = observation.everything.iter().filter(|container| {
        container
            .ports
            .iter()
            .any(|published| published.host == port)
    });
    if let Some(container) = publishing.next() {
        if identity.covers(&container.labels) {
            return None;
        }
        let instance = container.labels.get(identity::INSTANCE);
        return Some(
            match (container.labels.get(identity::CONTAINER), instance) {
                (Some(name), Some(instance)) => format!("{name} of the instance `{instance}`"),
                _ => format!("the container `{}`", container.object),
            },
        );
    }
    match TcpListener::bind(SocketAddr::new(address, port)) {
        Ok(_) => None,
        Err(error) if error.kind() == ErrorKind::AddrInUse => Some(process(port)),
        // Not ours to bind, but perhaps the engine's: taken only if somebody answers.
        Err(_) => answers(address, port).then(|| process(port)),
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
