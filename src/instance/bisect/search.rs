//! What a search remembers, and what it does next.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::candidate::Candidate;
use super::trial::{Change, Trial, Tried};
use crate::error::{Error, Result};
use crate::home::state::InstanceRecord;
use crate::model::bisection::{self, Along, Among, Verdict};
use crate::model::name::{EnvironmentName, SnapshotName};
use crate::model::quantity::Span;

/// A search on one instance, with all that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// When it began.
    pub begun: Timestamp,
    /// Containers and bundles that are started in each step.
    pub names: Vec<String>,
    /// The environment whose references are searched.
    pub environment: EnvironmentName,
    /// From the good one to the bad one.
    pub references: Vec<Candidate>,
    /// What judges; empty: the user does.
    pub command: Vec<String>,
    /// How often each candidate is judged.
    pub repeat: u32,
    /// How long one container may take to become ready.
    pub timeout: Span,
    /// Whether a reference that does not become ready is bad; else it is skipped.
    pub unready_is_bad: bool,
    /// The data that each step begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotName>,
    /// What the instance was before.
    pub before: Option<InstanceRecord>,
    /// What the guilty reference changed, once that is known.
    pub changes: Option<Vec<Change>>,
    /// In this order.
    pub tried: Vec<Tried>,
}

/// What a search does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This is to be tried.
    Try(Trial),
    /// What changed from one reference to the other is to be found out.
    Compare(u64, u64),
    /// Nothing: it is found.
    Found(Found),
}

/// The end of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The last good reference.
    pub good: u64,
    /// The first bad one.
    pub bad: u64,
    /// Those of its changes that make it bad.
    pub changes: Vec<Change>,
    /// What would tell whether all of them are needed, and was skipped; empty: all are.
    pub skipped: Vec<Trial>,
}

impl Search {
    /// What is next.
    ///
    /// # Errors
    /// An end that is not what it was said to be; candidates that were all skipped.
    pub fn next(&self) -> Result<Next> {
        let mut verdicts = BTreeMap::new();
        for (at, candidate) in self.references.iter().enumerate() {
            let verdict = self.verdict(&Trial::of(candidate.number));
            verdicts.extend(verdict.map(|it| (at, it)));
        }
        let last = self.references.len().saturating_sub(1);
        for (at, said) in [(0, Verdict::Good), (last, Verdict::Bad)] {
            match verdicts.get(&at) {
                None => return Ok(Next::Try(Trial::of(self.number(at)))),
                Some(found) if *found == said => {}
                Some(found) => return Err(self.contradicted(at, said, *found)),
            }
        }
        match bisection::along(&verdicts) {
            Along::Try(at) => Ok(Next::Try(Trial::of(self.number(at)))),
            Along::Unsure { good, bad } => Err(self.unsure(good, bad)),
            Along::Found(at) => Ok(self.within(self.number(at - 1), self.number(at))),
        }
    }

    /// The candidate with this number.
    pub(super) fn candidate(&self, number: u64) -> Candidate {
        let mut all = self.references.iter().copied();
        let digest = None;
        all.find(|it| it.number == number)
            .unwrap_or(Candidate { number, digest })
    }

    fn number(&self, at: usize) -> u64 {
        self.references[at].number
    }

    /// Which of the changes of one reference.
    fn within(&self, good: u64, bad: u64) -> Next {
        let Some(changes) = &self.changes else {
            return Next::Compare(good, bad);
        };
        let trial = |set: &BTreeSet<usize>| mix(changes, set, (good, bad));
        // Whatever was tried is known by what ran.
        let tried = self.tried.iter();
        let known: BTreeMap<&Trial, Verdict> = tried.map(|it| (&it.trial, it.verdict)).collect();
        let mut verdicts = BTreeMap::new();
        loop {
            match bisection::among(changes.len(), &verdicts) {
                Among::Try(set) => match known.get(&trial(&set)) {
                    Some(verdict) => drop(verdicts.insert(set, *verdict)),
                    None => return Next::Try(trial(&set)),
                },
                Among::Found { guilty, skipped } => {
                    let skipped = skipped.iter().map(trial).collect();
                    let changes = guilty.into_iter().map(|at| changes[at].clone());
                    return Next::Found(Found {
                        good,
                        bad,
                        changes: changes.collect(),
                        skipped,
                    });
                }
            }
        }
    }

