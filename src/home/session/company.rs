//! What a company's network asks for: proxies and certificate authorities, for git and for builds.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use rustls::pki_types::CertificateDer;

use super::Session;
use super::remote::Remote;
use crate::error::{Error, Kind, PathContext, Result};
use crate::home::Home;
use crate::home::file;
use crate::home::paths::AUTHORITIES;
use crate::model::digest::Digest;
use crate::model::proxies::{Proxies, Proxy, SHAPE, VARIABLES, host_and_port};
use crate::model::secret::Secret;
use crate::network::tls;

impl Home {
    /// The environment's proxies, for what devenv itself fetches.
    pub fn proxies(&self) -> Proxies {
        let get = |name: &str| self.environment.get(name).map(ToOwned::to_owned);
        Proxies::of_environment(get)
    }

    /// The company's certificate authorities, as DER; none where `extra_ca` names no file.
    ///
    /// # Errors
    /// A file that holds none: it is named, with the setting and where that is from.
    pub fn own_authorities(&self) -> Result<Vec<CertificateDer<'static>>> {
        let setting = &self.settings.extra_ca;
        let Some(file) = &setting.value else {
            return Ok(Vec::new());
        };
        tls::authorities(file).map_err(|error| {
            let (file, origin) = (file.display(), &setting.origin);
            Error::usage(format!(
                "cannot read certificates from {file}, which `extra_ca` in {origin} names"
            ))
            .because(error)
            .hint("it is to be a PEM file with the company's certificate authority, or not set")
        })
    }
}

impl Session {
    /// The proxies that builds are told of: docker's own for this engine, else the environment's
    /// as far as a container can reach them.
    pub fn build_proxies(&self) -> Result<Proxies> {
        let own = self.home.proxies().beyond_loopback();
        let Some(folder) = self.docker_config() else {
            return Ok(own);
        };
        let path = folder.join("config.json");
        let Some(text) = std::fs::read(&path).if_there(Kind::Usage, "read", &path)? else {
            return Ok(own);
        };
        let host = self.engine().map(|(_, choice)| choice.endpoint.to_string());
        let docker = Proxies::of_docker(&text, &host.unwrap_or_default());
        docker.map(|docker| docker.or(own)).map_err(|wrong| {
            Error::usage(format!("{} cannot be read", path.display())).because(Error::usage(wrong))
        })
    }

    /// The same as build arguments.
    pub fn build_arguments(&self) -> Result<BTreeMap<String, Secret>> {
        Ok(self.build_proxies()?.arguments())
    }

    /// The environment of the `git` program: the user's, with each proxy in both spellings (curl
    /// reads `http_proxy` only in lower case).
    pub(super) fn git_environment(&self) -> Vec<(OsString, OsString)> {
        let mut all: Vec<_> = self.home.environment.all().collect();
        for (upper, lower) in VARIABLES {
            if let (Some(value), None) = (
                self.home.environment.get(upper),
                self.home.environment.get(lower),
            ) {
                all.push((lower.into(), value.into()));
            }
        }
        all
    }

    /// The same on the way to `remote`: with the company's authority.
    pub(super) fn git_environment_to(
        &self,
        remote: Remote<'_>,
    ) -> Result<Vec<(OsString, OsString)>> {
        self.check_proxy_to(remote)?;
        let mut all = self.git_environment();
        if let Some(bundle) = self.authorities(remote)? {
            all.push((GIT_AUTHORITIES.into(), bundle.into()));
        }
        Ok(all)
    }

    /// Whether the proxy that carries git to `remote` can be one; git's own words might show it whole.
    fn check_proxy_to(&self, remote: Remote<'_>) -> Result<()> {
        let proxies = self.home.proxies();
        let wrong = |proxy: &&Proxy| proxy.problem().is_some() && !proxy.is_of_others();
        let any = [&proxies.http, &proxies.https];
        if self.offline || !any.into_iter().flatten().any(|it| wrong(&it)) {
            return Ok(());
        }
        let Some(url) = self.url(remote) else {
            return Ok(());
        };
        let Some((is_tls, place)) = place(&url) else {
            return Ok(());
        };
        let (host, port) = host_and_port(place);
        let carrier = proxies.carrier(is_tls, host, port.and_then(|it| it.parse().ok()));
        match carrier.filter(wrong).and_then(Proxy::complaint) {
            Some(complaint) => Err(Error::git(format!(
                "cannot reach git's server {host}: {complaint}"
            ))
            .hint(SHAPE)),
            None => Ok(()),
        }
    }

