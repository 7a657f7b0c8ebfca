//! Whether the data of a snapshot holds values that nobody else should have.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;

use super::{store, transfer};
use crate::error::Result;
use crate::home::session::{OpenPlatform, Session};
use crate::model::redaction::Redaction;
use crate::model::snapshot::Snapshot;

/// How often the data of each container holds a value as it is: by the container, then by the name of the
/// value. What a program packs or encrypts is not seen.
///
/// # Errors
/// A chunk that is damaged.
pub(in crate::instance) async fn search(
    session: &Session,
    open: &OpenPlatform,
    snapshot: &Snapshot,
    redaction: &Redaction,
) -> Result<BTreeMap<String, BTreeMap<String, u64>>> {
    let chunks = store(session, open).chunks();
    let work = session.reporter.work("search");
    let volumes = snapshot
        .volumes
        .iter()
        .map(|it| (&it.container, &it.chunks));
    let dumps = snapshot.dumps.iter().map(|it| (&it.container, &it.chunks));
    let mut found: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let mut done = 0;
    for (container, saved) in volumes.chain(dumps) {
        let mut count = redaction.plain();
        let mut pieces = std::pin::pin!(transfer::pieces(saved.clone(), &chunks));
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            count.push(&piece);
            done += piece.len() as u64;
            work.bytes(done, snapshot.size());
        }
        for (name, times) in count.found() {
            let own = found.entry(container.to_string()).or_default();
            *own.entry(name).or_default() += times;
        }
    }
    work.finish(&format!(
        "{} MB of data searched for secrets",
        done / 1_000_000
    ));
    Ok(found)
}
