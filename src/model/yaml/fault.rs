//! What is wrong with a document, where, and what would be right.

use serde_yaml::{Error as Fault, budget::BudgetBreach};

use super::limits::{DEEPEST, MOST_ALIASES};
use super::node::{Place, Step, node, repeated};
use crate::error::{self, Error, Kind};
use crate::model::nearest::nearest;
use crate::model::visible::{printable, visible};

/// A fault that the parser or a type found.
pub(super) fn explain(kind: Kind, source: &str, text: &str, fault: &Fault) -> Error {
    let fault = innermost(fault);
    if let Fault::DuplicateMappingKey { .. } = fault
        && let Some((key, places)) = repeated(text)
    {
        return twice(kind, source, text, &key, &places);
    }
    let Some(location) = fault.location() else {
        return Error::at(kind, error::Place::file(source), &message(fault, ""));
    };
    let place = Place::from(location);
    let offending = text.get(place.range.clone()).unwrap_or_default();
    let error = placed(kind, source, text, &place, &message(fault, offending));
    let (unknown, known) = match fault {
        Fault::SerdeUnknownField {
            field, expected, ..
        } => (field, expected),
        Fault::SerdeUnknownVariant {
            variant, expected, ..
        } => (variant, expected),
        _ => return error,
    };
    match nearest(unknown, known.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error,
    }
}

/// As [`explain`], for a document whose text nobody may see.
pub(super) fn explain_secret(kind: Kind, source: &str, text: &str, fault: &Fault) -> Error {
    if let Fault::DuplicateMappingKey { .. } = innermost(fault)
        && let Some((_, places)) = repeated(text)
    {
        return twice_in_secret(kind, source, &places);
    }
    let place = fault.location().map_or(String::new(), |it| {
        format!(":{}:{}", it.line(), it.column())
    });
    Error::new(kind, format!("{source}{place}: it cannot be read"))
}

/// A key that stands in one map at both places.
pub(super) fn twice(
    kind: Kind,
    source: &str,
    text: &str,
    key: &str,
    [first, second]: &[Place; 2],
) -> Error {
    let message = format!("the key `{key}` is in line {} already", first.line);
    located(kind, source, second, &message)
        .detail(snippet(text, first.line, first.column))
        .detail(snippet(text, second.line, second.column))
        .hint("keep one of the two")
}

/// As [`twice`], without the text.
pub(super) fn twice_in_secret(kind: Kind, source: &str, [first, second]: &[Place; 2]) -> Error {
    let message = format!("this key is in line {} already", first.line);
    located(kind, source, second, &message).hint("keep one of the two")
}

/// An error of meaning, not of syntax, about the place to which the steps lead.
pub fn at(kind: Kind, source: &str, text: &str, steps: &[Step<'_>], message: &str) -> Error {
    match node(text) {
        Some(root) => placed(kind, source, text, root.place(steps), message),
        None => Error::at(kind, error::Place::file(source), &visible(message)),
    }
}

fn placed(kind: Kind, source: &str, text: &str, place: &Place, message: &str) -> Error {
    located(kind, source, place, message).detail(snippet(text, place.line, place.column))
}

fn located(kind: Kind, source: &str, place: &Place, message: &str) -> Error {
    let place = error::Place {
        file: source.to_owned(),
        line: Some(place.line),
        column: Some(place.column),
    };
    Error::at(kind, place, &visible(message))
}

/// Longer lines of a file are cut here, in characters.
const WIDEST: usize = 160;

/// The line in question with a mark under the column (both from 1).
pub fn snippet(text: &str, line: usize, column: usize) -> String {
    let content = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let shown = |characters: usize| -> String {
        let kept: String = content.chars().take(characters).collect();
        printable(&kept)
            .replace('\t', " ")
            .chars()
            .take(WIDEST)
            .collect()
    };
    let number = line.to_string();
    format!(
        "{number} | {}\n{:width$} | {:>column$}",
        shown(WIDEST),
        "",
        "^",
        width = number.len(),
        column = (shown(column.saturating_sub(1)).chars().count() + 1).min(WIDEST)
    )
}

/// What is wrong with the value that an alias stands for, else the fault itself.
fn innermost(fault: &Fault) -> &Fault {
    match fault.without_snippet() {
        Fault::AliasError { error, .. } => innermost(error),
        other => other,
    }
}

/// The fault in words; `text` is what is written at its place.
fn message(fault: &Fault, text: &str) -> String {
    match fault {
        Fault::SerdeUnknownField {
            field, expected, ..
        } => format!("unknown field `{field}`, expected {}", one_of(expected)),
        Fault::SerdeUnknownVariant {
            variant, expected, ..
        } => format!("unknown variant `{variant}`, expected {}", one_of(expected)),
        Fault::SerdeMissingField { field, .. } => format!("missing field `{field}`"),
        Fault::InvalidScalar { ty, .. } => format!("`{text}` is not {}", expectation(ty)),
        Fault::InvalidBooleanStrict { .. } => format!("`{text}` is not `true` or `false`"),
        Fault::NullIntoString { .. } => "a text is missing; write `''` for an empty one".into(),
        Fault::Unexpected { expected, .. } => format!("expected {}", expectation(expected)),
        Fault::MergeKeyNotAllowed { .. } => "`<<` is not supported: write its keys out".into(),
        Fault::MultipleDocuments { .. } => "a second document begins here; a file has one".into(),
        Fault::DuplicateMappingKey { .. } => "this key is in the same map twice: keep one".into(),
        Fault::UnsupportedTag { tag, .. } => format!("the tag `{tag}` is not supported"),
        Fault::Budget { breach, .. } => match breach {
            BudgetBreach::Depth { .. } => too_deep(),
            BudgetBreach::Aliases { .. } | BudgetBreach::Anchors { .. } => {
                format!("more than {MOST_ALIASES} anchors or aliases")
            }
            _ => "more values than a file may have".into(),
        },
        other => {
            let text = other.to_string();
            match text.rsplit_once(" at line ") {
                Some(("recursion limit exceeded", _)) => too_deep(),
                Some((before, _)) => before.to_owned(),
                None => text,
            }
        }
    }
}

fn too_deep() -> String {
    format!("lists and maps go deeper than {DEEPEST} levels")
}

fn one_of(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    format!("one of {}", quoted.join(", "))
}

/// What the parser calls a type, in words.
fn expectation(parsers: &str) -> &str {
    match parsers {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number from 0",
        "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "string scalar" => "a text",
        "mapping start" => "a map (`key: value`)",
        "sequence start" => "a list",
        other => other,
    }
}
