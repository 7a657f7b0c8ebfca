//! Hosts: which are this machine, which scheme they speak, which address may follow which, and what
//! they are called in messages.

use std::fmt;

use reqwest::Url;

use crate::model::insecure_registries::InsecureRegistries;

/// A server's `host[:port]`, and the registry that it stands for where it is a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    pub name: String,
    pub mirror_of: Option<String>,
}

impl From<&str> for Host {
    fn from(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            mirror_of: None,
        }
    }
}

/// `the registry a`, or `the mirror b of the registry a`.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.mirror_of {
            None => write!(f, "the registry {}", self.name),
            Some(registry) => write!(f, "the mirror {} of the registry {registry}", self.name),
        }
    }
}

/// Whether `host[:port]` is this machine by its name alone; docker speaks plain HTTP to these.
pub(super) fn is_loopback(authority: &str) -> bool {
    let name = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None if authority.matches(':').count() > 1 => authority,
        None => authority.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// `host[:port]` of an address.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Whether two addresses are on one server; the scheme that a server behind a proxy believes to be
/// its own does not count where no port is given.
pub(super) fn same_server(a: &Url, b: &Url) -> bool {
    authority(a) == authority(b)
}

/// Whether an answer from `from` may send us to `to`: always to https; to plain http only from
/// this machine to this machine, or to an insecure registry.
pub(super) fn may_follow(from: &Url, to: &Url, insecure: &InsecureRegistries) -> bool {
    let host = authority(to);
    match to.scheme() {
        "https" => true,
        "http" => insecure.contains(&host) || (from.scheme() == "http" && is_loopback(&host)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_by_name() {
        for yes in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:5000",
            "127.9.8.7",
            "[::1]:5000",
            "::1",
        ] {
            assert!(is_loopback(yes), "{yes}");
        }
        for no in [
            "registry.example",
            "localhost.example",
            "127.0.0.1.example:80",
            "10.0.0.1",
            "128.0.0.1:1",
        ] {
            assert!(!is_loopback(no), "{no}");
        }
    }

    #[test]
    fn plain_http_only_within_this_machine_or_where_the_user_allows_it() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        let insecure = InsecureRegistries::new(vec!["old.lan:5000".to_owned()]).unwrap();
        let follow = |from: &str, to: &str| may_follow(&url(from), &url(to), &insecure);
        assert!(follow("https://a.example/", "https://b.example/"));
        assert!(follow("http://127.0.0.1:1/", "http://localhost:2/"));
        assert!(follow("http://old.lan:5000/", "http://old.lan:5000/token"));
        assert!(!follow("https://a.example/", "http://a.example/"));
        assert!(!follow("https://a.example/", "http://127.0.0.1/"));
        assert!(!follow("http://127.0.0.1:1/", "http://b.example/"));
        assert!(!follow("http://old.lan:5000/", "http://old.lan/token"));
        assert!(!follow("http://127.0.0.1:1/", "ftp://127.0.0.1/"));
    }
}
