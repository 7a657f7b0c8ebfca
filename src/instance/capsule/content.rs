//! The parts of a capsule as they are read: packed text that may promise any number of bytes.

use std::io::{self, BufRead, BufReader, Read, Seek as _, Write};

use super::spool::{Blob, Spool};
use crate::error::{Error, Result};
use crate::model::capsule::part::Part;
use crate::model::capsule::timeline::LogLine;
use crate::model::facets::record::Record;
use crate::model::requests::har;
use crate::model::requests::recorded::Reading;

/// zstd's own default.
const LEVEL: i32 = 3;

/// Memory that unpacking may take, as a power of 2: what zstd takes without being asked.
const WINDOW: u32 = 27;

/// Bytes of one line of a log, as it is kept.
const LONGEST: u64 = 1 << 20;

/// Packs what is written to it.
pub(super) type Packer = zstd::stream::write::Encoder<'static, Spool>;

/// A part that is about to be written.
pub(super) fn packer(folder: &std::path::Path) -> io::Result<Packer> {
    zstd::stream::write::Encoder::new(Spool::new_in(folder)?, LEVEL)
}

/// A part that was written.
pub(super) fn packed(packer: Packer) -> io::Result<Blob> {
    packer.finish()?.end()
}

/// Packs bytes at once.
pub(super) fn pack(folder: &std::path::Path, bytes: &[u8]) -> io::Result<Blob> {
    let mut packer = packer(folder)?;
    packer.write_all(bytes)?;
    packed(packer)
}

/// What is in a part, no more than it may hold.
fn unpacked(part: Part, blob: &Blob) -> Result<impl Read> {
    let damaged = |error: io::Error| damaged(part).because(error);
    let mut file = blob.file.try_clone().map_err(damaged)?;
    file.rewind().map_err(damaged)?;
    let mut decoder = zstd::stream::read::Decoder::new(file).map_err(damaged)?;
    decoder.window_log_max(WINDOW).map_err(damaged)?;
    Ok(Limited {
        from: decoder,
        left: part.largest_unpacked(),
    })
}

/// The same as a whole.
pub(super) fn whole(part: Part, blob: &Blob) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut reader = unpacked(part, blob)?;
    let read = reader.read_to_end(&mut bytes);
    read.map_err(|error| damaged(part).because(error))?;
    Ok(bytes)
}

/// The record of how containers ran.
pub(super) fn facts(blob: &Blob) -> Result<Record> {
    Record::parse("its part facts", &whole(Part::Facts, blob)?)
}

/// The requests.
pub(super) fn requests(blob: &Blob) -> Result<Reading> {
    let bytes = whole(Part::Requests, blob)?;
    let text = String::from_utf8(bytes).map_err(|_| damaged(Part::Requests))?;
    har::read_lines(&text)
        .map_err(|(line, why)| damaged(Part::Requests).because(format!("line {line}: {why}")))
}

/// Each line of the logs.
pub(super) fn lines(blob: &Blob, mut take: impl FnMut(LogLine)) -> Result<()> {
    let part = Part::Logs;
    let mut reader = BufReader::new(unpacked(part, blob)?);
    loop {
        let mut bytes = Vec::new();
        let read = (&mut reader)
            .take(LONGEST + 1)
            .read_until(b'\n', &mut bytes);
        let read = read.map_err(|error| damaged(part).because(error))?;
        if read == 0 {
            return Ok(());
        }
        if read as u64 > LONGEST {
            return Err(damaged(part).because("a line is too long"));
        }
        let line = serde_json::from_slice(&bytes);
        take(line.map_err(|error| damaged(part).because(error))?);
    }
}

/// A line as it is kept; one that is too long is cut.
pub(super) fn line(mut line: LogLine) -> Result<Vec<u8>> {
    // Each byte may take six in JSON.
    let most = usize::try_from(LONGEST / 8).unwrap_or(usize::MAX);
    if line.line.len() > most {
        let mut end = most;
        while !line.line.is_char_boundary(end) {
            end -= 1;
        }
        line.line.truncate(end);
        line.line.push('…');
    }
    let mut bytes = serde_json::to_vec(&line)
        .map_err(|error| Error::bug("cannot write a line of a log").because(error))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn damaged(part: Part) -> Error {
    Error::usage(format!("its part {part} cannot be read"))
}

/// More than was allowed is an error, not an end.
struct Limited<R> {
    from: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other("it unpacks to more than it may"))?;
        Ok(read)
    }
}
