//! The network by the git library that is built in: for machines without the `git` program.
//!
//! Known to work less well: `.netrc`, `http.extraHeader`, several credential helpers and
//! `~/.ssh/config` are not read. A push to a folder runs no hooks there.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use git2::{
    AutotagOption, Direction, ErrorClass, ErrorCode, FetchOptions, FetchPrune, Oid, PushOptions,
    RemoteCallbacks, Repository,
};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::super::environment::Environment;
use super::super::login::kept_login;
use super::super::text::Lines;
use super::credentials::Credentials;
use super::failure::Failure;
use super::progress::SharedReporter;
use super::watch::{Abandon, Watch};
use super::{
    Expected, Fetch, Limits, Push, PushReport, RemoteListing, Transport, Update, listing,
    rejection, silent,
};
use crate::model::visible::visible;

/// libgit2.
pub(crate) struct BuiltIn {
    environment: Environment,
    limits: Limits,
}

/// What the blocking side works with.
struct Session {
    path: PathBuf,
    environment: Environment,
    watch: Arc<Watch>,
    /// Bytes that may be received.
    largest: u64,
}

impl Session {
    fn open(&self) -> Result<Repository, git2::Error> {
        let repository = Repository::open_bare(&self.path)?;
        repository.set_config(&self.environment.configuration(Some(&self.path))?)?;
        Ok(repository)
    }

    fn callbacks(&self) -> Result<RemoteCallbacks<'static>, git2::Error> {
        let config = self.environment.configuration(Some(&self.path))?;
        let mut credentials = Credentials::new(config, &self.environment, kept_login(&self.path));
        let mut callbacks = RemoteCallbacks::new();
        callbacks.credentials(move |url, user, allowed| credentials.next(url, user, allowed));
        let (watch, mut lines) = (Arc::clone(&self.watch), Lines::default());
        callbacks.sideband_progress(move |bytes| {
            for line in lines.push(bytes) {
                watch.hear(&line);
            }
            watch.alive()
        });
        let (watch, largest) = (Arc::clone(&self.watch), self.largest);
        callbacks.transfer_progress(move |progress| {
            let (total, done) = (progress.total_objects(), progress.received_objects());
            if done < total {
                watch.step("Receiving objects", done, total);
            } else {
                watch.step(
                    "Resolving deltas",
                    progress.indexed_deltas(),
                    progress.total_deltas(),
                );
            }
            let fits = progress.received_bytes() as u64 <= largest;
            if !fits {
                watch.refuse(Failure::too_large(largest));
            }
            watch.alive() && fits
        });
        let watch = Arc::clone(&self.watch);
        callbacks.push_transfer_progress(move |done, total, _| {
            watch.step("Writing objects", done, total);
            watch.alive();
        });
        Ok(callbacks)
    }

    fn failure(&self, error: &git2::Error) -> Failure {
        let refused = self.watch.refused();
        refused.unwrap_or_else(|| Failure::from_library(error, &self.watch.said()))
    }

    fn fetch(&self, fetch: &Fetch) -> Result<(), git2::Error> {
        let repository = self.open()?;
        let mut remote = repository.find_remote("origin")?;
        let mut options = FetchOptions::new();
        options
            .remote_callbacks(self.callbacks()?)
            .download_tags(AutotagOption::None)
            .update_fetchhead(false)
            .prune(if fetch.prune {
                FetchPrune::On
            } else {
                FetchPrune::Off
            });
        remote.fetch(&fetch.refspecs, Some(&mut options), None)
    }

    fn list(&self, prefix: &str) -> Result<RemoteListing, git2::Error> {
        let repository = self.open()?;
        let mut remote = repository.find_remote("origin")?;
        let connection = remote.connect_auth(Direction::Fetch, Some(self.callbacks()?), None)?;
        let heads = connection.list()?;
        let head = heads.iter().find(|head| head.name() == "HEAD");
        let branch = head.and_then(|head| head.symref_target().map(ToOwned::to_owned));
        let lines = heads
            .iter()
            .map(|head| (head.name().to_owned(), head.oid()));
        Ok(listing(prefix, branch.as_deref(), lines))
    }

    fn push(&self, push: &Push) -> Result<PushReport, git2::Error> {
        let repository = self.open()?;
        let mut remote = repository.find_remote("origin")?;
        let mut callbacks = self.callbacks()?;
        let (expected, path) = (push.expected, self.path.clone());
        // The server changes the reference only while it is what this callback saw.
        callbacks.push_negotiation(move |updates| {
            let repository = Repository::open_bare(&path)?;
            updates
                .iter()
                .try_for_each(|update| check(&repository, expected, update.src(), update.dst()))
        });
        let status = Arc::new(Mutex::new(None));
        let answer = Arc::clone(&status);
        callbacks.push_update_reference(move |_, text| {
            *answer.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(text.map(ToOwned::to_owned));
            Ok(())
        });
        let mut options = PushOptions::new();
        options.remote_callbacks(callbacks);
        let wishes: Vec<&str> = push.options.iter().map(String::as_str).collect();
        if !wishes.is_empty() {
            options.remote_push_options(&wishes);
        }
        let source = push.source.map(|id| id.to_string()).unwrap_or_default();
        let force = match push.expected {
            Expected::Exactly(_) if push.source.is_some() => "+",
            _ => "",
        };
        let refspec = format!("{force}{source}:{}", push.target);
        let sent = remote.push(&[refspec], Some(&mut options));
        let status = status.lock().unwrap_or_else(PoisonError::into_inner).take();
        let update = match (sent, status) {
            (Ok(()), Some(Some(reason))) => rejection(&visible(&reason)),
            (Ok(()), _) => Update::Done,
            (Err(error), _) if error.code() == ErrorCode::NotFastForward => {
                Update::Overtaken(visible(error.message()))
            }
            (Err(error), _) if error.class() == ErrorClass::Reference => {
                rejection(&visible(error.message()))
            }
            (Err(error), _) => return Err(error),
        };
        Ok(PushReport {
            update,
            said: self.watch.said(),
        })
    }
}

