//! Whether the volumes of a container are to be filled: only where nobody ever wrote into them. Pure.

use super::{Observed, carry};
use crate::converge::desired::{DesiredContainer, Due};
use crate::model::filling::FilledFrom;

/// What its volumes are to be filled from, once it runs.
pub(super) fn due<'a>(
    container: &'a DesiredContainer,
    observed: &Observed,
) -> Option<&'a FilledFrom> {
    let filling = container.filling.as_ref()?;
    let is_due = match filling.due {
        Due::Now => true,
        Due::WhereNew => is_new(container, observed),
    };
    is_due.then_some(&filling.from)
}

/// None of its volumes is there, and nothing is carried over into them.
fn is_new(container: &DesiredContainer, observed: &Observed) -> bool {
    let mut volumes = container.data_volumes().peekable();
    let mut there = observed
        .containers
        .get(&container.name)
        .into_iter()
        .flatten();
    volumes.peek().is_some()
        && volumes.all(|it| !observed.volumes.contains(it))
        && there.all(|it| carry::paths(container, it).is_empty())
}
