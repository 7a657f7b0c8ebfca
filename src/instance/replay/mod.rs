//! Requests replayed against two references: three instances of their own side by side, the older reference
//! twice, so that what differs by itself is known.

mod evidence;
mod kept;
mod send;
mod stage;

use std::collections::{BTreeMap, BTreeSet};

pub use self::evidence::evidence;
use self::kept::Kept;
use self::send::{Sent, send};
use self::stage::{Beginning, Stage};
use crate::error::{Error, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::{InstanceRecord, ReferenceRecord};
use crate::instance::snapshot;
use crate::model::name::{ConfigurationName, ContainerName, InstanceName, SnapshotName};
use crate::model::quantity::Span;
use crate::model::reference::Reference;
use crate::model::replay::lines;
use crate::model::replay::outcome::{Outcome, Side};
use crate::model::replay::places::ALWAYS;
use crate::model::requests::recorded::Recorded;
use crate::model::requests::scrub::{GONE, Scrub};
use crate::model::snapshot::Snapshot;
use crate::verify::choose::{Choice, Preparation};

/// Why requests are left out that may change data.
pub const UNSAFE: &str = "methods other than GET and HEAD, which may change data";

/// Why requests are left out of which only a part is known.
pub const BODILESS: &str = "bodies that are neither forms nor JSON: they were taken out";

/// What is to be replayed.
#[derive(Debug)]
pub struct Wish {
    /// In their order.
    pub requests: Vec<Recorded>,
    /// The older reference.
    pub old: u64,
    /// The newer one.
    pub new: u64,
    /// How often the whole is sent.
    pub repeat: u32,
    /// The data that each instance begins with; without it, none, and nothing that may change data is sent.
    pub snapshot: Option<SnapshotName>,
    /// How long one container may take to become ready.
    pub timeout: Span,
    /// Whether the instances stay afterwards.
    pub keep: bool,
}

/// A reference that takes part.
struct Part {
    runs: ReferenceRecord,
    reference: Reference,
}

/// Brings three instances up, sends each request to all of them, and compares. The instances go again, with
/// their volumes: they are this command's own.
///
/// # Errors
/// A reference that is not there or does not become ready; nothing to send; another replay at work.
pub async fn replay(
    session: &Session,
    open: &OpenPlatform,
    mut wish: Wish,
    scrub: &Scrub,
) -> Result<Outcome> {
    let _lock = Kept::lock(session, open)?;
    if let Some(left) = Kept::load(session, open)? {
        session
            .reporter
            .note("removing what an earlier replay left");
        stage::discard(session, open, &left).await?;
    }
    let parts = [
        part(session, open, wish.old).await?,
        part(session, open, wish.new).await?,
    ];
    if let Some(name) = &wish.snapshot {
        refuse_unread(&snapshot::load(session, open, name)?, &parts)?;
    }
    let (requests, skipped) = sent(std::mem::take(&mut wish.requests), wish.snapshot.is_some());
    let containers = behind(&parts, &requests)?;
    let kept = Kept::begin(session, open)?;
    let staged = async {
        let names = kept.instances.iter();
        let numbers = [&parts[0], &parts[0], &parts[1]];
        let beginning = Beginning {
            configuration: configuration(session, open)?,
            snapshot: wish.snapshot.as_ref(),
            timeout: wish.timeout,
        };
        let mut stages = Vec::new();
        for (name, part) in names.zip(numbers) {
            let number = part.runs.number;
            session
                .reporter
                .note(&format!("instance {name}: reference {number}"));
            let here = session.beside(name.clone());
            let there = containers
                .iter()
                .filter(|it| part.reference.containers.contains_key(*it));
            let asked = there.map(ToString::to_string).collect();
            stages.push(Stage::up(here, open, part.runs, asked, &beginning).await?);
        }
        send(session, open, stages, &requests, wish.repeat).await
    };
    let answers = Box::pin(staged).await;
    if wish.keep && answers.is_ok() {
        let names: Vec<&str> = kept.instances.iter().map(InstanceName::as_str).collect();
        session.reporter.note(&format!(
            "kept until the next replay: the instances {}",
            names.join(", ")
        ));
    } else if let Err(error) = stage::discard(session, open, &kept).await {
        session.reporter.warn(&format!(
            "what was replayed against is still there: {error}; the next `devenv replay` removes it"
        ));
    }
    Ok(outcome(
        open, &parts, containers, &requests, skipped, &answers?, scrub,
    ))
}

/// Each of the references has to read the data.
fn refuse_unread(saved: &Snapshot, parts: &[Part; 2]) -> Result<()> {
    for it in parts {
        if let Some(why) = snapshot::unread(saved, &it.reference, &BTreeMap::new()) {
            let text = format!("reference {} cannot be replayed against", it.runs.number);
            return Err(Error::usage(text).because(Error::usage(why)));
        }
    }
    Ok(())
}

/// Those that are sent, and how many are not, by the reason.
fn sent(mut requests: Vec<Recorded>, has_data: bool) -> (Vec<Recorded>, BTreeMap<String, usize>) {
    let mut skipped: BTreeMap<String, usize> = BTreeMap::new();
    requests.retain(|it| {
        let why = unsent(it, has_data);
        if let Some(why) = why {
            *skipped.entry(why.to_owned()).or_default() += 1;
        }
        why.is_none()
    });
    (requests, skipped)
}

/// Why a request is not sent; `None` where it is.
fn unsent(request: &Recorded, has_data: bool) -> Option<&'static str> {
    let is_gone = request.body.as_ref().is_some_and(|it| it.text == GONE);
    match request.method.as_str() {
        "GET" | "HEAD" => None,
        _ if !has_data => Some(UNSAFE),
        _ => is_gone.then_some(BODILESS),
    }
}

