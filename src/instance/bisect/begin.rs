//! From two references to a search: the candidates between them.

use super::candidate::{Candidate, request};
use super::search::Search;
use crate::error::{Error, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::InstanceRecord;
use crate::model::ledger::LedgerEntry;
use crate::model::name::{ContainerName, EnvironmentName, SnapshotName};
use crate::model::quantity::Span;
use crate::verify::choose::Preparation;

/// What the user wants to know.
#[derive(Debug, Clone)]
pub struct Wish {
    /// A reference without the fault.
    pub good: u64,
    /// One with it.
    pub bad: u64,
    /// Containers and bundles; none: what the instance was asked for.
    pub names: Vec<String>,
    /// The environment whose references are searched, where it is not the instance's.
    pub environment: Option<EnvironmentName>,
    /// What judges; empty: the user does.
    pub command: Vec<String>,
    /// How often each candidate is judged.
    pub repeat: u32,
    /// How long one container may take to become ready.
    pub timeout: Span,
    /// Whether a reference that does not become ready is bad.
    pub unready_is_bad: bool,
    /// The data that each step begins with.
    pub snapshot: Option<SnapshotName>,
}

impl Wish {
    /// Whether this search is the one that is wanted.
    fn is_of(&self, search: &Search) -> bool {
        let number = |it: Option<&Candidate>| it.map(|it| it.number);
        let (first, last) = (search.references.first(), search.references.last());
        let names = self.names.is_empty() || self.names == search.names;
        let environment = self.environment.as_ref();
        (number(first), number(last)) == (Some(self.good), Some(self.bad))
            && names
            && environment.is_none_or(|it| *it == search.environment)
            && (&self.command, self.repeat) == (&search.command, search.repeat)
            && (self.timeout, self.unready_is_bad) == (search.timeout, search.unready_is_bad)
            && self.snapshot == search.snapshot
    }
}

/// Begins a search, or goes on with the same one.
///
/// # Errors
/// Another search goes on; there is nothing to start, or nothing between the references.
pub async fn begin(session: &Session, open: &OpenPlatform, wish: &Wish) -> Result<Search> {
    if let Some(search) = Search::load(session, open)? {
        if wish.is_of(&search) {
            return Ok(search);
        }
        let text = format!(
            "another search goes on in the instance {}: {search}",
            session.instance
        );
        return Err(Error::usage(text).hint(
            "`devenv bisect` without options goes on with it, `devenv bisect reset` ends it",
        ));
    }
    let before = InstanceRecord::load(&session.home.paths, &open.name, &session.instance)?;
    let names = names(session, wish, before.as_ref())?;
    let remembered = before.as_ref().map(|it| &it.environment);
    let environment = wish.environment.as_ref().or(remembered);
    let environment = environment.unwrap_or(&open.workstation.environment);
    let registry = session.registry();
    let preparation = Preparation::new(session, open, registry.as_ref());
    let references = references(session, &preparation, environment, wish).await?;
    let wanted = request(&names, before.as_ref());
    for end in [references.first(), references.last()]
        .into_iter()
        .flatten()
    {
        end.with(&preparation, &wanted).await?;
    }
    let search = Search {
        begun: session.home.now(),
        names,
        references,
        environment: environment.clone(),
        command: wish.command.clone(),
        repeat: wish.repeat,
        timeout: wish.timeout,
        unready_is_bad: wish.unready_is_bad,
        snapshot: wish.snapshot.clone(),
        before,
        changes: None,
        tried: Vec::new(),
    };
    search.save(session, open)?;
    Ok(search)
}

/// What is started in each step; nothing there may come from elsewhere than the reference.
fn names(session: &Session, wish: &Wish, before: Option<&InstanceRecord>) -> Result<Vec<String>> {
    let own = before.filter(|it| !it.local.is_empty() || !it.versions.is_empty());
    if let Some(own) = own {
        let all = own.local.iter().chain(own.versions.keys());
        let all: Vec<&str> = all.map(ContainerName::as_str).collect();
        let text = format!(
            "the instance {} runs something else than its reference: {}",
            session.instance,
            all.join(", ")
        );
        return Err(
            Error::usage(text).hint("`devenv --instance bisect bisect …` searches beside it")
        );
    }
    let asked = before.filter(|it| it.asks_for_something());
    match (&wish.names, asked) {
        (names, None) if names.is_empty() => Err(Error::usage(
            "nothing to start: name the containers that show the fault",
        )),
        (names, _) => Ok(names.clone()),
    }
}

/// What the environment ran from the one to the other; where its ledger does not have both, the numbers
/// between them.
async fn references(
    session: &Session,
    preparation: &Preparation<'_>,
    environment: &EnvironmentName,
    wish: &Wish,
) -> Result<Vec<Candidate>> {
    let (good, bad) = (wish.good, wish.bad);
    if good == bad {
        let text = format!("reference {good} cannot be both good and bad");
        return Err(Error::usage(text));
    }
    let look = preparation.ledger_if_any(environment).await?;
    let entries = look.map_or_else(Vec::new, |it| it.ledger.predicate.entries);
    if let Some(between) = between(&entries, good, bad) {
        return Ok(between);
    }
    if good > bad {
        let text = format!("{environment} did not run reference {bad} after reference {good}");
        return Err(
            Error::usage(text).hint(format!("`devenv history {environment}` shows what it ran"))
        );
    }
    let mut numbers = preparation.reference_numbers().await?;
    numbers.retain(|it| (good..=bad).contains(it));
    for end in [good, bad] {
        if !numbers.contains(&end) {
            return Err(Error::usage(format!("there is no reference {end}")));
        }
    }
    let text = format!("{environment} did not run both: the numbers between them are searched");
    session.reporter.note(&text);
    let digest = None;
    let candidates = numbers.into_iter();
    Ok(candidates
        .map(|number| Candidate { number, digest })
        .collect())
}

/// From the last promotion of the good one before the bad one; each once.
fn between(entries: &[LedgerEntry], good: u64, bad: u64) -> Option<Vec<Candidate>> {
    let numbers: Vec<u64> = entries.iter().map(|it| it.number).collect();
    let last = numbers.iter().rposition(|it| *it == bad)?;
    let first = numbers[..last].iter().rposition(|it| *it == good)?;
    let mut found: Vec<&LedgerEntry> = Vec::new();
    for entry in &entries[first..last] {
        let is_new = !found.iter().any(|it| it.number == entry.number);
        if is_new && entry.number != bad {
            found.push(entry);
        }
    }
    found.push(&entries[last]);
    let candidate = |it: &LedgerEntry| Candidate {
        number: it.number,
        digest: Some(it.digest),
    };
    Some(found.into_iter().map(candidate).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::entry;

    fn candidate(number: u64) -> Candidate {
        let digest = None;
        Candidate { number, digest }
    }

    #[test]
    fn another_judgement_is_another_search() {
        let wish = Wish {
            good: 1,
            bad: 2,
            names: Vec::new(),
            environment: None,
            command: Vec::new(),
            repeat: 1,
            timeout: Span::seconds(9),
            unready_is_bad: true,
            snapshot: None,
        };
        let search = Search {
            begun: jiff::Timestamp::UNIX_EPOCH,
            names: Vec::new(),
            references: [1, 2].map(candidate).to_vec(),
            environment: EnvironmentName::new("production").unwrap(),
            command: Vec::new(),
            repeat: 1,
            timeout: Span::seconds(9),
            unready_is_bad: true,
            snapshot: None,
            before: None,
            changes: None,
            tried: Vec::new(),
        };
        assert!(wish.is_of(&search));
        let mut other = search.clone();
        other.unready_is_bad = false;
        assert!(!wish.is_of(&other));
        let mut other = search.clone();
        other.snapshot = Some("before".parse().unwrap());
        assert!(!wish.is_of(&other));
        let mut other = search;
        other.timeout = Span::seconds(10);
        assert!(!wish.is_of(&other));
    }

    #[test]
    fn what_ran_between_two_references() {
        let ran = |numbers: &[u64]| -> Vec<_> { numbers.iter().map(|it| entry(*it)).collect() };
        let between = |numbers: &[u64], good, bad| {
            let found = between(&ran(numbers), good, bad)?;
            assert!(found.iter().all(|it| it.digest.is_some()), "by digest");
            let numbers: Vec<u64> = found.iter().map(|it| it.number).collect();
            Some(numbers)
        };
        assert_eq!(between(&[1, 2, 5, 9], 2, 9), Some(vec![2, 5, 9]));
        // Back and forth: each once, and the bad one last.
        assert_eq!(between(&[1, 2, 1, 3, 2, 3], 1, 3), Some(vec![1, 2, 3]));
        // An older one may be bad.
        assert_eq!(between(&[4, 2], 4, 2), Some(vec![4, 2]));
        assert_eq!(between(&[1, 2], 2, 1), None);
        assert_eq!(between(&[1, 2], 1, 3), None);
    }
}
