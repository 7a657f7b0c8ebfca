//! Finding an engine where nothing names one: the places where its hosts usually have theirs are all
//! asked at once, and the first in their order that answers is taken.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use serde::Deserialize;

use super::choice::{Choice, ChosenBy, EngineEnvironment, choose};
use super::endpoint::{Endpoint, TlsMaterial, parse_host};
use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::system::{Here, System as _};

/// How long a place may take to answer.
const LIMIT: Duration = Duration::from_millis(300);
/// The same where TLS or another machine is between.
const FAR_LIMIT: Duration = Duration::from_secs(1);
/// Machines that one pattern may stand for.
const MOST_MACHINES: usize = 32;

/// A place to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Whose it is, for people.
    pub what: String,
    /// In the notation of profiles: an address as docker has it, and after a space the folder of its
    /// certificates. `~` and `$NAME` stand for folders. `*` as the last part of that folder stands for
    /// every machine in it, and in the address for the one that the machine's `config.json` has.
    pub reach: String,
}

/// What `docker-machine` keeps beside a machine's certificates.
#[derive(Deserialize)]
struct Machine {
    #[serde(rename = "Driver")]
    driver: Driver,
}

#[derive(Deserialize)]
struct Driver {
    #[serde(rename = "IPAddress", default)]
    address: String,
}

/// The engine by the docker client's rule; where nothing is configured and the default does not
/// answer, the first of `places` that does. `variable` reads the environment.
///
/// # Errors
/// As [`choose`]; no engine anywhere: every place that was asked, and how it failed.
pub fn find(
    environment: &EngineEnvironment,
    variable: &dyn Fn(&str) -> Option<String>,
    places: impl FnOnce() -> Result<Vec<Place>>,
) -> Result<Choice> {
    let choice = choose(environment)?;
    if choice.chosen_by != ChosenBy::Default {
        return Ok(choice);
    }
    default_or_among(choice, environment, variable, places)
}

fn default_or_among(
    choice: Choice,
    environment: &EngineEnvironment,
    variable: &dyn Fn(&str) -> Option<String>,
    places: impl FnOnce() -> Result<Vec<Place>>,
) -> Result<Choice> {
    if is_there(&choice.endpoint) {
        return Ok(choice);
    }
    among(choice.endpoint, environment, variable, places()?)
}

fn among(
    default: Endpoint,
    environment: &EngineEnvironment,
    variable: &dyn Fn(&str) -> Option<String>,
    places: Vec<Place>,
) -> Result<Choice> {
    let mut asked = vec![("the default".to_owned(), default)];
    for place in places {
        for endpoint in endpoints(&place.reach, environment, variable) {
            if !asked.iter().any(|(_, known)| *known == endpoint) {
                asked.push((place.what.clone(), endpoint));
            }
        }
    }
    let answers = ask(&asked)?;
    let found = asked.iter().zip(&answers).find(|(_, it)| it.is_ok());
    if let Some(((what, endpoint), _)) = found {
        return Ok(Choice {
            endpoint: endpoint.clone(),
            chosen_by: ChosenBy::Probed(what.clone()),
        });
    }
    Err(nowhere(&asked, &answers))
}

/// Whether somebody listens: no request is made, for this is on the way of every command, and nobody
/// is waited for.
fn is_there(endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::Unix(path) => match connect(path) {
            Ok(()) => true,
            // Not for this user; or so many wait already that it can only be an engine that hangs.
            Err(error) => matches!(
                error.kind(),
                ErrorKind::PermissionDenied | ErrorKind::WouldBlock
            ),
        },
        Endpoint::Pipe(path) => Path::new(path).exists(),
        _ => true,
    }
}

/// A blocking one waits for ever where the listener takes no more.
fn connect(path: &Path) -> std::io::Result<()> {
    use socket2::{Domain, SockAddr, Socket, Type};
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

/// Asks all at once, on a thread of its own: the caller may be in a runtime or not.
fn ask(places: &[(String, Endpoint)]) -> Result<Vec<Result<(), String>>> {
    let all = async {
        join_all(places.iter().map(|(_, endpoint)| async move {
            let limit = match endpoint {
                Endpoint::Unix(_) | Endpoint::Pipe(_) => LIMIT,
                _ => FAR_LIMIT,
            };
            let docker = Docker::new(endpoint).map_err(|error| error.chain().join(": "))?;
            let answer = docker.ping(limit).await;
            answer.map_err(|fault| fault.to_string())
        }))
        .await
    };
    let failed = |error: std::io::Error| Error::bug("cannot look for an engine").because(error);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            Ok(runtime.block_on(all))
        });
        asking
            .join()
            .map_err(|_| Error::bug("looking for an engine ended badly"))?
            .map_err(failed)
    })
}

