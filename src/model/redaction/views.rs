//! A text as what it may be an encoding of, with the place of each byte in the text.

use std::borrow::Cow;
use std::ops::Range;

use super::needles::SHORTEST;

/// Encodings one in the other.
const DEPTH: usize = 2;

/// A reading of a text.
#[derive(Debug, Clone)]
pub(super) struct View<'t> {
    bytes: Cow<'t, [u8]>,
    /// Where each byte begins in the text, and its end; `None`: it is the text.
    starts: Option<Vec<usize>>,
}

/// An encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// `%2F`
    Percent,
    /// The same, and `+` for a space.
    Form,
    /// `\"`, `\u00e9`
    Json,
    /// `&amp;`, `&#39;`, `&#x27;`
    Html,
}

const ENCODINGS: [Encoding; 4] = [
    Encoding::Percent,
    Encoding::Form,
    Encoding::Json,
    Encoding::Html,
];

/// What the encoding begins with; without it nothing is encoded.
fn sign(encoding: Encoding) -> u8 {
    match encoding {
        Encoding::Percent => b'%',
        Encoding::Form => b'+',
        Encoding::Json => b'\\',
        Encoding::Html => b'&',
    }
}

impl<'t> View<'t> {
    /// All readings of a text, the text itself first.
    pub(super) fn all(text: &'t [u8]) -> Vec<Self> {
        let mut all = vec![View {
            bytes: Cow::Borrowed(text),
            starts: None,
        }];
        let mut from = 0;
        for _ in 0..DEPTH {
            let until = all.len();
            for index in from..until {
                let readings = ENCODINGS.iter().filter_map(|it| all[index].decoded(*it));
                let readings: Vec<_> = readings.collect();
                all.extend(readings);
            }
            from = until;
        }
        all
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The part of the text that a part of it was read from.
    pub(super) fn source(&self, span: &Range<usize>) -> Range<usize> {
        match &self.starts {
            None => span.clone(),
            Some(starts) => starts[span.start]..starts[span.end],
        }
    }

    fn start(&self, index: usize) -> usize {
        self.starts.as_ref().map_or(index, |it| it[index])
    }

    /// What it is an encoding of; `None` where it has nothing that is encoded so.
    fn decoded(&self, encoding: Encoding) -> Option<Self> {
        if !self.bytes.contains(&sign(encoding)) {
            return None;
        }
        let (mut bytes, mut starts) = (Vec::new(), Vec::new());
        let (mut at, mut is_changed) = (0, false);
        while at < self.bytes.len() {
            let (read, length) = match one(encoding, &self.bytes[at..]) {
                Some(found) => {
                    is_changed = true;
                    found
                }
                None => (Cow::Borrowed(&self.bytes[at..=at]), 1),
            };
            bytes.extend_from_slice(&read);
            starts.extend(std::iter::repeat_n(self.start(at), read.len()));
            at += length;
        }
        starts.push(self.start(self.bytes.len()));
        is_changed.then_some(View {
            bytes: Cow::Owned(bytes),
            starts: Some(starts),
        })
    }
}

impl View<'_> {
    /// What stands within an escape, where the escape may be none: `\` before a value that begins with an `n`.
    /// Each is read from there, as far as so many bytes, if its first ones are wanted.
    pub(super) fn inner(
        &self,
        most: usize,
        is_wanted: impl Fn(&[u8]) -> bool,
    ) -> Vec<View<'static>> {
        let mut found = Vec::new();
        for encoding in ENCODINGS {
            if !self.bytes.contains(&sign(encoding)) {
                continue;
            }
            let mut at = 0;
            while at < self.bytes.len() {
                let length = one(encoding, &self.bytes[at..]).map_or(1, |(_, it)| it);
                for within in at + 1..at + length {
                    let begin = self.from(encoding, within, SHORTEST);
                    if is_wanted(&begin.bytes) {
                        found.push(self.from(encoding, within, most));
                    }
                }
                at += length;
            }
        }
        found
    }

    fn from(&self, encoding: Encoding, from: usize, most: usize) -> View<'static> {
        let (mut bytes, mut starts, mut at) = (Vec::new(), Vec::new(), from);
        while at < self.bytes.len() && bytes.len() < most {
            let plain = || (Cow::Borrowed(&self.bytes[at..=at]), 1);
            let (read, length) = one(encoding, &self.bytes[at..]).unwrap_or_else(plain);
            bytes.extend_from_slice(&read);
            starts.extend(std::iter::repeat_n(self.start(at), read.len()));
            at += length;
        }
        starts.push(self.start(at));
        View {
            bytes: Cow::Owned(bytes),
            starts: Some(starts),
        }
    }
}

