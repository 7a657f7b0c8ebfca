//! Who answers a URL in an instance: the route, the container behind it, what the cache did, the rules of the
//! proxy that say so, and where the request is in the logs.

mod configuration;
mod logged;

use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use self::logged::Search;
pub use self::logged::{FoundBy, Logged};
use crate::error::{Error, Result};
use crate::home::hosts;
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::{ReferenceRecord, random_hex};
use crate::instance::running::Running;
use crate::model::digest::Digest;
use crate::model::identity;
use crate::model::name::ContainerName;
use crate::model::observed::{ContainerState, Health};
use crate::model::reference::Reference;
use crate::model::requests::apache::Rule;
use crate::model::requests::caching::{self, Cache, Fate};
use crate::model::requests::target::Target;
use crate::network::exchange::{Answered, Asked, exchange};

/// How long the proxy may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was found out about one URL.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The platform.
    pub platform: String,
    /// The copy.
    pub instance: String,
    /// What was asked, as this machine reaches it.
    pub url: String,
    /// The reference that runs.
    pub reference: ReferenceRecord,
    /// The route that the URL takes; `None`: the proxy answers by itself.
    pub route: Option<String>,
    /// The container behind the route, each of its copies.
    pub containers: Vec<Who>,
    /// The proxy.
    pub proxy: Who,
    /// What came back; `None`: nothing, and a note says why.
    pub answer: Option<Told>,
    /// The directives of the proxy's configuration that are about the URL; `None`: it could not be read.
    pub rules: Option<Vec<Rule>>,
    /// The request in the logs.
    pub logs: Vec<Logged>,
    /// What else is to be said.
    pub notes: Vec<String>,
}

/// A container as it runs, or that it does not.
#[derive(Debug, Clone, Serialize)]
pub struct Who {
    /// Its name.
    pub name: ContainerName,
    /// `running`, `exited`, …; `None`: it is not there.
    pub state: Option<&'static str>,
    /// `healthy`, `unhealthy`, `starting`, or nothing.
    pub health: Option<&'static str>,
    /// `reference`, `pinned` or `local`.
    pub source: Option<String>,
    /// The version that runs; of one that does not, the reference's.
    pub version: Option<String>,
    /// The signed digest that runs.
    pub digest: Option<Digest>,
}

/// An answer, as far as it is told.
#[derive(Debug, Serialize)]
pub struct Told {
    /// The status.
    pub status: u16,
    /// From the request to the last byte.
    pub milliseconds: u64,
    /// Where it came from.
    pub cache: Cache,
    /// The header that says so.
    pub said_by: Option<String>,
    /// How many seconds a shared cache keeps it; `None`: it does not, or its settings decide.
    pub kept: Option<u64>,
    /// The header, or the absence of one, that decides about that.
    pub because: String,
    /// The header fields that decide; no values of cookies.
    pub headers: Vec<Field>,
}

/// A header field.
#[derive(Debug, Serialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Who {
    /// Whether it can answer.
    pub fn runs(&self) -> bool {
        self.state == Some(ContainerState::Running.as_str())
    }
}

/// Asks the proxy once, by GET, and finds out who answered.
///
/// # Errors
/// An instance whose reference is not known any more; an engine that does not answer.
pub async fn explain(
    session: &Session,
    open: &OpenPlatform,
    target: &Target,
) -> Result<Explanation> {
    let running = Running::look(session, open).await?;
    let (Some(record), Some(reference)) = (&running.record, &running.reference) else {
        return Err(unknown(session, &running));
    };
    let target = &target.clone().known_to(reference);
    let host = hosts::host(session, &running.engine, &running.choice).await?;
    let port = record.remembered().proxy(reference);
    let route = target.route(reference);
    let of = route.map(|(name, _)| reference.origin(name).clone());
    let members: Vec<ContainerName> = of.iter().flat_map(|it| copies(reference, it)).collect();
    let proxy = who(&running, reference, &reference.proxy);
    let mut explanation = Explanation {
        platform: open.name.to_string(),
        instance: session.instance.to_string(),
        url: url(target, port),
        reference: record.reference,
        route: route.map(|(_, route)| route.to_string()),
        containers: members
            .iter()
            .map(|it| who(&running, reference, it))
            .collect(),
        answer: None,
        rules: None,
        logs: Vec::new(),
        notes: Vec::new(),
        proxy,
    };
    explanation.say_what_is_not_there();
    if !explanation.proxy.runs() {
        return Ok(explanation);
    }
    let proxy = running.current(&reference.proxy);
    if let Some(proxy) = proxy {
        match configuration::rules(&running.engine, &proxy.id, target).await? {
            Ok(rules) => explanation.rules = Some(rules),
            Err(why) => explanation.notes.push(why),
        }
    }
    match (host.address(), port) {
        (Some(address), Some(port)) => {
            let names = [&members[..], std::slice::from_ref(&reference.proxy)].concat();
            explanation.ask(&running, target, (address, port), &names).await?;
        }
        _ => explanation.notes.push(
            "this machine does not reach the proxy's port: nothing was asked (`devenv doctor` says more)"
                .to_owned(),
        ),
    }
    Ok(explanation)
}

