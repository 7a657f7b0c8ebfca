//! What git and its servers say, made fit to show.

use crate::model::visible::printable;

/// The longest line that is kept, in characters.
const LONGEST_LINE: usize = 1000;

/// All that a program said, its lines fit to show.
pub(super) fn block(text: &[u8]) -> String {
    printable(&String::from_utf8_lossy(text).replace("\r\n", "\n"))
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
        let text = String::from_utf8_lossy(&self.rest);
        let line: String = text.trim_end().chars().take(LONGEST_LINE).collect();
        let line = printable(&line);
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
        assert_eq!(lines.push(b"1m\x07\n"), ["c\\u{1b}[31m\\u{7}"]);
        lines.push("caf\u{e9} \u{202e}".as_bytes());
        assert_eq!(lines.finish().unwrap(), "caf\u{e9} \\u{202e}");
    }

    #[test]
    fn an_endless_line_is_cut() {
        let mut lines = Lines::default();
        lines.push(&vec![b'x'; 100_000]);
        assert_eq!(lines.finish().unwrap().len(), LONGEST_LINE);
    }
}
