//! The part of proposing that changes the server: commit, push, request, and taking the branch back
//! where no request came of it.

use std::path::PathBuf;

use super::Proposal;
use super::refusal;
use super::sent::{Sent, Typed};
use crate::definitions::{Cause, CommitId, Definitions, Shipment, Shipped};
use crate::error::{Error, Kind, PathContext, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::model::forge::ForgeKind;
use crate::model::name::ContainerName;
use crate::proposals::forge::{self, Draft, Forge, Request};
use crate::system::{Here, System as _};

/// What is sent, and where.
pub(super) struct Parcel<'a> {
    pub(super) session: &'a Session,
    pub(super) open: &'a OpenPlatform,
    pub(super) container: &'a ContainerName,
    pub(super) forge: &'a dyn Forge,
    pub(super) draft: &'a Draft,
    pub(super) typed: &'a Typed,
    /// The commit that it grows from.
    pub(super) newest: CommitId,
    /// The files, as a commit that nothing refers to.
    pub(super) merged: CommitId,
    /// The open request.
    pub(super) request: Option<Request>,
}

/// What came of it.
pub(super) struct Delivered {
    pub(super) commit: CommitId,
    pub(super) request: Option<Request>,
    pub(super) written: Vec<PathBuf>,
    pub(super) updated: bool,
}

/// What a server made of a push.
struct Answer {
    request: Option<Request>,
    /// Whether that is a draft, where the forge says.
    draft: Option<bool>,
}

