//! The bare clone of a definitions repository that devenv owns.
//!
//! The server's branches are kept under `refs/remotes/origin/`, its tags under `refs/tags/`, and
//! the commit of the base branch that was last accepted under `refs/devenv/base`: a server that
//! rewrites history is noticed, again at each fetch, until somebody allows it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use git2::{ErrorCode, Repository, RepositoryInitOptions};

use super::commit_id::{Commit, CommitId};
use super::git::Git;
use super::login::{forget_login, keep_login, kept_login};
use super::made_folders::MadeFolders;
use super::remote::{HEADS, ORIGIN, Remote};
use super::remote_url::RemoteUrl;
use super::transport::{SharedReporter, silent};
use crate::error::{Error, Kind, PathContext, Result, disk_hint};
use crate::model::visible::visible;
use crate::system::{Here, System as _};

/// Where the accepted commit of the base branch is kept.
pub(super) const BASE: &str = "refs/devenv/base";
/// Which branch is followed, as a symbolic reference. Not in the configuration, whose file is
/// written anew at each change and would lose its mode.
const FOLLOWED: &str = "refs/devenv/followed";
/// Unfinished clones that are older are remains of a killed one.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether a fetch may replace the base branch by one that does not contain what was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// Commits may only be added.
    Forward,
    /// The user agreed to a rewritten history.
    Rewritten,
}

/// What a fetch did to the base branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetched {
    /// Its commit until now.
    pub before: CommitId,
    /// Its commit from now on.
    pub after: CommitId,
}

/// An open bare clone. Opening is cheap: open one per use.
pub struct Definitions {
    pub(super) repository: Repository,
    pub(super) path: PathBuf,
    pub(super) git: Git,
}

impl std::fmt::Debug for Definitions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Definitions")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// A library error in local work, with what was tried.
pub(super) fn local(action: impl std::fmt::Display) -> impl FnOnce(git2::Error) -> Error {
    let action = format!("cannot {action}");
    move |error| {
        let failed = Error::git(action).because(Error::git(visible(error.message())));
        match disk_hint(error.message()) {
            Some(hint) => failed.hint(hint),
            None => failed,
        }
    }
}

impl Definitions {
    /// Clones `url` into `path`, which must not exist, and follows `branch`, or else the server's
    /// default one. The clone is made beside it and renamed at the end, so that an interrupted one
    /// leaves nothing, no empty folder either. Fails with [`Kind::Git`].
    pub async fn init_clone(
        url: &RemoteUrl,
        branch: Option<&str>,
        path: &Path,
        git: &Git,
        reporter: SharedReporter,
    ) -> Result<Self> {
        if path.exists() {
            let text = format!("cannot clone into {}: it exists", path.display());
            return Err(Error::git(text));
        }
        let parent = path.parent().unwrap_or(Path::new("/"));
        // Dropped last: by then the unfinished clone is gone.
        let made = MadeFolders::make(parent)?;
        remove_remains(parent);
        let unfinished = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(parent)
            .at(Kind::Git, "create a folder in", parent)?;
        let mut clone = Self::create(url, unfinished.path(), git)?;
        let filled = clone.fill(branch, reporter).await;
        filled.map_err(|error| error.within(format!("cannot clone {url}")))?;
        drop(clone);
        let finished = unfinished.keep();
        std::fs::rename(&finished, path)
            .inspect_err(|_| drop(std::fs::remove_dir_all(&finished)))
            .at(Kind::Git, "create", path)?;
        made.keep();
        Self::open(path, git)
    }

    fn create(url: &RemoteUrl, path: &Path, git: &Git) -> Result<Self> {
        let create = || {
            let mut options = RepositoryInitOptions::new();
            options
                .bare(true)
                .external_template(false)
                .initial_head("devenv-has-no-head");
            let repository = Repository::init_opts(path, &options)?;
            repository.remote("origin", url.address())?;
            let mut config = repository.config()?.open_level(git2::ConfigLevel::Local)?;
            config.set_str("remote.origin.fetch", HEADS)?;
            Ok(repository)
        };
        let repository = create().map_err(local(format!("create {}", path.display())))?;
        keep_login(path, url)?;
        Ok(Self {
            repository,
            path: path.to_owned(),
            git: git.clone(),
        })
    }

