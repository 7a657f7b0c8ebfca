//! Kinds of hosts: the user's own profiles, and where all of them have their engines.

use std::io::ErrorKind;

use super::Context;
use crate::engine::find::Place;
use crate::error::{Kind, PathContext, Result};
use crate::model::host_profile::HostProfile;

impl Context {
    /// The user's own profiles.
    pub fn own_profiles(&self) -> Result<Vec<HostProfile>> {
        let folder = self.paths.profiles();
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).at(Kind::Usage, "read", &folder),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.at(Kind::Usage, "read", &folder)?.path();
            if path.extension().is_some_and(|it| it == "yaml") {
                let text = std::fs::read(&path).at(Kind::Usage, "read", &path)?;
                files.push((path.display().to_string(), text));
            }
        }
        files.sort();
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
