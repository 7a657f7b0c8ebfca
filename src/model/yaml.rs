//! The only user of the YAML crate: typed reading with file, line and the offending text.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::nearest::nearest;
use crate::error::{Error, Kind, Result};

/// Larger files are refused before they are parsed.
pub const LARGEST: usize = 256 * 1024;

/// Reads one typed document. `source` names the file in errors, which are of `kind`.
pub fn read<T: DeserializeOwned>(kind: Kind, source: &str, text: &[u8]) -> Result<T> {
    let text = bounded(kind, source, text)?;
    serde_yaml::from_str(text).map_err(|error| explain(kind, source, text, &error))
}

/// Reads one whose values nobody may see: errors give the place alone.
pub fn read_secret<T: DeserializeOwned>(kind: Kind, source: &str, text: &[u8]) -> Result<T> {
    let text = bounded(kind, source, text)?;
    serde_yaml::from_str(text).map_err(|error| {
        let place = error.location();
        let place = place.map_or(String::new(), |it| {
            format!(":{}:{}", it.line(), it.column())
        });
        Error::new(kind, format!("{source}{place}: it cannot be read"))
    })
}

fn bounded<'a>(kind: Kind, source: &str, text: &'a [u8]) -> Result<&'a str> {
    if text.len() > LARGEST {
        return Err(Error::new(
            kind,
            format!(
                "{source}: {} bytes are more than a file may have ({LARGEST})",
                text.len()
            ),
        ));
    }
    std::str::from_utf8(text)
        .map_err(|error| Error::new(kind, format!("{source}: not UTF-8 text")).because(error))
}

/// Writes a document; for a value that serde can represent this cannot fail.
pub fn write<T: Serialize>(value: &T) -> Result<String> {
    serde_yaml::to_string(value).map_err(|error| Error::bug("cannot write YAML").because(error))
}

fn explain(kind: Kind, source: &str, text: &str, error: &serde_yaml::Error) -> Error {
    let Some(place) = error.location() else {
        return Error::new(kind, format!("{source}: {}", visible(&error.to_string())));
    };
    let message = error.to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(before, _)| before);
    let (line, column) = match (place.line(), place.column()) {
        // What a value's own type refuses has no place of its own there.
        (1, 1) => quoted(message)
            .and_then(|it| find(text, it))
            .unwrap_or((1, 1)),
        known => known,
    };
    let error = Error::new(
        kind,
        format!("{source}:{line}:{column}: {}", visible(message)),
    )
    .detail(snippet(text, line, column));
    match meant(message) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error,
    }
}

/// The one of the words that are expected which is most like the one that is not known.
fn meant(message: &str) -> Option<&str> {
    let listed = message.strip_prefix("unknown ").or_else(|| {
        let (_, after) = message.split_once(": unknown ")?;
        Some(after)
    })?;
    let mut words = listed.split('`').skip(1).step_by(2);
    let unknown = words.next()?;
    nearest(unknown, words)
}

/// What a message puts between backticks.
fn quoted(message: &str) -> Option<&str> {
    message.split('`').nth(1).filter(|text| !text.is_empty())
}

/// The first line and column where `needle` stands as a word, outside comments.
fn find(text: &str, needle: &str) -> Option<(usize, usize)> {
    let word = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    text.lines().enumerate().find_map(|(number, line)| {
        let code = line.split(" #").next().unwrap_or_default();
        let column = code.match_indices(needle).find_map(|(column, _)| {
            let before = code[..column].chars().next_back();
            let after = code[column + needle.len()..].chars().next();
            (!before.is_some_and(word) && !after.is_some_and(word)).then_some(column + 1)
        })?;
        Some((number + 1, column))
    })
}

/// An error of meaning (not of syntax) about `needle`, which is looked up in the text as a word.
pub fn at(source: &str, text: &str, needle: &str, message: &str) -> Error {
    match find(text, needle) {
        Some((line, column)) => {
            Error::definitions(format!("{source}:{line}:{column}: {}", visible(message)))
                .detail(snippet(text, line, column))
        }
        None => Error::definitions(format!("{source}: {}", visible(message))),
    }
}

/// The line in question with a mark under the column (both from 1).
pub fn snippet(text: &str, line: usize, column: usize) -> String {
    let content: String = visible(text.lines().nth(line.saturating_sub(1)).unwrap_or_default())
        .chars()
        .take(160)
        .collect();
    let number = line.to_string();
    format!(
        "{number} | {content}\n{:width$} | {:>column$}",
        "",
        "^",
        width = number.len(),
        column = column.clamp(1, 160)
    )
}

fn visible(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn an_error_names_file_line_and_text() {
        let error = read::<BTreeMap<String, u16>>(Kind::Definitions, "a.yaml", b"a: 1\nb: two\n")
            .unwrap_err();
        assert!(error.to_string().starts_with("a.yaml:2:4: "), "{error}");
        assert_eq!(error.details(), ["2 | b: two\n  |    ^"]);
    }

    #[test]
    fn of_what_is_secret_the_place_alone_is_told() {
        for text in ["a: hunter2: x\n", "a: [hunter2]\n"] {
            let read =
                read_secret::<BTreeMap<String, String>>(Kind::Usage, "s.yaml", text.as_bytes());
            let said = format!("{:?}", read.unwrap_err());
            assert!(said.contains("s.yaml:1:"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn a_key_that_is_not_known_is_likened_to_those_that_are() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Document {
            #[serde(rename = "memory")]
            _memory: String,
            #[serde(rename = "routes")]
            _routes: String,
        }
        let hints = |text: &[u8]| {
            let error = read::<Document>(Kind::Definitions, "a.yaml", text).unwrap_err();
            error.hints().join("\n")
        };
        assert_eq!(hints(b"memry: 1MiB\n"), "did you mean `memory`?");
        assert_eq!(hints(b"colour: red\n"), "");
    }

    #[test]
    fn what_a_values_own_type_refuses_has_its_line_too() {
        let text = b"kind: app\nport: 8080\nmemory: 768XB\n";
        let read = read::<crate::model::container::Definition>(Kind::Definitions, "a.yaml", text);
        let error = read.unwrap_err();
        assert!(error.to_string().starts_with("a.yaml:3:9: "), "{error}");
    }

    #[test]
    fn a_bomb_is_refused_quickly() {
        use std::fmt::Write;
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for level in 1..30 {
            let below = level - 1;
            let _ = writeln!(
                bomb,
                "a{level}: &a{level} [*a{below},*a{below},*a{below},*a{below},*a{below}]"
            );
        }
        assert!(
            read::<serde_json::Value>(Kind::Definitions, "bomb.yaml", bomb.as_bytes()).is_err()
        );
    }
}
