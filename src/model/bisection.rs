//! Which of several changes made something bad: what to try next, from the verdicts so far. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What was found about one candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The fault is not there.
    Good,
    /// It is.
    Bad,
    /// It cannot be told.
    Skip,
}

impl Verdict {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Skip => "skipped",
        }
    }
}

/// The next step along a line of candidates, by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Along {
    /// This one is to be tried.
    Try(usize),
    /// This one is bad, and the one before is good.
    Found(usize),
    /// The first bad one is after `good` and not after `bad`; what lies between was skipped.
    Unsure {
        /// Good.
        good: usize,
        /// Bad.
        bad: usize,
    },
}

/// Halves the line between the last good and the first bad place. There has to be one of each.
pub fn along(verdicts: &BTreeMap<usize, Verdict>) -> Along {
    let is = |wanted| move |(_, verdict): &(&usize, &Verdict)| **verdict == wanted;
    let bad = verdicts.iter().find(is(Verdict::Bad));
    let bad = bad.map_or(0, |(at, _)| *at);
    let good = verdicts.range(..bad).rev().find(is(Verdict::Good));
    let good = good.map_or(0, |(at, _)| *at);
    let middle = usize::midpoint(good, bad);
    let open = (good + 1..bad).filter(|at| !verdicts.contains_key(at));
    match open.min_by_key(|at| at.abs_diff(middle)) {
        Some(at) => Along::Try(at),
        None if good + 1 >= bad => Along::Found(bad),
        None => Along::Unsure { good, bad },
    }
}

/// The next step among changes that can be made in any combination, by their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Among {
    /// Exactly these are to be made.
    Try(BTreeSet<usize>),
    /// These make it bad.
    Found {
        /// Bad together; none of them can be left out, as far as that can be told.
        guilty: BTreeSet<usize>,
        /// The same without one of them, where that was skipped: whether it is needed is not known.
        skipped: Vec<BTreeSet<usize>>,
    },
}

impl Among {
    /// One is guilty: there is nothing to leave out.
    fn one(guilty: BTreeSet<usize>) -> Self {
        let skipped = Vec::new();
        Self::Found { guilty, skipped }
    }
}

/// Which of `count` changes are guilty: none of them is good, all of them are bad. First by halves, as
/// if one were guilty; where that one alone is not bad, by delta debugging (ddmin).
pub fn among(count: usize, verdicts: &BTreeMap<BTreeSet<usize>, Verdict>) -> Among {
    let all: BTreeSet<usize> = (0..count).collect();
    let first = |length: usize| -> BTreeSet<usize> { (0..length).collect() };
    let mut lengths = BTreeMap::from([(0, Verdict::Good), (count, Verdict::Bad)]);
    for length in 1..count {
        let verdict = verdicts.get(&first(length));
        lengths.extend(verdict.map(|it| (length, *it)));
    }
    let bad = match along(&lengths) {
        Along::Try(length) => return Among::Try(first(length)),
        Along::Found(length) => {
            let alone = BTreeSet::from([length - 1]);
            match verdicts.get(&alone) {
                _ if alone == all => return Among::one(alone),
                None => return Among::Try(alone),
                Some(Verdict::Bad) => return Among::one(alone),
                Some(Verdict::Good | Verdict::Skip) => first(length),
            }
        }
        Along::Unsure { bad, .. } => first(bad),
    };
    fewest(bad, &all, verdicts)
}

