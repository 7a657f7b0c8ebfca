//! The forms in which a value is searched, and where any of them stands in bytes.

use std::collections::BTreeMap;
use std::ops::Range;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

/// Shorter values, in bytes, are not searched: they are in every text.
pub const SHORTEST: usize = 4;

/// A line of a value that has several is searched by itself from so many bytes on.
const SHORTEST_LINE: usize = 8;

/// Bits for the first two bytes.
const WORDS: usize = (1 << 16) / 64;

/// All forms of all values.
#[derive(Debug)]
pub(super) struct Finder {
    needles: Vec<Needle>,
    /// By their first bytes.
    heads: BTreeMap<[u8; SHORTEST], Vec<usize>>,
    /// Whether any begins with these two bytes.
    begins: Vec<u64>,
    longest: usize,
    longest_form: usize,
}

#[derive(Debug)]
struct Needle {
    bytes: Vec<u8>,
    /// Of the secret.
    number: usize,
    is_plain: bool,
}

impl Default for Finder {
    fn default() -> Self {
        Self {
            needles: Vec::new(),
            heads: BTreeMap::new(),
            begins: vec![0; WORDS],
            longest: 0,
            longest_form: 0,
        }
    }
}

impl Finder {
    /// Searches this value too.
    pub(super) fn add(&mut self, value: &str, number: usize) {
        let lines = value.lines().map(str::trim);
        let own = |it: &&str| it.len() >= SHORTEST_LINE && !it.starts_with("-----");
        let mut parts = vec![value, value.trim()];
        if value.trim().contains('\n') {
            parts.extend(lines.filter(own));
        }
        parts.dedup();
        for part in parts {
            self.put(part.as_bytes().to_vec(), number, true);
            for form in packed(part.as_bytes()) {
                self.put(form.into_bytes(), number, false);
            }
        }
    }

    fn put(&mut self, bytes: Vec<u8>, number: usize, is_plain: bool) {
        let is_known = self.needles.iter().any(|it| it.bytes == bytes);
        if bytes.len() >= SHORTEST && !is_known {
            self.needles.push(Needle {
                bytes,
                number,
                is_plain,
            });
        }
    }

    /// After the last one was added.
    pub(super) fn settle(&mut self) {
        for (index, needle) in self.needles.iter().enumerate() {
            if let Some(head) = needle.bytes.first_chunk::<SHORTEST>() {
                self.heads.entry(*head).or_default().push(index);
                let place = place(head[0], head[1]);
                self.begins[place / 64] |= 1 << (place % 64);
            }
        }
        let plain = self.needles.iter().filter(|it| it.is_plain);
        let forms = self.needles.iter().map(|it| it.bytes.len());
        self.longest_form = forms.max().unwrap_or_default();
        self.longest = plain.map(|it| it.bytes.len()).max().unwrap_or_default();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// Bytes of the longest value.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Bytes of the longest form of any.
    pub(super) fn longest_form(&self) -> usize {
        self.longest_form
    }

    /// Whether any form begins with these bytes.
    pub(super) fn may_begin(&self, bytes: &[u8]) -> bool {
        let head = bytes.first_chunk::<SHORTEST>();
        head.is_some_and(|it| self.heads.contains_key(it))
    }

    /// Where any form stands, and of which secret; they may overlap.
    pub(super) fn find(&self, bytes: &[u8]) -> Vec<(Range<usize>, usize)> {
        self.search(bytes, |_| true)
    }

    /// The same of the values as they are.
    pub(super) fn find_plain(&self, bytes: &[u8]) -> Vec<(Range<usize>, usize)> {
        self.search(bytes, |it| it.is_plain)
    }

    fn search(
        &self,
        bytes: &[u8],
        is_wanted: impl Fn(&Needle) -> bool,
    ) -> Vec<(Range<usize>, usize)> {
        let mut found = Vec::new();
        for at in 0..bytes.len().saturating_sub(SHORTEST - 1) {
            let place = place(bytes[at], bytes[at + 1]);
            if self.begins[place / 64] & (1 << (place % 64)) == 0 {
                continue;
            }
            let rest = &bytes[at..];
            let head = rest.first_chunk::<SHORTEST>();
            let those = head.and_then(|it| self.heads.get(it)).into_iter().flatten();
            for needle in those.map(|it| &self.needles[*it]) {
                if is_wanted(needle) && rest.starts_with(&needle.bytes) {
                    found.push((at..at + needle.bytes.len(), needle.number));
                }
            }
        }
        found
    }
}

fn place(first: u8, second: u8) -> usize {
    (usize::from(first) << 8) | usize::from(second)
}

/// A value in base64, whatever stands before and after it, in both alphabets, and in hexadecimal digits.
fn packed(value: &[u8]) -> Vec<String> {
    let lower: String = value.iter().map(|it| format!("{it:02x}")).collect();
    let mut found = vec![lower.to_uppercase(), lower];
    for alphabet in [&alphabet::STANDARD, &alphabet::URL_SAFE] {
        let engine = GeneralPurpose::new(alphabet, NO_PAD);
        found.extend((0..3).map(|before| aligned(&engine, value, before)));
    }
    found
}

/// The characters that a value gives whatever stands after it and so many bytes before it.
fn aligned(engine: &GeneralPurpose, value: &[u8], before: usize) -> String {
    let whole = [&vec![0; before][..], value].concat();
    let text = engine.encode(&whole);
    let begin = (before * 8).div_ceil(6);
    let end = whole.len() * 8 / 6;
    text.get(begin..end).unwrap_or_default().to_owned()
}
