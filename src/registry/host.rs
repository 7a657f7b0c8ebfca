//! Hosts: which are this machine, which scheme they speak, and which address may follow which.

use reqwest::Url;

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
/// this machine to this machine.
pub(super) fn may_follow(from: &Url, to: &Url) -> bool {
    match to.scheme() {
        "https" => true,
        "http" => from.scheme() == "http" && is_loopback(&authority(to)),
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
    fn plain_http_only_within_this_machine() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        let follow = |from: &str, to: &str| may_follow(&url(from), &url(to));
        assert!(follow("https://a.example/", "https://b.example/"));
        assert!(follow("http://127.0.0.1:1/", "http://localhost:2/"));
        assert!(!follow("https://a.example/", "http://a.example/"));
        assert!(!follow("https://a.example/", "http://127.0.0.1/"));
        assert!(!follow("http://127.0.0.1:1/", "http://b.example/"));
        assert!(!follow("http://127.0.0.1:1/", "ftp://127.0.0.1/"));
    }
}
