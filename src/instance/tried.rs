//! What proposals remember of being run, for those who will read them.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::converge::goal::Planned;
use crate::converge::ready::{Ready, touched};
use crate::error::Result;
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::InstanceRecord;
use crate::model::name::ContainerName;
use crate::proposals::{Overlay, Proposal, Ran};

/// Notes how they ran. `took` is how long those took that were started now.
pub(super) fn note(
    session: &Session,
    open: &OpenPlatform,
    record: &InstanceRecord,
    overlay: &Overlay,
    (planned, ready): &(Planned, BTreeMap<ContainerName, Ready>),
    took: SignedDuration,
) -> Result<()> {
    if !record.versions.is_empty() {
        // No reference is like what it ran with.
        return Ok(());
    }
    let started = touched(&planned.plan);
    for name in &record.local {
        // Of several copies the first.
        let mut copies = ready
            .iter()
            .filter(|(it, _)| overlay.reference.origin(it) == name);
        let (Some((copy, ready)), Some(image)) = (copies.next(), overlay.locals.get(name)) else {
            continue;
        };
        let Some(proposal) = Proposal::find(session, open, name)? else {
            continue;
        };
        let now = Ran {
            reference: record.reference.number,
            environment: record.environment.clone(),
            version: image.image.version.clone(),
            ready: ready.as_str().to_owned(),
            milliseconds: u64::try_from(took.as_millis()).unwrap_or_default(),
            at: session.home.now(),
            commit: image.commit,
        };
        if let Some(ran) = noted(proposal.ran, now, started.contains(copy)) {
            Proposal::change(session, open, name, |proposal| proposal.ran = Some(ran))?;
        }
    }
    Ok(())
}

/// What is remembered from now on, where that is something else: what was not started runs as it did
/// before, and may be what another state of the proposal says as well.
fn noted(before: Option<Ran>, now: Ran, started: bool) -> Option<Ran> {
    match before {
        Some(before) if !started && before.version == now.version => {
            let commit = now.commit;
            (before.commit != commit).then_some(Ran { commit, ..before })
        }
        _ => Some(now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(version: &str, milliseconds: u64, commit: Option<char>) -> Ran {
        Ran {
            reference: 1,
            environment: "production".parse().unwrap(),
            version: version.to_owned(),
            ready: "healthy".to_owned(),
            milliseconds,
            at: jiff::Timestamp::UNIX_EPOCH,
            commit: commit.map(|it| it.to_string().repeat(40).parse().unwrap()),
        }
    }

    #[test]
    fn how_long_it_took_is_that_of_its_start() {
        let (first, again) = (ran("a", 2500, Some('1')), ran("a", 3, Some('1')));
        assert_eq!(noted(None, first.clone(), true), Some(first.clone()));
        assert_eq!(noted(Some(first.clone()), again, false), None);
        let edited = noted(Some(first.clone()), ran("a", 3, Some('2')), false);
        assert_eq!(edited, Some(ran("a", 2500, Some('2'))));
        // An `up` that was interrupted had started it.
        assert_eq!(noted(None, first.clone(), false), Some(first));
    }
}
