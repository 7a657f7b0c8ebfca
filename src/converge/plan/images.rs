//! Steps that get images: a pull where none is there, then the bind that finds its Id. Pure.

use std::collections::BTreeSet;

use super::{Cause, Plan, Step};
use crate::converge::desired::{Desired, DesiredContainer};
use crate::model::digest::Digest;

/// What gets the images of all desired containers, and does nothing else.
pub fn images(desired: &Desired, present: &BTreeSet<Digest>) -> Plan {
    let mut plan = Plan::default();
    for container in &desired.containers {
        image(&mut plan, container, present, Cause::Asked);
    }
    plan
}

/// Adds the steps that get one image; gives the last, the bind.
pub(super) fn image(
    plan: &mut Plan,
    container: &DesiredContainer,
    present: &BTreeSet<Digest>,
    cause: Cause,
) -> usize {
    let name = &container.name;
    let accepted = &container.image.accepted;
    let pull = (!accepted.iter().any(|id| present.contains(id)))
        .then(|| plan.push(Step::Pull(name.clone()), Cause::ImageMissing, []));
    plan.push(Step::Bind(name.clone()), cause, pull)
}