    /// Those authorities that git would trust at `remote` and `extra_ca` in one file: what git is
    /// given replaces its own. `None` where nothing is to be added, or to what is not known.
    fn authorities(&self, remote: Remote<'_>) -> Result<Option<PathBuf>> {
        let Some(file) = &self.home.settings.extra_ca.value else {
            return Ok(None);
        };
        self.home.own_authorities()?;
        let extra = std::fs::read(file).at(Kind::Usage, "read", file)?;
        let variable = |name: &str| self.home.environment.get(name).map(PathBuf::from);
        // In git's own order.
        let mut places = variable(GIT_AUTHORITIES)
            .or_else(|| {
                self.git()
                    .authorities_at(remote.clone_path(), &self.url(remote)?)
            })
            .into_iter()
            .chain(variable("SSL_CERT_FILE"))
            .chain(AUTHORITIES.map(PathBuf::from));
        let Some(mut bundle) = places.find_map(|path| std::fs::read(path).ok()) else {
            return Ok(None);
        };
        bundle.push(b'\n');
        bundle.extend(extra);
        let path = self.home.paths.authorities(&Digest::of(&bundle));
        if !path.is_file() {
            file::write(&path, &bundle)?;
        }
        Ok(Some(path))
    }

    /// The address that git goes to for `remote`.
    fn url(&self, remote: Remote<'_>) -> Option<String> {
        let url = match remote {
            Remote::Url(url) => return Some(url.to_owned()),
            Remote::Clone(path) => self.git().rewritten(Some(path), "origin")?,
        };
        Some(url.address().to_owned())
    }
}

/// Whether an address is one over TLS, and its `host[:port]`; `None` where it is not the web's.
fn place(url: &str) -> Option<(bool, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let is_tls = match scheme {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let authority = rest.split('/').next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, it)| it);
    Some((is_tls, host))
}

