//! Sets a released version in the text of `platform.yaml` by changing only that value: comments,
//! order and spelling of all else stay. Pure.
//!
//! The parser says where things are; the result is parsed again and compared, so that a wrong place
//! cannot get through.

use std::ops::Range;

use serde_json::Value;

use crate::error::{Error, Kind, Result};
use crate::model::name::{ContainerName, Version};
use crate::model::yaml::{self, Content, Node};

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
    let entry = format!(
        "{}: {}",
        spelled(container.as_str(), None),
        spelled(version.as_str(), None)
    );
    let edits = yaml::node(text)
        .and_then(|root| match root.get("containers") {
            None => Some(vec![section(text, &entry)]),
            Some((key, containers)) => match containers.get(container.as_str()) {
                Some((_, value)) => Some(vec![replaced(text, value, version)?]),
                None => added(text, key.range.end, containers, &entry),
            },
        })
        .ok_or_else(|| not_understood(container, version, "its value is not a text on one line"))?;
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

/// Puts the version where the value is, in the quotes that are there.
fn replaced(text: &str, value: &Node, version: &Version) -> Option<Edit> {
    let range = value.place.range.clone();
    let written = text.get(range.clone())?;
    if written.is_empty() {
        // What is missing has the place of its colon.
        let behind = range.start + ':'.len_utf8();
        let colon = text.get(range.start..behind)? == ":";
        return colon.then(|| {
            (
                behind..behind,
                format!(" {}", spelled(version.as_str(), None)),
            )
        });
    }
    let quote = written.chars().next().filter(|c| "\"'".contains(*c));
    let one_line = matches!(value.content, Content::Scalar) && !written.contains('\n');
    one_line.then(|| (range, spelled(version.as_str(), quote)))
}

/// A new `containers:` at the end.
fn section(text: &str, entry: &str) -> Edit {
    let newline = newline(text);
    let whole = text.is_empty() || text.ends_with('\n');
    let gap = if whole { "" } else { newline };
    let section = format!("{gap}containers:{newline}  {entry}{newline}");
    (text.len()..text.len(), section)
}

/// One more entry of `containers`, whose key ends at `key_end`.
fn added(text: &str, key_end: usize, containers: &Node, entry: &str) -> Option<Vec<Edit>> {
    let open = containers.place.range.start;
    match &containers.content {
        Content::List(_) => None,
        Content::Scalar => Some(vec![below(text, key_end, "  ", entry)]),
        Content::Map(entries) if !text[open..].starts_with('{') => {
            let (_, key, last) = entries.last()?;
            let indent = " ".repeat(key.column - 1);
            let end = last.place.range.end.max(key.range.end);
            Some(vec![below(text, end, &indent, entry)])
        }
        Content::Map(entries) => match entries.last() {
            None => {
                let at = open + '{'.len_utf8();
                let gap = if text[at..].starts_with('}') { " " } else { "" };
                Some(vec![(at..at, format!(" {entry}{gap}"))])
            }
            Some((_, key, last)) => {
                let end = last.place.range.end.max(key.range.end);
                behind(text, open, key.range.start, end, entry)
            }
        },
    }
}

/// An entry on a line of its own, below that of `at`.
fn below(text: &str, at: usize, indent: &str, entry: &str) -> Edit {
    let end = trimmed_end(text, at);
    (end..end, format!("{}{indent}{entry}", newline(text)))
}

/// An entry behind the last one between braces, which goes from `start` to `end`.
fn behind(text: &str, open: usize, start: usize, end: usize, entry: &str) -> Option<Vec<Edit>> {
    let next = skip_space(text, end);
    let comma = text[next..].starts_with(',').then_some(next + 1);
    let close = skip_space(text, comma.unwrap_or(end));
    if !text[close..].starts_with('}') {
        return None;
    }
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let indent = &text[line_start..start];
    let own_line = indent.chars().all(|c| c == ' ') && line_start > open;
    let at = comma.unwrap_or(end);
    if !own_line {
        let before = if comma.is_some() { " " } else { ", " };
        return Some(vec![(at..at, format!("{before}{entry}"))]);
    }
    let line = format!("{}{indent}{entry}", newline(text));
    // Behind the comment of the last entry, unless the closing brace stands on its line.
    let line_end = trimmed_end(text, at);
    let below = if close < line_end { at } else { line_end };
    Some(match comma {
        Some(_) => vec![(below..below, format!("{line},"))],
        None if below == at => vec![(at..at, format!(",{line}"))],
        None => vec![(at..at, ",".into()), (below..below, line)],
    })
}

/// The end of the line of `at`, white space aside.
fn trimmed_end(text: &str, at: usize) -> usize {
    let line = text[at..].lines().next().unwrap_or_default();
    at + line.trim_end().len()
}

/// Behind white space, line ends and comments.
fn skip_space(text: &str, mut at: usize) -> usize {
    loop {
        at = text.len() - text[at..].trim_start().len();
        if !text[at..].starts_with('#') {
            return at;
        }
        at = trimmed_end(text, at);
    }
}

fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
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
