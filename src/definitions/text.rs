//! What git and its servers say, made fit to show.

/// The longest line that is kept, in characters.
const LONGEST_LINE: usize = 1000;

/// One line with control characters and marks that turn the direction of text made visible.
pub(super) fn visible(text: &str) -> String {
    let hidden = |c: char| {
        (c.is_control() && c != '\t')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .take(LONGEST_LINE)
        .map(|c| if hidden(c) { '\u{fffd}' } else { c })
        .collect()
}

/// Cuts a stream of arbitrary chunks into lines, which end at `\n` or `\r`.
#[derive(Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// The lines that `chunk` completes, without empty ones, fit to show.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for &byte in chunk {
            if byte == b'\n' || byte == b'\r' {
                lines.extend(self.finish());
            } else if self.rest.len() < 8 * LONGEST_LINE {
                self.rest.push(byte);
            }
        }
        lines
    }

    /// What is left at the end of the stream.
    pub(super) fn finish(&mut self) -> Option<String> {
        let line = visible(String::from_utf8_lossy(&self.rest).trim_end());
        self.rest.clear();
        (!line.trim().is_empty()).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_become_lines_and_controls_become_visible() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"a\rb\n\nc\x1b[3"), ["a", "b"]);
        assert_eq!(lines.push(b"1m\x07\n"), ["c\u{fffd}[31m\u{fffd}"]);
        lines.push("caf\u{e9} \u{202e}".as_bytes());
        assert_eq!(lines.finish().unwrap(), "caf\u{e9} \u{fffd}");
    }

    #[test]
    fn an_endless_line_is_cut() {
        let mut lines = Lines::default();
        lines.push(&vec![b'x'; 100_000]);
        assert_eq!(lines.finish().unwrap().len(), LONGEST_LINE);
    }
}