/// What the bytes begin with, where that is encoded, and how many of them it takes.
fn one(encoding: Encoding, bytes: &[u8]) -> Option<(Cow<'_, [u8]>, usize)> {
    match encoding {
        Encoding::Form if bytes[0] == b'+' => Some((Cow::Borrowed(b" "), 1)),
        Encoding::Percent | Encoding::Form => percent(bytes),
        Encoding::Json => json(bytes),
        Encoding::Html => html(bytes),
    }
}

fn percent(bytes: &[u8]) -> Option<(Cow<'_, [u8]>, usize)> {
    let digits = bytes.strip_prefix(b"%")?.get(..2)?;
    let value = u8::try_from(number(digits, 16)?).ok()?;
    Some((Cow::Owned(vec![value]), 3))
}

fn json(bytes: &[u8]) -> Option<(Cow<'_, [u8]>, usize)> {
    let plain: &[u8] = match bytes.strip_prefix(b"\\")?.first()? {
        b'"' => b"\"",
        b'\\' => b"\\",
        b'/' => b"/",
        b'\'' => b"'",
        b'b' => b"\x08",
        b'f' => b"\x0c",
        b'n' => b"\n",
        b'r' => b"\r",
        b't' => b"\t",
        b'u' => return unicode(bytes),
        _ => return None,
    };
    Some((Cow::Borrowed(plain), 2))
}

/// `\u00e9`, and pairs for what is beyond 16 bits.
fn unicode(bytes: &[u8]) -> Option<(Cow<'_, [u8]>, usize)> {
    let unit = |at: usize| {
        let digits = bytes.get(at..)?.strip_prefix(b"\\u")?.get(..4)?;
        number(digits, 16)
    };
    let first = unit(0)?;
    if let Some(character) = char::from_u32(first) {
        return Some((encoded(character), 6));
    }
    let second = unit(6).filter(|it| (0xdc00..0xe000).contains(it))?;
    let both = 0x1_0000 + ((first & 0x3ff) << 10) + (second & 0x3ff);
    Some((encoded(char::from_u32(both)?), 12))
}

fn html(bytes: &[u8]) -> Option<(Cow<'_, [u8]>, usize)> {
    let end = bytes.iter().take(12).position(|it| *it == b';')?;
    let name = bytes[..end].strip_prefix(b"&")?;
    let character = match name {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        b"nbsp" => '\u{a0}',
        _ => {
            let digits = name.strip_prefix(b"#")?;
            let hexadecimal = digits
                .strip_prefix(b"x")
                .or_else(|| digits.strip_prefix(b"X"));
            let code = match hexadecimal {
                Some(digits) => number(digits, 16),
                None => number(digits, 10),
            };
            char::from_u32(code?)?
        }
    };
    Some((encoded(character), end + 1))
}

fn encoded(character: char) -> Cow<'static, [u8]> {
    Cow::Owned(character.to_string().into_bytes())
}

fn number(digits: &[u8], base: u32) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok()?;
    let is_plain = text.bytes().all(|it| it.is_ascii_hexdigit());
    u32::from_str_radix(text, base).ok().filter(|_| is_plain)
}
