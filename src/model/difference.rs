//! What differs between two documents, field by field. Pure.

use super::visible::printable;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// Where: `containers.billing.run.memory`.
    pub path: String,
    /// What it was; `None` where it was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it is; `None` where it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Every field that differs, by path. Objects are gone into; of lists of objects (routes, needs)
/// the items that came and went are shown, other lists as a whole.
pub fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", Some(before), Some(after), &mut found);
    found
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                compare(&join(path, key), one.get(key), other.get(key), found);
            }
        }
        // Order in lists of the files means nothing except in commands, which are shown whole.
        (Some(Value::Array(one)), Some(Value::Array(other))) if are_items(one, other) => {
            for item in one.iter().filter(|item| !other.contains(item)) {
                push(path, Some(item), None, found);
            }
            for item in other.iter().filter(|item| !one.contains(item)) {
                push(path, None, Some(item), found);
            }
            if found.last().is_none_or(|last| last.path != path) {
                push(path, before, after, found);
            }
        }
        _ => push(path, before, after, found),
    }
}

/// Whether two lists are sets of objects, rather than words in an order.
fn are_items(one: &[Value], other: &[Value]) -> bool {
    one.iter().chain(other).all(Value::is_object)
}

fn push(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    found.push(Difference {
        path: path.to_owned(),
        before: before.cloned(),
        after: after.cloned(),
    });
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => {
                write!(f, "{}: {} → {}", self.path, plain(before), plain(after))
            }
            (None, Some(after)) => write!(f, "{}: added {}", self.path, plain(after)),
            (Some(before), None) => write!(f, "{}: removed {}", self.path, plain(before)),
            (None, None) => f.write_str(&self.path),
        }
    }
}

/// A value on one line: words without quotes, objects as the files write them.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text).replace('\n', "\\n"),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(plain).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields.iter().collect();
            let fields: Vec<_> = fields
                .into_iter()
                .map(|(key, value)| format!("{key}: {}", plain(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(before: &Value, after: &Value) -> Vec<String> {
        differences(before, after)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn each_field_on_a_line_of_its_own() {
        let before =
            json!({"a": {"memory": "512MiB", "user": "x"}, "b": {"version": "1"}, "same": 1});
        let after =
            json!({"a": {"memory": "1GiB"}, "c": {"version": "2", "tmpfs": ["/tmp"]}, "same": 1});
        assert_eq!(
            shown(&before, &after),
            [
                "a.memory: 512MiB → 1GiB",
                "a.user: removed x",
                "b: removed { version: 1 }",
                "c: added { tmpfs: [/tmp], version: 2 }",
            ]
        );
        assert!(shown(&before, &before).is_empty());
    }

    #[test]
    fn items_come_and_go_and_words_change_as_a_whole() {
        let before =
            json!({"routes": [{"path": "/a"}, {"path": "/b"}], "command": ["run", "fast"]});
        let after = json!({"routes": [{"path": "/b"}, {"path": "/c"}], "command": ["fast", "run"]});
        assert_eq!(
            shown(&before, &after),
            [
                "command: [run, fast] → [fast, run]",
                "routes: removed { path: /a }",
                "routes: added { path: /c }",
            ]
        );
    }

    #[test]
    fn another_order_is_a_difference() {
        let before = json!([{"path": "/a"}, {"path": "/b"}]);
        let after = json!([{"path": "/b"}, {"path": "/a"}]);
        assert_eq!(shown(&before, &after).len(), 1);
    }

    #[test]
    fn foreign_text_steers_no_terminal() {
        let text = shown(&json!({"a": "x"}), &json!({"a": "\u{1b}[2J"}));
        assert!(!text[0].contains('\u{1b}'), "{text:?}");
    }
}