/// Takes parts of a bad set away, in ever smaller pieces, as long as it stays bad.
fn fewest(
    mut bad: BTreeSet<usize>,
    all: &BTreeSet<usize>,
    verdicts: &BTreeMap<BTreeSet<usize>, Verdict>,
) -> Among {
    let mut pieces = 2;
    while bad.len() > 1 {
        let members: Vec<usize> = bad.iter().copied().collect();
        let size = members.len().div_ceil(pieces);
        let parts = members.chunks(size).map(|it| it.iter().copied().collect());
        let parts: Vec<BTreeSet<usize>> = parts.collect();
        let rests = parts.iter().map(|part| &bad - part);
        let smaller: Vec<BTreeSet<usize>> = parts.iter().cloned().chain(rests).collect();
        let mut next = None;
        for (index, set) in smaller.into_iter().enumerate() {
            if set.is_empty() || set == *all {
                continue;
            }
            match verdicts.get(&set) {
                None => return Among::Try(set),
                Some(Verdict::Bad) => {
                    next = Some((index < parts.len(), set));
                    break;
                }
                Some(Verdict::Good | Verdict::Skip) => {}
            }
        }
        match next {
            Some((is_part, set)) => {
                pieces = if is_part { 2 } else { (pieces - 1).max(2) };
                bad = set;
            }
            None if size == 1 => break,
            None => pieces = (pieces * 2).min(bad.len()),
        }
    }
    let without = |one: &usize| -> BTreeSet<usize> { &bad - &BTreeSet::from([*one]) };
    let rests = bad.iter().map(without);
    let skipped = rests.filter(|rest| verdicts.get(rest) == Some(&Verdict::Skip));
    Among::Found {
        skipped: skipped.collect(),
        guilty: bad,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::Config;

    use super::*;

    fn config() -> Config {
        Config {
            failure_persistence: None,
            ..Config::with_cases(100)
        }
    }

    /// What is found on a line, and in how many tries.
    fn found_along(last: usize, verdict: impl Fn(usize) -> Verdict) -> (Along, u32) {
        let mut verdicts = BTreeMap::from([(0, Verdict::Good), (last, Verdict::Bad)]);
        let mut tries = 0;
        loop {
            match along(&verdicts) {
                Along::Try(at) => {
                    assert!(verdicts.insert(at, verdict(at)).is_none(), "tried twice");
                    tries += 1;
                }
                end => return (end, tries),
            }
        }
    }

    /// The same among changes: the guilty ones, what was skipped of them, and the tries.
    fn searched(
        count: usize,
        verdict: impl Fn(&BTreeSet<usize>) -> Verdict,
    ) -> (BTreeSet<usize>, Vec<BTreeSet<usize>>, u32) {
        let mut verdicts = BTreeMap::new();
        let mut tries = 0;
        loop {
            match among(count, &verdicts) {
                Among::Try(set) => {
                    assert!(!set.is_empty() && set.len() < count, "{set:?} is known");
                    let verdict = verdict(&set);
                    assert!(verdicts.insert(set, verdict).is_none(), "tried twice");
                    tries += 1;
                }
                Among::Found { guilty, skipped } => return (guilty, skipped, tries),
            }
        }
    }

    /// The same where nothing is skipped.
    fn found_among(
        count: usize,
        verdict: impl Fn(&BTreeSet<usize>) -> Verdict,
    ) -> (BTreeSet<usize>, u32) {
        let (guilty, skipped, tries) = searched(count, verdict);
        assert_eq!(skipped, [], "nothing was skipped");
        (guilty, tries)
    }

    #[test]
    fn what_was_skipped_is_not_taken_for_good() {
        // The second alone is guilty, and runs only with the first.
        let (found, skipped, _) = searched(2, |set| {
            if set.len() == 1 && set.contains(&1) {
                Verdict::Skip
            } else {
                judged(set.contains(&1))
            }
        });
        assert_eq!(found, BTreeSet::from([0, 1]));
        assert_eq!(skipped, [BTreeSet::from([1])]);
    }

    fn judged(is_bad: bool) -> Verdict {
        if is_bad { Verdict::Bad } else { Verdict::Good }
    }

    /// The logarithm to the base 2, rounded up.
    fn halvings(count: usize) -> u32 {
        count.next_power_of_two().trailing_zeros()
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn the_first_bad_one_is_found_by_halves(last in 1..200_usize, first in any::<prop::sample::Index>()) {
            let first = 1 + first.index(last);
            let (end, tries) = found_along(last, |at| judged(at >= first));
            prop_assert_eq!(end, Along::Found(first));
            prop_assert!(tries <= halvings(last), "{} of {}", tries, last);
        }

        #[test]
        fn what_is_skipped_is_never_accused_alone(
            last in 1..40_usize,
            first in any::<prop::sample::Index>(),
            skipped in prop::collection::btree_set(1..40_usize, 0..20),
        ) {
            let first = 1 + first.index(last);
            let verdict = |at: usize| {
                if skipped.contains(&at) { Verdict::Skip } else { judged(at >= first) }
            };
            match found_along(last, verdict).0 {
                Along::Found(at) => prop_assert_eq!(at, first),
                Along::Unsure { good, bad } => {
                    prop_assert!(good < first && first <= bad);
                    prop_assert!((good + 1..bad).all(|at| skipped.contains(&at)));
                }
                Along::Try(_) => unreachable!(),
            }
        }

        #[test]
        fn one_guilty_change_is_found_by_halves(count in 1..60_usize, guilty in any::<prop::sample::Index>()) {
            let guilty = guilty.index(count);
            let (found, tries) = found_among(count, |set| judged(set.contains(&guilty)));
            prop_assert_eq!(found, BTreeSet::from([guilty]));
            prop_assert!(tries <= halvings(count) + 1, "{} of {}", tries, count);
        }

        #[test]
        fn changes_that_are_guilty_together_are_found(
            count in 2..24_usize,
            guilty in prop::collection::vec(any::<prop::sample::Index>(), 2..5),
        ) {
            let guilty: BTreeSet<usize> = guilty.iter().map(|it| it.index(count)).collect();
            let (found, tries) = found_among(count, |set| judged(guilty.is_subset(set)));
            prop_assert_eq!(found, guilty);
            prop_assert!((tries as usize) < count * count + 3 * count);
        }

        /// Several faults, some combinations that do not run: what is accused is bad, and nothing that was
        /// tried shows a part of it to be enough.
        #[test]
        fn what_is_accused_is_bad_and_no_part_of_it_was_seen_to_be(
            count in 2..12_usize,
            faults in prop::collection::vec(prop::collection::btree_set(0..12_usize, 1..4), 1..4),
            odd in prop::collection::btree_set(0..12_usize, 0..3),
        ) {
            let mut faults: Vec<BTreeSet<usize>> = faults;
            faults.push((0..count).collect());
            let verdict = |set: &BTreeSet<usize>| {
                let is_bad = faults.iter().any(|it| it.is_subset(set));
                if odd.contains(&set.len()) { Verdict::Skip } else { judged(is_bad) }
            };
            let (found, skipped, _) = searched(count, verdict);
            let is_whole = found.len() == count;
            prop_assert!(is_whole || verdict(&found) == Verdict::Bad);
            for one in &found {
                let mut fewer = found.clone();
                fewer.remove(one);
                let left_open = skipped.contains(&fewer);
                prop_assert!(fewer.is_empty() || left_open || verdict(&fewer) == Verdict::Good);
            }
        }
    }
}
