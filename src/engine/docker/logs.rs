//! A container's output, line by line.

use std::mem;

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptions;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use jiff::Timestamp;

use super::Docker;
use super::refusal::fault;
use crate::engine::Fault;

/// A line longer than this is handed on in pieces.
const LONGEST_LINE: usize = 1 << 20;

/// Which part of the output to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogOptions {
    /// Whether to wait for more.
    pub follow: bool,
    /// Only what is newer than this, seconds since 1970.
    pub since: Option<i64>,
    /// Only the last lines; `None` is all.
    pub tail: Option<u32>,
}

/// Where a line was written to. A container with a terminal has only `Stdout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Where it was written to.
    pub stream: LogStream,
    /// When the engine read it.
    pub time: Option<Timestamp>,
    /// The line as it was written, without its end; any bytes.
    pub bytes: Bytes,
}

impl Docker {
    /// The container's output. An unknown container is the stream's first item, an error.
    pub fn logs(
        &self,
        container: &str,
        options: LogOptions,
    ) -> BoxStream<'static, Result<LogLine, Fault>> {
        let follow = options.follow;
        let options = LogsOptions {
            follow: options.follow,
            stdout: true,
            stderr: true,
            since: options.since.map_or(0, |seconds| {
                i32::try_from(seconds).unwrap_or(if seconds < 0 { 0 } else { i32::MAX })
            }),
            until: 0,
            timestamps: true,
            tail: options
                .tail
                .map_or_else(|| "all".to_owned(), |lines| lines.to_string()),
        };
        let frames = self.client.logs(container, Some(options));
        let frames = if follow {
            frames.boxed()
        } else {
            self.steady(frames)
        };
        let mut lines = Lines::default();
        frames
            .map(Some)
            .chain(stream::once(async { None }))
            .flat_map(move |frame| {
                stream::iter(match frame {
                    Some(Ok(frame)) => lines.add(frame).map(Ok).into_iter().collect(),
                    Some(Err(error)) => vec![Err(fault(error))],
                    None => lines.rest().into_iter().map(Ok).collect(),
                })
            })
            .boxed()
    }
}

/// Joins what the engine cut at 16 KiB; each piece carries a time of its own.
#[derive(Default)]
struct Lines {
    stdout: Open,
    stderr: Open,
}

#[derive(Default)]
struct Open {
    time: Option<Timestamp>,
    bytes: BytesMut,
}

impl Lines {
    fn add(&mut self, frame: LogOutput) -> Option<LogLine> {
        let (stream, open) = match &frame {
            LogOutput::StdErr { .. } => (LogStream::Stderr, &mut self.stderr),
            _ => (LogStream::Stdout, &mut self.stdout),
        };
        let bytes = frame.into_bytes();
        let (time, text) = timed(&bytes);
        if open.bytes.is_empty() {
            open.time = time;
        }
        let (text, ended) = match text {
            [text @ .., b'\r', b'\n'] | [text @ .., b'\n'] => (text, true),
            text => (text, false),
        };
        open.bytes.extend_from_slice(text);
        (ended || open.bytes.len() > LONGEST_LINE).then(|| open.take(stream))
    }

    fn rest(&mut self) -> Vec<LogLine> {
        let mut rest = Vec::new();
        if !self.stdout.bytes.is_empty() {
            rest.push(self.stdout.take(LogStream::Stdout));
        }
        if !self.stderr.bytes.is_empty() {
            rest.push(self.stderr.take(LogStream::Stderr));
        }
        rest
    }
}

impl Open {
    fn take(&mut self, stream: LogStream) -> LogLine {
        LogLine {
            stream,
            time: self.time.take(),
            bytes: mem::take(&mut self.bytes).freeze(),
        }
    }
}

/// `2026-11-23T09:04:57.123456789Z text`
fn timed(bytes: &[u8]) -> (Option<Timestamp>, &[u8]) {
    let Some(space) = bytes.iter().take(40).position(|byte| *byte == b' ') else {
        return (None, bytes);
    };
    let time = std::str::from_utf8(&bytes[..space])
        .ok()
        .and_then(|text| text.parse().ok());
    match time {
        Some(time) => (Some(time), &bytes[space + 1..]),
        None => (None, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stdout(text: &'static str) -> LogOutput {
        LogOutput::StdOut {
            message: Bytes::from_static(text.as_bytes()),
        }
    }

    #[test]
    fn pieces_become_one_line_with_the_first_time() {
        let mut lines = Lines::default();
        assert_eq!(lines.add(stdout("2026-11-23T09:04:57.1Z ab ")), None);
        let line = lines.add(stdout("2026-11-23T09:04:58.1Z cd\r\n")).unwrap();
        assert_eq!(line.bytes, "ab cd");
        assert_eq!(line.time, "2026-11-23T09:04:57.1Z".parse().ok());
        assert_eq!(lines.rest(), []);
    }

    #[test]
    fn a_last_line_without_an_end_is_kept() {
        let mut lines = Lines::default();
        assert_eq!(lines.add(stdout("no time")), None);
        let rest = lines.rest();
        assert_eq!((rest.len(), rest[0].time), (1, None));
        assert_eq!(rest[0].bytes, "no time");
    }
}
