//! A git server that knows nothing of requests: the branch is pushed, people do the rest.

use super::{Delivery, Draft, Forge, Heard, Place, Requests, hear};
use crate::model::forge::ForgeKind;

/// git alone.
pub(super) struct Plain {
    place: Place,
}

impl Plain {
    pub(super) fn new(place: Place) -> Self {
        Self { place }
    }
}

impl Forge for Plain {
    fn kind(&self) -> ForgeKind {
        ForgeKind::Plain
    }

    fn delivery(&self, draft: &Draft) -> Delivery {
        Delivery::branch(draft)
    }

    fn heard(&self, said: &[String]) -> Heard {
        hear(said, &self.place, |_| false, |_| false)
    }

    fn requests(&self) -> Option<&dyn Requests> {
        None
    }
}
