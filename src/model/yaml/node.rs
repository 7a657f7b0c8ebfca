//! A document without types, in which each value knows where it is written.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{DuplicateKeyPolicy, Location, Spanned};

use super::limits::options;

/// A value and where it is written.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub content: Content,
    /// Of a list or map without brackets, only the beginning.
    pub place: Place,
}

/// What a [`Node`] is.
#[derive(Debug, Clone)]
pub enum Content {
    /// A text, a number, a truth value or nothing.
    Scalar,
    /// Its items.
    List(Vec<Node>),
    /// Its keys with their places, and its values. A key may be there twice.
    Map(Vec<(String, Place, Node)>),
}

/// A stretch of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// In bytes.
    pub range: Range<usize>,
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let span = location.span();
        let start = count(span.byte_offset().unwrap_or_default());
        Self {
            line: count(location.line()),
            column: count(location.column()),
            range: start..start + count(span.byte_len().unwrap_or_default()),
        }
    }
}

/// One step from a document's root to a place in it.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// To the key of this name; what follows goes on in its value.
    Key(&'a str),
    /// To the value of this key.
    Value(&'a str),
    /// To an item of a list, from 0.
    Item(usize),
}

impl Node {
    /// The value of a key, and the key's place; of a key that is there twice, the first.
    pub fn get(&self, key: &str) -> Option<(&Place, &Node)> {
        let Content::Map(entries) = &self.content else {
            return None;
        };
        let (_, place, value) = entries.iter().find(|(name, ..)| name == key)?;
        Some((place, value))
    }

    /// Where these steps lead, as far as the document has them.
    pub fn place(&self, steps: &[Step<'_>]) -> &Place {
        let (mut node, mut place) = (self, &self.place);
        for step in steps {
            let next = match (step, &node.content) {
                (Step::Key(key), _) => node.get(key),
                (Step::Value(key), _) => node.get(key).map(|(_, value)| (&value.place, value)),
                (Step::Item(index), Content::List(items)) => {
                    items.get(*index).map(|item| (&item.place, item))
                }
                (Step::Item(_), _) => None,
            };
            let Some(next) = next else { break };
            (place, node) = next;
        }
        place
    }

    /// The first key that is in one map twice, with both its places.
    fn repeated(&self) -> Option<(&str, [&Place; 2])> {
        match &self.content {
            Content::Scalar => None,
            Content::List(items) => items.iter().find_map(Self::repeated),
            Content::Map(entries) => {
                let mut seen = std::collections::BTreeMap::new();
                entries.iter().find_map(|(key, place, value)| {
                    match seen.insert(key.as_str(), place) {
                        Some(first) => Some((key.as_str(), [first, place])),
                        None => value.repeated(),
                    }
                })
            }
        }
    }
}

/// The document of `text`, unless it cannot be read.
pub fn node(text: &str) -> Option<Node> {
    let options = options(DuplicateKeyPolicy::PassThrough);
    let root = serde_yaml::from_str_with_options::<Spanned<Content>>(text, options);
    root.ok().map(Node::from)
}

/// The first key that is in one map twice, with both its places.
pub(super) fn repeated(text: &str) -> Option<(String, [Place; 2])> {
    let node = node(text)?;
    let (key, places) = node.repeated()?;
    Some((key.to_owned(), places.map(Clone::clone)))
}

/// Whether a key may be there twice in two spellings (`1` and `"1"`), which YAML takes for two keys
/// and a map of names for one. Wrong only in saying so too often.
pub(super) fn may_repeat(text: &str) -> bool {
    let is_no_word = |text: &str| {
        let word = ["true", "false", "null", "~", ""];
        word.contains(&text.to_ascii_lowercase().as_str())
            || text.contains('\\')
            || text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
    };
    let is_key = |(at, quote): (usize, &str)| {
        let inside = &text[at + 1..];
        let Some(end) = inside.find(quote) else {
            return false;
        };
        inside[end + 1..].trim_start().starts_with(':') && is_no_word(&inside[..end])
    };
    text.contains("? ") || text.contains("!!") || text.match_indices(['"', '\'']).any(is_key)
}

impl From<Spanned<Content>> for Node {
    fn from(spanned: Spanned<Content>) -> Self {
        Self {
            content: spanned.value,
            place: spanned.referenced.into(),
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyContent)
    }
}

struct AnyContent;

impl<'de> Visitor<'de> for AnyContent {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Content, E> {
        Ok(Content::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Content, E> {
        Ok(Content::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Content, E> {
        Ok(Content::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Content, E> {
        Ok(Content::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Content, E> {
        Ok(Content::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element::<Spanned<Content>>()? {
            items.push(item.into());
        }
        Ok(Content::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Spanned<Content>>()? {
            entries.push((key.value, key.referenced.into(), value.into()));
        }
        Ok(Content::Map(entries))
    }
}
