//! What is asked of a proxy, and the route of a reference that it takes. Pure.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::model::name::ContainerName;
use crate::model::reference::Reference;
use crate::model::route::Route;
use crate::model::text::HostName;
use crate::model::visible::visible;

/// Characters that a URL may have.
const LONGEST: usize = 8192;

/// A host, a path and a query. It is never another server that is asked: the host only chooses among the
/// routes of a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The virtual host, without `.localhost`; `None`: any.
    pub host: Option<HostName>,
    /// As it is sent: percent-encoded, from `/`.
    pub path: String,
    /// What follows `?`.
    pub query: Option<String>,
}

impl Target {
    /// Reads a path (`/billing?page=2`) or a URL, also one of production.
    ///
    /// # Errors
    /// What is neither, in words; a URL that holds a login.
    pub fn parse(text: &str) -> Result<Self, String> {
        let said = || visible(text.split(['?', '@']).next().unwrap_or_default());
        if text.len() > LONGEST {
            return Err(format!("it has more than {LONGEST} characters"));
        }
        let whole = if text.starts_with('/') {
            format!("http://localhost{text}")
        } else {
            text.to_owned()
        };
        let url = Url::parse(&whole).ok();
        let url = url.filter(|it| ["http", "https"].contains(&it.scheme()));
        let Some(url) = url else {
            return Err(format!(
                "`{}` is neither a path (/billing) nor a URL (http://…)",
                said()
            ));
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the URL holds a login: leave it out".to_owned());
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => virtual_host(name)?,
            _ => None,
        };
        Ok(Self {
            host,
            path: url.path().to_owned(),
            query: url.query().map(ToOwned::to_owned),
        })
    }

    /// The path with its query, as it stands in a request line.
    pub fn line(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// What a proxy of this machine is told as `Host`: of a virtual host the name that it has here.
    pub fn host_here(&self) -> String {
        let host = self.host.as_ref();
        host.map_or_else(|| "localhost".to_owned(), |it| format!("{it}.localhost"))
    }

    /// The path as prefixes are compared with it: decoded, without double slashes.
    fn plain(&self) -> String {
        let decoded = percent_decode_str(&self.path).decode_utf8_lossy();
        let mut plain = String::with_capacity(decoded.len());
        for character in decoded.chars() {
            if character != '/' || !plain.ends_with('/') {
                plain.push(character);
            }
        }
        plain
    }

    /// Whether the path is this prefix or below it, segment by segment.
    pub fn is_below(&self, prefix: &str) -> bool {
        let plain = self.plain();
        let rest = plain.strip_prefix(prefix.trim_end_matches('/'));
        rest.is_some_and(|rest| {
            let is_folder = prefix.ends_with('/');
            rest.starts_with('/') || (rest.is_empty() && (!is_folder || plain.is_empty()))
        })
    }

    /// The same as a reference has it: a host that none of its routes has is any.
    #[must_use]
    pub fn known_to(mut self, reference: &Reference) -> Self {
        let own = self.host.as_ref();
        let routes = reference.routes();
        if !routes.iter().any(|(_, it, _)| it.host.as_ref() == own) {
            self.host = None;
        }
        self
    }

    /// The route that it takes: of its virtual host where the reference knows it, else of no host; the
    /// longest path. `None`: the proxy answers by itself.
    pub fn route<'r>(&self, reference: &'r Reference) -> Option<(&'r ContainerName, &'r Route)> {
        let routes = reference.routes();
        let own = self.host.as_ref();
        let is_known = own.is_some() && routes.iter().any(|(_, it, _)| it.host.as_ref() == own);
        let wanted = own.filter(|_| is_known);
        let mut found = routes
            .into_iter()
            .filter(|(_, route, _)| route.host.as_ref() == wanted && self.is_below(route.prefix()));
        found.next().map(|(name, route, _)| (name, route))
    }
}

/// `None` for this machine and for addresses, which are no virtual hosts.
fn virtual_host(name: &str) -> Result<Option<HostName>, String> {
    let name = name.trim_end_matches('.');
    if name == "localhost" || name.parse::<IpAddr>().is_ok() {
        return Ok(None);
    }
    let name = name.strip_suffix(".localhost").unwrap_or(name);
    HostName::new(name).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reference::tests::{container, reference};

    fn target(text: &str) -> Target {
        Target::parse(text).unwrap()
    }

    #[test]
    fn paths_and_urls_are_read() {
        for (text, host, line) in [
            ("/billing", None, "/billing"),
            ("/billing?a=1#x", None, "/billing?a=1"),
            ("http://localhost:8080/a/../b", None, "/b"),
            ("http://127.0.0.1/", None, "/"),
            (
                "https://Shop.Acme.example/x",
                Some("shop.acme.example"),
                "/x",
            ),
            (
                "http://shop.acme.example.localhost:8080",
                Some("shop.acme.example"),
                "/",
            ),
            ("//evil.example/x", None, "//evil.example/x"),
        ] {
            let read = target(text);
            assert_eq!(read.host.as_ref().map(HostName::as_str), host, "{text}");
            assert_eq!(read.line(), line, "{text}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused_and_no_login_is_shown() {
        for text in [
            "billing",
            "localhost:8080/x",
            "ftp://a/b",
            "",
            "http://anna:hunter2@a.example/",
            "http://_/",
        ] {
            let error = Target::parse(text).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(Target::parse(&format!("/{}", "x".repeat(9000))).is_err());
    }

    #[test]
    fn prefixes_are_compared_by_segments() {
        for (path, prefix, below) in [
            ("/billing", "/billing", true),
            ("/billing/x", "/billing", true),
            ("/billings", "/billing", false),
            ("/b%69lling/x", "/billing", true),
            ("//billing//x", "/billing", true),
            ("/billing", "/billing/", false),
            ("/billing/x", "/billing/", true),
            ("/x", "/", true),
            ("/", "/", true),
        ] {
            assert_eq!(target(path).is_below(prefix), below, "{path} {prefix}");
        }
    }

    #[test]
    fn the_longest_path_of_the_right_host_wins() {
        let mut shop = container("shop", &[], &[]);
        let route = |value: serde_json::Value| serde_json::from_value(value).unwrap();
        shop.1.routes = vec![
            route(serde_json::json!({ "path": "/billing/shop" })),
            route(serde_json::json!({ "host": "shop.example" })),
        ];
        let reference = reference(&[container("billing", &[], &[]), shop]);
        for (url, name) in [
            ("/billing/x", Some("billing")),
            ("/billing/shop/1", Some("shop")),
            ("/other", None),
            ("http://shop.example/billing", Some("shop")),
            ("http://other.example/billing", Some("billing")),
        ] {
            let found = target(url).route(&reference);
            assert_eq!(found.map(|(name, _)| name.as_str()), name, "{url}");
        }
    }
}