/// Whether a reference that is `there` on the server may become `new`.
fn check(
    repository: &Repository,
    expected: Expected,
    there: Oid,
    new: Oid,
) -> Result<(), git2::Error> {
    let fits = match expected {
        Expected::Absent => there.is_zero(),
        Expected::Exactly(id) => there == id,
        Expected::Ancestor => {
            there.is_zero()
                || there == new
                || repository.graph_descendant_of(new, there).unwrap_or(false)
        }
    };
    if fits {
        return Ok(());
    }
    let text =
        format!("somebody else changed the reference, which is at {there} (non-fast-forward)");
    Err(git2::Error::new(
        ErrorCode::NotFastForward,
        ErrorClass::Reference,
        text,
    ))
}

impl BuiltIn {
    pub(crate) fn new(environment: Environment, limits: Limits) -> Self {
        Self {
            environment,
            limits,
        }
    }

    /// Runs `work` on a thread of its own. Not tokio's `spawn_blocking`, whose threads are waited
    /// for at exit: libgit2 can hang in a read that nothing ends.
    async fn run<T: Send + 'static>(
        &self,
        repository: &Path,
        reporter: SharedReporter,
        work: impl FnOnce(&Session) -> Result<T, git2::Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let watch = Arc::new(Watch::new(reporter));
        let session = Session {
            path: repository.to_owned(),
            environment: self.environment.clone(),
            watch: Arc::clone(&watch),
            largest: self.limits.largest,
        };
        let patience = self.limits.silence;
        let _abandon = Abandon(Arc::clone(&watch));
        let (send, mut receive) = oneshot::channel();
        std::thread::spawn(move || {
            // Nobody may be waiting any more.
            let _ = send.send(work(&session).map_err(|error| session.failure(&error)));
        });
        loop {
            let deadline = watch.last_sign() + patience;
            tokio::select! {
                result = &mut receive => {
                    return result
                        .unwrap_or_else(|_| Err(Failure::other("the git library panicked")));
                }
                () = sleep_until(deadline) => {
                    if watch.last_sign() + patience <= Instant::now() {
                        return Err(Failure::timed_out(patience, &watch.said()));
                    }
                }
            }
        }
    }
}

impl Transport for BuiltIn {
    fn name(&self) -> String {
        let (major, minor, patch) = git2::Version::get().libgit2_version();
        format!("libgit2 {major}.{minor}.{patch} (built in)")
    }

    fn fetch<'a>(
        &'a self,
        repository: &'a Path,
        fetch: &'a Fetch,
        reporter: SharedReporter,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        let fetch = fetch.clone();
        self.run(repository, reporter, move |session| session.fetch(&fetch))
            .boxed()
    }

    fn push<'a>(
        &'a self,
        repository: &'a Path,
        push: &'a Push,
        reporter: SharedReporter,
    ) -> BoxFuture<'a, Result<PushReport, Failure>> {
        let push = push.clone();
        self.run(repository, reporter, move |session| session.push(&push))
            .boxed()
    }

    fn list_remote<'a>(
        &'a self,
        repository: &'a Path,
        prefix: &'a str,
    ) -> BoxFuture<'a, Result<RemoteListing, Failure>> {
        let prefix = prefix.to_owned();
        self.run(repository, silent(), move |session| session.list(&prefix))
            .boxed()
    }
}
