//! An answer by the places in which it can differ. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::page;
use crate::model::digest::Digest;
use crate::model::requests::caching::{self, Headers};

/// Places of one body that are compared.
const MOST: usize = 20_000;

/// Fields that differ from one answer to the next, or that only say how it was sent.
pub const ALWAYS: [&str; 9] = [
    "age",
    "connection",
    "content-length",
    "date",
    "expires",
    "keep-alive",
    "transfer-encoding",
    "via",
    "x-cache",
];

/// What is compared of one answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// `status`, `cache`, `header content-type`, `cookie SID`.
    fields: BTreeMap<String, String>,
    body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Body {
    Json(BTreeMap<String, String>),
    Html(BTreeMap<String, String>),
    Other(String),
}

impl Default for Body {
    fn default() -> Self {
        Self::Other("nothing".to_owned())
    }
}

/// One place in which two answers differ, and what each has there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differs {
    /// Which.
    pub place: String,
    /// What the first has.
    pub one: Option<String>,
    /// What the other has.
    pub other: Option<String>,
}

impl Places {
    /// Of an answer.
    pub fn of(status: u16, headers: &Headers, body: &[u8]) -> Self {
        let mut fields = BTreeMap::from([("status".to_owned(), status.to_string())]);
        let (cache, _) = caching::verdict(headers);
        fields.insert("cache".to_owned(), cache.as_str().to_owned());
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            if ALWAYS.contains(&name.as_str()) {
                continue;
            }
            let (place, value) = if name == "set-cookie" {
                let shown = caching::without_value(value);
                let name = shown.split('=').next().unwrap_or_default();
                (format!("cookie {name}"), shown)
            } else {
                (format!("header {name}"), value.clone())
            };
            // Several of one name are one place.
            let all = fields.entry(place).or_default();
            if !all.is_empty() {
                all.push_str(", ");
            }
            all.push_str(&value);
        }
        let media_type = caching::values(headers, "Content-Type").next();
        let body = self::body(media_type.unwrap_or_default(), body);
        Self { fields, body }
    }

    /// Where nothing came back.
    pub fn silent() -> Self {
        let fields = BTreeMap::from([("status".to_owned(), "no answer".to_owned())]);
        let body = Body::default();
        Self { fields, body }
    }

    /// Where two answers differ.
    pub fn differences(&self, other: &Self) -> Vec<Differs> {
        let mut found = differing("", &self.fields, &other.fields);
        match (&self.body, &other.body) {
            (Body::Json(one), Body::Json(other)) => found.extend(differing("json ", one, other)),
            (Body::Html(one), Body::Html(other)) => found.extend(differing("html ", one, other)),
            (one, other) if one != other => found.push(Differs {
                place: "body".to_owned(),
                one: Some(one.to_string()),
                other: Some(other.to_string()),
            }),
            _ => {}
        }
        found
    }
}

