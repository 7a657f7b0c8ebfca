//! A route that a generation is proven by.

use serde::{Deserialize, Serialize};

use crate::model::name::ContainerName;
use crate::model::route::{Answer, Route};
use crate::model::text::HostName;

/// A route of a container, as the reference has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteRecord {
    /// Whose.
    pub of: ContainerName,
    /// Where the proxy shows it, and what is right there.
    pub route: Route,
}

impl RouteRecord {
    /// The `Host` that it is asked by.
    pub fn host(&self) -> &str {
        self.route
            .host
            .as_ref()
            .map_or("localhost", HostName::as_str)
    }

    /// Why this answer is wrong, in words; `None`: it is right.
    pub fn wrong(&self, answer: Option<&Answer>) -> Option<String> {
        let said = self.route.wrong(answer)?;
        let host = self.route.host.as_ref().map_or("", HostName::as_str);
        let path = self.route.asked();
        Some(format!("{host}{path} of {} answers {said}", self.of))
    }
}