impl Explanation {
    fn say_what_is_not_there(&mut self) {
        let absent = self.containers.iter().filter(|it| !it.runs());
        for it in absent {
            let name = &it.name;
            self.notes.push(match it.state {
                None => format!("{name} does not run here: `devenv up {name}` starts it"),
                Some(state) => format!("{name} is {state}: `devenv up {name}` brings it back"),
            });
        }
        let proxy = &self.proxy.name;
        if self.route.is_none() {
            let number = self.reference.number;
            self.notes.push(format!(
                "reference {number} has no route for it: {proxy} answers by itself"
            ));
        }
        if !self.proxy.runs() {
            self.notes.push(format!(
                "the proxy {proxy} does not run: nothing was asked (`devenv up --proxy` starts it)"
            ));
        }
        if self.proxy.source.as_deref() == Some("local") {
            self.notes.push(format!(
                "{proxy} is LOCAL: its rules are your proposal's, not the reference's"
            ));
        }
    }

    async fn ask(
        &mut self,
        running: &Running,
        target: &Target,
        to: (IpAddr, u16),
        names: &[ContainerName],
    ) -> Result<()> {
        let search = Search::begin(target, random_hex(8)?);
        let headers = [("User-Agent".to_owned(), search.agent())];
        let asked = Asked {
            to,
            method: "GET",
            host: &target.host_here(),
            line: &target.line(),
            headers: &headers,
            body: "",
        };
        match exchange(asked, PATIENCE).await {
            Ok(answered) => self.told(target, &answered),
            Err(error) => self
                .notes
                .push(format!("the proxy did not answer: {error}")),
        }
        let is_hit = self
            .answer
            .as_ref()
            .is_some_and(|it| it.cache == Cache::Hit);
        let proxy = self.proxy.name.clone();
        let found = search.find(running, names, |logged| {
            let is_of = |of_proxy| logged.iter().any(|it| (it.container == proxy) == of_proxy);
            is_of(true) && (is_hit || names.len() == 1 || is_of(false))
        });
        let (logs, notes) = found.await?;
        self.logs = logs;
        self.notes.extend(notes);
        for name in names {
            let is_there = self.logs.iter().any(|it| it.container == *name);
            let is_asked = !is_hit || *name == proxy;
            if is_asked && !is_there {
                self.notes
                    .push(format!("the logs of {name} do not show the request"));
            }
        }
        Ok(())
    }

    fn told(&mut self, target: &Target, answered: &Answered) {
        let headers = &answered.headers;
        let (cache, said_by) = caching::verdict(headers);
        let (kept, because) = match caching::fate(answered.status, target.query.is_some(), headers)
        {
            Fate::Kept(seconds, why) => (Some(seconds), why),
            Fate::NotKept(why) | Fate::Open(why) => (None, why),
        };
        let mut varies = caching::values(headers, "Vary").flat_map(|it| it.split(','));
        if varies.any(|it| it.trim().eq_ignore_ascii_case("user-agent")) {
            self.notes.push(
                "the answer varies by User-Agent, and devenv's is a new one each time: a browser may get a HIT"
                    .to_owned(),
            );
        }
        let deciding = caching::deciding(headers).into_iter();
        self.answer = Some(Told {
            status: answered.status,
            milliseconds: answered.took.as_millis().try_into().unwrap_or(u64::MAX),
            cache,
            said_by,
            kept,
            because,
            headers: deciding
                .map(|(name, value)| Field { name, value })
                .collect(),
        });
    }
}

fn url(target: &Target, port: Option<u16>) -> String {
    let port = port.filter(|it| *it != 80);
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    format!("http://{}{port}{}", target.host_here(), target.line())
}

/// The entries that are copies of a container: itself, where there is one.
fn copies(reference: &Reference, of: &ContainerName) -> Vec<ContainerName> {
    let all = reference.containers.keys();
    all.filter(|it| reference.origin(it) == of)
        .cloned()
        .collect()
}

fn who(running: &Running, reference: &Reference, name: &ContainerName) -> Who {
    let current = running.current(name);
    let label = |key: &str| {
        let found = current.and_then(|it| it.labels.get(key));
        found.filter(|it| !it.is_empty()).cloned()
    };
    let version = if *name == reference.proxy {
        Some(reference.number.to_string())
    } else {
        let entry = reference.containers.get(name);
        let own = entry.and_then(|it| it.version.as_ref().map(ToString::to_string));
        label(identity::VERSION).or(own)
    };
    let health = current.filter(|it| it.state == ContainerState::Running);
    Who {
        name: name.clone(),
        state: current.map(|it| it.state.as_str()),
        health: health.and_then(|it| it.health).map(Health::as_str),
        source: label(identity::SOURCE),
        version,
        digest: label(identity::DIGEST).and_then(|it| it.parse().ok()),
    }
}

fn unknown(session: &Session, running: &Running) -> Error {
    let instance = &session.instance;
    if running.record.is_none() {
        let text = format!("nothing runs in the instance {instance}");
        return Error::usage(text).hint("`devenv up NAME` starts a container");
    }
    Error::usage(format!("the routes of the instance {instance} are unknown"))
        .because(Error::usage(
            "the reference that it runs is not in the cache",
        ))
        .hint("`devenv up` fetches it")
}