impl Parcel<'_> {
    pub(super) async fn deliver(
        &self,
        definitions: &mut Definitions,
        proposal: &mut Proposal,
    ) -> Result<Delivered> {
        let before = expect(definitions, proposal, &self.draft.source)?;
        // A branch that a try left behind, without ever becoming a request, is nobody's either.
        let first = proposal.sent.as_ref().is_none_or(|it| it.commit.is_none());
        let author = definitions.author(self.session.home.now())?;
        let message = self.message();
        let commit = definitions.commit_as(self.newest, self.merged, &message, &author, before)?;
        let sent = proposal.sent.get_or_insert_with(|| self.sent());
        sent.sending = Some(commit);
        proposal.save(self.session, self.open)?;
        let said = self.push(definitions, commit, before).await?;
        let made = self.request(&said).await;
        let made = made.and_then(|answer| Ok((answer, self.write(definitions, commit)?)));
        let (answer, written) = match made {
            Ok(made) => made,
            Err(error) if first && self.makes_a_branch() => {
                return Err(self.taken_back(definitions, proposal, commit, error).await);
            }
            Err(error) => {
                return Err(error.hint(
                    "the server has the new commit already; the same command sends the rest again",
                ));
            }
        };
        let request = answer.request.clone();
        let updated = match (&self.request, &request) {
            (Some(old), Some(new)) => old.url == new.url,
            (None, None) => before.is_some(),
            (Some(_), None) => true,
            (None, Some(_)) => false,
        };
        let words = self.words(proposal, &answer, updated);
        let topic = request.as_ref().and_then(|it| it.number);
        proposal.sent = Some(Sent {
            commit: Some(commit),
            typed: Some(words),
            description: self.draft.description.clone(),
            request: request.clone(),
            topic: topic.filter(|_| !self.makes_a_branch()),
            at: Some(self.session.home.now()),
            ..self.sent()
        });
        proposal.typed = None;
        proposal.save(self.session, self.open)?;
        Ok(Delivered {
            commit,
            request,
            written,
            updated,
        })
    }

    /// Where it goes; nothing has arrived yet.
    fn sent(&self) -> Sent {
        Sent {
            kind: self.forge.kind(),
            branch: self.draft.source.clone(),
            target: self.draft.target.clone(),
            commit: None,
            sending: None,
            typed: None,
            description: String::new(),
            request: None,
            topic: None,
            at: None,
        }
    }

    /// The words that the request has now; where they are others than asked for, that is told.
    fn words(&self, proposal: &Proposal, answer: &Answer, updated: bool) -> Typed {
        let mut words = self.typed.clone();
        let before = proposal.sent.as_ref().and_then(|it| it.typed.clone());
        if updated && self.forge.keeps_words() {
            self.session.reporter.warn(&format!(
                "only the commit was sent: {} takes title and description of a new {} alone; a token changes them",
                self.forge.kind(),
                self.forge.kind().request(),
            ));
            return before.unwrap_or(words);
        }
        if let Some(draft) = answer.draft.filter(|it| *it != words.draft) {
            let (is, change) = if draft {
                ("still a draft", "ready")
            } else {
                ("no draft", "a draft")
            };
            self.session.reporter.warn(&format!(
                "the {} is {is}: {} has no way to make it {change} but its own page",
                self.forge.kind().request(),
                self.forge.kind(),
            ));
            words.draft = draft;
        }
        words
    }

    /// Whether the push makes a branch, which a failure would leave behind.
    fn makes_a_branch(&self) -> bool {
        let delivery = self.forge.delivery(self.draft);
        delivery.target.starts_with("refs/heads/")
    }

    /// The commit's message: the title, and what the developer wrote.
    fn message(&self) -> String {
        let (title, text) = (&self.draft.title, self.typed.description.trim());
        if text.is_empty() {
            format!("{title}\n")
        } else {
            format!("{title}\n\n{text}\n")
        }
    }

    /// Gives what the server said.
    async fn push(
        &self,
        definitions: &mut Definitions,
        commit: CommitId,
        before: Option<CommitId>,
    ) -> Result<Vec<String>> {
        let delivery = self.forge.delivery(self.draft);
        if let Some(lost) = &delivery.lost {
            self.session.reporter.warn(lost);
        }
        let work = self.session.reporter.work("proposal");
        let creates = delivery.creates;
        let shipment = Shipment {
            commit,
            target: delivery.target,
            before,
            options: delivery.options,
        };
        let shipped = definitions.ship(&shipment, work.clone()).await;
        let is_taken = matches!(shipped, Ok(Shipped::Taken(_)));
        work.finish(if is_taken { "sent" } else { "not sent" });
        let branch = &self.draft.source;
        match shipped {
            Ok(Shipped::Taken(said)) => Ok(said),
            Ok(Shipped::Overtaken) => Err(refusal::overtaken(branch)),
            Ok(Shipped::Refused(reason, said)) => Err(refusal::refused(branch, &reason, &said)),
            Err(error) if creates && Cause::of(&error) == Some(Cause::NoPushOptions) => {
                let kind = self.forge.kind();
                Err(error
                    .hint(format!(
                        "a token lets devenv ask {kind} for the {} itself",
                        kind.request()
                    ))
                    .hint("`--forge plain` pushes the branch alone and writes the request's text"))
            }
            Err(error) => Err(error),
        }
        .map_err(|error| error.hint("what you typed is kept: the same command sends it later"))
    }

    /// The request that came of the push, or that is made now; verified either way.
    async fn request(&self, said: &[String]) -> Result<Answer> {
        let Some(requests) = self.forge.requests() else {
            let request = self.without_token(said)?;
            return Ok(Answer {
                request,
                draft: None,
            });
        };
        let creates = self.forge.delivery(self.draft).creates;
        let known = if creates {
            self.heard(said)?.number
        } else {
            self.request.as_ref().and_then(|it| it.number)
        };
        let made = match known {
            Some(number) => requests.update(number, self.draft).await?,
            None => requests.create(self.draft).await?,
        };
        Ok(Answer {
            request: Some(made.request),
            draft: Some(made.draft),
        })
    }

    fn without_token(&self, said: &[String]) -> Result<Option<Request>> {
        let kind = self.forge.kind();
        if kind == ForgeKind::Plain {
            return Ok(None);
        }
        let Some(page) = self.forge.by_hand(self.draft) else {
            return self.heard(said).map(Some);
        };
        let what = kind.request();
        self.session.reporter.note(&match &self.request {
            Some(request) => format!(
                "without a token the words of {} stay as they are",
                request.url
            ),
            None => format!("without a token the {what} is yours to make: {page}"),
        });
        Ok(self.request.clone())
    }

    /// The request that the push made, as the server says.
    fn heard(&self, said: &[String]) -> Result<Request> {
        let heard = self.forge.heard(said);
        if heard.foreign > 0 {
            self.session
                .reporter
                .warn("the server named addresses on other hosts than its own: they are not shown");
        }
        match &heard.request {
            Some(url) if heard.failures.is_empty() => Ok(forge::at(url)),
            _ => {
                let what = self.forge.kind().request();
                Err(refusal::not_made(what, &heard, said))
            }
        }
    }

    /// Nothing is left behind: the branch goes, since it was not there before.
    async fn taken_back(
        &self,
        definitions: &mut Definitions,
        proposal: &mut Proposal,
        commit: CommitId,
        error: Error,
    ) -> Error {
        let branch = &self.draft.source;
        let taken = definitions.take_back(branch, commit, crate::definitions::transport::silent());
        let error = match taken.await {
            Ok(true) => {
                proposal.sent = None;
                // The record is of use only for a branch that is there.
                let _ = proposal.save(self.session, self.open);
                error.hint(format!(
                    "the branch {branch} was removed from the server again"
                ))
            }
            Ok(false) | Err(_) => error.hint(format!(
                "the branch {branch} is still on the server: it could not be removed"
            )),
        };
        error.hint("what you typed is kept: the same command sends it later")
    }

    /// For a plain server, the text of the request and the patch: people merge by mail or by hand.
    fn write(&self, definitions: &Definitions, commit: CommitId) -> Result<Vec<PathBuf>> {
        if self.forge.kind() != ForgeKind::Plain {
            return Ok(Vec::new());
        }
        let name = &self.typed.title;
        let folder = self
            .session
            .home
            .paths
            .requests(&self.open.name, self.container);
        Here::create_private(&folder).at(Kind::Usage, "create", &folder)?;
        let text = format!(
            "{name}\n\n{}\nThe following changes since commit {}\n\nare available in the git repository at\n\n  {} {}\n\nfor you to merge into {} up to {commit}\n",
            self.draft.description,
            self.newest,
            definitions.url()?,
            self.draft.source,
            self.draft.target,
        );
        let files = [
            ("request.txt", text.into_bytes()),
            ("0001.patch", definitions.patch(commit)?),
        ];
        let mut written = Vec::new();
        for (name, bytes) in files {
            let path = folder.join(name);
            std::fs::write(&path, bytes).at(Kind::Usage, "write", &path)?;
            written.push(path);
        }
        Ok(written)
    }
}

/// The branch on the server is as it was left, or not there.
pub(super) fn expect(
    definitions: &Definitions,
    proposal: &Proposal,
    branch: &str,
) -> Result<Option<CommitId>> {
    let there = definitions.branch_commit(branch)?;
    let known = |commit: &CommitId| proposal.sent.as_ref().is_some_and(|it| it.knows(*commit));
    match there {
        Some(commit) if !known(&commit) => Err(refusal::overtaken(branch)),
        there => Ok(there),
    }
}
