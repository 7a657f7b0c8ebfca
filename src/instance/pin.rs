//! An instance that stays on one reference, and what its environment runs meanwhile.

use std::fmt;

use serde::Serialize;

use crate::home::session::{OpenPlatform, Session};
use crate::home::state::InstanceRecord;
use crate::model::name::EnvironmentName;
use crate::model::reference::Reference;
use crate::verify::choose::Preparation;

/// A pin, beside what was last seen of the environment: no network is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pin {
    /// The reference that the instance stays on.
    pub reference: u64,
    /// The environment that it would follow.
    pub environment: EnvironmentName,
    /// What that environment ran when it was last looked at.
    pub current: Option<u64>,
    /// The same of production, where another one is followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub production: Option<Production>,
}

/// What the last environment runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Production {
    /// Its name.
    pub environment: EnvironmentName,
    /// What it ran when it was last looked at.
    pub current: Option<u64>,
}

impl Pin {
    /// `None` where the instance follows its environment. Which one is production comes from the
    /// signed reference, where that is known.
    pub async fn of(
        session: &Session,
        open: &OpenPlatform,
        record: &InstanceRecord,
        reference: Option<&Reference>,
    ) -> Option<Self> {
        if !record.pinned || !record.asks_for_something() {
            return None;
        }
        let preparation = Preparation::new(session, open, None);
        let current = async |environment: &EnvironmentName| {
            let look = preparation.ledger_if_any(environment).await;
            let look = look.ok().flatten();
            look.and_then(|it| it.ledger.predicate.current().map(|it| it.number))
        };
        let last = reference.and_then(|it| it.environments.last());
        let production = match last.filter(|it| **it != record.environment) {
            Some(environment) => Some(Production {
                environment: environment.clone(),
                current: current(environment).await,
            }),
            None => None,
        };
        Some(Self {
            reference: record.reference.number,
            environment: record.environment.clone(),
            current: current(&record.environment).await,
            production,
        })
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            reference,
            environment,
            current,
            production,
        } = self;
        let runs = |current: &Option<u64>| match current {
            Some(current) if current == reference => "the same".to_owned(),
            Some(current) => current.to_string(),
            None => "what was never looked at here".to_owned(),
        };
        let current = runs(current);
        write!(
            f,
            "pinned to reference {reference}; {environment} runs {current}"
        )?;
        if let Some(it) = production {
            write!(f, ", {} runs {}", it.environment, runs(&it.current))?;
        }
        write!(
            f,
            ": `devenv up --environment {environment}` follows it again"
        )
    }
}
