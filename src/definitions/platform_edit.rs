//! Sets a released version in the text of `platform.yaml` by changing only that value: comments,
//! order and spelling of all else stay. Pure.
//!
//! A small reader finds the place; whatever it does not understand is refused, and the result is
//! parsed again and compared, so that a wrong guess cannot get through.

mod place;
mod scan;

use std::ops::Range;

use serde_json::Value;

use crate::error::{Error, Kind, Result};
use crate::model::name::{ContainerName, Version};
use crate::model::yaml;

/// What is replaced by what; an empty range inserts.
type Edit = (Range<usize>, String);

/// The text of `platform.yaml` with `container` at `version`, added where it is not listed yet.
/// Fails with [`Kind::Definitions`] on text that is not understood, naming what was expected.
pub fn set_version(text: &str, container: &ContainerName, version: &Version) -> Result<String> {
    let before: Value = yaml::read(Kind::Definitions, "platform.yaml", text.as_bytes())?;
    let listed = match before.get("containers") {
        None | Some(Value::Null) => None,
        Some(Value::Object(containers)) => containers.get(container.as_str()),
        Some(_) => {
            return Err(not_understood(
                container,
                version,
                "`containers` is no mapping",
            ));
        }
    };
    if listed == Some(&Value::String(version.to_string())) {
        return Ok(text.to_owned());
    }
    let edits = place::edits(text, container.as_str(), version.as_str(), listed.is_some())
        .map_err(|why| not_understood(container, version, &why))?;
    let after = apply(text, edits);
    let expected = with_version(before, container, version);
    match yaml::read::<Value>(Kind::Definitions, "platform.yaml", after.as_bytes()) {
        Ok(read) if Some(&read) == expected.as_ref() => Ok(after),
        _ => Err(not_understood(
            container,
            version,
            "a change of that value alone did not come out",
        )),
    }
}

fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    let mut after = text.to_owned();
    edits.sort_by_key(|(range, _)| range.start);
    for (range, new) in edits.into_iter().rev() {
        after.replace_range(range, &new);
    }
    after
}

fn with_version(mut value: Value, container: &ContainerName, version: &Version) -> Option<Value> {
    let containers = value
        .as_object_mut()?
        .entry("containers")
        .or_insert(Value::Null);
    if containers.is_null() {
        *containers = Value::Object(serde_json::Map::new());
    }
    let version = Value::String(version.to_string());
    containers
        .as_object_mut()?
        .insert(container.to_string(), version);
    Some(value)
}

fn not_understood(container: &ContainerName, version: &Version, why: &str) -> Error {
    Error::definitions(format!(
        "cannot set {container} to {version} in platform.yaml: {why}"
    ))
    .hint(format!(
        "write `{}: {}` under `containers` by hand",
        spelled(container.as_str(), None),
        spelled(version.as_str(), None)
    ))
}

/// A name or version as YAML: in the quotes that were there, else plain where every reader takes
/// that for text, else in double quotes. Neither grammar has anything to escape.
fn spelled(text: &str, quote: Option<char>) -> String {
    match quote {
        Some(quote) => format!("{quote}{text}{quote}"),
        None if reads_otherwise(text) => format!("\"{text}\""),
        None => text.to_owned(),
    }
}

/// Whether YAML 1.1 or 1.2 would take it for a number, a date, a truth value or nothing.
fn reads_otherwise(text: &str) -> bool {
    const WORDS: [&str; 12] = [
        "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity",
    ];
    let lower = text.to_ascii_lowercase();
    let plain = lower.replace('_', "");
    let radix = plain
        .get(..2)
        .is_some_and(|start| ["0x", "0o", "0b"].contains(&start));
    let mut date = lower.splitn(3, '-');
    let mut digits = |lengths: Range<usize>| {
        date.next().is_some_and(|part| {
            let end = part
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(part.len());
            lengths.contains(&end)
        })
    };
    let is_date = digits(4..5) && digits(1..3) && digits(1..3);
    WORDS.contains(&lower.as_str()) || radix || is_date || plain.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests;
