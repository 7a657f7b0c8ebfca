//! A maintenance window: `{ days: [sat, sun], from: 02:00, to: 04:00 }`, in the machine's own time.

use std::collections::BTreeSet;

use jiff::civil::{Time, Weekday};
use jiff::{ToSpan as _, Zoned};
use serde::Deserialize;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    fn of(weekday: Weekday) -> Self {
        match weekday {
            Weekday::Monday => Self::Mon,
            Weekday::Tuesday => Self::Tue,
            Weekday::Wednesday => Self::Wed,
            Weekday::Thursday => Self::Thu,
            Weekday::Friday => Self::Fri,
            Weekday::Saturday => Self::Sat,
            Weekday::Sunday => Self::Sun,
        }
    }
}

/// A span of each of some days. One that ends before it begins ends on the next day.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The days that it begins on; every day where none is named.
    #[serde(default)]
    pub days: BTreeSet<Day>,
    /// `HH:MM`
    pub from: Time,
    /// `HH:MM`
    pub to: Time,
}

impl Window {
    /// Whether it is open at this time.
    pub fn is_open(&self, now: &Zoned) -> bool {
        let time = now.time();
        let today = self.begins(now.weekday());
        if self.from < self.to {
            return today && self.from <= time && time < self.to;
        }
        let yesterday = self.begins(now.weekday().previous());
        (today && self.from <= time) || (yesterday && time < self.to)
    }

    fn begins(&self, weekday: Weekday) -> bool {
        self.days.is_empty() || self.days.contains(&Day::of(weekday))
    }

    /// When it opens next after this time.
    fn opens(&self, now: &Zoned) -> Option<Zoned> {
        let days = (0..=7).filter_map(|ahead| now.date().checked_add(ahead.days()).ok());
        let mut days = days.filter(|date| self.begins(date.weekday()));
        days.find_map(|date| {
            let begin = date.to_datetime(self.from);
            let begin = begin.to_zoned(now.time_zone().clone()).ok()?;
            (begin > *now).then_some(begin)
        })
    }
}

/// When the first of these windows opens.
pub fn next(windows: &[Window], now: &Zoned) -> Option<Zoned> {
    windows.iter().filter_map(|it| it.opens(now)).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn window(text: &str) -> Window {
        crate::model::yaml::read(Kind::Usage, "server.yaml", text.as_bytes()).unwrap()
    }

    /// 2026-11-28 is a Saturday.
    fn at(text: &str) -> Zoned {
        format!("{text}[Europe/Vienna]").parse().unwrap()
    }

    #[test]
    fn a_window_is_open_from_its_beginning_until_before_its_end() {
        let window = window("{ days: [sat], from: \"02:00\", to: \"04:00\" }");
        for (time, open) in [
            ("2026-11-28T01:59", false),
            ("2026-11-28T02:00", true),
            ("2026-11-28T03:59", true),
            ("2026-11-28T04:00", false),
            ("2026-11-29T03:00", false),
        ] {
            assert_eq!(window.is_open(&at(time)), open, "{time}");
        }
    }

    #[test]
    fn a_window_over_midnight_is_of_the_day_that_it_begins_on() {
        let window = window("{ days: [sat], from: 22:30, to: 01:00 }");
        for (time, open) in [
            ("2026-11-28T00:30", false),
            ("2026-11-28T22:30", true),
            ("2026-11-29T00:59", true),
            ("2026-11-29T01:00", false),
            ("2026-11-29T23:00", false),
        ] {
            assert_eq!(window.is_open(&at(time)), open, "{time}");
        }
    }

    #[test]
    fn the_next_opening_is_named() {
        let windows = [
            window("{ days: [sat], from: 02:00, to: 04:00 }"),
            window("{ days: [tue], from: 05:00, to: 06:00 }"),
        ];
        let next = |time| next(&windows, &at(time)).unwrap().datetime().to_string();
        assert_eq!(next("2026-11-28T02:00"), "2026-12-01T05:00:00");
        assert_eq!(next("2026-12-01T05:00"), "2026-12-05T02:00:00");
        assert_eq!(super::next(&[], &at("2026-12-01T05:00")), None);
    }
}
