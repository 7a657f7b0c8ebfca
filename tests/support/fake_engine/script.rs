//! Which calls fail, hang or are delayed, and what was called.

use super::*;

/// Which call fails.
#[derive(Debug, Clone)]
pub(super) enum Trigger {
    /// The n-th of all, from 1.
    Call(usize),
    /// The n-th that changes something, from 1.
    Change(usize),
    /// Every one of this kind whose target contains the text, as often as told.
    Operation(Operation, String),
}

/// When a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// The engine did nothing.
    Before,
    /// The engine did it, and the answer was lost.
    After,
}

#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) trigger: Trigger,
    pub(super) strike: Strike,
    pub(super) end: End,
    pub(super) left: usize,
}

/// How a struck call ends.
#[derive(Debug, Clone)]
pub(super) enum End {
    Fault(Fault),
    /// It never does.
    Never(Arc<Notify>),
}

#[derive(Default)]
pub(super) struct Script {
    pub(super) calls: Vec<Call>,
    pub(super) changes: usize,
    pub(super) planned: Vec<Planned>,
    pub(super) jitter: Option<(u64, Duration)>,
    pub(super) in_flight: usize,
    pub(super) most_in_flight: usize,
    pub(super) changes_in_flight: usize,
    pub(super) most_changes_in_flight: usize,
}

/// Counts a call as under way, also when its future is dropped.
pub(super) struct Flight(pub(super) Arc<Mutex<Script>>, pub(super) Operation);

impl Drop for Flight {
    fn drop(&mut self) {
        let mut script = self.0.lock().unwrap();
        script.in_flight -= 1;
        script.changes_in_flight -= usize::from(self.1.changes());
    }
}

impl Script {
    pub(super) fn record(
        &mut self,
        operation: Operation,
        target: &str,
    ) -> (Option<(Strike, End)>, Option<Duration>) {
        self.calls.push(Call {
            operation,
            target: target.to_owned(),
        });
        self.changes += usize::from(operation.changes());
        self.in_flight += 1;
        self.most_in_flight = self.most_in_flight.max(self.in_flight);
        self.changes_in_flight += usize::from(operation.changes());
        self.most_changes_in_flight = self.most_changes_in_flight.max(self.changes_in_flight);
        let (number, change) = (self.calls.len(), self.changes);
        let struck = self.planned.iter_mut().find(|planned| {
            planned.left > 0
                && match &planned.trigger {
                    Trigger::Call(at) => *at == 0 || *at == number,
                    Trigger::Change(at) => operation.changes() && *at == change,
                    Trigger::Operation(kind, text) => *kind == operation && target.contains(text),
                }
        });
        let strike = struck.map(|planned| {
            planned.left -= 1;
            (planned.strike, planned.end.clone())
        });
        let pause = self.jitter.as_mut().map(|(seed, longest)| {
            *seed ^= *seed << 13;
            *seed ^= *seed >> 7;
            *seed ^= *seed << 17;
            *longest * u32::try_from(*seed % 1000).unwrap() / 1000
        });
        (strike, pause)
    }
}
