//! Finds where a version stands, or is to stand, in the text of `platform.yaml`.

use super::scan::{
    Found, Scalar, block_key, content, line_end, lines, newline, scalar, skip_blanks, skip_space,
    trimmed_end,
};
use super::{Edit, spelled};

/// The edits that set `name` to `version`; `listed` says whether the parsed file has it.
pub(super) fn edits(text: &str, name: &str, version: &str, listed: bool) -> Found<Vec<Edit>> {
    let new = Entry { name, version };
    let Some(at) = top_level(text, "containers") else {
        return if listed {
            Err("`containers:` was not found at the start of a line".into())
        } else {
            Ok(vec![new.section(text)])
        };
    };
    let start = skip_blanks(text, at);
    match text[start..].chars().next() {
        Some('{') => flow(text, start, &new, listed),
        None | Some('\n' | '\r' | '#') => block(text, start, &new, listed),
        Some(_) => Err("`containers:` is followed by something unexpected".into()),
    }
}

/// What is to be written.
struct Entry<'a> {
    name: &'a str,
    version: &'a str,
}

impl Entry<'_> {
    fn text(&self) -> String {
        format!(
            "{}: {}",
            spelled(self.name, None),
            spelled(self.version, None)
        )
    }

    fn section(&self, text: &str) -> Edit {
        let newline = newline(text);
        let gap = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            newline
        };
        let section = format!("{gap}containers:{newline}  {}{newline}", self.text());
        (text.len()..text.len(), section)
    }
}

impl Scalar {
    fn replaced(&self, version: &str) -> Edit {
        let gap = if self.start == self.end { " " } else { "" };
        let text = format!("{gap}{}", spelled(version, self.quote));
        (self.start..self.end, text)
    }
}

/// The position behind the colon of a key at column 0.
fn top_level(text: &str, key: &str) -> Option<usize> {
    lines(text).find_map(|(start, line)| {
        let (found, length) = block_key(line)?;
        (found == key).then_some(start + length)
    })
}

fn block(text: &str, after_key: usize, new: &Entry<'_>, listed: bool) -> Found<Vec<Edit>> {
    let key_line_end = line_end(text, after_key);
    let mut indent = None;
    let mut last_end = None;
    for (start, line) in lines(text).filter(|(start, _)| *start > key_line_end) {
        let content = line.trim_start_matches(' ');
        let depth = line.len() - content.len();
        let content = content.trim_end();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if depth == 0 {
            break;
        }
        if indent.is_none() && content.starts_with('{') {
            return flow(text, start + depth, new, listed);
        }
        let indent = *indent.get_or_insert(depth);
        if depth < indent {
            return Err("the entries of `containers` are indented unevenly".into());
        }
        if depth == indent
            && let Some((key, length)) = block_key(content)
            && key == new.name
        {
            let from = start + depth + length;
            return Ok(vec![block_value(text, from, depth)?.replaced(new.version)]);
        }
        last_end = Some(start + line.trim_end().len());
    }
    if listed {
        return Err("its line was not found".into());
    }
    let at = last_end.unwrap_or_else(|| trimmed_end(text, after_key, key_line_end));
    let indent = " ".repeat(indent.unwrap_or(2));
    Ok(vec![(
        at..at,
        format!("{}{indent}{}", newline(text), new.text()),
    )])
}

/// The value behind a key of a block mapping, which must end on its line.
fn block_value(text: &str, from: usize, depth: usize) -> Found<Scalar> {
    let end = line_end(text, from);
    let value = scalar(text, from, end, "")?;
    let rest = text[value.end..end].trim_start();
    let deeper = text[end..]
        .lines()
        .skip(1)
        .find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .is_some_and(|line| line.len() - line.trim_start().len() > depth);
    if !(rest.is_empty() || rest.starts_with('#')) || deeper {
        return Err("its value goes over several lines".into());
    }
    Ok(value)
}

/// One entry of a flow mapping.
struct FlowEntry {
    key: String,
    key_start: usize,
    value: Scalar,
    comma: Option<usize>,
}

fn flow(text: &str, open: usize, new: &Entry<'_>, listed: bool) -> Found<Vec<Edit>> {
    let (entries, close) = flow_entries(text, open)?;
    if let Some(entry) = entries.iter().find(|entry| entry.key == new.name) {
        return Ok(vec![entry.value.replaced(new.version)]);
    }
    if listed {
        return Err("it was not found between the braces".into());
    }
    let Some(last) = entries.last() else {
        let gap = if close == open + 1 { " " } else { "" };
        let at = open + 1;
        return Ok(vec![(at..at, format!(" {}{gap}", new.text()))]);
    };
    let line_start = text[..last.key_start].rfind('\n').map_or(0, |at| at + 1);
    let indent = &text[line_start..last.key_start];
    let own_line = indent.chars().all(|c| c == ' ') && line_start > open;
    if !own_line {
        let (at, before) = last
            .comma
            .map_or((last.value.end, ", "), |comma| (comma + 1, " "));
        return Ok(vec![(at..at, format!("{before}{}", new.text()))]);
    }
    let (comma_at, trailing) = match last.comma {
        Some(comma) => (comma + 1, ","),
        None => (last.value.end, ""),
    };
    // Behind the comment of the last entry, unless the closing brace stands on its line.
    let end = trimmed_end(text, comma_at, line_end(text, comma_at));
    let at = if close < end { comma_at } else { end };
    let line = format!("{}{indent}{}{trailing}", newline(text), new.text());
    if last.comma.is_some() {
        Ok(vec![(at..at, line)])
    } else if at == comma_at {
        Ok(vec![(at..at, format!(",{line}"))])
    } else {
        Ok(vec![(comma_at..comma_at, ",".into()), (at..at, line)])
    }
}

/// The entries between the brace at `open` and its match, whose position comes second.
fn flow_entries(text: &str, open: usize) -> Found<(Vec<FlowEntry>, usize)> {
    let mut entries = Vec::new();
    let mut at = skip_space(text, open + 1);
    loop {
        if text[at..].starts_with('}') {
            return Ok((entries, at));
        }
        let key = scalar(text, at, text.len(), ":,}]")?;
        if key.start == key.end {
            return Err("a key is missing between the braces".into());
        }
        let name = content(text, &key).to_owned();
        at = skip_space(text, key.end);
        let value = if text[at..].starts_with(':') {
            let value_at = skip_space(text, at + 1);
            let value = scalar(text, value_at, text.len(), ",}]")?;
            let empty = value.start == value.end;
            let place = if empty { at + 1 } else { value.start };
            at = skip_space(text, value.end);
            Scalar {
                start: place,
                end: if empty { place } else { value.end },
                quote: value.quote,
            }
        } else {
            return Err("an entry between the braces has no value".into());
        };
        let comma = text[at..].starts_with(',').then_some(at);
        entries.push(FlowEntry {
            key: name,
            key_start: key.start,
            value,
            comma,
        });
        match comma {
            Some(comma) => at = skip_space(text, comma + 1),
            None if text[at..].starts_with('}') => {}
            None => return Err("the entries between the braces are not understood".into()),
        }
    }
}