async fn part(session: &Session, open: &OpenPlatform, number: u64) -> Result<Part> {
    let registry = session.registry();
    let preparation = Preparation::new(session, open, registry.as_ref());
    let verified = preparation.choose(&Choice::Number(number)).await?.verified;
    Ok(Part {
        runs: ReferenceRecord {
            number,
            digest: verified.proxy.image.digest,
        },
        reference: verified.reference,
    })
}

/// The containers that the requests reach in either reference.
fn behind(parts: &[Part; 2], requests: &[Recorded]) -> Result<BTreeSet<ContainerName>> {
    if requests.is_empty() {
        return Err(Error::usage(
            "there is no request to replay: without `--snapshot` only GET and HEAD are sent",
        ));
    }
    let routes = requests.iter().flat_map(|request| {
        let route = |part: &Part| Some(request.target.route(&part.reference)?.0.clone());
        parts.iter().filter_map(route).collect::<Vec<_>>()
    });
    let found: BTreeSet<ContainerName> = routes.collect();
    let [old, new] = parts.each_ref().map(|it| it.runs.number);
    if found.is_empty() {
        let text = format!("no request takes a route of reference {old} or {new}");
        return Err(Error::usage(text).hint("`devenv requests FILE` shows what was asked"));
    }
    Ok(found)
}

/// The settings that the instance uses, else those of new ones.
fn configuration(session: &Session, open: &OpenPlatform) -> Result<ConfigurationName> {
    let record = InstanceRecord::load(&session.home.paths, &open.name, &session.instance)?;
    let of_new = || open.workstation.configuration.clone();
    Ok(record.map_or_else(of_new, |it| it.configuration))
}

fn outcome(
    open: &OpenPlatform,
    parts: &[Part; 2],
    containers: BTreeSet<ContainerName>,
    requests: &[Recorded],
    skipped: BTreeMap<String, usize>,
    sent: &Sent,
    scrub: &Scrub,
) -> Outcome {
    let sessions: BTreeSet<&str> = requests.iter().map(|it| it.session.as_str()).collect();
    let side = |it: &Part| Side {
        reference: it.runs.number,
        digest: it.runs.digest,
    };
    let shown = |text: String| cut(&scrub.text(&text));
    let mut differences = sent.tally.differences();
    for it in &mut differences {
        it.old = it.old.take().map(shown);
        it.new = it.new.take().map(shown);
    }
    let [old, again, new] = &sent.lines;
    let mut logs = lines::changes(old, again, new);
    for it in &mut logs {
        it.line = scrub.text(&it.line);
    }
    Outcome {
        platform: open.name.to_string(),
        old: side(&parts[0]),
        new: side(&parts[1]),
        containers: containers.into_iter().collect(),
        requests: sent.requests,
        sessions: sessions.len(),
        skipped,
        differences,
        times: sent.tally.times(),
        logs,
        mask: sent.tally.mask(),
        never_compared: ALWAYS.to_vec(),
    }
}

/// Characters of a value that are kept.
const WIDEST: usize = 300;

fn cut(text: &str) -> String {
    match text.chars().count() {
        ..=WIDEST => text.to_owned(),
        _ => text.chars().take(WIDEST - 1).chain(['…']).collect(),
    }
}
