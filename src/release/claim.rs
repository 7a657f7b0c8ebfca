//! Reservations: of two operators at one moment, exactly one gets a version, number or sequence.

use std::collections::BTreeMap;

use super::Desk;
use crate::definitions::{CommitId, Held, Holder, Reservation, Reserved, Tag};
use crate::error::{Error, Result};

/// A reservation that is ours.
#[derive(Debug)]
pub(super) struct Claim {
    held: Held,
    commit: CommitId,
    reservation: Reservation,
}

/// How an attempt to reserve ended.
#[derive(Debug)]
pub(super) enum Claimed {
    /// It is ours.
    Ours(Claim),
    /// Another has it.
    Taken(Box<Holder>),
}

/// What is reserved, at which commit, for what.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) tag: Tag,
    pub(super) commit: CommitId,
    /// What goes into the result: digests of artifacts and bases.
    pub(super) inputs: BTreeMap<String, String>,
    /// Whether another's dead reservation may be replaced; asks first.
    pub(super) take_over: bool,
}

impl Desk<'_> {
    /// Reserves, resumes our own reservation, or replaces a dead one where that is wished.
    pub(super) async fn claim(&mut self, wish: &Wish, token: &str) -> Result<Claimed> {
        let reservation = Reservation {
            token: token.to_owned(),
            inputs: wish.inputs.clone(),
        };
        let (tag, commit) = (&wish.tag, wish.commit);
        let author = self.definitions.author(self.now())?;
        let first = self
            .definitions
            .reserve(tag, commit, &reservation, &author)
            .await?;
        let outcome = match first {
            Reserved::Won(held) => Reserved::Won(held),
            Reserved::Lost(holder) if self.may_replace(wish, token, &holder)? => {
                self.definitions
                    .take_over(tag, &holder, commit, &reservation, &author)
                    .await?
            }
            lost @ Reserved::Lost(_) => lost,
        };
        Ok(match outcome {
            Reserved::Won(held) => Claimed::Ours(Claim {
                held,
                commit,
                reservation,
            }),
            Reserved::Lost(holder) => Claimed::Taken(holder),
        })
    }

    /// Our own may be replaced: an interrupted run made it, with inputs that have changed since.
    fn may_replace(&self, wish: &Wish, token: &str, holder: &Holder) -> Result<bool> {
        let ours = |reservation: &Reservation| reservation.token == token;
        if holder.reservation.as_ref().is_some_and(ours) {
            return Ok(true);
        }
        if !wish.take_over {
            return Ok(false);
        }
        let question = format!(
            "{}. If that is still going on, it will end without publishing. Replace it?",
            describe(&wish.tag, holder)
        );
        self.reporter.confirm(&question, "--yes")
    }

    /// Fails unless the reservation is still ours: asked before anything becomes visible.
    pub(super) async fn still_ours(&mut self, claim: &Claim) -> Result<()> {
        let author = self.definitions.author(self.now())?;
        let tag = &claim.held.tag;
        let again = self
            .definitions
            .reserve(tag, claim.commit, &claim.reservation, &author)
            .await?;
        match again {
            Reserved::Won(_) => Ok(()),
            Reserved::Lost(holder) => Err(taken(tag, &holder).within(
                "another operator took over while this was going on; nothing was published",
            )),
        }
    }

    /// Whether what exists under `tag` was reserved by the attempt with this token.
    pub(super) async fn is_reserved_by(
        &mut self,
        tag: &Tag,
        commit: CommitId,
        token: &str,
    ) -> Result<bool> {
        let reservation = Reservation {
            token: token.to_owned(),
            inputs: BTreeMap::new(),
        };
        let author = self.definitions.author(self.now())?;
        let asked = self
            .definitions
            .reserve(tag, commit, &reservation, &author)
            .await?;
        Ok(match asked {
            Reserved::Won(_) => true,
            Reserved::Lost(holder) => holder
                .reservation
                .is_some_and(|reservation| reservation.token == token),
        })
    }

    /// Gives a reservation back after a failure that published nothing.
    pub(super) async fn give_back(&mut self, claim: &Claim) {
        if let Err(error) = self.definitions.release(&claim.held).await {
            self.reporter.warn(&format!(
                "the reservation {} stays: {error}",
                claim.held.tag
            ));
        }
    }
}

/// The refusal for who came second.
pub(super) fn taken(tag: &Tag, holder: &Holder) -> Error {
    Error::git(describe(tag, holder))
        .hint("wait for the other operator to finish; if that attempt is dead: --take-over")
}

fn describe(tag: &Tag, holder: &Holder) -> String {
    let who = holder.tagger.as_deref().unwrap_or("somebody");
    match holder.at {
        Some(at) => format!("{tag} was reserved by {who} at {at}"),
        None => format!("{tag} was reserved by {who}"),
    }
}