/// Names git's certificate authorities (`git help config`, `http.sslCAInfo`).
const GIT_AUTHORITIES: &str = "GIT_SSL_CAINFO";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::home::environment::Environment;
    use crate::home::paths::Paths;
    use crate::home::reporter::testing::Silent;
    use crate::home::settings::{Flags, Settings};
    use crate::model::name::InstanceName;

    /// Text that holds a certificate, as far as a text can tell.
    const EXTRA: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

    fn session(home: &std::path::Path, variables: &[(&str, &str)]) -> Session {
        let home_variable = ("DEVENV_HOME".to_owned(), home.into());
        let variables = variables.iter();
        let variables = variables.map(|(name, value)| ((*name).to_owned(), value.into()));
        let path = std::env::vars_os()
            .find(|(name, _)| name == "PATH")
            .unwrap();
        let path = ("PATH".to_owned(), path.1);
        let environment = Environment::from_variables(variables.chain([home_variable, path]));
        let paths = Paths::locate(&environment).unwrap();
        let settings = Settings::resolve(&paths, &Flags::default()).unwrap();
        let home = Home {
            environment,
            paths,
            settings,
        };
        let instance = InstanceName::new("default").unwrap();
        Session::new(home, instance, false, Arc::new(Silent))
    }

    fn value(session: &Session, name: &str) -> Option<String> {
        // The last one counts.
        let remote = Remote::Url("https://me:secret@git.acme.example/definitions.git");
        let all = session.git_environment_to(remote).unwrap();
        let mut all = all.into_iter().rev();
        let found = all.find(|(known, _)| known == name)?;
        found.1.into_string().ok()
    }

    #[test]
    fn git_gets_both_spellings_and_both_kinds_of_authorities() {
        let home = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = home.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (system, extra) = (file("system.pem", "system"), file("extra.pem", EXTRA));
        let with_extra = |before: &str| format!("{before}\n{EXTRA}");
        let proxy = [("HTTP_PROXY", "http://p:1"), ("NO_PROXY", "a")];
        let none = session(home.path(), &proxy);
        assert_eq!(value(&none, "http_proxy").as_deref(), Some("http://p:1"));
        assert_eq!(value(&none, "no_proxy").as_deref(), Some("a"));
        assert_eq!(value(&none, GIT_AUTHORITIES), None);
        file("config/settings.yaml", &format!("extra_ca: {extra}\n"));
        let variables = [("SSL_CERT_FILE", &*system), ("http_proxy", "http://q:1")];
        let own = session(home.path(), &variables);
        let bundle = value(&own, GIT_AUTHORITIES).unwrap();
        assert_eq!(
            std::fs::read_to_string(bundle).unwrap(),
            with_extra("system")
        );
        assert_eq!(value(&own, "http_proxy").as_deref(), Some("http://q:1"));
        let configured = format!(
            "[http]\nsslCAInfo = {system}\n[http \"https://git.acme.example/\"]\nsslCAInfo = {}\n",
            file("acme.pem", "acme")
        );
        let configuration = file("gitconfig", &configured);
        let configured = [
            ("GIT_CONFIG_GLOBAL", &*configuration),
            ("SSL_CERT_FILE", &*system),
        ];
        let bundle = value(&session(home.path(), &configured), GIT_AUTHORITIES).unwrap();
        assert_eq!(std::fs::read_to_string(bundle).unwrap(), with_extra("acme"));
        let chosen = session(home.path(), &[(GIT_AUTHORITIES, &*file("git.pem", "git"))]);
        let bundle = value(&chosen, GIT_AUTHORITIES).unwrap();
        assert_eq!(std::fs::read_to_string(bundle).unwrap(), with_extra("git"));
        std::fs::write(extra, "no certificate").unwrap();
        let remote = Remote::Url("https://git.acme.example/x");
        let error = chosen.git_environment_to(remote).unwrap_err().to_string();
        for part in ["extra.pem", "`extra_ca`", "settings.yaml"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_proxy_of_no_use_is_named_by_whom_it_would_carry() {
        let home = tempfile::tempdir().unwrap();
        let wrong = [
            ("https_proxy", "http://me:hunter2 x@p:1"),
            ("NO_PROXY", "near.example"),
        ];
        let to = |url: &str, variables: &[(&str, &str)]| {
            let asked = session(home.path(), variables).git_environment_to(Remote::Url(url));
            asked.map(drop)
        };
        assert!(
            to("https://a.example/x", &wrong).is_ok(),
            "spaces are a password's"
        );
        let wrong = [
            ("https_proxy", "http://hunter2 x"),
            ("NO_PROXY", "near.example"),
        ];
        let error = to("https://me:word@a.example:8443/x", &wrong).unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("a.example") && said.contains("https_proxy"),
            "{said}"
        );
        assert!(
            !said.contains("hunter2") && !said.contains("word"),
            "{said}"
        );
        assert!(error.hints()[0].contains("HOST:PORT"));
        for elsewhere in [
            "https://near.example/x",
            "http://a.example/x",
            "git@a.example:x",
        ] {
            assert!(to(elsewhere, &wrong).is_ok(), "{elsewhere}");
        }
        let socks = [("ALL_PROXY", "socks5://p:1")];
        assert!(to("https://a.example/x", &socks).is_ok(), "curl speaks it");
    }

    #[test]
    fn what_is_here_is_not_handed_to_builds_but_what_docker_says_is() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().display().to_string();
        let variables = [
            ("DOCKER_CONFIG", &*folder),
            ("HTTP_PROXY", "http://127.0.0.1:3128"),
            ("HTTPS_PROXY", "http://proxy:3128"),
        ];
        let built = || session(home.path(), &variables).build_arguments().unwrap();
        let names = |of: BTreeMap<String, Secret>| of.into_keys().collect::<Vec<_>>();
        assert_eq!(names(built()), ["HTTPS_PROXY", "https_proxy"]);
        let text = r#"{"proxies":{"default":{"httpProxy":"http://127.0.0.1:1"}}}"#;
        std::fs::write(home.path().join("config.json"), text).unwrap();
        assert_eq!(built()["http_proxy"].expose(), "http://127.0.0.1:1");
        std::fs::write(home.path().join("config.json"), "{").unwrap();
        assert_eq!(
            names(built()),
            ["HTTPS_PROXY", "https_proxy"],
            "as without it"
        );
    }
}
