//! A company's proxies: the variables that name them, and who is reached without.
//! Sources: curl `docs/MANUAL.md` ("Environment Variables"), Go `golang.org/x/net/http/httpproxy`,
//! docker/cli `cli/config/configfile/file.go` (`ParseProxyConfig`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use super::secret::Secret;
use super::visible::visible;

/// Each variable in its two spellings; programs differ in which they read.
pub const VARIABLES: [(&str, &str); 3] = [
    ("HTTP_PROXY", "http_proxy"),
    ("HTTPS_PROXY", "https_proxy"),
    ("NO_PROXY", "no_proxy"),
];

/// The variable for what has none of its own.
pub const ALL: (&str, &str) = ("ALL_PROXY", "all_proxy");

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

    fn is_usable(&self) -> bool {
        self.problem().is_none()
    }

    /// Whether it is on this machine, where a container does not find it.
    pub fn is_loopback(&self) -> bool {
        is_loopback(host_and_port(self.parts().1).0)
    }
}

/// Whether a host is this machine by its name alone.
fn is_loopback(host: &str) -> bool {
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
            usable.map(|it| it.address.clone())
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

/// Whether a `NO_PROXY` names this host: `*`, a name with all below it, an address, a network in
/// CIDR notation, each with a port or without.
pub fn covers(except: &str, host: &str, port: Option<u16>) -> bool {
    let entries = except.split([',', ' ']).map(str::trim);
    entries.filter(|it| !it.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let (Some((network, bits)), Ok(address)) = (entry.split_once('/'), host.parse()) {
            return is_within(network, bits, address).unwrap_or(false);
        }
        let (name, wanted) = host_and_port(entry);
        let fits = wanted.is_none_or(|it| it.parse().ok() == port && port.is_some());
        fits && names(name, host)
    })
}

fn names(entry: &str, host: &str) -> bool {
    let entry = entry.trim_start_matches("*.").trim_start_matches('.');
    let (entry, host) = (entry.to_ascii_lowercase(), host.to_ascii_lowercase());
    let is_address = host.parse::<IpAddr>().is_ok();
    host == entry || (!is_address && host.ends_with(&format!(".{entry}")))
}