    /// The verdict on what does not become ready. A mix is never bad by that: its parts may not fit.
    pub fn unready(&self, trial: &Trial) -> Verdict {
        if self.unready_is_bad && trial.versions.is_empty() {
            return Verdict::Bad;
        }
        Verdict::Skip
    }

    fn verdict(&self, trial: &Trial) -> Option<Verdict> {
        let mut tried = self.tried.iter();
        tried.find(|it| it.trial == *trial).map(|it| it.verdict)
    }

    fn contradicted(&self, at: usize, said: Verdict, found: Verdict) -> Error {
        let number = self.number(at);
        let said = said.as_str();
        let text = match found {
            Verdict::Skip => {
                format!("reference {number} is said to be {said}, and cannot be tried")
            }
            _ => format!(
                "reference {number} is said to be {said}, and is {}",
                found.as_str()
            ),
        };
        let tried = self.tried.iter();
        let why = tried.filter(|it| it.trial == Trial::of(number));
        why.fold(Error::undecided(text), |error, it| {
            error.detail(it.to_string())
        })
        .hint("`devenv bisect reset` ends this search; then begin with other references")
    }

    fn unsure(&self, good: usize, bad: usize) -> Error {
        let (good, skipped) = (self.number(good), &self.references[good + 1..=bad]);
        let numbers: Vec<String> = skipped.iter().map(|it| it.number.to_string()).collect();
        let text = format!(
            "reference {good} is good; which of these is the first bad one cannot be told, since all but the last were skipped: {}",
            numbers.join(", ")
        );
        Error::undecided(text).hint("`devenv bisect log` shows why")
    }
}

