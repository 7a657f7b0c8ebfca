//! What several checks look at: asked once, by whoever needs it first.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::finding::Observation;
use crate::converge::select::{self, Request, Selection};
use crate::engine::connect::choice::Choice;
use crate::engine::docker::{Docker, EngineInfo};
use crate::error::{Error, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::InstanceRecord;
use crate::instance;
use crate::instance::running;
use crate::model::image::Repository;
use crate::model::name::EnvironmentName;
use crate::model::overrides::Overrides;
use crate::model::reference::Reference;
use crate::registry::{Fault, Greeting, Registry};
use crate::verify::choose::Preparation;
use crate::verify::evidence::ledger::Look;

/// How to look.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long one check may take.
    pub limit: Duration,
}

/// Another clock, and how far it is from this machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    /// What it showed.
    pub(super) shows: Timestamp,
    /// Milliseconds that it is ahead of ours (behind: negative); 0 within what can be measured.
    pub(super) ahead: i64,
}

impl Clock {
    /// `shows` was read between `before` and `after`; it is exact to `grain` milliseconds.
    pub(super) fn compare(
        shows: Timestamp,
        grain: i64,
        before: Timestamp,
        after: Timestamp,
    ) -> Self {
        let (first, last) = (shows.as_millisecond(), shows.as_millisecond() + grain);
        let ahead =
            (first - after.as_millisecond()).max(0) + (last - before.as_millisecond()).min(0);
        Self { shows, ahead }
    }
}

/// What the engine told of itself.
#[derive(Debug)]
pub(super) struct EngineFacts {
    pub(super) info: EngineInfo,
    pub(super) clock: Option<Clock>,
}

/// What an instance is to run.
#[derive(Debug)]
pub(super) struct Demand {
    pub(super) record: InstanceRecord,
    pub(super) reference: Reference,
    pub(super) selection: Selection,
    pub(super) overrides: Overrides,
}

/// Everything that checks share.
pub(super) struct World<'a> {
    pub(super) session: &'a Session,
    /// The engine that is meant.
    pub(super) engine: Result<(Docker, Choice)>,
    /// The platform; `None` where none is initialised here.
    pub(super) platform: Option<Result<OpenPlatform>>,
    /// Unless offline.
    pub(super) registry: Option<Registry>,
    options: Options,
    info: OnceCell<Result<EngineFacts>>,
    greeting: OnceCell<Result<(Greeting, Option<Clock>), Fault>>,
    ledger: OnceCell<Result<Option<Look>>>,
    demand: OnceCell<Result<Option<Demand>>>,
}

impl<'a> World<'a> {
    pub(super) fn new(session: &'a Session, options: Options) -> Self {
        let platform = match session.home.platforms() {
            Ok(known) if known.is_empty() => None,
            _ => Some(session.open()),
        };
        let patience = options.limit * 3 / 4;
        Self {
            session,
            engine: session
                .engine()
                .map(|(engine, choice)| (engine.with_limit(patience), choice)),
            platform,
            registry: session.registry(),
            options,
            info: OnceCell::new(),
            greeting: OnceCell::new(),
            ledger: OnceCell::new(),
            demand: OnceCell::new(),
        }
    }

    /// For one question; shorter than a check, so that it fails with its own words.
    pub(super) fn patience(&self) -> Duration {
        self.options.limit * 3 / 4
    }

    /// The platform, or why a check that needs one is skipped.
    pub(super) fn open(&self) -> Result<&OpenPlatform, Observation> {
        match &self.platform {
            None => Err(Observation::skipped("no platform is initialised here")),
            Some(Ok(open)) => Ok(open),
            Some(Err(error)) => Err(Observation::error(error)),
        }
    }

    /// The engine, or that it is none.
    pub(super) fn docker(&self) -> Result<&Docker, Observation> {
        match &self.engine {
            Ok((engine, _)) => Ok(engine),
            Err(_) => Err(Observation::skipped("there is no engine to ask")),
        }
    }

    /// What the engine tells of itself, once.
    pub(super) async fn info(&self) -> Result<&EngineFacts, &Error> {
        let ask = async || {
            let engine = match &self.engine {
                Ok((engine, _)) => engine,
                Err(error) => return Err(Error::new(error.kind(), error.to_string())),
            };
            // The first answer costs a connection: the clock is read on the second.
            engine.ping(self.patience()).await?;
            let before = Timestamp::now();
            let info = engine.info().await?;
            let shows = info.system_time.parse::<Timestamp>().ok();
            let clock = shows.map(|shows| Clock::compare(shows, 1, before, Timestamp::now()));
            Ok(EngineFacts { info, clock })
        };
        self.info.get_or_init(ask).await.as_ref()
    }

