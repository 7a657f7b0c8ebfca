//! A rollback does not wait: what another command is at is given up between two changes of the engine,
//! as if that command had been killed. The journal tells how far it got.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::RwLock;

use super::gated::Gated;
use super::state::{Stage, State};
use crate::engine::Engine;
use crate::home::{file, lock};

/// Between two looks at whether a rollback waits.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// So long a switch that is under way may take to end.
const SWITCH: Duration = Duration::from_secs(1);

/// What a command gives way by.
pub struct Turns {
    /// A lock that a rollback holds while it waits for the server's: the system frees it however it ends.
    asked: PathBuf,
    journal: PathBuf,
    gate: RwLock<()>,
}

impl Turns {
    /// `asked`: the lock of rollbacks that wait.
    pub fn new(asked: PathBuf, journal: PathBuf) -> Self {
        Self {
            asked,
            journal,
            gate: RwLock::new(()),
        }
    }

    /// The engine for work that may be given up.
    pub fn engine<'a, E: Engine>(&'a self, engine: &'a E) -> Gated<'a, E> {
        let gate = &self.gate;
        Gated { engine, gate }
    }

    /// Does the work, which changes the engine through [`Self::engine`] alone. `None`: a rollback waits, and the
    /// work was given up.
    pub async fn unless_asked<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.asked() => None,
            done = work => Some(done),
        }
    }

    /// Until a rollback waits, and no change is under way. A switch of requests is let end.
    async fn asked(&self) {
        while !self.is_asked() {
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        let begun = Instant::now();
        loop {
            // Those that come later wait behind this.
            let turn = self.gate.write().await;
            if !self.is_switching() || begun.elapsed() > SWITCH {
                return;
            }
            drop(turn);
            tokio::time::sleep(BETWEEN_LOOKS / 5).await;
        }
    }

    fn is_asked(&self) -> bool {
        self.asked.exists() && lock::is_held(&self.asked).unwrap_or(false)
    }

    fn is_switching(&self) -> bool {
        let state: Option<State> = file::load(&self.journal).ok().flatten();
        let mut all = state.iter().flat_map(|it| it.generations.values());
        all.any(|it| it.stage == Stage::Switching)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::home::lock::Lock;

    /// Work of many changes; how many began and how many ended.
    async fn changes(turns: &Turns, counts: &[AtomicU32; 2]) {
        for _ in 0..20 {
            let _turn = turns.gate.read().await;
            counts[0].fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(80)).await;
            counts[1].fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn what_is_under_way_ends_and_nothing_else_begins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rollback.lock");
        let turns = Turns::new(path.clone(), folder.path().join("journal.json"));
        let counts = [AtomicU32::new(0), AtomicU32::new(0)];
        let count = || counts.each_ref().map(|it| it.load(Ordering::Relaxed));
        let asking = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Lock::brief(&path).unwrap()
        };
        let work = turns.unless_asked(changes(&turns, &counts));
        let (done, held) = tokio::join!(work, asking);
        assert_eq!(done, None);
        let [began, ended] = count();
        assert!(began > 0 && began < 20 && began == ended, "{began} {ended}");

        // Whoever comes meanwhile does not begin at all.
        assert_eq!(turns.unless_asked(changes(&turns, &counts)).await, None);
        assert_eq!(count(), [began, ended]);
        drop(held);
        let quick = async { 7 };
        assert_eq!(turns.unless_asked(quick).await, Some(7));
    }
}
