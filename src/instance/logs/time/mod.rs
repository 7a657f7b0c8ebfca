//! When a line of a log file was written, as the line itself says. Pure.

use jiff::civil::{self, DateTime};
use jiff::{SignedDuration, Timestamp};

/// A time as a line says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamp {
    /// With its offset from UTC.
    Instant(Timestamp),
    /// By the container's clock.
    Local(DateTime),
    /// Month, day and time by the container's clock: the year is missing.
    Yearless(i8, i8, civil::Time),
}

/// What is known of a file besides its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    /// What the container's clock is ahead of UTC.
    pub(super) offset: SignedDuration,
    /// When the file was last written.
    pub(super) modified: Timestamp,
}

/// Offsets of time zones are multiples of this.
const QUARTER: i64 = 15 * 60;

/// The furthest time zone.
const FURTHEST: i64 = 14 * 3600;

/// How long a writer may keep a line in its buffer (Tomcat's access log: 10 s).
const BUFFERED: i64 = 120;

impl Clock {
    /// A clock that shows UTC.
    pub(super) fn utc(modified: Timestamp) -> Self {
        Self {
            offset: SignedDuration::ZERO,
            modified,
        }
    }

    /// A clock that showed `last` when the file was last written: the difference is the time zone,
    /// as far as it looks like one.
    pub(super) fn guess(modified: Timestamp, last: Option<Stamp>) -> Self {
        let mut clock = Self::utc(modified);
        if let Some(stamp @ (Stamp::Local(_) | Stamp::Yearless(..))) = last
            && let Some(shown) = clock.instant(stamp)
        {
            let ahead = shown.as_second() - modified.as_second();
            let zone = (ahead + BUFFERED).div_euclid(QUARTER) * QUARTER;
            if (ahead - zone).abs() <= BUFFERED && zone.abs() <= FURTHEST {
                clock.offset = SignedDuration::from_secs(zone);
            }
        }
        clock
    }

    /// The moment that a line means.
    pub(super) fn instant(&self, stamp: Stamp) -> Option<Timestamp> {
        let local = match stamp {
            Stamp::Instant(instant) => return Some(instant),
            Stamp::Local(local) => local,
            Stamp::Yearless(month, day, time) => {
                let day_after = self.modified + SignedDuration::from_hours(24);
                let year = day_after.strftime("%Y").to_string().parse().ok()?;
                let in_year =
                    |year| Some(civil::Date::new(year, month, day).ok()?.to_datetime(time));
                let this = in_year(year).filter(|it| utc(*it).is_some_and(|at| at <= day_after));
                this.or_else(|| in_year(year - 1))?
            }
        };
        utc(local)?.checked_sub(self.offset).ok()
    }
}

fn utc(local: DateTime) -> Option<Timestamp> {
    jiff::tz::Offset::UTC.to_timestamp(local).ok()
}

/// How far into a line the time may stand.
const REACH: usize = 256;

/// The time at the beginning of a line, in the usual places; none in the lines of a stack trace.
pub(super) fn find(line: &[u8]) -> Option<Stamp> {
    let line = &line[..line.len().min(REACH)];
    let first = *line.first()?;
    if first.is_ascii_whitespace() {
        return None;
    }
    let starts = match first {
        b'{' => after(line, b'"'),
        b'[' => vec![1],
        _ => vec![0],
    };
    let word = behind_level(line);
    let direct = starts
        .into_iter()
        .chain(word)
        .find_map(|start| Cursor(line.get(start..)?).any());
    direct.or_else(|| {
        let brackets = after(line, b'[');
        brackets
            .into_iter()
            .find_map(|start| Cursor(line.get(start..)?).access())
    })
}

fn after(line: &[u8], mark: u8) -> Vec<usize> {
    let found = line.iter().enumerate().filter(|(_, byte)| **byte == mark);
    found.map(|(index, _)| index + 1).collect()
}

