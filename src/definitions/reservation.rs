//! Versions, numbers and sequences, reserved by pushing an annotated tag: of two pushes of one
//! tag the server accepts exactly one.
//!
//! The tag's message is a sentence and, as its last line, the [`Reservation`] as JSON. Who lost a
//! connection in the middle asks again with the same token and inputs and learns what happened.

use git2::{ErrorCode, ObjectType, Oid};

use super::commit::{Author, with_text};
use super::commit_id::CommitId;
use super::repository::{Definitions, local};
use super::tag::{Held, Holder, Reservation, Tag, describe};
use super::transport::{Expected, Fetch, Push, RemoteReference, Update, silent};
use crate::error::{Error, Result};
use crate::model::visible::visible;

/// How an attempt to reserve ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// The tag is ours.
    Won(Held),
    /// Another has it.
    Lost(Box<Holder>),
}

/// A tag of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteTag {
    /// Its name without `refs/tags/`.
    pub name: String,
    /// The commit that it is about.
    pub commit: CommitId,
}

impl Definitions {
    /// Reserves `tag` at `commit`. Exactly one of several attempts wins. Fails with
    /// [`crate::error::Kind::Git`] when the server cannot be used or does not allow it.
    pub async fn reserve(
        &mut self,
        tag: &Tag,
        commit: CommitId,
        reservation: &Reservation,
        author: &Author,
    ) -> Result<Reserved> {
        self.attempt(tag, Expected::Absent, commit, reservation, author)
            .await
    }

    /// Replaces the reservation of `holder`, whose work is known to be dead. Lost when it is not
    /// the holder's any more.
    pub async fn take_over(
        &mut self,
        tag: &Tag,
        holder: &Holder,
        commit: CommitId,
        reservation: &Reservation,
        author: &Author,
    ) -> Result<Reserved> {
        let expected = Expected::Exactly(holder.id);
        self.attempt(tag, expected, commit, reservation, author)
            .await
    }

    /// Gives a reservation back. False when it was not ours any more, which changes nothing.
    pub async fn release(&mut self, held: &Held) -> Result<bool> {
        let name = held.tag.full_name()?;
        let push = Push {
            target: name.clone(),
            source: None,
            expected: Expected::Exactly(held.id),
            options: Vec::new(),
        };
        let remote = self.remote()?;
        let sent = remote.push(&push, silent()).await;
        let done = matches!(&sent, Ok(report) if report.update == Update::Done);
        if !done {
            match remote.reference(&name).await? {
                None => {}
                Some(found) if found.id != held.id => return Ok(false),
                Some(_) => {
                    let report = sent?;
                    return Err(not_allowed(
                        "give back",
                        &held.tag,
                        &report.update,
                        &report.said,
                    ));
                }
            }
        }
        match self.repository.find_reference(&name) {
            Ok(mut reference) => reference.delete().map_err(local("delete a tag"))?,
            Err(error) if error.code() == ErrorCode::NotFound => {}
            Err(error) => return Err(local("delete a tag")(error)),
        }
        Ok(true)
    }

    /// The server's tags whose name begins with `prefix` (`release/billing/`), by name.
    pub async fn remote_tags(&mut self, prefix: &str) -> Result<Vec<RemoteTag>> {
        let found = self
            .remote()?
            .references(&format!("refs/tags/{prefix}"))
            .await?;
        let tag = |found: RemoteReference| RemoteTag {
            commit: found.peeled.unwrap_or(found.id).into(),
            name: visible(found.name.trim_start_matches("refs/tags/")),
        };
        Ok(found.into_iter().map(tag).collect())
    }

    async fn attempt(
        &mut self,
        tag: &Tag,
        expected: Expected,
        commit: CommitId,
        reservation: &Reservation,
        author: &Author,
    ) -> Result<Reserved> {
        let name = tag.full_name()?;
        let id = self.write_tag(tag, commit, reservation, author)?;
        let push = Push {
            target: name.clone(),
            source: Some(id),
            expected,
            options: Vec::new(),
        };
        let remote = self.remote()?;
        let sent = remote.push(&push, silent()).await;
        let done = matches!(&sent, Ok(report) if report.update == Update::Done);
        if !done {
            // Whatever went wrong, the server knows whose the tag is now: a connection may have
            // broken after the push was accepted.
            let found = match remote.reference(&name).await {
                Ok(found) => found,
                Err(later) => return Err(sent.err().unwrap_or(later)),
            };
            match found {
                Some(found) if found.id == id => {}
                Some(found) if expected != Expected::Exactly(found.id) => {
                    return self.judge(tag, &name, commit, reservation).await;
                }
                // As it was: the server did not want the change itself.
                Some(_) | None => {
                    let report = sent?;
                    return Err(not_allowed("reserve", tag, &report.update, &report.said));
                }
            }
        }
        self.repository
            .reference(&name, id, true, "devenv: reserved")
            .map_err(local("note a tag"))?;
        Ok(Reserved::Won(Held {
            tag: tag.clone(),
            resumed: false,
            id,
        }))
    }

    /// The tag exists and is not what was just pushed: an earlier attempt's, or another's.
    async fn judge(
        &mut self,
        tag: &Tag,
        name: &str,
        commit: CommitId,
        reservation: &Reservation,
    ) -> Result<Reserved> {
        let holder = self.holder(name).await?;
        let ours = holder.commit == Some(commit);
        if ours && holder.reservation.as_ref() == Some(reservation) {
            return Ok(Reserved::Won(Held {
                tag: tag.clone(),
                resumed: true,
                id: holder.id,
            }));
        }
        Ok(Reserved::Lost(Box::new(holder)))
    }

    fn write_tag(
        &self,
        tag: &Tag,
        commit: CommitId,
        reservation: &Reservation,
        author: &Author,
    ) -> Result<Oid> {
        let json = serde_json::to_string(reservation)
            .map_err(|error| Error::bug("cannot write a reservation").because(error))?;
        let message = format!("{tag}, reserved by devenv\n\n{json}\n");
        let object = self.commit(commit)?.into_object();
        self.repository
            .tag_annotation_create(&tag.to_string(), &object, &author.signature()?, &message)
            .map_err(local("write a tag"))
    }

    async fn holder(&mut self, name: &str) -> Result<Holder> {
        let fetch = Fetch {
            refspecs: vec![format!("+{name}:{name}")],
            prune: false,
        };
        self.remote()?.fetch(&fetch, silent()).await?;
        self.fetched(name)
    }

    /// Who reserved something, as of the last fetch; `None` where nobody did.
    pub fn reserved(&self, tag: &Tag) -> Result<Option<Holder>> {
        let name = tag.full_name()?;
        match self.repository.refname_to_id(&name) {
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            _ => self.fetched(&name).map(Some),
        }
    }

    fn fetched(&self, name: &str) -> Result<Holder> {
        let read = || {
            let id = self.repository.refname_to_id(name)?;
            let object = self.repository.find_object(id, None)?;
            let commit = object
                .peel(ObjectType::Commit)
                .ok()
                .map(|found| CommitId::from(found.id()));
            Ok(describe(object.as_tag(), id, commit))
        };
        read().map_err(local(format!("read the tag {}", visible(name))))
    }
}

fn not_allowed(what: &str, tag: &Tag, update: &Update, said: &[String]) -> Error {
    let reason = match update {
        Update::Overtaken(reason) | Update::Refused(reason) => reason.as_str(),
        Update::Done => "the server said yes, but the tag is not there",
    };
    Error::git(format!("cannot {what} the tag {tag}: the server refuses"))
        .detail(with_text(reason, said))
        .hint("production needs the right to push tags to the definitions")
}
