//! What a company's network asks for: proxies and certificate authorities, for git and for builds.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::Context;
use crate::error::{Error, Kind, PathContext, Result};
use crate::model::digest::Digest;
use crate::model::proxies::{Proxies, VARIABLES};
use crate::model::secret::Secret;
use crate::paths::AUTHORITIES;
use crate::state;

impl Context {
    /// The environment's proxies, for what devenv itself fetches.
    pub fn proxies(&self) -> Proxies {
        let get = |name: &str| self.environment.get(name).map(ToOwned::to_owned);
        Proxies::of_environment(get)
    }

    /// The proxies that builds are told of: docker's own for this engine, else the environment's
    /// as far as a container can reach them.
    pub fn build_proxies(&self) -> Result<Proxies> {
        let own = self.proxies().beyond_loopback();
        let Some(folder) = self.environment.docker_config() else {
            return Ok(own);
        };
        let path = folder.join("config.json");
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(own),
            Err(error) => return Err(error).at(Kind::Usage, "read", &path),
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
        let mut all: Vec<_> = self.environment.all().collect();
        for (upper, lower) in VARIABLES {
            if let (Some(value), None) = (self.environment.get(upper), self.environment.get(lower))
            {
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
        let mut all = self.git_environment();
        if let Some(bundle) = self.authorities(remote)? {
            all.push((GIT_AUTHORITIES.into(), bundle.into()));
        }
        Ok(all)
    }

    /// Those authorities that git would trust at `remote` and `extra_ca` in one file: what git is
    /// given replaces its own. `None` where nothing is to be added, or to what is not known.
    fn authorities(&self, remote: Remote<'_>) -> Result<Option<PathBuf>> {
        let Some(extra) = &self.settings.extra_ca.value else {
            return Ok(None);
        };
        let extra = std::fs::read(extra).at(Kind::Usage, "read", extra)?;
        let variable = |name: &str| self.environment.get(name).map(PathBuf::from);
        // In git's own order.
        let mut places = variable(GIT_AUTHORITIES)
            .or_else(|| self.configured_authorities(remote))
            .into_iter()
            .chain(variable("SSL_CERT_FILE"))
            .chain(AUTHORITIES.map(PathBuf::from));
        let Some(mut bundle) = places.find_map(|path| std::fs::read(path).ok()) else {
            return Ok(None);
        };
        bundle.push(b'\n');
        bundle.extend(extra);
        let path = self.paths.authorities(&Digest::of(&bundle));
        if !path.is_file() {
            state::write_atomically(&path, &bundle)?;
        }
        Ok(Some(path))
    }

    /// The file that git's configuration names for `remote`, which only the program knows to find.
    fn configured_authorities(&self, remote: Remote<'_>) -> Option<PathBuf> {
        let url = match remote {
            Remote::Url(url) => url.to_owned(),
            Remote::Clone(_) => self.ask_git(remote, &["ls-remote", "--get-url", "origin"])?,
        };
        let place = url.strip_prefix("https://")?;
        // Whoever lists processes need not see a login.
        let host = place.split('/').next()?;
        let login = host.rfind('@').map_or(0, |at| at + 1);
        let url = format!("https://{}", &place[login..]);
        let asked = [
            "config",
            "--type=path",
            "--get-urlmatch",
            "http.sslCAInfo",
            &url,
        ];
        self.ask_git(remote, &asked).map(PathBuf::from)
    }

    /// A line of the program's; `None` where there is none, and without the program.
    fn ask_git(&self, remote: Remote<'_>, arguments: &[&str]) -> Option<String> {
        let mut command = std::process::Command::new("git");
        command.env_clear().envs(self.environment.all());
        if let Remote::Clone(path) = remote {
            command.arg("--git-dir").arg(path);
        }
        let output = command.args(arguments).stdin(Stdio::null()).output().ok()?;
        let line = String::from_utf8(output.stdout).ok()?;
        let line = line.trim_end_matches(['\r', '\n']);
        (output.status.success() && !line.is_empty()).then(|| line.to_owned())
    }
}

/// Where git is about to go.
#[derive(Debug, Clone, Copy)]
pub enum Remote<'a> {
    /// To this address.
    Url(&'a str),
    /// Where this clone came from.
    Clone(&'a Path),
}

/// Names git's certificate authorities (`git help config`, `http.sslCAInfo`).
const GIT_AUTHORITIES: &str = "GIT_SSL_CAINFO";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::InstanceName;
    use crate::paths::Paths;
    use crate::settings::{Environment, Flags, Settings};
    use crate::ui::{Manner, Ui};

    fn context(home: &std::path::Path, variables: &[(&str, &str)]) -> Context {
        let home_variable = ("DEVENV_HOME".to_owned(), home.into());
        let variables = variables.iter();
        let variables = variables.map(|(name, value)| ((*name).to_owned(), value.into()));
        let environment = Environment::from_variables(variables.chain([home_variable]));
        let paths = Paths::locate(&environment).unwrap();
        Context {
            settings: Settings::resolve(&paths, &Flags::default()).unwrap(),
            environment,
            paths,
            instance: InstanceName::new("default").unwrap(),
            offline: false,
            found: std::sync::OnceLock::new(),
            ui: Ui::new(Manner::default()),
        }
    }

    fn value(context: &Context, name: &str) -> Option<String> {
        // The last one counts.
        let remote = Remote::Url("https://me:secret@git.acme.example/definitions.git");
        let all = context.git_environment_to(remote).unwrap();
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
        let (system, extra) = (file("system.pem", "system"), file("extra.pem", "extra\n"));
        let proxy = [("HTTP_PROXY", "http://p:1"), ("NO_PROXY", "a")];
        let none = context(home.path(), &proxy);
        assert_eq!(value(&none, "http_proxy").as_deref(), Some("http://p:1"));
        assert_eq!(value(&none, "no_proxy").as_deref(), Some("a"));
        assert_eq!(value(&none, GIT_AUTHORITIES), None);
        file("config/settings.yaml", &format!("extra_ca: {extra}\n"));
        let variables = [("SSL_CERT_FILE", &*system), ("http_proxy", "http://q:1")];
        let own = context(home.path(), &variables);
        let bundle = value(&own, GIT_AUTHORITIES).unwrap();
        assert_eq!(std::fs::read_to_string(bundle).unwrap(), "system\nextra\n");
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
        let bundle = value(&context(home.path(), &configured), GIT_AUTHORITIES).unwrap();
        assert_eq!(std::fs::read_to_string(bundle).unwrap(), "acme\nextra\n");
        let chosen = context(home.path(), &[(GIT_AUTHORITIES, &*file("git.pem", "git"))]);
        let bundle = value(&chosen, GIT_AUTHORITIES).unwrap();
        assert_eq!(std::fs::read_to_string(bundle).unwrap(), "git\nextra\n");
        std::fs::remove_file(extra).unwrap();
        let remote = Remote::Url("https://git.acme.example/x");
        let error = chosen.git_environment_to(remote).unwrap_err();
        assert!(error.to_string().contains("extra.pem"), "{error}");
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
        let built = || context(home.path(), &variables).build_arguments().unwrap();
        let names = |of: BTreeMap<String, Secret>| of.into_keys().collect::<Vec<_>>();
        assert_eq!(names(built()), ["HTTPS_PROXY", "https_proxy"]);
        let text = r#"{"proxies":{"default":{"httpProxy":"http://127.0.0.1:1"}}}"#;
        std::fs::write(home.path().join("config.json"), text).unwrap();
        assert_eq!(built()["http_proxy"].expose(), "http://127.0.0.1:1");
        std::fs::write(home.path().join("config.json"), "{").unwrap();
        assert!(context(home.path(), &variables).build_arguments().is_err());
    }
}
