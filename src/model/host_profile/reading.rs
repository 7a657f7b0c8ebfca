//! Reading profiles: what is compiled in, the user's own, and `extends`.

#![allow(
    clippy::option_option,
    reason = "a key that is not there, one that is null, and a value are three things"
)]

use include_dir::{Dir, include_dir};
use serde::Deserialize;

use super::parts::{Events, Evidence, Filesystem, HealthChecks, MemoryAdvice, Published, Share};
use super::profile::HostProfile;
use super::recognition::Condition;
use crate::error::{Error, Kind, Result};
use crate::model::yaml;

/// The folder `profiles` as it was when devenv was built.
pub static BUILT_IN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/profiles");

/// How deep profiles may extend each other.
const DEEPEST: usize = 8;

/// A profile as it is written: what is missing comes from the one that it extends.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    name: Option<String>,
    extends: Option<String>,
    description: Option<String>,
    precedence: Option<u16>,
    /// Never taken over: the other profile's rules find the other kind.
    recognise: Vec<Condition>,
    /// Never taken over either.
    reach: Vec<String>,
    published: Option<Published>,
    lowest_port: Option<u16>,
    shares: Option<Vec<Share>>,
    filesystem: Option<Filesystem>,
    /// `null` takes back what is extended.
    #[serde(deserialize_with = "said")]
    host_name: Option<Option<String>>,
    #[serde(deserialize_with = "said")]
    memory: Option<Option<MemoryAdvice>>,
    warnings: Option<Vec<String>>,
    events: Option<Events>,
    health_checks: Option<HealthChecks>,
    evidence: Option<Evidence>,
}

/// What is written, be it `null`: only what is missing comes from elsewhere.
fn said<'de, D, T>(reader: D) -> std::result::Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(reader).map(Some)
}

/// Finds a profile that another one extends.
type Find<'a> = &'a dyn Fn(&str) -> Option<Result<HostProfile>>;

/// Reads one profile; `find` gives the one that it extends.
pub(super) fn parse(source: &str, text: &[u8], find: Find<'_>) -> Result<HostProfile> {
    let written: Written = yaml::read(Kind::Usage, source, text)?;
    let base = match &written.extends {
        None => None,
        Some(name) => {
            let missing = || {
                Error::usage(if written.name.as_ref() == Some(name) {
                    format!("{source}: it extends itself, and no `{name}` is compiled in")
                } else {
                    format!("{source}: it extends `{name}`, which is none")
                })
            };
            Some(find(name).ok_or_else(missing)??)
        }
    };
    complete(written, base).map_err(|key| Error::usage(format!("{source}: `{key}` is missing")))
}

/// What is written over what it extends; `Err` is the key that neither has.
fn complete(written: Written, base: Option<HostProfile>) -> Result<HostProfile, &'static str> {
    let name = written.name.ok_or("name")?;
    let Some(base) = base else {
        return Ok(HostProfile {
            name,
            description: written.description.ok_or("description")?,
            precedence: written.precedence.ok_or("precedence")?,
            recognise: written.recognise,
            reach: written.reach,
            published: written.published.ok_or("published")?,
            lowest_port: written.lowest_port.ok_or("lowest_port")?,
            shares: written.shares.ok_or("shares")?,
            filesystem: written.filesystem.ok_or("filesystem")?,
            host_name: written.host_name.flatten(),
            memory: written.memory.flatten(),
            warnings: written.warnings.unwrap_or_default(),
            events: written.events.ok_or("events")?,
            health_checks: written.health_checks.ok_or("health_checks")?,
            evidence: written.evidence.ok_or("evidence")?,
        });
    };
    Ok(HostProfile {
        name,
        description: written.description.unwrap_or(base.description),
        precedence: written.precedence.unwrap_or(base.precedence),
        recognise: written.recognise,
        reach: written.reach,
        published: written.published.unwrap_or(base.published),
        lowest_port: written.lowest_port.unwrap_or(base.lowest_port),
        shares: written.shares.unwrap_or(base.shares),
        filesystem: written.filesystem.unwrap_or(base.filesystem),
        host_name: written.host_name.unwrap_or(base.host_name),
        memory: written.memory.unwrap_or(base.memory),
        warnings: written.warnings.unwrap_or(base.warnings),
        events: written.events.unwrap_or(base.events),
        health_checks: written.health_checks.unwrap_or(base.health_checks),
        evidence: written.evidence.unwrap_or(base.evidence),
    })
}

/// The names of those that are compiled in.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let files = BUILT_IN.files();
    files.filter_map(|file| file.path().file_name()?.to_str()?.strip_suffix(".yaml"))
}

/// One that is compiled in, by its name.
pub fn built_in(name: &str) -> Result<Option<HostProfile>> {
    read_built_in(name, DEEPEST)
}

fn read_built_in(name: &str, depth: usize) -> Result<Option<HostProfile>> {
    let file = format!("{name}.yaml");
    let Some(text) = BUILT_IN.get_file(&file) else {
        return Ok(None);
    };
    let find = |name: &str| match depth.checked_sub(1) {
        Some(depth) => read_built_in(name, depth).transpose(),
        None => Some(Err(too_deep(&file))),
    };
    parse(&format!("profiles/{file}"), text.contents(), &find).map(Some)
}

/// The user's own: `files` are their names and contents.
pub(super) fn own(files: &[(String, Vec<u8>)]) -> Result<Vec<HostProfile>> {
    files
        .iter()
        .map(|(source, text)| read_own(source, text, files, DEEPEST))
        .collect()
}

fn read_own(
    source: &str,
    text: &[u8],
    files: &[(String, Vec<u8>)],
    depth: usize,
) -> Result<HostProfile> {
    let find = |name: &str| {
        let file = format!("{name}.yaml");
        // A file that extends its own name means the one that is compiled in.
        let mut others = files.iter().filter(|(other, _)| other != source);
        let other = others.find(|(other, _)| {
            let last = other.rsplit(['/', '\\']).next();
            last == Some(file.as_str())
        });
        match (other, depth.checked_sub(1)) {
            (Some(_), None) => Some(Err(too_deep(source))),
            (Some((other, text)), Some(depth)) => Some(read_own(other, text, files, depth)),
            (None, _) => built_in(name).transpose(),
        }
    };
    parse(source, text, &find)
}

fn too_deep(source: &str) -> Error {
    Error::usage(format!("{source}: profiles extend each other in a circle"))
}
