//! The dated lines of one log file.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use bytes::Bytes;
use jiff::Timestamp;

use super::merge::Ascending;
use super::time::{self, Clock, Stamp};

/// A longer line is handed on in pieces.
const LONGEST_LINE: u64 = 1 << 20;

/// How much of a file's beginning and end is looked at before its lines are read.
const LOOK: u64 = 64 << 10;

/// A line with its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dated {
    /// By which it is merged; ascends.
    pub(super) order: Timestamp,
    /// When it was written.
    pub(super) time: Timestamp,
    /// Without its end.
    pub(super) text: Bytes,
}

/// Gives lines their times: a line without one belongs to the line before it.
#[derive(Debug, Clone)]
pub(super) struct Dating {
    clock: Clock,
    last: Timestamp,
    order: Ascending,
}

impl Dating {
    /// `first` is for lines before the first that says its time.
    pub(super) fn new(clock: Clock, first: Timestamp) -> Self {
        Self {
            clock,
            last: first,
            order: Ascending::new(),
        }
    }

    pub(super) fn date(&mut self, text: Bytes) -> Dated {
        if let Some(time) = time::find(&text).and_then(|stamp| self.clock.instant(stamp)) {
            self.last = time;
        }
        Dated {
            order: self.order.next(self.last),
            time: self.last,
            text,
        }
    }

    /// A file that grew later is written by the clock of now.
    pub(super) fn wrote(&mut self, modified: Timestamp) {
        self.clock.modified = modified;
    }
}

/// Reads a file line by line, with one line in memory.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    dating: Dating,
    /// Whether the line so far was handed on in pieces.
    broken: bool,
}

impl<R: Read + Seek> Lines<R> {
    /// The last `tail` lines, or all; `modified` is when the file was last written.
    pub(super) fn open(mut file: R, modified: Timestamp, tail: Option<usize>) -> io::Result<Self> {
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(LOOK)))?;
        let clock = Clock::guess(modified, stamps(&mut file)?.last().copied());
        let start = match tail {
            Some(lines) => last_lines(&mut file, length, lines)?,
            None => 0,
        };
        let before = start.saturating_sub(LOOK);
        file.seek(SeekFrom::Start(before))?;
        // The end of a stack trace is as old as its beginning, which may lie before the tail.
        let above = stamps((&mut file).take(start - before))?.pop();
        file.seek(SeekFrom::Start(start))?;
        let first = above.or(stamps(&mut file)?.first().copied());
        let first = first.and_then(|stamp| clock.instant(stamp));
        file.seek(SeekFrom::Start(start))?;
        Ok(Self {
            reader: BufReader::new(file),
            dating: Dating::new(clock, first.unwrap_or(modified)),
            broken: false,
        })
    }

    fn line(&mut self) -> io::Result<Option<Dated>> {
        let mut line = Vec::new();
        let mut piece = (&mut self.reader).take(LONGEST_LINE);
        if piece.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let continues = std::mem::replace(&mut self.broken, line.last() != Some(&b'\n'));
        trim_end(&mut line);
        if continues {
            let last = self.dating.last;
            return Ok(Some(Dated {
                order: self.dating.order.next(last),
                time: last,
                text: line.into(),
            }));
        }
        Ok(Some(self.dating.date(line.into())))
    }
}

impl<R: Read + Seek> Iterator for Lines<R> {
    type Item = io::Result<Dated>;

    fn next(&mut self) -> Option<Self::Item> {
        self.line().transpose()
    }
}

pub(super) fn trim_end(line: &mut Vec<u8>) {
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
}

/// The times that the next lines say.
fn stamps(file: impl Read) -> io::Result<Vec<Stamp>> {
    let mut piece = Vec::new();
    file.take(LOOK).read_to_end(&mut piece)?;
    Ok(piece
        .split(|byte| *byte == b'\n')
        .filter_map(time::find)
        .collect())
}

