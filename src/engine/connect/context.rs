//! The docker client's stored contexts: `config.json` and `contexts/` beside it.
//!
//! Source: docker/cli `cli/context/store` and `cli/context/docker`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::endpoint::{Endpoint, TlsMaterial, parse_host};
use crate::error::{Error, Kind, PathContext, Result};
use crate::model::digest::Digest;

#[derive(Deserialize)]
struct ConfigFile {
    #[serde(default, rename = "currentContext")]
    current_context: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    #[serde(default)]
    endpoints: BTreeMap<String, MetaEndpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetaEndpoint {
    #[serde(default)]
    host: Option<String>,
    #[serde(default, rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

/// `currentContext` with the file that says it; `None` where there is no file, and of one that is no
/// JSON, as docker's client has it.
pub(super) fn current(folder: &Path) -> Result<Option<(String, PathBuf)>> {
    let file = folder.join("config.json");
    let Some(bytes) = std::fs::read(&file).if_there(Kind::Engine, "read", &file)? else {
        return Ok(None);
    };
    let config = match serde_json::from_slice::<ConfigFile>(&bytes) {
        Err(error) if error.is_data() => return Err(invalid(&file, error)),
        config => config.ok(),
    };
    Ok(config
        .and_then(|config| config.current_context)
        .map(|name| (name, file)))
}

/// The engine of the context `name`.
pub(super) fn endpoint(folder: &Path, name: &str) -> Result<Endpoint> {
    let id = Digest::of(name.as_bytes()).hex();
    let file = folder.join("contexts/meta").join(&id).join("meta.json");
    let Some(meta) = read::<Meta>(&file)? else {
        return Err(
            Error::engine(format!("no such context: {} is missing", file.display()))
                .hint("`docker context ls` lists them; `docker context use default` leaves them"),
        );
    };
    let docker = meta
        .endpoints
        .get("docker")
        .ok_or_else(|| Error::engine(format!("{} has no docker endpoint", file.display())))?;
    let host = docker.host.as_deref().unwrap_or_default();
    let tls = folder.join("contexts/tls").join(&id).join("docker");
    let material = material(&tls, docker.skip_tls_verify);
    parse_host(if host.is_empty() { "unix://" } else { host }, material)
}

/// What there is of a context's TLS folder; `None` when nothing asks for TLS.
fn material(folder: &Path, skip_verify: bool) -> Option<TlsMaterial> {
    let file = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
    let material = TlsMaterial {
        ca: file("ca.pem"),
        certificate: file("cert.pem"),
        key: file("key.pem"),
        skip_verify,
    };
    let asked = skip_verify || material.ca.is_some() || material.certificate.is_some();
    asked.then_some(material)
}

fn read<T: DeserializeOwned>(file: &Path) -> Result<Option<T>> {
    let Some(bytes) = std::fs::read(file).if_there(Kind::Engine, "read", file)? else {
        return Ok(None);
    };
    let value = serde_json::from_slice(&bytes);
    value.map(Some).map_err(|error| invalid(file, error))
}

fn invalid(file: &Path, error: serde_json::Error) -> Error {
    Error::engine(format!("{} is not valid", file.display())).because(error)
}
