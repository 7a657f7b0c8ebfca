//! Taking a proposal back from the server: its request closed, its branch removed.

use serde::Serialize;

use super::Proposal;
use super::reach::reach;
use super::refusal;
use crate::definitions::{History, transport};
use crate::error::{Error, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::proposals::forge::State;

/// What was done on the server.
#[derive(Debug, Default, Serialize)]
pub struct Withdrawn {
    /// The request's address, where there was an open one.
    pub request: Option<String>,
    /// Whether it was closed by asking the forge; else it closes with its branch, or by hand.
    pub closed: bool,
    /// The branch that was removed.
    pub branch: Option<String>,
}

/// Closes and removes; nothing where nothing was sent.
pub async fn withdraw(
    session: &Session,
    open: &OpenPlatform,
    proposal: &Proposal,
) -> Result<Withdrawn> {
    let mut withdrawn = Withdrawn::default();
    let Some(sent) = &proposal.sent else {
        return Ok(withdrawn);
    };
    if session.offline {
        return Err(Error::git(format!(
            "the branch {} is on the server, and `--offline` forbids the network",
            sent.branch
        ))
        .hint("`--keep-request` drops the proposal here alone"));
    }
    let mut definitions = session.definitions(&open.name)?;
    definitions
        .fetch(History::Forward, transport::silent())
        .await?;
    // First: where somebody else went on, the request is theirs as well.
    let there = definitions.branch_commit(&sent.branch)?;
    if there.is_some_and(|it| !sent.knows(it)) {
        return Err(overtaken(&sent.branch));
    }
    let forge = reach(session, open, &definitions, Some(sent.kind)).await?;
    if let Some(requests) = forge.requests() {
        let found = requests.find(&sent.draft()).await?;
        if let Some(request) = found.filter(|it| it.state == State::Open) {
            withdrawn.request = Some(request.url);
            if let Some(number) = request.number {
                requests.close(number).await?;
                withdrawn.closed = true;
            }
        }
    } else {
        let open_one = sent.request.as_ref().filter(|it| it.state == State::Open);
        withdrawn.request = open_one.map(|it| it.url.clone());
        let nothing_known = sent.commit.is_none() && there.is_none() && open_one.is_none();
        if sent.sending.is_some() && nothing_known {
            session.reporter.warn(&format!(
                "a {} may be there of a try that failed: without a token {} cannot be asked",
                sent.kind.request(),
                sent.kind
            ));
        }
    }
    if let Some(there) = there {
        let gone = definitions.take_back(&sent.branch, there, transport::silent());
        if !gone.await? {
            return Err(overtaken(&sent.branch));
        }
        withdrawn.branch = Some(sent.branch.clone());
    }
    Ok(withdrawn)
}

fn overtaken(branch: &str) -> Error {
    refusal::overtaken(branch).hint("`--keep-request` drops the proposal here alone")
}
