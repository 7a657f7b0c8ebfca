//! What a company's network asks for: proxies and certificate authorities, for git and for builds.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::PathBuf;

use super::Context;
use crate::error::{Error, Kind, PathContext, Result};
use crate::model::digest::Digest;
use crate::model::proxies::{Proxies, VARIABLES};
use crate::model::secret::Secret;
use crate::paths::AUTHORITIES;
use crate::state;

impl Context {
    /// The proxies that builds are told of: docker's own for this engine, else the environment's
    /// as far as a container can reach them.
    pub fn build_proxies(&self) -> Result<Proxies> {
        let get = |name: &str| self.environment.get(name).map(ToOwned::to_owned);
        let own = Proxies::of_environment(get).beyond_loopback();
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
    /// reads `http_proxy` only in lower case) and with the company's authority.
    pub(super) fn git_environment(&self) -> Vec<(OsString, OsString)> {
        let mut all: Vec<_> = self.environment.all().collect();
        for (upper, lower) in VARIABLES {
            if let (Some(value), None) = (self.environment.get(upper), self.environment.get(lower))
            {
                all.push((lower.into(), value.into()));
            }
        }
        if self.environment.get(GIT_AUTHORITIES).is_none()
            && let Some(bundle) = self.authorities()
        {
            all.push((GIT_AUTHORITIES.into(), bundle.into()));
        }
        all
    }

    /// The system's authorities and `extra_ca` in one file: what git is given replaces the
    /// system's. `None` where nothing is to be added, or to what is not known.
    fn authorities(&self) -> Option<PathBuf> {
        let extra = std::fs::read(self.settings.extra_ca.value.as_ref()?).ok()?;
        let own = self.environment.get("SSL_CERT_FILE").map(PathBuf::from);
        let mut places = own.into_iter().chain(AUTHORITIES.map(PathBuf::from));
        let mut bundle = places.find_map(|path| std::fs::read(path).ok())?;
        bundle.push(b'\n');
        bundle.extend(extra);
        let path = self.paths.authorities(&Digest::of(&bundle));
        if !path.is_file() {
            state::write_atomically(&path, &bundle).ok()?;
        }
        Some(path)
    }
}

/// Names git's certificate authorities (`git help config`, `http.sslCAInfo`).
const GIT_AUTHORITIES: &str = "GIT_SSL_CAINFO";
