//! The platforms that were initialised here, and the keys that are pinned for each.

use super::Home;
use super::file::{self, read_trusted};
use crate::error::{Error, Kind, Result};
use crate::model::name::PlatformName;
use crate::model::trust_file::TrustFile;

impl Home {
    /// The platforms that were initialised here.
    pub fn platforms(&self) -> Result<Vec<PlatformName>> {
        let folder = self.paths.platforms();
        let mut names: Vec<PlatformName> = file::names(&folder)?
            .into_iter()
            .filter_map(|name| PlatformName::new(name).ok())
            .filter(|name| {
                self.paths.definitions(name).is_dir() && self.paths.trust(name).is_file()
            })
            .collect();
        names.sort();
        Ok(names)
    }

    /// The platform that is meant: named, or the only one.
    pub fn platform_name(&self) -> Result<PlatformName> {
        let known = self.platforms()?;
        if let Some(name) = &self.settings.platform.value {
            if known.contains(name) {
                return Ok(name.clone());
            }
            return Err(
                Error::usage(format!("the platform `{name}` is not initialised here"))
                    .hint("`devenv init URL` clones its definitions"),
            );
        }
        match known.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(Error::usage("no platform is initialised here").hint(
                "`devenv init URL` clones the definitions of one; ask a colleague for the URL",
            )),
            several => {
                let names: Vec<_> = several.iter().map(PlatformName::as_str).collect();
                Err(Error::usage(format!(
                    "several platforms are initialised here: {}",
                    names.join(", ")
                ))
                .hint("name one with `--platform` or in settings.yaml"))
            }
        }
    }

    /// The pinned trust file of a platform.
    pub fn trust(&self, platform: &PlatformName) -> Result<TrustFile> {
        let path = self.paths.trust(platform);
        let text = read_trusted(Kind::Trust, &self.paths, &path)?.ok_or_else(|| {
            let text = format!(
                "the pinned keys of `{platform}` are missing ({})",
                path.display()
            );
            Error::trust(text).hint("`devenv init URL` shows and pins them again")
        })?;
        let trust = TrustFile::parse(&path.display().to_string(), &text)?;
        if trust.platform != *platform {
            return Err(Error::trust(format!(
                "{} is about the platform `{}`",
                path.display(),
                trust.platform
            )));
        }
        Ok(trust)
    }
}
