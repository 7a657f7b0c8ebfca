//! Kinds of hosts: the user's own profiles, and where all of them have their engines.

use super::Home;
use super::file::{self, read_trusted};
use crate::engine::connect::find::Place;
use crate::error::{Kind, Result};
use crate::model::host_profile::HostProfile;

impl Home {
    /// The user's own profiles.
    pub fn own_profiles(&self) -> Result<Vec<HostProfile>> {
        let folder = self.paths.profiles();
        let mut files = Vec::new();
        for name in file::names(&folder)? {
            let path = folder.join(&name);
            if path.extension().is_some_and(|it| it == "yaml")
                && let Some(text) = read_trusted(Kind::Usage, &self.paths, &path)?
            {
                files.push((path.display().to_string(), text));
            }
        }
        HostProfile::own(&files)
    }

    /// Where the known hosts, the user's own among them, have their engines: those of this machine
    /// first.
    pub(super) fn places(&self) -> Result<Vec<Place>> {
        let profiles = HostProfile::all(self.own_profiles()?)?;
        let mut places: Vec<Place> = profiles
            .iter()
            .flat_map(|profile| profile.reach.iter().map(move |reach| (profile, reach)))
            .map(|(profile, reach)| Place {
                what: profile.name.clone(),
                reach: reach.clone(),
            })
            .collect();
        places.sort_by_key(|place| place.reach.starts_with("tcp:"));
        Ok(places)
    }
}
