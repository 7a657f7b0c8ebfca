//! Walks a plan: what may begin, begins.

use std::collections::VecDeque;

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::runtime::Runtime;
use super::{Context, Event, Failure};
use crate::converge::plan::{Plan, Step};
use crate::engine::Engine;

/// Walks the plan. After the first failure nothing new is begun; calls in flight are finished.
pub async fn apply<E: Engine>(context: &Context<'_, E>, plan: &Plan) -> Result<(), Failure> {
    let runtime = &Runtime::new(context.identity, context.desired, context.observed);
    let mut order = Order::new(plan);
    let mut calls = FuturesUnordered::new();
    let mut waits = FuturesUnordered::new();
    let mut failure = None;
    loop {
        while failure.is_none()
            && (calls.len() < context.options.concurrency || order.next_is_wait())
        {
            let Some((index, step)) = order.next() else {
                break;
            };
            context.reporter.event(Event::Begin { index, step });
            let running = async move { (index, step, runtime.perform(context, step).await) };
            if matches!(step, Step::Wait(..)) {
                waits.push(running);
            } else {
                calls.push(running);
            }
        }
        if failure.is_some() {
            waits.clear();
        }
        let (index, step, result) = tokio::select! {
            Some(finished) = calls.next(), if !calls.is_empty() => finished,
            Some(finished) = waits.next(), if !waits.is_empty() => finished,
            else => break,
        };
        match result {
            Ok(()) => {
                context.reporter.event(Event::Done { index, step });
                order.done(index);
            }
            Err(error) => {
                let message = describe(&error);
                context.reporter.event(Event::Failed {
                    index,
                    step,
                    message: &message,
                    goes_on: runtime.goes_on(step),
                });
                failure.get_or_insert(error);
            }
        }
    }
    failure.map_or(Ok(()), Err)
}

/// Which steps may begin.
struct Order<'a> {
    plan: &'a Plan,
    blockers: Vec<usize>,
    followers: Vec<Vec<usize>>,
    ready: VecDeque<usize>,
}

impl<'a> Order<'a> {
    fn new(plan: &'a Plan) -> Self {
        let blockers: Vec<usize> = plan.nodes.iter().map(|node| node.after.len()).collect();
        let mut followers = vec![Vec::new(); plan.nodes.len()];
        for (index, node) in plan.nodes.iter().enumerate() {
            for before in &node.after {
                followers[*before].push(index);
            }
        }
        let ready = (0..plan.nodes.len())
            .filter(|index| blockers[*index] == 0)
            .collect();
        Self {
            plan,
            blockers,
            followers,
            ready,
        }
    }

    fn next(&mut self) -> Option<(usize, &'a Step)> {
        let index = self.ready.pop_front()?;
        Some((index, &self.plan.nodes[index].step))
    }

    /// A wait costs no call: it does not have to queue for one.
    fn next_is_wait(&self) -> bool {
        let is_wait = |index: &usize| matches!(self.plan.nodes[*index].step, Step::Wait(..));
        self.ready.front().is_some_and(is_wait)
    }

    fn done(&mut self, index: usize) {
        for follower in &self.followers[index] {
            self.blockers[*follower] -= 1;
            if self.blockers[*follower] == 0 {
                self.ready.push_back(*follower);
            }
        }
    }
}

fn describe(failure: &Failure) -> String {
    match failure {
        Failure::Stale(fault) => fault.to_string(),
        Failure::NotReady {
            container, stopped, ..
        } => format!("{container} {stopped}"),
        Failure::Other(error) => error.to_string(),
    }
}
