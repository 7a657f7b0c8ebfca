//! What is known of one kind of host, and which kind fits.

use serde::Deserialize;

use super::parts::{Events, Evidence, Filesystem, HealthChecks, MemoryAdvice, Published, Share};
use super::recognition::{Condition, HostFacts};

/// One kind of Docker host. `profiles/linux.yaml` explains every key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostProfile {
    /// Its name, as `status` shows it and the setting `profile` takes it.
    pub name: String,
    /// For people.
    pub description: String,
    /// Lower ones are tried first.
    pub precedence: u16,
    /// Any of them is enough; without one it is taken only where the user names it.
    pub recognise: Vec<Condition>,
    /// Where such an engine usually is, in docker's notation; `~` is the user's folder.
    pub reach: Vec<String>,
    /// Where published ports are.
    pub published: Published,
    /// The lowest port that containers can be published on.
    pub lowest_port: u16,
    /// Folders of this machine that containers can see.
    pub shares: Vec<Share>,
    /// What shared folders can do.
    pub filesystem: Filesystem,
    /// How containers call the user's machine, where they can.
    pub host_name: Option<String>,
    /// How much memory it has unless somebody gave it more.
    pub memory: Option<MemoryAdvice>,
    /// What to know about it.
    pub warnings: Vec<String>,
    /// Whether events arrive.
    pub events: Events,
    /// Whether the engine runs health checks.
    pub health_checks: HealthChecks,
    /// Where this is from.
    pub evidence: Evidence,
}

/// The first of these profiles that fits, and why.
pub fn recognise<'a>(
    profiles: &'a [HostProfile],
    facts: &HostFacts,
) -> Option<(&'a HostProfile, String)> {
    profiles.iter().find_map(|profile| {
        let mut conditions = profile.recognise.iter();
        let holds = conditions.find(|condition| condition.holds(facts))?;
        Some((profile, holds.to_string()))
    })
}
