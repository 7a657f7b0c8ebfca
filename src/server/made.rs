//! What the engine was seen to have made of a container, so that a change by hand is seen later. Pure.

use serde::{Deserialize, Serialize};

use crate::model::digest::Digest;
use crate::model::observed::ContainerDetails;
use crate::model::quantity::ByteSize;

/// What an inspect told of a container once it was ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// The Id of its image.
    pub image: Option<Digest>,
    /// Memory limit in bytes; 0 is none.
    pub memory: u64,
}

impl Made {
    /// What is remembered of an inspect.
    pub fn of(details: &ContainerDetails) -> Self {
        Self {
            image: details.image,
            memory: details.memory,
        }
    }

    /// Whether it still is of this image, as far as the engine told.
    pub fn is_of(&self, image: Option<Digest>) -> bool {
        image.is_none() || self.image.is_none() || self.image == image
    }

    /// What somebody changed since, in words; `None`: nothing that can be seen.
    pub fn changed(&self, details: &ContainerDetails) -> Option<String> {
        let is = Self::of(details);
        if !self.is_of(is.image) {
            return Some("was replaced by hand: it runs another image".to_owned());
        }
        (is.memory != self.memory).then(|| {
            let [is, was] = [is.memory, self.memory].map(|bytes| match bytes {
                0 => "none".to_owned(),
                bytes => ByteSize::bytes(bytes).to_string(),
            });
            format!("was changed by hand: its memory limit is {is}, not {was}")
        })
    }
}
