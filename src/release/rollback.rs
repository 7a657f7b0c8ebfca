//! `release rollback`: a promotion of a reference that an environment ran before.

use super::Desk;
use super::ledger::{Manner, Outcome};
use crate::error::{Error, Result};
use crate::model::ledger::{Ledger, LedgerEntry};
use crate::model::name::EnvironmentName;
use crate::verify::trust::keys::SigningKey;

impl Desk<'_> {
    /// Goes back to a reference that ran in an environment before. Without `number` it fails
    /// with the list of those.
    pub async fn rollback(
        &mut self,
        key: &SigningKey,
        environment: &EnvironmentName,
        number: Option<u64>,
        reason: Option<&str>,
        manner: &Manner,
    ) -> Result<Outcome> {
        self.signer(key)?;
        let mut place = self.place(environment).await?;
        let Some(ledger) = place.ledger.as_ref().map(|it| it.predicate.clone()) else {
            return Err(Error::usage(format!(
                "nothing was ever promoted to {environment}"
            )));
        };
        let candidates = candidates(&ledger);
        let Some(number) = number else {
            return Err(choose(environment, &candidates));
        };
        if let Some(outcome) = self.is_there(&mut place, number).await? {
            return Ok(outcome);
        }
        let before = candidates.iter().find(|entry| entry.number == number);
        let entry = before.ok_or_else(|| choose(environment, &candidates))?;
        let platform = &place.checkout.catalogue.platform;
        let repository = platform.repository(platform.proxy.as_str())?;
        let target = self
            .verifier()
            .reference(&platform.proxy, &repository, entry.digest, Some(number))
            .await?;
        let current = ledger.current().map(|entry| entry.number);
        let default = format!("rollback from reference {}", current.unwrap_or_default());
        self.advance(key, place, &target, reason.unwrap_or(&default), manner)
            .await
    }
}

/// What an environment can go back to: each reference once, the latest run first.
fn candidates(ledger: &Ledger) -> Vec<LedgerEntry> {
    let current = ledger.current().map(|entry| entry.number);
    let mut found: Vec<LedgerEntry> = Vec::new();
    for entry in ledger.entries.iter().rev() {
        let known = found.iter().any(|other| other.number == entry.number);
        if Some(entry.number) != current && !known {
            found.push(entry.clone());
        }
    }
    found
}

fn choose(environment: &EnvironmentName, candidates: &[LedgerEntry]) -> Error {
    if candidates.is_empty() {
        return Error::usage(format!("{environment} ran nothing else before"));
    }
    let lines: Vec<_> = candidates
        .iter()
        .map(|entry| {
            format!(
                "{}  {}  {}  {}",
                entry.number, entry.at, entry.by, entry.reason
            )
        })
        .collect();
    Error::usage(format!("which reference is {environment} to go back to?"))
        .detail(lines.join("\n"))
        .hint(format!(
            "devenv release rollback --in {environment} --to {}",
            candidates[0].number
        ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::trust::testing::{entry, ledger};

    #[test]
    fn candidates_are_the_others_latest_first() {
        let mut ledger = ledger(4);
        let again = LedgerEntry {
            number: 2,
            ..entry(5)
        };
        ledger.entries.push(again);
        let numbers: Vec<_> = candidates(&ledger).iter().map(|it| it.number).collect();
        assert_eq!(numbers, [4, 3, 1]);
        let environment = EnvironmentName::new("production").unwrap();
        let error = choose(&environment, &candidates(&ledger));
        assert_eq!(error.details()[0].lines().count(), 3);
        assert!(error.hints()[0].ends_with("--to 4"));
    }
}
