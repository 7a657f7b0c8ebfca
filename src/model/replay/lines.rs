//! Lines of logs, compared by what they say, not by when. Pure.

use std::collections::BTreeSet;

use super::outcome::LogChange;
use crate::model::name::ContainerName;
use crate::model::visible::visible;

/// Kinds of lines of one instance that are kept.
const MOST: usize = 20_000;

/// Changes that are told.
const TOLD: usize = 200;

/// What an instance wrote: kinds of lines by container.
#[derive(Debug, Default, Clone)]
pub struct Lines(BTreeSet<(ContainerName, String)>);

impl Lines {
    /// Adds a line.
    pub fn add(&mut self, container: &ContainerName, line: &str) {
        if self.0.len() < MOST {
            self.0.insert((container.clone(), kind(line)));
        }
    }

    /// Takes away kinds of lines that others have.
    pub fn remove(&mut self, others: &Self) {
        self.0.retain(|it| !others.0.contains(it));
    }

    /// Adds all that others have.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }
}

/// What only one of the references writes: both runs of the older agree about it.
pub fn changes(old: &Lines, again: &Lines, new: &Lines) -> Vec<LogChange> {
    let change = |(container, line): &(ContainerName, String), change| LogChange {
        container: container.clone(),
        change,
        line: line.clone(),
    };
    let before: BTreeSet<_> = old.0.union(&again.0).cloned().collect();
    let both: BTreeSet<_> = old.0.intersection(&again.0).cloned().collect();
    let added = new.0.difference(&before).map(|it| change(it, "added"));
    let removed = both.difference(&new.0).map(|it| change(it, "removed"));
    let mut all: Vec<LogChange> = added.chain(removed).collect();
    all.sort();
    all.truncate(TOLD);
    all
}

/// The line with each word that has a digit as `#`: times, addresses, counts, Ids.
fn kind(line: &str) -> String {
    let line = visible(line);
    let mut found = String::with_capacity(line.len());
    let mut word = String::new();
    for character in line.chars().chain(['\n']) {
        if character.is_alphanumeric() || character == '_' {
            word.push(character);
            continue;
        }
        if word.chars().any(|it| it.is_ascii_digit()) {
            found.push('#');
        } else {
            found.push_str(&word);
        }
        word.clear();
        found.push(character);
    }
    found.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_compared_without_their_times() {
        let name = || ContainerName::new("billing").unwrap();
        let of = |all: &[&str]| {
            let mut lines = Lines::default();
            for it in all {
                lines.add(&name(), it);
            }
            lines
        };
        let old = of(&["2026-03-01T12:00:01 INFO served 7", "WARN gone", "noise a"]);
        let again = of(&["2026-03-01T12:00:02 INFO served 8", "WARN gone"]);
        let new = of(&[
            "2026-03-02T13:00:02 INFO served 9",
            "ERROR at x.y(Z.java:17)",
        ]);
        let told: Vec<String> = changes(&old, &again, &new)
            .into_iter()
            .map(|it| format!("{} {}", it.change, it.line))
            .collect();
        assert_eq!(told, ["added ERROR at x.y(Z.java:#)", "removed WARN gone"]);

        // What one of them wrote at its start is no change, whenever the others wrote it.
        let mut known = of(&["WARN gone"]);
        known.extend(of(&["ERROR at x.y(Z.java:9)"]));
        let mut all = [old, again, new];
        for it in &mut all {
            it.remove(&known);
        }
        assert!(changes(&all[0], &all[1], &all[2]).is_empty());
    }
}