    /// As [`Self::info`], for checks that are about something else.
    pub(super) async fn engine_facts(&self) -> Result<&EngineFacts, Observation> {
        let facts = self.info().await;
        facts.map_err(|_| Observation::skipped("the engine does not answer"))
    }

    /// The repository of the ledgers, or why there is none to ask.
    pub(super) fn ledgers(&self) -> Result<(&Registry, Repository), Observation> {
        let open = self.open()?;
        let Some(registry) = &self.registry else {
            return Err(Observation::skipped("--offline: no network is used"));
        };
        let repository = open.platform.environments_repository();
        Ok((registry, repository.map_err(|it| Observation::error(&it))?))
    }

    /// The registry's first answer, once.
    pub(super) async fn greeting(
        &self,
    ) -> Result<Result<&(Greeting, Option<Clock>), &Fault>, Observation> {
        let (registry, repository) = self.ledgers()?;
        let ask = async || {
            let started = Instant::now();
            let limit = self.patience();
            let greeting = tokio::time::timeout(limit, registry.greet(&repository)).await;
            let greeting =
                greeting.unwrap_or_else(|_| Err(registry.timed_out(&repository, String::new())))?;
            let after = Timestamp::now();
            let spent = jiff::SignedDuration::try_from(started.elapsed()).unwrap_or_default();
            let shows = greeting.date;
            let clock = shows.map(|shows| Clock::compare(shows, 1000, after - spent, after));
            Ok((greeting, clock))
        };
        Ok(self.greeting.get_or_init(ask).await.as_ref())
    }

    /// The environment whose versions the instance runs.
    pub(super) fn environment(&self, open: &OpenPlatform) -> EnvironmentName {
        let record =
            InstanceRecord::load(&self.session.home.paths, &open.name, &self.session.instance);
        record.ok().flatten().map_or_else(
            || open.workstation.environment.clone(),
            |record| record.environment,
        )
    }

    /// The ledger of that environment, once; `None` where nothing was promoted.
    pub(super) async fn ledger(&self) -> Result<Result<Option<&Look>, &Error>, Observation> {
        let open = self.open()?;
        let ask = async || {
            let preparation = Preparation::new(self.session, open, self.registry.as_ref());
            preparation.ledger_if_any(&self.environment(open)).await
        };
        let look = self.ledger.get_or_init(ask).await.as_ref();
        Ok(look.map(Option::as_ref))
    }

    /// What the instance is to run, as far as it is in the cache.
    pub(super) async fn demand(&self) -> Result<&Demand, Observation> {
        let open = self.open()?;
        let demand = self.demand.get_or_init(|| demand(self.session, open)).await;
        match demand {
            Ok(Some(demand)) => Ok(demand),
            Ok(None) => Err(Observation::skipped(format!(
                "the instance {} runs nothing, or its reference is not in the cache",
                self.session.instance
            ))),
            Err(error) => Err(Observation::error(error)),
        }
    }
}

async fn demand(session: &Session, open: &OpenPlatform) -> Result<Option<Demand>> {
    let record = InstanceRecord::load(&session.home.paths, &open.name, &session.instance)?;
    let Some(record) = record.filter(InstanceRecord::asks_for_something) else {
        return Ok(None);
    };
    let Some(reference) = running::cached_reference(session, open, &record).await else {
        return Ok(None);
    };
    let request = Request {
        names: record.asked.clone(),
        all: record.all,
        without: record.without.clone(),
        proxy: record.proxy,
    };
    let mut overrides = instance::own_overrides(session, open)?;
    overrides.spread(&reference.members);
    Ok(Some(Demand {
        selection: select::select(&reference, &request)?,
        record,
        reference,
        overrides,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_compared_within_what_can_be_measured() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (before, after) = (at("2026-03-01T12:00:00Z"), at("2026-03-01T12:00:00.5Z"));
        let ahead = |shows, grain| Clock::compare(at(shows), grain, before, after).ahead;
        assert_eq!(ahead("2026-03-01T12:00:00.2Z", 1), 0);
        assert_eq!(ahead("2026-03-01T12:00:04Z", 1), 3500);
        assert_eq!(ahead("2026-03-01T11:59:57Z", 1), -2999);
        // A `Date` header tells whole seconds.
        assert_eq!(ahead("2026-03-01T11:59:59Z", 1000), 0);
        assert_eq!(ahead("2026-03-01T11:59:57Z", 1000), -2000);
    }
}
