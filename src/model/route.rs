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
    /// What the beginning of the page has in it, 64 KiB of it at most: another container's has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
}

/// What a request was answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The beginning of the page, where it was wanted; else empty.
    pub page: String,
    /// The path that it is of, where a redirect led there.
    pub moved: Option<String>,
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

    /// What the page has to have in it.
    pub fn contains(&self) -> Option<&str> {
        self.probe.as_ref()?.contains.as_deref()
    }

    /// What is wrong with an answer, such as `503` or `a page without "Billing"`; `None`: it is the container's.
    pub fn wrong(&self, answer: Option<&Answer>) -> Option<String> {
        let Some(Answer {
            status,
            page,
            moved,
        }) = answer
        else {
            return Some("nothing".to_owned());
        };
        let right = match self.probe.as_ref().and_then(|it| it.status) {
            Some(right) => *status == right,
            None => *status < 500,
        };
        if !right {
            let there = moved.as_ref().map(|path| format!(" at {path}"));
            return Some(format!("{status}{}", there.unwrap_or_default()));
        }
        let wanted = self.contains().filter(|wanted| !page.contains(wanted))?;
        Some(format!("{status} with a page without {wanted:?}"))
    }

    /// The path with its query that a redirect leads to, where it is one of this route's own; `None` elsewhere, and where
    /// the redirect itself is what is asked for. `host` is what the request named.
    pub fn leads(&self, location: &str, host: &str) -> Option<String> {
        // Below `/` are the routes of others, too, which may not run here.
        let prefix = self.prefix().trim_end_matches('/');
        if prefix.is_empty() || self.probe.as_ref().is_some_and(|it| it.status.is_some()) {
            return None;
        }
        let target = match location.strip_prefix("http://") {
            None => location,
            Some(rest) => {
                let (there, path) = rest.split_at(rest.find('/')?);
                let name = |it: &str| it.split(':').next().map(str::to_ascii_lowercase);
                (name(there) == name(host)).then_some(path)?
            }
        };
        let path = target.split(['?', '#']).next()?;
        let is_plain = target.bytes().all(|it| it.is_ascii_graphic());
        let rest = path.strip_prefix(prefix)?;
        (is_plain && rest.starts_with('/') && !path.contains("/../"))
            .then(|| target.split('#').next().unwrap_or_default().to_owned())
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
        if probe.contains.as_ref().is_some_and(String::is_empty) {
            return Some(
                "every page contains nothing: say a text that only this one's has".to_owned(),
            );
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

    fn said(route: &Route, status: u16, page: &str) -> Option<String> {
        let page = page.to_owned();
        let moved = None;
        route.wrong(Some(&Answer {
            status,
            page,
            moved,
        }))
    }

    #[test]
    fn a_probe_says_what_is_asked_and_what_is_right() {
        let plain = route("{ path: /billing }");
        assert_eq!(plain.asked(), "/billing");
        assert_eq!(said(&plain, 404, ""), None);
        assert_eq!(said(&plain, 302, ""), None);
        assert_eq!(said(&plain, 503, "").as_deref(), Some("503"));
        assert_eq!(plain.wrong(None).as_deref(), Some("nothing"));
        let probed = route("{ path: /billing, probe: { path: /billing/health, status: 200 } }");
        assert_eq!(probed.asked(), "/billing/health");
        assert_eq!(said(&probed, 200, ""), None);
        assert_eq!(said(&probed, 404, "").as_deref(), Some("404"));
        assert_eq!(said(&probed, 302, "").as_deref(), Some("302"));
        let moved = route("{ path: /billing, probe: { status: 302 } }");
        assert_eq!(moved.asked(), "/billing");
        assert_eq!(said(&moved, 302, ""), None);
        assert!(moved.is_at(&plain) && moved != plain);
        let told = route("{ path: /billing, probe: { contains: Billing } }");
        assert_eq!(said(&told, 200, "<h1>Billing</h1>"), None);
        let other = said(&told, 200, "<h1>Customers</h1>");
        assert_eq!(
            other.as_deref(),
            Some("200 with a page without \"Billing\"")
        );
        assert_eq!(said(&told, 503, "Billing").as_deref(), Some("503"));
    }

    #[test]
    fn a_redirect_is_followed_within_the_route_alone() {
        let plain = route("{ path: /billing }");
        for (location, right) in [
            ("/billing/", Some("/billing/")),
            ("/billing/a?b=1#c", Some("/billing/a?b=1")),
            ("http://Localhost:8080/billing/", Some("/billing/")),
            ("/billing", None),
            ("/billings/", None),
            ("/billing/../login", None),
            ("/login", None),
            ("//evil.example/billing/", None),
            ("http://evil.example/billing/", None),
            ("https://localhost/billing/", None),
            ("/billing/\r\nHost: x", None),
        ] {
            assert_eq!(
                plain.leads(location, "localhost").as_deref(),
                right,
                "{location}"
            );
        }
        let moved = route("{ path: /billing, probe: { status: 302 } }");
        assert_eq!(moved.leads("/billing/", "localhost"), None);
        let whole = route("{ host: shop.example }");
        assert_eq!(whole.leads("/billing/", "shop.example"), None);
        let answer = Answer {
            status: 500,
            page: String::new(),
            moved: Some("/billing/".to_owned()),
        };
        assert_eq!(
            plain.wrong(Some(&answer)).as_deref(),
            Some("500 at /billing/")
        );
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
            ("{ path: /billing, probe: { contains: '' } }", false),
        ] {
            assert_eq!(route(text).fault().is_none(), right, "{text}");
        }
    }
}