fn nowhere(asked: &[(String, Endpoint)], answers: &[Result<(), String>]) -> Error {
    let mut list = String::from("asked were:");
    for ((what, endpoint), answer) in asked.iter().zip(answers) {
        let why = answer.as_ref().err().map_or("", String::as_str);
        let place = endpoint.to_string();
        // What failed names its place already, mostly.
        let why = why
            .strip_prefix(&format!("cannot reach the engine at {place}: "))
            .unwrap_or(why);
        let _ = write!(list, "\n{place} ({what}): {why}");
    }
    Error::engine("no Docker engine answers, and nothing says where one is")
        .detail(list)
        .hint("start the engine, or name it: `--host`, DOCKER_HOST or `docker context use NAME`")
}

/// The endpoints that a place stands for on this machine; none where it cannot be there.
fn endpoints(
    reach: &str,
    environment: &EngineEnvironment,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Vec<Endpoint> {
    let (address, folder) = match reach.split_once(' ') {
        Some((address, folder)) => (address, Some(folder.trim())),
        None => (reach, None),
    };
    let expand = |text: &str| expand(text, environment.home.as_deref(), variable);
    let Some(address) = expand(address) else {
        return Vec::new();
    };
    let here = |endpoint: &Endpoint| Here::PIPES || !matches!(endpoint, Endpoint::Pipe(_));
    let endpoint = |address: &str, folder: Option<&Path>| {
        let endpoint = parse_host(address, folder.map(material)).ok();
        endpoint.filter(here)
    };
    let Some(folder) = folder else {
        return endpoint(&address, None).into_iter().collect();
    };
    let Some(folder) = expand(folder).map(PathBuf::from) else {
        return Vec::new();
    };
    if !folder.ends_with("*") {
        let there = folder.is_dir();
        return endpoint(
            &address,
            Some(&folder).filter(|_| there).map(PathBuf::as_path),
        )
        .filter(|_| there)
        .into_iter()
        .collect();
    }
    let machines = machines(folder.parent().unwrap_or(&folder));
    let made = machines
        .iter()
        .filter_map(|(host, folder)| endpoint(&address.replace('*', host), Some(folder)));
    made.collect()
}

fn material(folder: &Path) -> TlsMaterial {
    TlsMaterial {
        ca: Some(folder.join("ca.pem")),
        certificate: Some(folder.join("cert.pem")),
        key: Some(folder.join("key.pem")),
        skip_verify: false,
    }
}

/// Address and folder of each machine below `folder`, by name.
fn machines(folder: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut folders: Vec<PathBuf> = entries.filter_map(|it| Some(it.ok()?.path())).collect();
    folders.sort();
    let described = folders.into_iter().filter_map(|folder| {
        let text = std::fs::read(folder.join("config.json")).ok()?;
        let machine: Machine = serde_json::from_slice(&text).ok()?;
        let address = machine.driver.address;
        (!address.is_empty()).then_some((address, folder))
    });
    described.take(MOST_MACHINES).collect()
}

/// `$NAME` in place, and `~` at the beginning of the path; `None` where one of them is unknown.
fn expand(
    text: &str,
    home: Option<&Path>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Option<String> {
    let (scheme, path) = match text.split_once("://") {
        Some((scheme, path)) => (format!("{scheme}://"), path),
        None => (String::new(), text),
    };
    let (mut expanded, mut rest) = match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => (scheme + home?.to_str()?, rest),
        _ => (scheme, path),
    };
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let end = after.find(|it: char| !(it.is_ascii_alphanumeric() || it == '_'));
        let (name, after) = after.split_at(end.unwrap_or(after.len()));
        expanded.push_str(&variable(name)?);
        rest = after;
    }
    expanded.push_str(rest);
    Some(expanded)
}

#[cfg(test)]
mod tests;
