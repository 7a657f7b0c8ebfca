//! The address of one proxy.

use std::net::IpAddr;

use crate::model::secret::Secret;
use crate::model::visible::visible;

/// How a proxy's address is written.
pub const SHAPE: &str =
    "write it as `http://HOST:PORT` or `http://USER:PASSWORD@HOST:PORT`, or unset it";

/// One proxy's address, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    address: Secret,
    /// The variable that names it, where one does.
    variable: Option<&'static str>,
}

impl Proxy {
    /// As it is written, `http://user:password@proxy:3128` or `proxy:3128`.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            address: Secret::new(text),
            variable: None,
        }
    }

    /// The same, of a variable.
    pub fn of(variable: &'static str, text: impl Into<String>) -> Self {
        Self {
            variable: Some(variable),
            ..Self::new(text)
        }
    }

    /// What names it, for people.
    pub fn source(&self) -> &'static str {
        self.variable.unwrap_or("a proxy of docker's config.json")
    }

    fn parts(&self) -> (&str, &str) {
        let text = self.address.expose();
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        // Passwords hold what ends an address elsewhere: they reach to the last `@`.
        let rest = rest.rsplit_once('@').map_or(rest, |(_, it)| it);
        let address = rest.split(['/', '?', '#']).next().unwrap_or_default();
        (scheme, address)
    }

    pub(super) fn address(&self) -> &Secret {
        &self.address
    }

    /// The address as it is written, for the one place that connects to it.
    pub fn expose(&self) -> &str {
        self.address.expose()
    }

    /// Host and port to connect to, where it can be used.
    pub fn host_and_port(&self) -> Option<(&str, u16)> {
        if !self.is_usable() {
            return None;
        }
        let (scheme, address) = self.parts();
        let default = if scheme.eq_ignore_ascii_case("https") {
            443
        } else {
            80
        };
        let (host, port) = host_and_port(address);
        Some((host, port.map_or(Some(default), |it| it.parse().ok())?))
    }

    /// That it cannot be used, with what names it and why; `None` where it can.
    pub fn complaint(&self) -> Option<String> {
        let problem = self.problem()?;
        Some(format!("{} cannot be used: {problem}", self.source()))
    }

    /// Whether it is one that other programs speak: only what is asked of them can say.
    pub fn is_of_others(&self) -> bool {
        self.parts().0.to_ascii_lowercase().starts_with("socks")
    }

    /// For people: without user and password, and without what may be part of one.
    pub fn shown(&self) -> String {
        if self.problem().is_some() {
            return "an address that cannot be used".to_owned();
        }
        let (scheme, address) = self.parts();
        visible(&format!("{scheme}://{address}"))
    }

    /// What is wrong with the address, without a word of it: any part may be one of a password.
    pub fn problem(&self) -> Option<&'static str> {
        let (scheme, address) = self.parts();
        if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
            return Some("it is neither http:// nor https://, which alone devenv speaks");
        }
        let is_part = |it: char| it.is_alphanumeric() || "-._:".contains(it);
        match host_and_port(address) {
            ("", _) => Some("it names no host"),
            (host, _) if !host.chars().all(is_part) => Some("its host is no name and no address"),
            (_, Some(port)) if port.parse::<u16>().is_err() => {
                Some("its port is no number up to 65535")
            }
            _ => None,
        }
    }

    pub(super) fn is_usable(&self) -> bool {
        self.problem().is_none()
    }

    /// Whether it is on this machine, where a container does not find it.
    pub fn is_loopback(&self) -> bool {
        is_loopback(host_and_port(self.parts().1).0)
    }
}

/// Whether a host is this machine by its name alone.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|it| it.is_loopback())
}

/// `host`, `host:port`, `[v6]:port`.
pub fn host_and_port(address: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = address.strip_prefix('[').and_then(|it| it.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match address.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, Some(port)),
        _ => (address, None),
    }
}
