//! The network by the `git` program: it knows the user's credential helpers, proxies, ssh
//! aliases and certificates.

use std::path::Path;

use super::super::environment::Environment;
use super::super::runner::{Runner, usable_version};
use super::conversation::{Conversation, Outcome};
use super::failure::Failure;
use super::progress::SharedReporter;
use super::{
    Expected, Fetch, Limits, Push, PushReport, RemoteListing, Transport, Update, listing,
    rejection, silent,
};
use crate::model::visible::visible;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use git2::Oid;

/// The `git` program.
pub(crate) struct GitProgram {
    git: Runner,
    limits: Limits,
    version: String,
}

impl GitProgram {
    /// Finds `git` in the environment's `PATH`; the error says why it cannot be used.
    pub(crate) async fn find(environment: Environment, limits: Limits) -> Result<Self, String> {
        let mut git = Self {
            git: Runner::find(environment, limits.silence)?,
            limits,
            version: String::new(),
        };
        let mut command = git.git.command(None);
        command.arg("version");
        let output = git.run(command, silent(), None).await;
        let output = output.map_err(|failure| format!("`git version` failed: {failure}"))?;
        git.version = usable_version(&String::from_utf8_lossy(&output.stdout))?;
        Ok(git)
    }

    /// Runs git to its end; `receiving` is the repository that grows by it.
    async fn run(
        &self,
        command: std::process::Command,
        reporter: SharedReporter,
        receiving: Option<&Path>,
    ) -> Result<Outcome, Failure> {
        let mut command = tokio::process::Command::from(command);
        let child = command.kill_on_drop(true).spawn().map_err(|error| {
            Failure::other(format!(
                "cannot run {}: {error}",
                self.git.program.display()
            ))
        })?;
        Conversation::new(child, reporter, self.limits.clone())
            .finish(receiving)
            .await
    }

    async fn fetch_references(
        &self,
        repository: &Path,
        fetch: &Fetch,
        reporter: SharedReporter,
    ) -> Result<(), Failure> {
        let mut command = self.git.command(Some(repository));
        command.args([
            "fetch",
            "--progress",
            "--no-tags",
            "--no-recurse-submodules",
        ]);
        command.args(["--no-write-fetch-head", "--no-auto-maintenance", "--force"]);
        command.arg(if fetch.prune { "--prune" } else { "--no-prune" });
        command.args(["--no-prune-tags", "--end-of-options", "origin"]);
        command.args(&fetch.refspecs);
        let fetched = self.run(command, reporter, Some(repository)).await?;
        fetched.succeeded("git fetch")
    }

    async fn push_reference(
        &self,
        repository: &Path,
        push: &Push,
        reporter: SharedReporter,
    ) -> Result<PushReport, Failure> {
        let target = &push.target;
        let mut command = self.git.command(Some(repository));
        command.args(["push", "--porcelain", "--progress", "--no-follow-tags"]);
        command.arg("--recurse-submodules=no");
        match push.expected {
            Expected::Ancestor => {}
            Expected::Absent => drop(command.arg(format!("--force-with-lease={target}:"))),
            Expected::Exactly(id) => {
                command.arg(format!("--force-with-lease={target}:{id}"));
            }
        }
        for option in &push.options {
            command.arg(format!("--push-option={option}"));
        }
        let source = push.source.map(|id| id.to_string()).unwrap_or_default();
        command.args(["origin", &format!("{source}:{target}")]);
        let outcome = self.run(command, reporter, None).await?;
        match pushed(&String::from_utf8_lossy(&outcome.stdout), target) {
            Some(update) => Ok(PushReport {
                update,
                said: outcome.said(),
            }),
            None => Err(outcome.failure("git push")),
        }
    }

    async fn list(&self, repository: &Path, prefix: &str) -> Result<RemoteListing, Failure> {
        let mut command = self.git.command(Some(repository));
        command.args(["ls-remote", "--symref"]);
        match prefix {
            "HEAD" => drop(command.args(["origin", "HEAD"])),
            tags if tags.starts_with("refs/tags/") => drop(command.args(["--tags", "origin"])),
            _ => drop(command.arg("origin")),
        }
        let outcome = self.run(command, silent(), None).await?;
        if !outcome.success {
            return Err(outcome.failure("git ls-remote"));
        }
        let text = String::from_utf8_lossy(&outcome.stdout);
        let mut head = None;
        let mut lines = Vec::new();
        for (value, name) in text.lines().filter_map(|line| line.split_once('\t')) {
            if let Some(target) = value.strip_prefix("ref: ") {
                head = (name == "HEAD").then(|| target.to_owned()).or(head);
            } else if let Ok(id) = Oid::from_str(value) {
                lines.push((name.to_owned(), id));
            }
        }
        Ok(listing(prefix, head.as_deref(), lines))
    }
}

impl Transport for GitProgram {
    fn name(&self) -> String {
        format!("git {}", self.version)
    }

    fn fetch<'a>(
        &'a self,
        repository: &'a Path,
        fetch: &'a Fetch,
        reporter: SharedReporter,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        self.fetch_references(repository, fetch, reporter).boxed()
    }

    fn push<'a>(
        &'a self,
        repository: &'a Path,
        push: &'a Push,
        reporter: SharedReporter,
    ) -> BoxFuture<'a, Result<PushReport, Failure>> {
        self.push_reference(repository, push, reporter).boxed()
    }

    fn list_remote<'a>(
        &'a self,
        repository: &'a Path,
        prefix: &'a str,
    ) -> BoxFuture<'a, Result<RemoteListing, Failure>> {
        self.list(repository, prefix).boxed()
    }
}

/// The line about `target` in the output of `git push --porcelain`:
/// `<flag> TAB <from>:<to> TAB <summary> (<reason>)`. A server may put what is pushed to `refs/for/…`
/// elsewhere, and that is what the line names then (`option refname`, gitprotocol-pack).
fn pushed(output: &str, target: &str) -> Option<Update> {
    output.lines().find_map(|line| {
        let mut fields = line.splitn(3, '\t');
        let (flag, names, summary) = (fields.next()?, fields.next()?, fields.next()?);
        let elsewhere = target.starts_with("refs/for/");
        if !elsewhere && names.rsplit_once(':').map(|(_, to)| to) != Some(target) {
            return None;
        }
        Some(match flag {
            "!" => rejection(&visible(summary)),
            _ => Update::Done,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn porcelain_lines() {
        let line = |flag: &str, summary: &str| {
            let text = format!("To /x\n{flag}\tabc:refs/heads/main\t{summary}\nDone\n");
            pushed(&text, "refs/heads/main").unwrap()
        };
        assert_eq!(line(" ", "1..2"), Update::Done);
        assert_eq!(line("=", "[up to date]"), Update::Done);
        let overtaken = line("!", "[rejected] (fetch first)");
        assert_eq!(
            overtaken,
            Update::Overtaken("[rejected] (fetch first)".into())
        );
        let refused = line("!", "[remote rejected] (pre-receive hook declined)");
        assert!(matches!(refused, Update::Refused(_)));
        assert_eq!(
            pushed("!\tabc:refs/heads/other\tx", "refs/heads/main"),
            None
        );
        let agit = "To /x\n*\tabc:refs/pull/1/head\t[new reference]\nDone\n";
        assert_eq!(pushed(agit, "refs/for/main"), Some(Update::Done));
    }
}
