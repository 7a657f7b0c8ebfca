//! How bad it is, and when that is told. Pure.

use crate::model::server::Patience;

/// How bad it is, as the exit code that supervision knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// 0
    Ok,
    /// 1
    Warning,
    /// 2
    Critical,
}

impl Level {
    /// The word at the beginning of the line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }

    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
        }
    }
}

/// The levels of the last looks, newest last, after this one; and what is told: the worst level that was
/// reached, or passed, in `bad` of them, and never worse than what this look saw.
pub fn told(mut before: Vec<u8>, now: Level, patience: Patience) -> (Vec<u8>, Level) {
    before.push(now.code());
    let surplus = before.len().saturating_sub(patience.of);
    before.drain(..surplus);
    let often =
        |level: Level| before.iter().filter(|it| **it >= level.code()).count() >= patience.bad;
    let level = [Level::Critical, Level::Warning]
        .into_iter()
        .find(|it| often(*it));
    (before, level.unwrap_or(Level::Ok).min(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_told_that_is_seen_once() {
        let patience = Patience { bad: 2, of: 3 };
        let mut before = Vec::new();
        let mut told_levels = Vec::new();
        for now in [
            Level::Critical,
            Level::Ok,
            Level::Critical,
            Level::Ok,
            Level::Ok,
            Level::Warning,
            Level::Critical,
        ] {
            let (next, level) = told(before, now, patience);
            before = next;
            told_levels.push(level.code());
        }
        assert_eq!(told_levels, [0, 0, 2, 0, 0, 0, 1]);
    }

    #[test]
    fn what_was_put_right_is_no_alarm() {
        let patience = Patience { bad: 2, of: 3 };
        let bad = vec![2, 2, 2];
        for now in [Level::Ok, Level::Warning] {
            assert_eq!(told(bad.clone(), now, patience).1, now);
        }
    }
}
