//! A reference on the line that is searched: chosen by its digest, and whether it can be tried at all.

use std::error::Error as _;

use serde::{Deserialize, Serialize};

use crate::converge::select::{Request, select};
use crate::error::{Error, Kind, Result};
use crate::home::state::{InstanceRecord, ReferenceRecord};
use crate::model::digest::Digest;
use crate::model::name::EnvironmentName;
use crate::registry::Fault;
use crate::verify::choose::{Choice, Preparation, Versions};
use crate::verify::evidence::VerifiedReference;

/// One reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// Its number.
    pub number: u64,
    /// The proxy image's digest, as the ledger has it; `None`: the registry's tag decides.
    pub digest: Option<Digest>,
}

impl Candidate {
    /// Which one is to be verified.
    pub(super) fn choice(self) -> Choice {
        match self.digest {
            Some(digest) => Choice::Pinned(self.number, digest),
            None => Choice::Number(self.number),
        }
    }

    /// The same for an instance.
    pub(super) fn versions(self, environment: &EnvironmentName) -> Versions {
        let (number, environment) = (self.number, Some(environment.clone()));
        match self.digest {
            Some(digest) => Versions::Exactly(ReferenceRecord { number, digest }, environment),
            None => Versions::Number(number, environment),
        }
    }

    /// The reference, verified, with all that is to be started in it.
    ///
    /// # Errors
    /// It is gone, does not verify, or does not have one of the names.
    pub(super) async fn with(
        self,
        preparation: &Preparation<'_>,
        request: &Request,
    ) -> Result<VerifiedReference> {
        let chosen = preparation.choose(&self.choice()).await?;
        select(&chosen.verified.reference, request)?;
        Ok(chosen.verified)
    }
}

/// What each step starts: the names of the search, and what the instance runs besides.
pub(super) fn request(names: &[String], record: Option<&InstanceRecord>) -> Request {
    let request = record.map(Request::from).unwrap_or_default();
    Request {
        names: [names, &request.names].concat(),
        ..request
    }
}

/// Whether an error is about this one candidate: others can be tried all the same.
pub(super) fn is_its_own(error: &Error) -> bool {
    let is_gone = || {
        let fault = error.source().and_then(|it| it.downcast_ref::<Fault>());
        matches!(fault, Some(Fault::NotFound { .. }))
    };
    match error.kind() {
        Kind::Usage | Kind::Definitions | Kind::Trust => true,
        Kind::Registry => is_gone(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_ledger_has_is_chosen_by_its_digest() {
        let digest = Digest::of(b"7");
        let number = 7;
        let known = Candidate {
            number,
            digest: Some(digest),
        };
        let environment = EnvironmentName::new("production").unwrap();
        assert_eq!(known.choice(), Choice::Pinned(7, digest));
        assert_eq!(
            known.versions(&environment),
            Versions::Exactly(
                ReferenceRecord { number, digest },
                Some(environment.clone())
            )
        );
        let digest = None;
        let unknown = Candidate { number, digest };
        assert_eq!(unknown.choice(), Choice::Number(7));
    }

    #[test]
    fn a_candidate_that_is_gone_does_not_stop_the_search() {
        let what = "image".to_owned();
        let gone = Fault::NotFound {
            what,
            text: String::new(),
        };
        assert!(is_its_own(&gone.into()));
        assert!(is_its_own(&Error::usage("no such name")));
        assert!(!is_its_own(&Error::registry("cannot reach it")));
        assert!(!is_its_own(&Error::engine("gone")));
    }
}