    async fn fill(&mut self, branch: Option<&str>, reporter: SharedReporter) -> Result<()> {
        let remote = self.remote()?;
        let branch = match branch {
            Some(branch) => branch.to_owned(),
            None => remote.default_branch().await?,
        };
        remote.fetch_all(reporter).await?;
        self.use_branch(&branch)
    }

    /// Opens the clone at `path`. Fails with [`Kind::Git`], also where there is none.
    pub fn open(path: &Path, git: &Git) -> Result<Self> {
        refuse_another_owner(path)?;
        let repository = Repository::open_bare(path)
            .map_err(local(format!("open the definitions in {}", path.display())))?;
        Ok(Self {
            repository,
            path: path.to_owned(),
            git: git.clone(),
        })
    }

    /// Where it was cloned from.
    pub fn url(&self) -> Result<RemoteUrl> {
        let remote = self.repository.find_remote("origin");
        let remote = remote.map_err(local("read the definitions' address"))?;
        RemoteUrl::parse(remote.url().unwrap_or_default())
    }

    /// Fetches from `url` from now on, and follows `branch` there. Where that fails, the address is
    /// what it was.
    pub async fn move_to(&mut self, url: &RemoteUrl, branch: &str, history: History) -> Result<()> {
        let before = self.url()?;
        let kept = kept_login(&self.path);
        self.set_url(url)?;
        let moved = self.arrive(branch, history).await;
        if moved.is_err() {
            self.set_url(&before.with_login(kept.map(|it| it.login)))?;
        }
        moved
    }

    async fn arrive(&mut self, branch: &str, history: History) -> Result<()> {
        self.remote()?.fetch_all(silent()).await?;
        let (before, after) = (self.head_id()?, self.existing(branch)?);
        if history == History::Forward && !self.is_ancestor(before, after)? {
            return Err(rewritten(branch, before, after));
        }
        self.use_branch(branch)
    }

    fn set_url(&mut self, url: &RemoteUrl) -> Result<()> {
        let set = self.repository.remote_set_url("origin", url.address());
        set.map_err(local(format!("note the address {url}")))?;
        forget_login(&self.path)?;
        keep_login(&self.path, url)
    }

    /// Whether the newest accepted commit is, or contains, this one.
    pub fn contains(&self, commit: CommitId) -> Result<bool> {
        if self.repository.find_commit(commit.oid()).is_err() {
            return Ok(false);
        }
        self.is_ancestor(commit, self.head_id()?)
    }

    /// Asks the server which branch it shows first.
    pub async fn default_branch(&self) -> Result<String> {
        self.remote()?.default_branch().await
    }

    /// Where the clone lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Brings the server's branches and tags, and moves the base branch forward. Fails with
    /// [`Kind::Git`] when the network does, or when history was rewritten and `history` does not
    /// allow it; [`Definitions::head`] then stays where it was.
    pub async fn fetch(&mut self, history: History, reporter: SharedReporter) -> Result<Fetched> {
        let before = self.head_id()?;
        let remote = self.remote()?;
        remote.fetch_all(reporter).await?;
        let mut branch = self.base_branch()?;
        if self.branch_commit(&branch)?.is_none() {
            branch = remote.default_branch().await?;
        }
        let after = self.existing(&branch)?;
        if history == History::Forward && !self.is_ancestor(before, after)? {
            return Err(rewritten(&branch, before, after));
        }
        self.use_branch(&branch)?;
        Ok(Fetched { before, after })
    }

    /// The branch that is followed: the server's default one, unless [`Definitions::use_branch`]
    /// set another.
    pub fn base_branch(&self) -> Result<String> {
        let reference = self
            .repository
            .find_reference(FOLLOWED)
            .map_err(local("read the name of the base branch"))?;
        let target = reference.symbolic_target().ok().flatten();
        target
            .and_then(|target| target.strip_prefix(ORIGIN))
            .map(ToOwned::to_owned)
            .ok_or_else(|| Error::git(format!("{FOLLOWED} names no branch")))
    }

