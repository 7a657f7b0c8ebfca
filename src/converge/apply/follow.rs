//! Where news of containers comes from: the engine's events, else its lists.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use futures_util::stream::BoxStream;
use tokio::time::Instant;

use super::watch::{News, Watch};
use crate::engine::{Engine, Fault, FaultKind};
use crate::model::observed::{ContainerEvent, ContainerState, Health};

/// Between two lists, and before events are subscribed to again.
const BETWEEN: Duration = Duration::from_millis(250);

/// Events that end sooner than this were never worth much.
const SHORT: Duration = Duration::from_secs(2);

/// So many short ones in a row, and lists are compared instead.
const ATTEMPTS: u32 = 3;

type Events = BoxStream<'static, Result<ContainerEvent, Fault>>;

impl Watch {
    /// Hears of the containers that carry `label` until it is dropped. Where there are events, the
    /// subscription has reached the engine when this returns; what it gives has to run beside the
    /// waits.
    ///
    /// # Errors
    /// An engine that does not answer.
    pub async fn follow<'a, E: Engine>(
        &'a self,
        engine: &'a E,
        label: &'a str,
    ) -> Result<impl Future<Output = Infallible> + 'a, Fault> {
        let first = if self.reliance.events {
            match engine.events(label, None).await {
                Ok(events) => Some(events),
                Err(fault) if fault.kind == FaultKind::Unreachable => return Err(fault),
                Err(_) => None,
            }
        } else {
            None
        };
        Ok(self.keep(engine, label, first))
    }

    async fn keep<E: Engine>(&self, engine: &E, label: &str, first: Option<Events>) -> Infallible {
        let mut events = first;
        let mut attempts = 0;
        while attempts < ATTEMPTS {
            let Some(stream) = events.take() else {
                break;
            };
            let begun = Instant::now();
            self.pump(stream).await;
            attempts = if begun.elapsed() < SHORT {
                attempts + 1
            } else {
                0
            };
            while attempts < ATTEMPTS && events.is_none() {
                tokio::time::sleep(BETWEEN).await;
                match engine.events(label, None).await {
                    Ok(again) => {
                        events = Some(again);
                        self.news.send_modify(|news| *news = News::Events);
                    }
                    Err(_) => attempts += 1,
                }
            }
        }
        self.compare(engine, label).await
    }

    /// Compares one list with the one before, for as long as it takes.
    async fn compare<E: Engine>(&self, engine: &E, label: &str) -> Infallible {
        let mut before: BTreeMap<String, (ContainerState, Option<Health>)> = BTreeMap::new();
        loop {
            let listed = engine.containers_with(label).await;
            let reached = if listed.is_ok() {
                News::Lists
            } else {
                News::None
            };
            self.news
                .send_if_modified(|news| std::mem::replace(news, reached) != reached);
            if let Ok(listed) = listed {
                let now = listed.into_iter().map(|it| (it.id, (it.state, it.health)));
                let now: BTreeMap<_, _> = now.collect();
                let gone = before.keys().filter(|id| !now.contains_key(*id));
                let other = now.iter().filter(|(id, is)| before.get(*id) != Some(is));
                for id in gone.chain(other.map(|(id, _)| id)) {
                    self.happened(id.clone());
                }
                before = now;
            }
            tokio::time::sleep(BETWEEN).await;
        }
    }
}
