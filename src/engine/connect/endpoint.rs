//! Where an engine is reached, and the addresses that say so.

use std::fmt;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::model::visible::visible;
use crate::system::{Here, System as _};

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
const DEFAULT_PIPE: &str = "//./pipe/docker_engine";

/// Where an engine is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket.
    Unix(PathBuf),
    /// A Windows named pipe: `//./pipe/docker_engine`.
    Pipe(String),
    /// Plain TCP.
    Tcp {
        /// Name or address, an IPv6 one without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// TCP with certificates.
    Tls {
        /// Name or address, an IPv6 one without brackets.
        host: String,
        /// Port.
        port: u16,
        /// Certificates and key.
        material: TlsMaterial,
    },
    /// Through ssh.
    Ssh {
        /// The user there, when named.
        user: Option<String>,
        /// Name or address.
        host: String,
        /// Port, when named.
        port: Option<u16>,
        /// The engine's socket there, when named.
        socket: Option<String>,
        /// The folder where connections to it are shared, if they may be.
        control: Option<PathBuf>,
    },
}

/// The files of a TLS connection. Absent ones were not configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsMaterial {
    /// Certificate of the authority.
    pub ca: Option<PathBuf>,
    /// The client's certificate.
    pub certificate: Option<PathBuf>,
    /// The client's key.
    pub key: Option<PathBuf>,
    /// Whether the engine's certificate is not checked.
    pub skip_verify: bool,
}

/// Parses an address as `docker --host` does. TLS material applies to TCP only.
pub fn parse_host(text: &str, tls: Option<TlsMaterial>) -> Result<Endpoint> {
    let text = text.trim();
    let wrong = |why: &str| {
        Error::engine(format!("`{}` is no engine address: {why}", visible(text)))
            .hint("unix:///var/run/docker.sock, tcp://host:2375, ssh://user@host, npipe:////./pipe/docker_engine")
    };
    let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
    match scheme {
        "unix" if rest.is_empty() => Ok(Endpoint::Unix(PathBuf::from(DEFAULT_SOCKET))),
        "unix" => Ok(Endpoint::Unix(PathBuf::from(rest))),
        "npipe" if rest.is_empty() => Ok(Endpoint::Pipe(DEFAULT_PIPE.to_owned())),
        "npipe" => Ok(Endpoint::Pipe(rest.replace('\\', "/"))),
        "tcp" => {
            let address = rest.split_once('/').map_or(rest, |(address, _)| address);
            let (host, port) = split_port(address).ok_or_else(|| wrong("the port"))?;
            let host = if host.is_empty() { "localhost" } else { host }.to_owned();
            // As docker: 2375 even with TLS, unless a port is named.
            let port = port.unwrap_or(2375);
            Ok(match tls {
                Some(material) => Endpoint::Tls {
                    host,
                    port,
                    material,
                },
                None => Endpoint::Tcp { host, port },
            })
        }
        "ssh" => ssh(rest).map_err(wrong),
        _ => Err(wrong("the kind before `://` is unknown")),
    }
}

/// What follows `ssh://`. No part of it can become an option or a word of a shell.
fn ssh(rest: &str) -> Result<Endpoint, &'static str> {
    let (address, socket) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, address) = match address.rsplit_once('@') {
        Some((user, address)) => (Some(user), address),
        None => (None, address),
    };
    let plain = |text: &str, more: &str| {
        let allowed = |it: char| it.is_alphanumeric() || "._-".contains(it) || more.contains(it);
        !text.starts_with('-') && text.chars().all(allowed)
    };
    if user.is_some_and(|user| user.contains(':')) {
        return Err("a password has no place in it; ssh finds keys itself");
    }
    if user.is_some_and(|user| !plain(user, "@+\\") || user.ends_with('\\')) {
        return Err("the user");
    }
    let (host, port) = split_port(address).ok_or("the port")?;
    if host.is_empty() || !plain(host, ":%") {
        return Err("the host");
    }
    if socket.contains(['?', '#']) || socket.chars().any(char::is_control) {
        return Err("the socket's path");
    }
    Ok(Endpoint::Ssh {
        user: user.filter(|user| !user.is_empty()).map(ToOwned::to_owned),
        host: host.to_owned(),
        port,
        socket: (!socket.is_empty()).then(|| format!("/{socket}")),
        control: None,
    })
}

/// Where an engine is when nothing says otherwise.
pub(in crate::engine) fn default_endpoint(tls: Option<TlsMaterial>) -> Endpoint {
    match tls {
        Some(material) => Endpoint::Tls {
            host: "localhost".to_owned(),
            port: 2376,
            material,
        },
        None if Here::PIPES => Endpoint::Pipe(DEFAULT_PIPE.to_owned()),
        None => Endpoint::Unix(PathBuf::from(DEFAULT_SOCKET)),
    }
}

/// `host`, `host:port`, `[v6]:port`; `None` when the port is no number.
fn split_port(address: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest {
            "" => Some((host, None)),
            port => Some((host, Some(port.strip_prefix(':')?.parse().ok()?))),
        };
    }
    match address.split_once(':') {
        None => Some((address, None)),
        Some((host, "")) => Some((host, None)),
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host_port = |host: &str, port: u16| {
            if host.contains(':') {
                format!("[{host}]:{port}")
            } else {
                format!("{host}:{port}")
            }
        };
        let text = match self {
            Self::Unix(path) => format!("unix://{}", path.display()),
            Self::Pipe(path) => format!("npipe://{path}"),
            Self::Tcp { host, port } => format!("tcp://{}", host_port(host, *port)),
            Self::Tls { host, port, .. } => format!("tcp://{} (TLS)", host_port(host, *port)),
            Self::Ssh {
                user,
                host,
                port,
                socket,
                control: _,
            } => {
                let user = user.as_ref().map(|user| format!("{user}@"));
                let port = port.map(|port| format!(":{port}"));
                format!(
                    "ssh://{}{host}{}{}",
                    user.unwrap_or_default(),
                    port.unwrap_or_default(),
                    socket.as_deref().unwrap_or_default()
                )
            }
        };
        f.write_str(&visible(&text))
    }
}
