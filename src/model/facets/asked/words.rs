//! Facets in words, the same for what a body asks for and what an inspect says.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::model::create_body::{HealthcheckBody, VOLUME};
use crate::model::identity;
use crate::model::quantity::ByteSize;

/// How the names of a container's own volumes begin, by its labels. Those of a server outlive its
/// generations, which are instances of their own: `production_3`.
pub fn own_volumes<'a>(label: impl Fn(&str) -> Option<&'a str>) -> String {
    let of = |name| label(name).unwrap_or_default();
    let instance = of(identity::INSTANCE);
    let is_number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    let keeper = instance.rsplit_once('_').filter(|(_, it)| is_number(it));
    let keeper = keeper.map_or(instance, |(name, _)| name);
    let (platform, container) = (of(identity::PLATFORM), of(identity::CONTAINER));
    format!("devenv-{platform}-{keeper}-{container}.")
}

/// A mount in words. The container's own volumes, whose names begin with `own`, go by the part of their
/// name that every instance has in common; one without a name, or with a name of the engine's choice,
/// by none.
pub fn mount_text(kind: &str, source: &str, own: &str, read_only: bool) -> String {
    let by_engine = source.len() == 64 && source.bytes().all(|it| it.is_ascii_hexdigit());
    let mut text = match (kind, source) {
        (VOLUME, "") => "volume without a name".to_owned(),
        (VOLUME, _) if by_engine => "volume without a name".to_owned(),
        (VOLUME, name) => match name.strip_prefix(own) {
            // A restored one has one more part.
            Some(volume) => {
                let name = volume.split_once('.').map_or(volume, |(name, _)| name);
                format!("volume {name}")
            }
            None => format!("foreign volume {name}"),
        },
        (kind, source) => format!("{kind} {source}"),
    };
    if read_only {
        text.push_str(", read-only");
    }
    text
}

/// A folder in memory in words.
pub fn in_memory(options: &str) -> String {
    format!("memory {options}").trim_end().to_owned()
}

/// A published port in words.
pub fn published(port: &str, address: &str, host: &str) -> String {
    format!("{port} at {address}:{host}")
}

/// Bytes in words; 0 is none.
pub fn bytes(value: u64) -> String {
    match value {
        0 => "none".to_owned(),
        value => ByteSize::bytes(value).to_string(),
    }
}

/// Billionths of a processor in words; 0 is none.
pub fn processors(nano: u64) -> String {
    let (whole, rest) = (nano / 1_000_000_000, nano % 1_000_000_000);
    match (whole, rest) {
        (0, 0) => "none".to_owned(),
        (whole, 0) => whole.to_string(),
        (whole, rest) => format!("{whole}.{rest:09}")
            .trim_end_matches('0')
            .to_owned(),
    }
}

/// An engine's own choice for what is not said.
pub(super) fn or(text: &str, default: &str) -> String {
    if text.is_empty() { default } else { text }.to_owned()
}

pub(super) fn or_none(value: u64) -> String {
    match value {
        0 => "none".to_owned(),
        value => value.to_string(),
    }
}

pub(super) fn yes(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

pub(super) fn listed(all: &BTreeSet<String>) -> String {
    if all.is_empty() {
        return "none".to_owned();
    }
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    all.join(" ")
}

/// Words that stay apart: `["a b"]` is not `["a", "b"]`.
pub(super) fn words(all: &[String]) -> String {
    if all.is_empty() {
        return "none".to_owned();
    }
    let mut text = String::new();
    for word in all {
        let _ = write!(text, "{word:?} ");
    }
    text.trim_end().to_owned()
}

/// Engines fill in 30 s, 30 s, 0 and 3 where nothing is said. Source: moby `daemon/health.go`.
pub(super) fn health(check: Option<&HealthcheckBody>) -> String {
    let Some(check) = check.filter(|it| it.test.first().is_some_and(|it| it != "NONE")) else {
        return "none".to_owned();
    };
    let or = |value: u64, default: u64| {
        if value == 0 {
            default
        } else {
            value / 1_000_000
        }
    };
    format!(
        "{} every {}ms, {}ms each, {} times, from {}ms on",
        words(&check.test),
        or(check.interval, 30_000),
        or(check.timeout, 30_000),
        if check.retries == 0 { 3 } else { check.retries },
        or(check.start_period, 0),
    )
}

/// A limit of memory and swap together. Without one an engine takes twice the memory; -1 is none.
/// Source: moby `daemon/daemon_unix.go`, `adaptContainerSettings`.
pub(super) fn swap(memory: u64, swap: i64) -> String {
    match u64::try_from(swap) {
        Ok(0) => bytes(memory.saturating_mul(2)),
        Ok(limit) => bytes(limit),
        Err(_) => bytes(0),
    }
}

/// The network that a container joins first: its instance's own by no name. `label` reads its labels.
pub fn network<'a>(mode: &str, label: impl Fn(&str) -> Option<&'a str>) -> String {
    let of = |name| label(name).unwrap_or_default();
    let (platform, instance) = (of(identity::PLATFORM), of(identity::INSTANCE));
    if mode == format!("devenv-{platform}-{instance}") {
        "the instance's own".to_owned()
    } else {
        mode.to_owned()
    }
}
