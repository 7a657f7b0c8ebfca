//! What environments run, where a reference was chosen without asking their ledgers.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::intent::{Intent, Manner};
use crate::error::{Error, Result};
use crate::home::session::Session;
use crate::home::state::InstanceRecord;
use crate::model::name::EnvironmentName;
use crate::system::in_full;
use crate::verify::choose::{Choice, Chosen, Preparation};
use crate::verify::evidence::ledger::{LOOK, Look};

/// The ledgers that were looked at beside a choice, or why they were not.
pub(super) struct Meanwhile<'a> {
    choice: &'a Choice,
    chosen: &'a Chosen,
    looks: BTreeMap<EnvironmentName, Result<Option<Look>>>,
}

impl<'a> Meanwhile<'a> {
    /// Looks at the ledgers of all environments where a reference is named by its number: one of them
    /// should have it. What is pinned keeps running whatever they say, and does not wait for long.
    pub(super) async fn look(
        preparation: &Preparation<'_>,
        intent: Option<&Intent>,
        (choice, followed): (&'a Choice, &EnvironmentName),
        chosen: &'a Chosen,
    ) -> Self {
        let known = &preparation.platform().environments;
        let production = chosen.verified.reference.environments.last();
        let shown = |it: &&EnvironmentName| *it == followed || Some(*it) == production;
        let environments: Vec<&EnvironmentName> = match choice {
            _ if matches!(intent, Some(Intent::Refresh)) => Vec::new(),
            Choice::Environment(_) => Vec::new(),
            Choice::Number(_) => known.iter().collect(),
            Choice::AsOf(..) => known
                .iter()
                .filter(shown)
                .filter(|it| *it != followed)
                .collect(),
            Choice::Pinned(..) => known.iter().filter(shown).collect(),
        };
        let looks = environments.into_iter().map(async |environment| {
            let look = preparation.ledger_if_any(environment);
            let look = match choice {
                Choice::Number(_) => look.await,
                _ => timeout(LOOK, look).await.unwrap_or_else(|_| {
                    let within = LOOK.as_secs();
                    Err(Error::registry(format!("no answer within {within} s")))
                }),
            };
            (environment.clone(), look)
        });
        Self {
            choice,
            chosen,
            looks: join_all(looks).await.into_iter().collect(),
        }
    }

    /// How old those are that are shown beside a pin, and which could not be looked at.
    fn say(&self, session: &Session, preparation: &Preparation<'_>) {
        for (environment, look) in &self.looks {
            match look {
                Ok(Some(look)) => {
                    for warning in preparation.warnings(look, environment) {
                        session.reporter.warn(&warning);
                    }
                }
                Ok(None) => {}
                Err(why) => session.reporter.warn(&format!(
                    "the ledger of {environment} could not be looked at: {why}"
                )),
            }
        }
    }

    /// What speaks against running a reference that was named by its number: no ledger has it.
    pub(super) fn doubt(&self) -> Option<String> {
        let Choice::Number(number) = self.choice else {
            return None;
        };
        let digest = self.chosen.verified.proxy.image.digest;
        let has = |look: &Look| {
            let mut entries = look.ledger.predicate.entries.iter();
            entries.any(|it| (it.number, it.digest) == (*number, digest))
        };
        let mut looks = self.looks.values().filter_map(|it| it.as_ref().ok());
        if looks.any(|look| look.as_ref().is_some_and(has)) {
            return None;
        }
        let unknown = self.looks.iter().filter(|(_, look)| look.is_err());
        let unknown: Vec<&str> = unknown.map(|(name, _)| name.as_str()).collect();
        Some(if unknown.is_empty() {
            format!("reference {number} was never promoted anywhere")
        } else {
            let unknown = unknown.join(", ");
            format!(
                "nothing tells whether reference {number} was ever promoted (not looked at: {unknown})"
            )
        })
    }

    /// Says what was found, and asks before a reference runs here for the first time that no ledger
    /// has: production made it, and never said that it is to run. `--yes` is no answer to that.
    ///
    /// # Errors
    /// A no, or nobody to ask.
    pub(super) fn settle(
        &self,
        session: &Session,
        preparation: &Preparation<'_>,
        record: Option<&InstanceRecord>,
        intent: &Intent,
        manner: Manner,
    ) -> Result<()> {
        self.say(session, preparation);
        if let Choice::AsOf(environment, time) = self.choice {
            let number = self.chosen.verified.reference.number;
            let moment = in_full(*time);
            let text = format!("as of {moment}, {environment} ran reference {number}");
            session.reporter.note(&text);
        }
        let is_named = intent.takes_unpromoted();
        let digest = self.chosen.verified.proxy.image.digest;
        let ran_here = record.is_some_and(|it| it.reference.digest == digest);
        let Some(doubt) = self.doubt().filter(|_| !ran_here) else {
            return Ok(());
        };
        if is_named || manner.is_plan() {
            let asks = (!is_named).then_some(": `up` asks before it runs");
            let text = format!("{doubt}{}", asks.unwrap_or_default());
            session.reporter.warn(&text);
            return Ok(());
        }
        let question = format!("{doubt}. Run it all the same?");
        if session.reporter.confirm_alone(&question, "--unpromoted")? {
            return Ok(());
        }
        Err(Error::usage("nothing was started")
            .hint("`devenv history ENVIRONMENT` shows the references that ran"))
    }
}