/// `INFO  [2026-…`, `[WARN] 2026-…`
fn behind_level(line: &[u8]) -> Option<usize> {
    let bracket = usize::from(line.first() == Some(&b'['));
    let letters = line[bracket..]
        .iter()
        .take_while(|byte| byte.is_ascii_uppercase())
        .count();
    let rest = &line[bracket + letters..];
    let gap = rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b']' | b'[' | b':'))
        .count();
    ((3..=9).contains(&letters) && gap > 0).then_some(bracket + letters + gap)
}

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Reads from the front; a failed attempt leaves a copy behind, never the original.
#[derive(Clone, Copy)]
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn any(self) -> Option<Stamp> {
        self.iso()
            .or_else(|| self.tomcat())
            .or_else(|| self.named_month())
    }

    /// `2026-11-23T08:41:02.123Z`, `2026-11-23 08:41:02,123`, `2026/11/23 08:41:02 +01:00`
    fn iso(mut self) -> Option<Stamp> {
        let year = self.number(4, 4)?;
        let dash = self.one_of(b"-/")?;
        let month = self.number(2, 2)?;
        self.one_of(&[dash])?;
        let day = self.number(2, 2)?;
        self.one_of(b"T ")?;
        let local = date(year, month, day)?.to_datetime(self.time()?);
        self.zoned(local)
    }

    /// `23-Nov-2026 08:41:02.123`
    fn tomcat(mut self) -> Option<Stamp> {
        let day = self.number(1, 2)?;
        self.one_of(b"-")?;
        let month = self.month()?;
        self.one_of(b"-")?;
        let year = self.number(4, 4)?;
        self.one_of(b" ")?;
        let local = date(year, month, day)?.to_datetime(self.time()?);
        self.zoned(local)
    }

    /// `23/Nov/2026:08:41:02 +0000`
    fn access(mut self) -> Option<Stamp> {
        let day = self.number(1, 2)?;
        self.one_of(b"/")?;
        let month = self.month()?;
        self.one_of(b"/")?;
        let year = self.number(4, 4)?;
        self.one_of(b":")?;
        let local = date(year, month, day)?.to_datetime(self.time()?);
        self.zoned(local)
    }

    /// `Mon Nov 23 08:41:02.123456 2026` (Apache), `Nov 23 08:41:02` (syslog),
    /// `Nov 23, 2026 8:41:02 AM` (java.util.logging)
    fn named_month(mut self) -> Option<Stamp> {
        let mut month = self.month();
        if month.is_none() {
            self.0 = self.0.get(3..)?;
            self.one_of(b" ")?;
            month = self.month();
        }
        let month = month?;
        self.one_of(b" ")?;
        let _ = self.one_of(b" ");
        let day = self.number(1, 2)?;
        if self.one_of(b",").is_some() {
            self.one_of(b" ")?;
            let date = date(self.number(4, 4)?, month, day)?;
            self.one_of(b" ")?;
            return Some(Stamp::Local(date.to_datetime(self.time()?)));
        }
        self.one_of(b" ")?;
        let time = self.time()?;
        let year = self.one_of(b" ").and_then(|_| self.number(4, 4));
        let ends = self.0.first().is_none_or(|byte| !byte.is_ascii_digit());
        match year.filter(|_| ends) {
            Some(year) => Some(Stamp::Local(date(year, month, day)?.to_datetime(time))),
            None => Some(Stamp::Yearless(
                month.try_into().ok()?,
                day.try_into().ok()?,
                time,
            )),
        }
    }

    /// `8:41:02`, `08:41:02.123`, `08:41:02,123456`, `8:41:02 PM`
    fn time(&mut self) -> Option<civil::Time> {
        let mut hour = self.number(1, 2)?;
        self.one_of(b":")?;
        let minute = self.number(2, 2)?;
        self.one_of(b":")?;
        let second = self.number(2, 2)?;
        let mut nanosecond = 0;
        let mut ahead = *self;
        if ahead.one_of(b".,").is_some() {
            let digits = ahead.0.iter().take_while(|it| it.is_ascii_digit()).count();
            if (1..=9).contains(&digits) {
                nanosecond = ahead.number(digits, digits)?;
                nanosecond *= 10_i32.pow(9 - u32::try_from(digits).ok()?);
                *self = ahead;
            }
        }
        for (word, adds) in [(b" AM", 0), (b" PM", 12)] {
            if self.0.starts_with(word) {
                hour = hour % 12 + adds;
                self.0 = &self.0[word.len()..];
            }
        }
        let small = |value: i32| i8::try_from(value).ok();
        civil::Time::new(
            small(hour)?,
            small(minute)?,
            small(second.min(59))?,
            nanosecond,
        )
        .ok()
    }

    /// Adds `Z`, `+01:00`, ` +0100`, where it is there.
    fn zoned(mut self, local: DateTime) -> Option<Stamp> {
        let _ = self.one_of(b" ");
        let sign = match self.one_of(b"Z+-") {
            Some(b'Z') => return utc(local).map(Stamp::Instant),
            Some(b'+') => 1,
            Some(_) => -1,
            None => return Some(Stamp::Local(local)),
        };
        let zone = |mut it: Self| {
            let hours = it.number(2, 2)?;
            let _ = it.one_of(b":");
            let minutes = it.number(2, 2)?;
            (hours <= 14 && minutes < 60).then_some(i64::from(hours * 60 + minutes))
        };
        // ` - ` is only punctuation.
        let Some(minutes) = zone(self) else {
            return Some(Stamp::Local(local));
        };
        let ahead = SignedDuration::from_mins(sign * minutes);
        utc(local)?.checked_sub(ahead).ok().map(Stamp::Instant)
    }

    fn number(&mut self, least: usize, most: usize) -> Option<i32> {
        let digits = self
            .0
            .iter()
            .take(most)
            .take_while(|it| it.is_ascii_digit());
        let digits = digits.count();
        if digits < least {
            return None;
        }
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        std::str::from_utf8(number).ok()?.parse().ok()
    }

    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        if !bytes.contains(first) {
            return None;
        }
        self.0 = rest;
        Some(*first)
    }

    fn month(&mut self) -> Option<i32> {
        let name = self.0.get(..3)?;
        let index = MONTHS.iter().position(|month| month.as_slice() == name)?;
        self.0 = &self.0[3..];
        i32::try_from(index + 1).ok()
    }
}

fn date(year: i32, month: i32, day: i32) -> Option<civil::Date> {
    civil::Date::new(
        year.try_into().ok()?,
        month.try_into().ok()?,
        day.try_into().ok()?,
    )
    .ok()
}

#[cfg(test)]
mod tests;