fn is_within(network: &str, bits: &str, address: IpAddr) -> Option<bool> {
    let bits: u32 = bits.parse().ok()?;
    Some(match (network.parse().ok()?, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let shift = 32_u32.checked_sub(bits)?;
            let cut = |it: std::net::Ipv4Addr| u64::from(it.to_bits()) >> shift;
            cut(network) == cut(address)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let shift = 128_u32.checked_sub(bits)?;
            let cut = |it: std::net::Ipv6Addr| it.to_bits().checked_shr(shift).unwrap_or(0);
            cut(network) == cut(address)
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions() {
        let covered = [
            ("*", "any.example", None),
            ("acme.example", "registry.acme.example", None),
            (".acme.example", "registry.acme.example", Some(443)),
            ("*.acme.example", "registry.acme.example", None),
            ("a.example, 10.0.0.0/8", "10.1.2.3", Some(2376)),
            ("10.1.2.3", "10.1.2.3", None),
            (
                "registry.acme.example:5000",
                "registry.acme.example",
                Some(5000),
            ),
            ("fd00::/8", "fd00::1", None),
            ("Registry", "registry", None),
        ];
        for (except, host, port) in covered {
            assert!(covers(except, host, port), "{except} covers {host}");
        }
        let not = [
            ("", "a.example", None),
            ("acme.example", "notacme.example", None),
            ("10.0.0.0/8", "11.1.2.3", None),
            ("10.0.0.0/40", "10.1.2.3", None),
            (
                "registry.acme.example:5000",
                "registry.acme.example",
                Some(443),
            ),
            ("registry.acme.example:5000", "registry.acme.example", None),
            ("2.3", "10.1.2.3", None),
        ];
        for (except, host, port) in not {
            assert!(
                !covers(except, host, port),
                "{except} does not cover {host}"
            );
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let proxy = Proxy::new("http://user:hunter2@proxy.acme.example:3128/");
        assert_eq!(proxy.shown(), "http://proxy.acme.example:3128");
        assert_eq!(proxy.problem(), None);
        let proxies = Proxies {
            http: Some(proxy),
            ..Proxies::default()
        };
        let shown = format!("{proxies:?} {:?}", proxies.arguments());
        assert!(!shown.contains("hunter2"), "{shown}");
        let exposed = proxies.arguments();
        let value = exposed["http_proxy"].expose();
        assert_eq!(value, "http://user:hunter2@proxy.acme.example:3128/");
    }

    #[test]
    fn no_part_of_a_password_is_shown_whatever_is_in_it() {
        for password in ["hun/ter2", "hun?ter2", "hun#ter2", "hun@ter2", "hun://ter2"] {
            let written = format!("http://user:{password}@proxy.acme.example:3128/");
            let proxy = Proxy::new(written);
            assert_eq!(proxy.shown(), "http://proxy.acme.example:3128");
            assert_eq!(proxy.problem(), None);
        }
        for wrong in [
            "http://user:hun/ter2",
            "http://user:hunter2",
            "user:hun://ter2@proxy:3128",
            "http://user:p@hunter2:ter2",
            "http://hun ter2",
        ] {
            let proxy = Proxy::new(wrong);
            let said = format!("{} {}", proxy.shown(), proxy.problem().unwrap());
            assert!(!said.contains("hun") && !said.contains("ter2"), "{said}");
            let only = Proxies {
                https: Some(proxy),
                ..Proxies::default()
            };
            assert!(only.arguments().is_empty(), "{wrong} is handed to nobody");
        }
    }

    #[test]
    fn addresses() {
        for good in ["proxy:3128", "http://[fd00::1]:3128", "https://proxy"] {
            assert_eq!(Proxy::new(good).problem(), None, "{good}");
        }
        for wrong in [
            "ftp://proxy",
            "http://",
            "http://proxy:port",
            "http://proxy:99999",
        ] {
            assert!(Proxy::new(wrong).problem().is_some(), "{wrong}");
        }
        let at = |text| {
            Proxy::new(text)
                .host_and_port()
                .map(|(host, port)| format!("{host} {port}"))
        };
        assert_eq!(at("http://u:p@proxy:3128/").as_deref(), Some("proxy 3128"));
        assert_eq!(at("https://[fd00::1]").as_deref(), Some("fd00::1 443"));
        assert_eq!(at("proxy").as_deref(), Some("proxy 80"));
        assert_eq!(at("foo bar"), None);
        let complaint = Proxy::of("HTTP_PROXY", "foo bar").complaint().unwrap();
        assert!(
            complaint.starts_with("HTTP_PROXY cannot be used: its host"),
            "{complaint}"
        );
        assert!(Proxy::new("socks5h://proxy:1080").is_of_others());
        assert!(Proxy::new("http://localhost:3128").is_loopback());
        assert!(Proxy::new("http://u:p@127.0.0.1:3128").is_loopback());
        assert!(!Proxy::new("http://proxy:3128").is_loopback());
    }

    #[test]
    fn dockers_configuration_and_the_environment() {
        let config = br#"{"auths":{},"proxies":{
            "default":{"httpProxy":"http://d:1","noProxy":"a,b"},
            "tcp://h:2375":{"httpsProxy":"http://h:1"}}}"#;
        let default = Proxies::of_docker(config, "unix:///x").unwrap();
        assert_eq!(default.http, Some(Proxy::new("http://d:1")));
        assert_eq!(default.except.as_deref(), Some("a,b"));
        let own = Proxies::of_docker(config, "tcp://h:2375").unwrap();
        assert_eq!(
            (own.http, own.https),
            (None, Some(Proxy::new("http://h:1")))
        );
        assert!(Proxies::of_docker(b"[", "x").is_err());
        let flat = br#"{"proxies":{"default":"http://user:hunter2@proxy:3128"}}"#;
        let error = Proxies::of_docker(flat, "x").unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
        let variables = BTreeMap::from([("https_proxy", "low"), ("HTTPS_PROXY", "up")]);
        let get = |name: &str| variables.get(name).map(ToString::to_string);
        let both = default.or(Proxies::of_environment(get));
        let arguments = both.arguments();
        let names: Vec<&str> = arguments.keys().map(String::as_str).collect();
        let all = [
            "HTTPS_PROXY",
            "HTTP_PROXY",
            "NO_PROXY",
            "http_proxy",
            "https_proxy",
            "no_proxy",
        ];
        assert_eq!(names, all);
        assert_eq!(arguments["https_proxy"].expose(), "up");
        let get = |name: &str| (name == "all_proxy").then(|| "http://a:1".to_owned());
        let all = Proxies::of_environment(get);
        let variable = |proxy: Option<Proxy>| proxy.map(|it| it.source());
        assert_eq!(variable(all.http), Some("all_proxy"));
        assert_eq!(variable(all.https), Some("all_proxy"));
        // Exceptions without a proxy are nothing to hand on.
        let only = Proxies {
            except: Some("a".to_owned()),
            ..Proxies::default()
        };
        assert!(only.arguments().is_empty());
    }

    #[test]
    fn who_is_carried() {
        let proxies = Proxies {
            http: Some(Proxy::new("http://localhost:1")),
            https: Some(Proxy::new("http://p:1")),
            except: Some("acme.example".to_owned()),
        };
        let carried = |is_tls, host| proxies.carrier(is_tls, host, None).map(Proxy::shown);
        assert_eq!(carried(true, "b.example").as_deref(), Some("http://p:1"));
        assert_eq!(carried(true, "git.acme.example"), None);
        assert_eq!(carried(true, "127.0.0.1"), None);
        let far = proxies.clone().beyond_loopback();
        assert_eq!((far.http, far.https.is_some()), (None, true));
    }
}