    /// Follows `branch` from now on, at the commit that was last fetched. Fails with [`Kind::Trust`]
    /// where only signed commits are taken and this one is not.
    pub fn use_branch(&mut self, branch: &str) -> Result<()> {
        let id = self.existing(branch)?;
        if let Some(signers) = self.git.signers() {
            self.check_signature(id, signers)?;
        }
        let write = || {
            let followed = format!("{ORIGIN}{branch}");
            let repository = &self.repository;
            repository.reference_symbolic(FOLLOWED, &followed, true, "devenv: followed")?;
            repository
                .reference(BASE, id.oid(), true, "devenv: accepted")
                .map(drop)
        };
        write().map_err(local(format!("follow the branch {}", visible(branch))))
    }

    /// The newest accepted commit of the base branch.
    pub fn head(&self) -> Result<Commit> {
        self.resolve(self.head_id()?)
    }

    /// The name of that commit alone.
    pub fn head_id(&self) -> Result<CommitId> {
        let id = self.repository.refname_to_id(BASE);
        id.map(CommitId::from)
            .map_err(local("find the newest commit of the definitions"))
    }

    /// The commit of a branch of the server, as last fetched.
    pub fn branch_commit(&self, branch: &str) -> Result<Option<CommitId>> {
        let name = format!("{ORIGIN}{branch}");
        match self.repository.refname_to_id(&name) {
            Ok(id) => Ok(Some(id.into())),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(local(format!("read the branch {}", visible(branch)))(error)),
        }
    }

    pub(super) fn remote(&self) -> Result<Remote> {
        let url = self.url()?;
        if url.login().is_some() {
            // An older devenv kept it in the address.
            let set = self.repository.remote_set_url("origin", url.address());
            set.map_err(local("keep the login out of the address"))?;
            keep_login(&self.path, &url)?;
        }
        Ok(Remote::new(&self.git, &self.path, url))
    }

    fn existing(&self, branch: &str) -> Result<CommitId> {
        self.branch_commit(branch)?.ok_or_else(|| {
            let url = self.url().map(|url| url.to_string()).unwrap_or_default();
            Error::git(format!("{url} has no branch `{}`", visible(branch)))
                .hint(format!("`git ls-remote --heads {url}` lists its branches"))
        })
    }
}

/// How the folder of a clone that is going on begins.
const UNFINISHED: &str = ".unfinished-clone-";

/// How the folder of a platform begins that the user has not taken yet.
pub const NEW: &str = ".new-";

/// git would refuse the folder of another user, whose hooks and settings might be theirs.
fn refuse_another_owner(path: &Path) -> Result<()> {
    if path.metadata().is_ok_and(|data| !Here::is_own(&data)) {
        return Err(Error::git(format!(
            "cannot use the definitions in {}: the folder belongs to another user",
            path.display()
        ))
        .hint(format!(
            "`sudo chown -R $(id -u) {}` makes it yours again: was devenv run with sudo?",
            path.display()
        )));
    }
    Ok(())
}

fn rewritten(branch: &str, before: CommitId, after: CommitId) -> Error {
    Error::git(format!(
        "the history of `{}` was rewritten: {} is not part of {} any more",
        visible(branch),
        before.short(),
        after.short()
    ))
    .hint("ask who forced it; released commits must not go")
    .hint("`devenv sync --accept-rewritten` takes it, once you know why")
}

/// Removes what clones that were killed long ago left behind; one that goes on is younger.
fn remove_remains(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours = [UNFINISHED, NEW].iter().any(|it| name.starts_with(it));
        let modified = entry.metadata().and_then(|data| data.modified());
        let age = modified.map(|time| SystemTime::now().duration_since(time).unwrap_or_default());
        if ours && age.is_ok_and(|age| age > STALE) {
            // The next clone tries again.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
