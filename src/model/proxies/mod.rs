//! A company's proxies: the variables that name them, and who is reached without.
//! Sources: curl `docs/MANUAL.md` ("Environment Variables"), Go `golang.org/x/net/http/httpproxy`,
//! docker/cli `cli/config/configfile/file.go` (`ParseProxyConfig`).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::secret::Secret;

mod address;
mod exceptions;

use address::is_loopback;
pub use address::{Proxy, SHAPE, host_and_port};
pub use exceptions::covers;

/// Each variable in its two spellings; programs differ in which they read.
pub const VARIABLES: [(&str, &str); 3] = [
    ("HTTP_PROXY", "http_proxy"),
    ("HTTPS_PROXY", "https_proxy"),
    ("NO_PROXY", "no_proxy"),
];

/// The variable for what has none of its own.
pub const ALL: (&str, &str) = ("ALL_PROXY", "all_proxy");

/// Who is carried by which proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http://`.
    pub http: Option<Proxy>,
    /// For `https://`.
    pub https: Option<Proxy>,
    /// Who is reached without.
    pub except: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct DockerConfig {
    proxies: BTreeMap<String, DockerProxies>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct DockerProxies {
    #[serde(rename = "httpProxy")]
    http: Option<String>,
    #[serde(rename = "httpsProxy")]
    https: Option<String>,
    #[serde(rename = "noProxy")]
    except: Option<String>,
}

impl Proxies {
    /// From the environment; upper case wins, as for Go, and [`ALL`] is for what has none.
    pub fn of_environment(get: impl Fn(&str) -> Option<String>) -> Self {
        let either = |(upper, lower)| {
            let named = |name: &'static str| Some(Proxy::of(name, get(name)?));
            named(upper).or_else(|| named(lower))
        };
        let [http, https, except] = VARIABLES;
        Self {
            http: either(http).or_else(|| either(ALL)),
            https: either(https).or_else(|| either(ALL)),
            except: get(except.0).or_else(|| get(except.1)),
        }
    }

    /// From the `proxies` of docker's `config.json`: those of the engine at `host`, else `default`.
    pub fn of_docker(config: &[u8], host: &str) -> Result<Self, String> {
        // The error's own words show the value, which may have a password in it.
        let config: DockerConfig = serde_json::from_slice(config).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("`proxies` is not as docker writes it (line {line}, column {column})")
        })?;
        let all = &config.proxies;
        let Some(found) = all.get(host).or_else(|| all.get("default")) else {
            return Ok(Self::default());
        };
        let set = |text: &Option<String>| text.clone().filter(|it| !it.is_empty());
        Ok(Self {
            http: set(&found.http).map(Proxy::new),
            https: set(&found.https).map(Proxy::new),
            except: set(&found.except),
        })
    }

    /// These, and from `others` what is not said here.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            http: self.http.or(others.http),
            https: self.https.or(others.https),
            except: self.except.or(others.except),
        }
    }

    /// Without those on this machine: inside a container that address is the container's own.
    #[must_use]
    pub fn beyond_loopback(self) -> Self {
        let far = |proxy: &Proxy| !proxy.is_loopback();
        Self {
            http: self.http.filter(far),
            https: self.https.filter(far),
            except: self.except,
        }
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }

    /// The arguments that builders know without being told, in both spellings; they stay out of
    /// an image's history. An address that cannot be used is none.
    pub fn arguments(&self) -> BTreeMap<String, Secret> {
        let [http, https] = [&self.http, &self.https].map(|it| {
            let usable = it.as_ref().filter(|it| it.is_usable());
            usable.map(|it| it.address().clone())
        });
        if http.is_none() && https.is_none() {
            return BTreeMap::new();
        }
        let values = [http, https, self.except.clone().map(Secret::new)];
        let pairs = VARIABLES.iter().zip(values);
        pairs
            .filter_map(|(names, value)| Some((names, value?)))
            .flat_map(|((upper, lower), value)| {
                [upper, lower].map(|name| ((*name).to_owned(), value.clone()))
            })
            .collect()
    }

    /// The proxy that carries a request to `host` (and `port`), if one does.
    pub fn carrier(&self, is_tls: bool, host: &str, port: Option<u16>) -> Option<&Proxy> {
        let proxy = if is_tls { &self.https } else { &self.http };
        let except = self.except.as_deref().unwrap_or_default();
        proxy
            .as_ref()
            .filter(|_| !is_loopback(host) && !covers(except, host, port))
    }
}

#[cfg(test)]
mod tests;