/// Where the last lines begin.
fn last_lines(file: &mut (impl Read + Seek), length: u64, lines: usize) -> io::Result<u64> {
    if lines == 0 {
        return Ok(length);
    }
    let mut end = length;
    let mut missing = lines;
    let mut piece = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(LOOK);
        file.seek(SeekFrom::Start(start))?;
        piece.clear();
        file.take(end - start).read_to_end(&mut piece)?;
        for (index, _) in piece.iter().enumerate().rev().filter(|it| *it.1 == b'\n') {
            let next = start + index as u64 + 1;
            // The end of the last line begins no other.
            if next == length {
                continue;
            }
            missing = missing.saturating_sub(1);
            if missing == 0 {
                return Ok(next);
            }
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn lines(text: &str, tail: Option<usize>) -> Vec<(String, String)> {
        let modified = at("2026-11-23T10:00:00Z");
        let lines = Lines::open(Cursor::new(text.as_bytes()), modified, tail).unwrap();
        let shown = |line: Dated| {
            let text = String::from_utf8_lossy(&line.text).into_owned();
            (line.time.to_string(), text)
        };
        lines.map(|line| shown(line.unwrap())).collect()
    }

    const TRACE: &str = "banner\n23-Nov-2026 08:41:02.123 SEVERE x\njava.lang.Error: y\r\n\tat z\n23-Nov-2026 08:41:03.000 INFO w";

    #[test]
    fn a_stack_trace_belongs_to_its_line() {
        let (first, second) = ("2026-11-23T08:41:02.123Z", "2026-11-23T08:41:03Z");
        let expected = [
            (first, "banner"),
            (first, "23-Nov-2026 08:41:02.123 SEVERE x"),
            (first, "java.lang.Error: y"),
            (first, "\tat z"),
            (second, "23-Nov-2026 08:41:03.000 INFO w"),
        ];
        let all = lines(TRACE, None);
        let all: Vec<_> = all
            .iter()
            .map(|it| (it.0.as_str(), it.1.as_str()))
            .collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn without_times_it_is_when_the_file_was_written() {
        let line = ("2026-11-23T10:00:00Z".to_owned(), "a".to_owned());
        assert_eq!(lines("a\n", None), [line]);
    }

    #[test]
    fn the_last_lines() {
        let texts = |tail| -> Vec<String> {
            let lines = lines("a\nb\nc\n", Some(tail));
            lines.into_iter().map(|it| it.1).collect()
        };
        assert_eq!(texts(0), [""; 0]);
        assert_eq!(texts(2), ["b", "c"]);
        assert_eq!(texts(9), ["a", "b", "c"]);
        assert_eq!(lines(TRACE, Some(1))[0].0, "2026-11-23T08:41:03Z");
    }

    #[test]
    fn a_long_line_comes_in_pieces() {
        let long = format!(
            "{}\nb\n",
            "x".repeat(usize::try_from(LONGEST_LINE).unwrap() + 5)
        );
        let lengths: Vec<_> = lines(&long, None).iter().map(|it| it.1.len()).collect();
        assert_eq!(lengths, [1 << 20, 5, 1]);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost(text in prop::collection::vec(any::<u8>(), 0..3000)) {
            let lines = Lines::open(Cursor::new(&text), Timestamp::UNIX_EPOCH, None).unwrap();
            let joined: Vec<u8> = lines
                .flat_map(|line| [line.unwrap().text.as_ref(), b"\n"].concat())
                .collect();
            let mut expected = text.clone();
            if !text.is_empty() && text.last() != Some(&b'\n') {
                expected.push(b'\n');
            }
            // Only carriage returns at line ends go.
            let expected = String::from_utf8_lossy(&expected).replace("\r\n", "\n");
            prop_assert_eq!(String::from_utf8_lossy(&joined).into_owned(), expected);
        }

        #[test]
        fn the_tail_is_the_end(count in 0_usize..2000, wanted in 0_usize..2100) {
            let text: String = (0..count).map(|it| format!("line {it} {}\n", "x".repeat(60))).collect();
            let all: Vec<_> = lines(&text, None);
            let tail = lines(&text, Some(wanted));
            prop_assert_eq!(&all[count.saturating_sub(wanted)..], &tail[..]);
        }
    }
}
