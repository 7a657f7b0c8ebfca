//! Takes secrets out of text by their values, however they are written there. Pure.
//!
//! A text is read as it is and as what it may be an encoding of: URL-encoded, JSON, HTML, two of them one in
//! the other. In each of these the values are searched in plain, in base64 and in hexadecimal digits; what is
//! found is replaced where it stands in the text.

mod needles;
mod views;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use self::needles::Finder;
pub use self::needles::SHORTEST;
use self::views::View;
use super::secret::Secret;

/// How often the same text is searched: what was replaced may have brought two halves together.
const ROUNDS: usize = 8;

/// What is put in place of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    /// The same word for all.
    Word(&'static str),
    /// `«secret:NAME»`, the same for the same name.
    Names,
}

/// Knows values, and counts what it takes out.
#[derive(Debug, Default)]
pub struct Redaction {
    finder: Finder,
    /// By the number of a secret.
    names: Vec<String>,
    tokens: Vec<String>,
    short: Vec<String>,
    counts: Mutex<BTreeMap<String, u64>>,
}

impl Redaction {
    /// One that knows these values, by the names of the secrets; a name may have several.
    pub fn new(secrets: impl IntoIterator<Item = (String, Secret)>, tokens: Tokens) -> Self {
        let mut made = Self::default();
        for (name, secret) in secrets {
            let value = secret.expose();
            if value.len() >= SHORTEST {
                made.finder.add(value, made.names.len());
                made.names.push(name);
            } else if !value.is_empty() && !made.short.contains(&name) {
                made.short.push(name);
            }
        }
        made.finder.settle();
        made.tokens = (0..made.names.len())
            .map(|it| made.token(it, tokens))
            .collect();
        made
    }

    /// A name may hold a value.
    fn token(&self, number: usize, tokens: Tokens) -> String {
        let of_name = match tokens {
            Tokens::Word(word) => return word.to_owned(),
            Tokens::Names => format!("«secret:{}»", self.names[number]),
        };
        let whole = [of_name, format!("«removed:{number}»")];
        let mut fine = whole.into_iter().filter(|it| self.spans(it).is_empty());
        fine.next().unwrap_or_else(|| format!("«{number}»"))
    }

    /// The text without any value that is known.
    pub fn text(&self, text: &str) -> String {
        let mut found = text.to_owned();
        for _ in 0..ROUNDS {
            let spans = self.spans(&found);
            if spans.is_empty() {
                break;
            }
            found = self.replaced(&found, &spans);
        }
        found
    }

    fn replaced(&self, text: &str, spans: &[(Range<usize>, usize)]) -> String {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut kept, mut end) = (String::with_capacity(text.len()), 0);
        for (span, number) in spans {
            kept.push_str(&text[end..span.start]);
            kept.push_str(&self.tokens[*number]);
            *counts.entry(self.names[*number].clone()).or_default() += 1;
            end = span.end;
        }
        kept.push_str(&text[end..]);
        kept
    }

    /// Whether it holds no value that is known.
    pub fn is_clean(&self, text: &str) -> bool {
        self.spans(text).is_empty()
    }

    /// The value as it may be kept: its texts and the names of its fields searched, and numbers that are a value.
    #[must_use]
    pub fn json(&self, value: serde_json::Value) -> serde_json::Value {
        use serde_json::Value;
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(all) => all.into_iter().map(|it| self.json(it)).collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(name, value)| (self.text(&name), self.json(value)))
                .collect(),
            Value::Number(number) => {
                let text = number.to_string();
                let kept = self.text(&text);
                if kept == text {
                    Value::Number(number)
                } else {
                    Value::String(kept)
                }
            }
            Value::Null | Value::Bool(_) => value,
        }
    }

    /// How often each was taken out, by its name.
    pub fn removed(&self) -> BTreeMap<String, u64> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.clone()
    }

    /// The names of those that are too short to be searched.
    pub fn short(&self) -> &[String] {
        &self.short
    }

    /// Counts the values in bytes that are no text, as they are: they are found there, not replaced.
    pub fn plain(&self) -> PlainCount<'_> {
        PlainCount {
            redaction: self,
            rest: Vec::new(),
            found: BTreeMap::new(),
        }
    }

    /// Where values stand in the text, in order and apart from each other; where several overlap, the whole as
    /// the longest of them.
    fn spans(&self, text: &str) -> Vec<(Range<usize>, usize)> {
        if self.finder.is_empty() {
            return Vec::new();
        }
        let mut all = Vec::new();
        for view in View::all(text.as_bytes()) {
            let found = self.finder.find(view.bytes());
            all.extend(found.into_iter().map(|(span, number)| {
                let source = view.source(&span);
                (whole_characters(text, source), number)
            }));
            let begins = |head: &[u8]| self.finder.may_begin(head);
            for inner in view.inner(self.finder.longest_form(), begins) {
                let found = self.finder.find(inner.bytes()).into_iter();
                let own = found.filter(|(span, _)| span.start == 0);
                all.extend(
                    own.map(|(span, number)| (whole_characters(text, inner.source(&span)), number)),
                );
            }
        }
        all.sort_by_key(|(span, _)| (span.start, std::cmp::Reverse(span.end)));
        let mut merged: Vec<(Range<usize>, usize, usize)> = Vec::new();
        for (span, number) in all {
            let length = span.len();
            match merged.last_mut() {
                Some((last, of, longest)) if span.start < last.end => {
                    last.end = last.end.max(span.end);
                    if length > *longest {
                        (*of, *longest) = (number, length);
                    }
                }
                _ => merged.push((span, number, length)),
            }
        }
        let spans = merged.into_iter();
        spans.map(|(span, number, _)| (span, number)).collect()
    }
}

fn whole_characters(text: &str, span: Range<usize>) -> Range<usize> {
    let (mut start, mut end) = (span.start, span.end);
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

/// Counts values in bytes that come piece by piece.
#[derive(Debug)]
pub struct PlainCount<'a> {
    redaction: &'a Redaction,
    /// The end of what came: a value may go on in the next piece.
    rest: Vec<u8>,
    found: BTreeMap<String, u64>,
}

impl PlainCount<'_> {
    /// The next piece.
    pub fn push(&mut self, piece: &[u8]) {
        let finder = &self.redaction.finder;
        let before = self.rest.len();
        self.rest.extend_from_slice(piece);
        // What ends before the new piece was counted with the last one.
        for (span, number) in finder.find_plain(&self.rest) {
            if span.end > before {
                let name = self.redaction.names[number].clone();
                *self.found.entry(name).or_default() += 1;
            }
        }
        let surplus = self
            .rest
            .len()
            .saturating_sub(finder.longest().saturating_sub(1));
        self.rest.drain(..surplus);
    }

    /// How often each is there, by its name.
    pub fn found(self) -> BTreeMap<String, u64> {
        self.found
    }
}

#[cfg(test)]
mod tests;
