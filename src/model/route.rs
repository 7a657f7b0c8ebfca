//! Where the proxy shows a container, and how to know that it really does.

use serde::{Deserialize, Serialize};

use super::text::{HostName, RoutePath};

/// One place where the proxy shows a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Virtual host; `None` is every host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// Path prefix; `None` is `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<RoutePath>,
    /// What `up` asks for there; `None`: the prefix, and any answer below 500 will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
}

/// A request through the proxy, and its right answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// In or below the route's path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<RoutePath>,
    /// The only status that is right; redirects are not followed. `None`: any below 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

impl Route {
    /// The path prefix.
    pub fn prefix(&self) -> &str {
        self.path.as_ref().map_or("/", RoutePath::as_str)
    }

    /// The path that `up` asks for.
    pub fn asked(&self) -> &str {
        let path = self.probe.as_ref().and_then(|it| it.path.as_ref());
        path.map_or(self.prefix(), RoutePath::as_str)
    }

    /// Whether this status is an answer of the container's.
    pub fn accepts(&self, status: u16) -> bool {
        match self.probe.as_ref().and_then(|it| it.status) {
            Some(right) => status == right,
            None => status < 500,
        }
    }

    /// Whether it is the same place, however it is probed.
    pub fn is_at(&self, other: &Self) -> bool {
        (&self.host, &self.path) == (&other.host, &other.path)
    }

    /// What is wrong with its probe: one elsewhere would ask another container.
    pub fn fault(&self) -> Option<String> {
        let probe = self.probe.as_ref()?;
        if probe.status.is_some_and(|it| !(100..600).contains(&it)) {
            return Some("a status is a number from 100 to 599".to_owned());
        }
        let prefix = self.prefix().trim_end_matches('/');
        let rest = self.asked().strip_prefix(prefix);
        let is_in = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let asked = self.asked();
        (!is_in).then(|| format!("the probe {asked} is not below the route {}", self.prefix()))
    }
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.host {
            Some(host) => write!(
                f,
                "{host}{}",
                self.path.as_ref().map_or("", RoutePath::as_str)
            ),
            None => f.write_str(self.prefix()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::model::yaml;

    fn route(text: &str) -> Route {
        yaml::read(Kind::Definitions, "route", text.as_bytes()).unwrap()
    }

    #[test]
    fn a_probe_says_what_is_asked_and_what_is_right() {
        let plain = route("{ path: /billing }");
        assert_eq!(plain.asked(), "/billing");
        assert!(plain.accepts(404) && plain.accepts(302) && !plain.accepts(503));
        let probed = route("{ path: /billing, probe: { path: /billing/health, status: 200 } }");
        assert_eq!(probed.asked(), "/billing/health");
        assert!(probed.accepts(200) && !probed.accepts(404) && !probed.accepts(302));
        let moved = route("{ path: /billing, probe: { status: 302 } }");
        assert_eq!(moved.asked(), "/billing");
        assert!(moved.accepts(302) && moved.is_at(&plain) && moved != plain);
    }

    #[test]
    fn a_probe_elsewhere_is_refused() {
        for (text, right) in [
            ("{ path: /billing, probe: { path: /billing } }", true),
            ("{ path: /billing/, probe: { path: /billing/x } }", true),
            ("{ host: a.example, probe: { path: /any } }", true),
            ("{ path: /billing, probe: { path: /billings } }", false),
            ("{ path: /billing, probe: { path: /other } }", false),
            ("{ path: /billing, probe: { status: 20 } }", false),
        ] {
            assert_eq!(route(text).fault().is_none(), right, "{text}");
        }
    }
}
