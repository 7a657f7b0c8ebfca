//! A container that ends with its engine says nothing of itself.

use std::time::{Duration, Instant};

use super::Server;
use super::machine::Machine;
use crate::converge::apply::{Watch, event_label};
use crate::engine::Engine;
use crate::error::{Kind, Result};

/// An engine may tell the end of its containers so long before its own.
const ENDING: Duration = Duration::from_secs(2);

/// Between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

impl<E: Engine, M: Machine> Server<'_, E, M> {
    /// Does work on containers. Where the engine went away meanwhile, a failure is no verdict over them.
    pub(super) async fn unless_away<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let (watch, label) = (Watch::default(), event_label(&self.keeper()));
        let following = watch.follow(self.engine, &label).await?;
        let judged = async {
            let done = work.await;
            let begun = Instant::now();
            while done.as_ref().is_err_and(|it| it.kind() == Kind::NotHealthy)
                && !watch.was_interrupted()
                && begun.elapsed() < ENDING
            {
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
            done
        };
        let done = tokio::select! {
            done = judged => done,
            never = following => match never {},
        };
        done.map_err(|error| {
            if error.may_pass() || !watch.was_interrupted() {
                return error;
            }
            let text =
                "the engine was away meanwhile: it was restarted, perhaps, which ends containers";
            error.within(text).passing()
        })
    }
}