impl std::fmt::Display for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Json(_) => f.write_str("JSON"),
            Self::Html(_) => f.write_str("HTML"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

fn differing(
    kind: &str,
    one: &BTreeMap<String, String>,
    other: &BTreeMap<String, String>,
) -> Vec<Differs> {
    let names = one
        .keys()
        .chain(other.keys().filter(|it| !one.contains_key(*it)));
    let mut found: Vec<Differs> = names
        .filter(|it| one.get(*it) != other.get(*it))
        .map(|it| Differs {
            place: format!("{kind}{it}"),
            one: one.get(it).cloned(),
            other: other.get(it).cloned(),
        })
        .collect();
    found.sort_by(|a, b| a.place.cmp(&b.place));
    found
}

/// By its media type; without one, by its beginning.
fn body(media_type: &str, bytes: &[u8]) -> Body {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let first = text.trim_start().chars().next();
    let is_html = match media_type {
        "" => first == Some('<'),
        it => it.contains("html"),
    };
    let is_json = match media_type {
        "" => matches!(first, Some('{' | '[')),
        it => it.contains("json"),
    };
    if is_json && let Ok(value) = serde_json::from_str(text) {
        let mut found = BTreeMap::new();
        json(&value, String::new(), &mut found);
        return Body::Json(found);
    }
    if is_html && !text.is_empty() && page::is_readable(text) {
        return Body::Html(page::nodes(text));
    }
    if bytes.is_empty() {
        return Body::default();
    }
    let digest = Digest::of(bytes);
    Body::Other(format!("{} bytes, {digest}", bytes.len()))
}

/// Every value by its path: `/items/0/price`, as RFC 6901 writes it.
fn json(value: &Value, path: String, found: &mut BTreeMap<String, String>) {
    if found.len() >= MOST {
        return;
    }
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                json(value, format!("{path}/{name}"), found);
            }
        }
        Value::Array(all) if !all.is_empty() => {
            for (index, value) in all.iter().enumerate() {
                json(value, format!("{path}/{index}"), found);
            }
        }
        other => {
            found.insert(path, other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(kind: &str, body: &str) -> Places {
        let headers = [
            ("Content-Type".to_owned(), kind.to_owned()),
            ("Date".to_owned(), body.to_owned()),
            ("Set-Cookie".to_owned(), format!("SID={body}; Path=/")),
        ];
        let from = usize::from(kind.is_empty());
        Places::of(200, &headers[from..], body.as_bytes())
    }

    fn told(one: &Places, other: &Places) -> Vec<String> {
        let all = one.differences(other).into_iter();
        all.map(|it| {
            let shown = |it: Option<String>| it.unwrap_or_else(|| "-".to_owned());
            format!("{} {} {}", it.place, shown(it.one), shown(it.other))
        })
        .collect()
    }

    #[test]
    fn json_is_compared_by_path_and_html_by_node() {
        for kind in ["application/json; charset=utf-8", ""] {
            let one = places(kind, r#"{"a":[1,{"b/c":"x"}],"d":{}}"#);
            let other = places(kind, r#" {"d":{}, "a":[1,{"b/c":"y"},null]}"#);
            assert_eq!(
                told(&one, &other),
                ["json /a/1/b~1c \"x\" \"y\"", "json /a/2 - null"]
            );
        }
        for kind in ["text/html", ""] {
            let one = places(kind, "<p>one<p class=a>two");
            let other = places(kind, "<p>one<p class=b>two");
            assert_eq!(told(&one, &other), ["html html/body/p[2]@class a b"]);
        }
    }

    #[test]
    fn other_bodies_are_compared_as_a_whole_and_no_cookie_is_shown() {
        let (one, other) = (places("text/plain", "one"), places("text/plain", "other"));
        let found = told(&one, &other);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("body 3 bytes, sha256:"), "{found:?}");
        assert!(!format!("{one:?}").contains("SID=one"), "{one:?}");
        // What says that it is JSON and is none.
        let broken = places("application/json", "{");
        assert!(told(&broken, &places("application/json", "{}"))[0].starts_with("body 1 bytes"));
        assert_eq!(told(&Places::silent(), &Places::silent()), [""; 0]);
        assert!(told(&one, &Places::silent()).contains(&"status 200 no answer".to_owned()));
    }

    proptest::proptest! {
        /// What is equal does not differ, and what differs does so in both directions.
        #[test]
        fn differences_are_mutual(one in "[<>{}\\[\\]\"a-c1:,/ ]{0,60}", other in "[<>{}a-c1 ]{0,40}") {
            let (one, other) = (places("", &one), places("", &other));
            proptest::prop_assert!(one.differences(&one.clone()).is_empty());
            let there: Vec<String> = one.differences(&other).into_iter().map(|it| it.place).collect();
            let back: Vec<String> = other.differences(&one).into_iter().map(|it| it.place).collect();
            proptest::prop_assert_eq!(&there, &back);
            proptest::prop_assert_eq!(there.is_empty(), one == other);
        }
    }
}
