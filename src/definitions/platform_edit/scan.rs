//! Reading steps over the text of a YAML file: scalars, keys, lines, blanks. Positions are bytes.

/// What is read, or why it is not understood.
pub(super) type Found<T> = Result<T, String>;

/// A value in the text: its range and its quotes.
pub(super) struct Scalar {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) quote: Option<char>,
}

/// A scalar from `from` (blanks skipped), at most to `limit`. A plain one ends at a line's end, at
/// a comment, and at each of `stops` (a colon only where a blank follows).
pub(super) fn scalar(text: &str, from: usize, limit: usize, stops: &str) -> Found<Scalar> {
    let start = skip_blanks(text, from).min(limit);
    let rest = &text[start..limit];
    match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let inside = &rest[1..];
            let close = inside.find(['\\', '\n', quote]);
            match close {
                Some(close) if inside[close..].starts_with(quote) => Ok(Scalar {
                    start,
                    end: start + close + 2,
                    quote: Some(quote),
                }),
                _ => Err("a quoted text has escapes or goes over several lines".into()),
            }
        }
        Some('&' | '*' | '!' | '|' | '>' | '[' | '{' | '%' | '@' | '`') => {
            Err("an anchor, a tag, a block or a collection stands where a version belongs".into())
        }
        None | Some('\n' | '\r' | '#') => Ok(Scalar {
            start: from.min(limit),
            end: from.min(limit),
            quote: None,
        }),
        Some(_) => {
            let end = plain_end(rest, stops);
            Ok(Scalar {
                start,
                end: start + rest[..end].trim_end().len(),
                quote: None,
            })
        }
    }
}

fn plain_end(rest: &str, stops: &str) -> usize {
    let mut before = ' ';
    for (at, c) in rest.char_indices() {
        let next = rest[at + c.len_utf8()..].chars().next();
        let colon_goes_on = c == ':' && next.is_some_and(|next| !" \t\r\n,}]".contains(next));
        let ends = c == '\n' || c == '\r' || (c == '#' && before.is_whitespace() && at > 0);
        if ends || (stops.contains(c) && !colon_goes_on) {
            return at;
        }
        before = c;
    }
    rest.len()
}

/// A key at the start of `line` and the length up to behind its colon.
pub(super) fn block_key(line: &str) -> Option<(&str, usize)> {
    let (key, end) = match line.chars().next()? {
        quote @ ('"' | '\'') => {
            let close = line[1..].find(quote)?;
            (&line[1..=close], close + 2)
        }
        '#' | ' ' | '-' | '?' => return None,
        _ => {
            let end = plain_end(line, ":");
            (line[..end].trim_end(), end)
        }
    };
    let colon = end + line[end..].len() - line[end..].trim_start_matches(' ').len();
    line[colon..].starts_with(':').then_some((key, colon + 1))
}

pub(super) fn content<'a>(text: &'a str, scalar: &Scalar) -> &'a str {
    let quote = usize::from(scalar.quote.is_some());
    &text[scalar.start + quote..scalar.end - quote]
}

/// The lines with their positions, without line ends.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        (start, line.trim_end_matches(['\n', '\r']))
    })
}

pub(super) fn line_end(text: &str, from: usize) -> usize {
    let end = text[from..].find('\n').map_or(text.len(), |at| from + at);
    end - usize::from(text[from..end].ends_with('\r'))
}

pub(super) fn trimmed_end(text: &str, from: usize, end: usize) -> usize {
    from + text[from..end].trim_end().len()
}

pub(super) fn skip_blanks(text: &str, from: usize) -> usize {
    from + text[from..].len() - text[from..].trim_start_matches([' ', '\t']).len()
}

/// Skips white space, line ends and comments.
pub(super) fn skip_space(text: &str, from: usize) -> usize {
    let mut at = from;
    loop {
        let rest = &text[at..];
        let white = rest.len() - rest.trim_start().len();
        at += white;
        if !text[at..].starts_with('#') {
            return at;
        }
        at = line_end(text, at);
    }
}

pub(super) fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}