/// The reference and versions that have exactly these changes.
fn mix(changes: &[Change], set: &BTreeSet<usize>, (good, bad): (u64, u64)) -> Trial {
    let all = || changes.iter().enumerate();
    let mut proxies = all().filter(|(_, it)| it.versions.is_none());
    let is_bad = proxies.any(|(at, _)| set.contains(&at));
    let versions = all().filter_map(|(at, change)| {
        let (before, after) = change.versions.as_ref()?;
        let wanted = if set.contains(&at) { after } else { before };
        let own = if is_bad { after } else { before };
        (wanted != own).then(|| (change.container.clone(), wanted.clone()))
    });
    Trial {
        reference: if is_bad { bad } else { good },
        versions: versions.collect(),
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.references.first(), self.references.last());
        let number = |it: Option<&Candidate>| it.map_or(0, |it| it.number);
        let (first, last) = (number(first), number(last));
        let count = self.references.len();
        write!(
            f,
            "{count} references of {}, {first} good, {last} bad",
            self.environment
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;
    use crate::home::state::VersionRecord;
    use crate::model::digest::Digest;
    use crate::model::name::{ContainerName, Version};

    fn name(text: &str) -> ContainerName {
        ContainerName::new(text).unwrap()
    }

    fn version(text: &str) -> VersionRecord {
        VersionRecord {
            version: Version::new(text).unwrap(),
            digest: Digest::of(text.as_bytes()),
        }
    }

    fn change(container: &str) -> Change {
        let versions = (container != "front").then(|| (version("1.0"), version("2.0")));
        Change {
            container: name(container),
            versions,
        }
    }

    fn candidate(number: u64) -> Candidate {
        let digest = None;
        Candidate { number, digest }
    }

    fn search(references: &[u64], changes: &[&str]) -> Search {
        Search {
            begun: Timestamp::UNIX_EPOCH,
            names: vec!["billing".to_owned()],
            environment: EnvironmentName::new("production").unwrap(),
            references: references.iter().copied().map(candidate).collect(),
            command: vec!["true".to_owned()],
            repeat: 1,
            timeout: Span::seconds(180),
            unready_is_bad: false,
            snapshot: None,
            before: None,
            changes: Some(changes.iter().map(|it| change(it)).collect()),
            tried: Vec::new(),
        }
    }

    /// What is tried until the end.
    fn steps(
        search: &mut Search,
        verdict: impl Fn(&Trial) -> Verdict,
    ) -> (Vec<String>, Result<Found>) {
        let mut steps = Vec::new();
        loop {
            match search.next() {
                Ok(Next::Try(trial)) => {
                    steps.push(trial.to_string());
                    let verdict = verdict(&trial);
                    let (codes, why) = (vec![], None);
                    search.tried.push(Tried {
                        trial,
                        verdict,
                        codes,
                        why,
                    });
                }
                Ok(Next::Found(found)) => return (steps, Ok(found)),
                Ok(Next::Compare(..)) => unreachable!(),
                Err(error) => return (steps, Err(error)),
            }
        }
    }

    fn judged(is_bad: bool) -> Verdict {
        if is_bad { Verdict::Bad } else { Verdict::Good }
    }

    #[test]
    fn both_ends_then_halves_then_the_changes_of_one_reference() {
        let mut search = search(&[3, 4, 7, 6, 9], &["audit", "billing", "front"]);
        let (steps, found) = steps(&mut search, |it| {
            let pinned = it.versions.get(&name("billing"));
            let is_new = pinned.map_or(it.reference >= 6, |it| *it == version("2.0"));
            judged(is_new)
        });
        assert_eq!(
            steps,
            [
                "reference 3",
                "reference 9",
                "reference 7",
                "reference 4",
                "reference 4 with audit 2.0",
                "reference 4 with audit 2.0, billing 2.0",
                "reference 4 with billing 2.0",
            ]
        );
        let found = found.unwrap();
        assert_eq!((found.good, found.bad), (4, 7));
        assert_eq!(found.changes, [change("billing")]);
    }

    #[test]
    fn the_proxy_is_one_of_the_changes() {
        let mut search = search(&[1, 2], &["billing", "front"]);
        let (steps, found) = steps(&mut search, |it| judged(it.reference == 2));
        let last = steps.last().unwrap();
        assert_eq!(last, "reference 2 with billing 1.0");
        assert_eq!(found.unwrap().changes, [change("front")]);
    }

    #[test]
    fn only_a_whole_reference_is_bad_by_not_becoming_ready() {
        let mut search = search(&[1, 2], &["billing"]);
        let mut mix = Trial::of(1);
        assert_eq!(search.unready(&mix), Verdict::Skip);
        search.unready_is_bad = true;
        assert_eq!(search.unready(&mix), Verdict::Bad);
        mix.versions.insert(name("billing"), version("2.0"));
        assert_eq!(search.unready(&mix), Verdict::Skip);
    }

    #[test]
    fn changes_that_only_run_together_are_not_all_accused() {
        let mut search = search(&[1, 2], &["audit", "billing"]);
        let (_, found) = steps(&mut search, |it| match it.versions.keys().next() {
            Some(only) if *only == name("billing") && it.versions.len() == 1 => Verdict::Skip,
            _ => judged(it.reference == 2 || it.versions.contains_key(&name("billing"))),
        });
        let found = found.unwrap();
        assert_eq!(found.changes, [change("audit"), change("billing")]);
        let skipped: Vec<String> = found.skipped.iter().map(ToString::to_string).collect();
        assert_eq!(skipped, ["reference 1 with billing 2.0"]);
    }

    #[test]
    fn an_end_that_is_not_as_it_was_said_stops_it() {
        for (verdict, said) in [
            (Verdict::Good, "reference 2 is said to be bad, and is good"),
            (Verdict::Bad, "reference 1 is said to be good, and is bad"),
            (
                Verdict::Skip,
                "reference 1 is said to be good, and cannot be tried",
            ),
        ] {
            let (_, found) = steps(&mut search(&[1, 2], &[]), |_| verdict);
            let error = found.unwrap_err();
            assert_eq!(
                (error.to_string(), error.exit()),
                (said.to_owned(), Exit::Difference)
            );
        }
    }

    #[test]
    fn what_was_skipped_is_named() {
        let (_, found) = steps(&mut search(&[1, 2, 3, 4], &[]), |it| match it.reference {
            1 => Verdict::Good,
            4 => Verdict::Bad,
            _ => Verdict::Skip,
        });
        let text = found.unwrap_err().to_string();
        assert!(
            text.ends_with("all but the last were skipped: 2, 3, 4"),
            "{text}"
        );
    }
}
