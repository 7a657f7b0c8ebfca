//! What devenv left behind and nobody needs any more: found, shown, removed.

mod kept;
mod leftovers;
mod removal;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join;

use crate::engine::Engine;
use crate::engine::docker::Docker;
use crate::error::Result;
use crate::home::lock::Lock;
use crate::home::session::Session;
use crate::home::snapshots::Snapshots;
use crate::home::state::{self, Owner};
use crate::model::identity;
use crate::model::name::PlatformName;
use crate::proposals::{self, Proposal};

pub use kept::Kept;
pub use leftovers::{Instance, Leftover, Survey, instance, leftovers};
pub use removal::{Removed, remove};

/// Looks at the engine, at what the instances remember and at what the environments refer to.
pub struct Cleaner<'a> {
    session: &'a Session,
    engine: &'a Docker,
    platforms: Vec<PlatformName>,
    kept: BTreeMap<PlatformName, Kept>,
    /// Why chunks of snapshots stay.
    unread: Vec<String>,
    volumes: bool,
}

impl<'a> Cleaner<'a> {
    /// For the platform that is meant, or all of them; volumes only where they are asked for.
    pub async fn new(session: &'a Session, engine: &'a Docker, volumes: bool) -> Result<Self> {
        let platforms = match &session.home.settings.platform.value {
            Some(_) => vec![session.home.platform_name()?],
            None => session.home.platforms()?,
        };
        let (mut kept, mut unread) = (BTreeMap::new(), Vec::new());
        for platform in &platforms {
            let of = Kept::of(session, platform).await;
            let snapshots = Snapshots::of(&session.home.paths, platform);
            if let Err(error) = snapshots.unneeded() {
                let why = error.chain().join(": ");
                unread.push(format!("chunks of {platform}'s snapshots stay: {why}"));
            }
            kept.insert(platform.clone(), of);
        }
        Ok(Self {
            session,
            engine,
            platforms,
            kept,
            unread,
            volumes,
        })
    }

    /// Why some things stay that may be leftovers.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        let kept = self.kept.values().flat_map(|it| &it.unknown);
        kept.chain(&self.unread).map(String::as_str)
    }

    /// What is left over now.
    pub async fn look(&self) -> Result<Vec<Leftover>> {
        let owner = Owner::load(&self.session.home.paths)?.id;
        let label = format!("{}={owner}", identity::OWNER);
        let lists = try_join(
            try_join(self.engine.containers(), self.engine.images()),
            try_join(self.engine.networks(&label), self.engine.volumes(&label)),
        );
        let ((containers, images), (networks, volumes)) = lists.await?;
        let mut recorded = BTreeSet::new();
        for platform in self.session.home.platforms()? {
            for instance in state::instances(&self.session.home.paths, &platform)? {
                recorded.insert((platform.to_string(), instance.to_string()));
            }
        }
        let survey = Survey {
            owner,
            platform: self.only(),
            containers,
            networks,
            volumes: if self.volumes { volumes } else { Vec::new() },
            images,
            recorded,
            kept: self
                .kept
                .iter()
                .filter(|(_, kept)| kept.unknown.is_empty())
                .map(|(platform, kept)| (platform.clone(), kept.images.clone()))
                .collect(),
            proposed: self.proposed(),
        };
        let mut all = leftovers(&survey);
        all.extend(self.orphans()?);
        all.extend(self.content()?);
        all.extend(self.chunks());
        Ok(all)
    }

    /// Chunks that no snapshot needs; none of a platform whose snapshots cannot all be read.
    fn chunks(&self) -> Vec<Leftover> {
        let of = |platform: &PlatformName| {
            let found = self.snapshots(platform).unneeded();
            let (files, size) = found.ok().filter(|(files, _)| *files > 0)?;
            Some(Leftover::Chunks {
                platform: platform.clone(),
                files,
                size,
            })
        };
        self.platforms.iter().filter_map(of).collect()
    }

    fn snapshots(&self, platform: &PlatformName) -> Snapshots {
        Snapshots::of(&self.session.home.paths, platform)
    }

    /// Names of the images that proposals refer to; `None` where not all of them can be read.
    fn proposed(&self) -> Option<BTreeSet<String>> {
        let mut tags = BTreeSet::new();
        for platform in self.session.home.platforms().ok()? {
            let open = self.session.open_named(&platform).ok()?;
            for proposal in Proposal::all(self.session, &open).ok()? {
                tags.extend(proposal.tags(&open.platform.proxy));
            }
        }
        Some(tags)
    }

    fn orphans(&self) -> Result<Vec<Leftover>> {
        let mut found = Vec::new();
        for platform in &self.platforms {
            for (container, why) in proposals::orphans(&self.session.home.paths, platform)? {
                found.push(Leftover::Proposal {
                    platform: platform.clone(),
                    container,
                    why,
                });
            }
        }
        Ok(found)
    }

    /// Removes what is left of half proposals, and what no snapshot needs.
    pub fn forget(&self, leftovers: &[Leftover]) -> Result<()> {
        for leftover in leftovers {
            if let Leftover::Chunks { platform, .. } = leftover {
                self.snapshots(platform).sweep()?;
            }
            if let Leftover::Proposal {
                platform,
                container,
                ..
            } = leftover
            {
                proposals::forget(self.session, platform, container)?;
            }
        }
        Ok(())
    }

    /// The locks of the instances that leftovers belong to, and of snapshots: what another command just
    /// saves is not needed yet.
    pub async fn locks(&self, leftovers: &[Leftover]) -> Result<Vec<Lock>> {
        let mut locks = Vec::new();
        let reporter = &self.session.reporter;
        for platform in &self.platforms {
            for instance in state::instances(&self.session.home.paths, platform)? {
                let its = (platform.to_string(), instance.to_string());
                if leftovers.iter().any(|it| it.instance() == Some(&its)) {
                    let text = format!("waiting for another devenv command on {instance}");
                    let paths = &self.session.home.paths;
                    let waiting = || reporter.note(&text);
                    locks.push(Lock::take(paths, platform, &instance, waiting).await?);
                }
            }
        }
        // After those of all instances, as a command that saves takes them.
        for platform in &self.platforms {
            let is_chunks = |it: &Leftover| matches!(it, Leftover::Chunks { platform: of, .. } if of == platform);
            if leftovers.iter().any(is_chunks) {
                let waiting =
                    || reporter.note("waiting for another devenv command on the snapshots");
                locks.push(self.snapshots(platform).lock(waiting).await?);
            }
        }
        Ok(locks)
    }

    /// The platform that `--platform` names.
    fn only(&self) -> Option<PlatformName> {
        let named = self.session.home.settings.platform.value.as_ref();
        named.and_then(|_| self.platforms.first().cloned())
    }

    /// Cached content that no known reference leads to; none where one is not known.
    fn content(&self) -> Result<Vec<Leftover>> {
        let complete = self.session.home.platforms()?.len() == self.platforms.len()
            && self.kept.values().all(|it| it.unknown.is_empty());
        if !complete {
            return Ok(Vec::new());
        }
        let read = self.kept.values().flat_map(|it| it.files.iter()).collect();
        removal::unread(&self.session.home.paths, &read)
    }
}
