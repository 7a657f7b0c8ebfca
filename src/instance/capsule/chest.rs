//! A capsule that was read and checked; nothing of it was used yet.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;

use super::cipher::{self, Keys};
use super::content;
use super::signature::{self, Signer};
use super::spool::Blob;
use super::unpack::{Unpacked, unpack};
use crate::error::{Error, Kind, PathContext as _, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::instance::snapshot;
use crate::model::capsule::manifest::{Manifest, Ran};
use crate::model::capsule::part::Part;
use crate::model::capsule::timeline::{Event, Kind as EventKind, Timeline};
use crate::model::digest::Digest;
use crate::model::facets::record::Runs;
use crate::model::name::{ContainerName, PlatformName};
use crate::model::trust_file::TrustFile;
use crate::system::{Here, System as _};

/// Bytes of data that any snapshot may have, and that it may have for each of its bytes in a capsule: a few
/// packed ones may promise any number.
const DATA: u64 = 1 << 30;
const DATA_FOR_EACH: u64 = 1000;

/// A capsule, every byte of it checked.
#[derive(Debug)]
pub struct Chest {
    /// What the capsule says of itself.
    pub manifest: Manifest,
    /// Of its OCI manifest.
    pub digest: Digest,
    /// Who vouches for it.
    pub signer: Signer,
    pub(super) parts: BTreeMap<Part, Blob>,
}

/// Reads a capsule of this platform.
///
/// # Errors
/// A file that is no capsule, cut off or changed; one of another platform, or that expired; a signature that
/// does not count; a part that is not what it must be. Nothing is left then.
pub async fn read(
    session: &Session,
    open: &OpenPlatform,
    file: &Path,
    keys: Keys,
) -> Result<Chest> {
    let folder = session.home.paths.cache().to_owned();
    Here::create_private(&folder).at(Kind::Usage, "create", &folder)?;
    let (trust, platform) = (open.trust.clone(), open.name.clone());
    let (path, now) = (file.to_owned(), session.home.now());
    let work = session.reporter.work("capsule");
    let read = tokio::task::spawn_blocking(move || {
        let from = cipher::unseal(&path, &keys)?;
        let unpacked = unpack(from, &folder, &*work)?;
        let chest = Chest::check(unpacked, &trust, &platform, now)?;
        work.finish("read, and every part of it checked");
        Ok(chest)
    });
    let read = read
        .await
        .map_err(|error| Error::bug("the thread of a file ended").because(error))?;
    read.map_err(|error: Error| error.within(format!("cannot open {}", file.display())))
}

impl Chest {
    pub(super) fn check(
        unpacked: Unpacked,
        trust: &TrustFile,
        platform: &PlatformName,
        now: Timestamp,
    ) -> Result<Self> {
        let manifest = Manifest::parse(&unpacked.manifest)?;
        manifest.refuse_foreign(platform, now)?;
        let bundle = unpacked.bundle.as_deref();
        let signer = signature::judge(trust, &unpacked.capsule, manifest.taken, bundle)?;
        let chest = Self {
            manifest,
            digest: unpacked.digest,
            signer,
            parts: unpacked.parts,
        };
        for (part, blob) in &chest.parts {
            match part {
                Part::Facts => chest.check_facts(blob)?,
                Part::Logs => content::lines(blob, |_| ())?,
                Part::Requests => drop(content::requests(blob)?),
                Part::Snapshot => chest.check_data(blob)?,
            }
        }
        Ok(chest)
    }

    fn check_facts(&self, blob: &Blob) -> Result<()> {
        let record = content::facts(blob)?;
        if record.platform == self.manifest.platform {
            return Ok(());
        }
        Err(Error::usage("its part facts is of another platform"))
    }

    fn check_data(&self, blob: &Blob) -> Result<()> {
        let file = blob.file.try_clone();
        let file = file.map_err(|error| Error::usage("its data cannot be read").because(error))?;
        let saved = snapshot::peek(file)
            .map_err(|error| error.within("its part snapshot cannot be read"))?;
        let most = DATA.saturating_add(blob.size.saturating_mul(DATA_FOR_EACH));
        if saved.size() > most {
            let text = format!(
                "its data would unpack to {} bytes; of {} bytes there may be {most}",
                saved.size(),
                blob.size
            );
            return Err(Error::usage(text));
        }
        let (of, reference) = (saved.digest, self.manifest.reference.digest);
        if saved.platform != self.manifest.platform || of != reference {
            return Err(Error::usage(
                "its data is of another reference than the rest",
            ));
        }
        Ok(())
    }

    /// Bytes of each part, as they are in it.
    pub fn sizes(&self) -> BTreeMap<Part, u64> {
        self.parts
            .iter()
            .map(|(part, it)| (*part, it.size))
            .collect()
    }

    /// What happened around its moment: no more than so many events before it, half as many after; and how many
    /// there are.
    ///
    /// # Errors
    /// A part that cannot be read any more.
    pub fn timeline(&self, most: usize) -> Result<(Vec<Event>, u64)> {
        let mut timeline = Timeline::around(self.manifest.moment, most);
        for (name, ran) in &self.manifest.containers {
            if let Some(event) = start(name, ran) {
                timeline.add(event);
            }
        }
        if let Some(blob) = self.parts.get(&Part::Requests) {
            let requests = content::requests(blob)?.requests;
            requests
                .iter()
                .filter_map(Event::request)
                .for_each(|it| timeline.add(it));
        }
        if let Some(blob) = self.parts.get(&Part::Logs) {
            content::lines(blob, |it| timeline.add(Event::line(it)))?;
        }
        Ok(timeline.events())
    }
}

fn start(name: &ContainerName, ran: &Ran) -> Option<Event> {
    let version = ran.version.as_deref().unwrap_or("a version without a name");
    let mut text = match ran.source {
        Runs::Local => "a proposal started".to_owned(),
        Runs::Reference | Runs::Pinned => format!("{version} started"),
    };
    if ran.restarts > 0 {
        let _ = write!(text, ", for the {}. time by the engine", ran.restarts);
    }
    if ran.out_of_memory {
        text.push_str(", after the kernel had killed it for memory");
    }
    if ran.state != "running" {
        let _ = write!(text, "; when the capsule was made it was {}", ran.state);
    }
    Some(Event {
        time: ran.started?,
        kind: EventKind::Start,
        container: Some(name.clone()),
        text,
    })
}

#[cfg(test)]
mod tests;
