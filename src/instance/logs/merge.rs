//! Several logs become one, by time. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// The next line of each log, ordered by time; among equal times by the log's index, so that a
/// stack trace stays in one piece. Holds one line per log.
#[derive(Debug)]
pub(super) struct Merge<T> {
    heads: BTreeMap<(Timestamp, usize), T>,
}

impl<T> Merge<T> {
    pub(super) fn new() -> Self {
        Self {
            heads: BTreeMap::new(),
        }
    }

    /// Puts in the next line of log `index`, which has none in here.
    pub(super) fn offer(&mut self, index: usize, time: Timestamp, line: T) {
        self.heads.insert((time, index), line);
    }

    /// Takes the earliest line; the caller offers the next one of the same log.
    pub(super) fn take(&mut self) -> Option<(usize, T)> {
        let ((_, index), line) = self.heads.pop_first()?;
        Some((index, line))
    }
}

/// Makes the times of one log ascend: a line is never shown before one that stands above it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ascending(Timestamp);

impl Ascending {
    /// Begins with the earliest time there is.
    pub(super) fn new() -> Self {
        Self(Timestamp::MIN)
    }

    /// The time by which a line is merged.
    pub(super) fn next(&mut self, time: Timestamp) -> Timestamp {
        self.0 = self.0.max(time);
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    type Log = Vec<(Timestamp, String)>;

    fn merged(logs: &[Log]) -> Vec<(usize, Timestamp, String)> {
        let mut rest: Vec<_> = logs.iter().map(|log| log.iter()).collect();
        let mut order = vec![Ascending::new(); logs.len()];
        let mut merge = Merge::new();
        let mut all = Vec::new();
        let mut next = |index: usize, merge: &mut Merge<(Timestamp, String)>| {
            if let Some((time, line)) = rest[index].next() {
                let time = order[index].next(*time);
                merge.offer(index, time, (time, line.clone()));
            }
        };
        (0..logs.len()).for_each(|index| next(index, &mut merge));
        while let Some((index, (time, line))) = merge.take() {
            all.push((index, time, line));
            next(index, &mut merge);
        }
        all
    }

    fn log() -> impl Strategy<Value = Log> {
        let time = (0..20_i64).prop_map(|second| Timestamp::from_second(second).unwrap());
        prop::collection::vec((time, "[a-z]{3}"), 0..20)
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_each_log_keeps_its_order(logs in prop::collection::vec(log(), 0..6)) {
            let all = merged(&logs);
            for (index, log) in logs.iter().enumerate() {
                let own: Vec<&String> =
                    all.iter().filter(|it| it.0 == index).map(|it| &it.2).collect();
                let lines: Vec<&String> = log.iter().map(|(_, line)| line).collect();
                prop_assert_eq!(own, lines);
            }
            prop_assert!(all.is_sorted_by_key(|it| it.1));
        }

        #[test]
        fn lines_of_one_time_stay_together(logs in prop::collection::vec(log(), 0..6)) {
            let all = merged(&logs);
            prop_assert!(all.is_sorted_by_key(|it| (it.1, it.0)));
        }
    }
}
