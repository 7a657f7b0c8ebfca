//! What a user is told of a goal before it is carried out.

use std::collections::BTreeMap;

use super::facets::unlike;
use crate::converge::desired::budget::Budget;
use crate::converge::goal::{Goal, Planned};
use crate::converge::plan::Step;
use crate::converge::select::Selection;
use crate::home::hosts;
use crate::home::session::{OpenPlatform, Session};
use crate::model::name::ContainerName;
use crate::model::nearest::nearest;
use crate::model::overrides::Override;

pub(super) fn what_is_missing(session: &Session, selection: &Selection) {
    for name in &selection.missing {
        session
            .reporter
            .warn(&format!("{name} is needed, but left out as you asked"));
    }
}

/// Ports that are not where they are wanted: taken by somebody now, or when the instance began.
pub(super) fn what_moved(session: &Session, planned: &Planned, chosen: &BTreeMap<u16, u16>) {
    let moved = |wanted| planned.moved.iter().any(|it| it.wanted == wanted);
    for (container, publish, given) in planned.ports.iter() {
        let wanted = publish.host;
        if given != wanted && !moved(wanted) && !chosen.contains_key(&wanted) {
            session.reporter.note(&format!(
                "{container} is published on {given} as before, not on {wanted} (`--port {wanted}={wanted}` changes it)"
            ));
        }
    }
    for moved in &planned.moved {
        session.reporter.warn(&format!(
            "port {} is {}; {} is published on {} instead (`--port {}=PORT` chooses another)",
            moved.wanted, moved.why, moved.container, moved.given, moved.wanted
        ));
    }
}

/// The user's own changes to what runs are never silent.
pub(super) fn what_is_overridden(session: &Session, open: &OpenPlatform, goal: &Goal<'_>) {
    let known = &goal.reference.containers;
    for name in goal
        .overrides
        .containers
        .keys()
        .filter(|it| !known.contains_key(*it))
    {
        let near = nearest(name.as_str(), known.keys().map(ContainerName::as_str));
        let near = near.map_or(String::new(), |it| format!("; did you mean `{it}`?"));
        let path = session.home.paths.overrides(&open.name);
        session.reporter.warn(&format!(
            "{}: reference {} has no container `{name}`{near}",
            path.display(),
            goal.reference.number
        ));
    }
    for name in &goal.selection.order {
        let keys = goal.overrides.of(name).map(Override::keys);
        if let Some(keys) = keys.filter(|it| !it.is_empty()) {
            let keys = keys.join(", ");
            let text = format!("{name} runs with your overrides: {keys}");
            session.reporter.warn(&text);
        }
    }
}

/// Warns where more memory is declared than there is, and says how the host differs from the last record;
/// only when something is about to be created.
pub(super) fn what_it_takes(
    session: &Session,
    open: &OpenPlatform,
    goal: &Goal<'_>,
    planned: &Planned,
) {
    let creates = |step: &Step| matches!(step, Step::Create(_));
    if !planned.plan.nodes.iter().any(|node| creates(&node.step)) {
        return;
    }
    unlike::say(session, open);
    let Ok((_, choice)) = session.engine() else {
        return;
    };
    // Asked within a day, with what kind of host it is.
    let memory = hosts::remembered(&session.home.paths, &choice.endpoint).map_or(0, |it| it.memory);
    let budget = Budget::of(goal.reference, &goal.selection.order, goal.overrides);
    if let Some(text) = budget.exceeds(memory) {
        session.reporter.warn(&format!(
            "{text}: the kernel will kill what does not fit (exit code 137)"
        ));
    }
}
