//! A company's git server with one definitions repository, and people who clone it; all in a
//! temporary folder, with an environment of its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use devenv::definitions::transport::silent;
use devenv::definitions::{
    Activity, Author, Definitions, Git, GitChoice, Options, RemoteUrl, Reporter, Reservation,
};
use devenv::error::Result;
use jiff::Timestamp;
use tempfile::TempDir;

use super::server::Server;

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) server: Server,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) choice: GitChoice,
}

impl World {
    pub(crate) fn new(choice: GitChoice) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let environment = environment(folder.path());
        let server = Server::start(&folder.path().join("srv"), environment.clone());
        let world = Self {
            folder,
            server,
            environment,
            choice,
        };
        let bare = world.bare();
        fs::create_dir_all(&bare).unwrap();
        fs::create_dir_all(world.folder.path().join("home")).unwrap();
        world.git(&bare, &["init", "-q", "--bare", "-b", "main"]);
        world.git(&bare, &["config", "http.receivepack", "true"]);
        let work = world.work();
        world.git(world.folder.path(), &["clone", "-q", "srv/p.git", "work"]);
        fs::create_dir_all(work.join("containers/billing/configuration")).unwrap();
        fs::write(
            work.join("platform.yaml"),
            "schema: 1\ncontainers:\n  a: 1.0.0\n",
        )
        .unwrap();
        fs::write(
            work.join("containers/billing/container.yaml"),
            "kind: app\n",
        )
        .unwrap();
        fs::write(work.join("containers/billing/configuration/x.conf"), "x\n").unwrap();
        fs::write(work.join("containers/README.md"), "hello\n").unwrap();
        world.git(&work, &["add", "-A"]);
        world.git(&work, &["commit", "-qm", "first"]);
        world.git(&work, &["push", "-q", "origin", "HEAD:main"]);
        world
    }

    pub(crate) fn bare(&self) -> PathBuf {
        self.folder.path().join("srv/p.git")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/p.git", self.server.port)
    }

    /// Runs git in the hermetic environment.
    #[track_caller]
    pub(crate) fn git(&self, folder: &Path, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .envs(&self.environment)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Somebody else pushes a commit to `main`.
    pub(crate) fn somebody_commits(&self, subject: &str) -> String {
        let work = self.work();
        self.git(&work, &["pull", "-q", "--ff-only", "origin", "main"]);
        fs::write(work.join("notes.txt"), subject).unwrap();
        self.git(&work, &["add", "-A"]);
        self.git(&work, &["commit", "-qm", subject]);
        self.git(&work, &["push", "-q", "origin", "HEAD:main"]);
        self.git(&work, &["rev-parse", "HEAD"])
    }

    pub(crate) fn hook(&self, name: &str, script: &str) {
        let file = self.bare().join("hooks").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    pub(crate) fn devenv_git(&self, patience: Duration) -> Git {
        self.git_as(Options {
            patience,
            ..Options::default()
        })
    }

    /// git of this world's environment, by this world's way to the network.
    pub(crate) fn git_as(&self, options: Options) -> Git {
        let variables = self.environment.iter();
        let variables =
            variables.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let choice = self.choice;
        Git::new(variables, Options { choice, ..options })
    }

    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.folder
            .path()
            .join("data")
            .join(name)
            .join("definitions.git")
    }

    pub(crate) async fn try_clone(
        &self,
        name: &str,
        url: &str,
        patience: Duration,
    ) -> Result<Definitions> {
        let git = self.devenv_git(patience);
        let url = RemoteUrl::parse(url)?;
        Definitions::init_clone(&url, None, &self.place(name), &git, silent()).await
    }

    pub(crate) async fn clone(&self, name: &str) -> Definitions {
        self.try_clone(name, &self.url(), Duration::from_secs(30))
            .await
            .unwrap()
    }
}

fn environment(folder: &Path) -> BTreeMap<String, String> {
    let path = std::env::vars().find(|(name, _)| name == "PATH").unwrap().1;
    let home = folder.join("home").display().to_string();
    [
        ("PATH", path.as_str()),
        ("HOME", &home),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "Anna"),
        ("GIT_AUTHOR_EMAIL", "anna@acme.example"),
        ("GIT_COMMITTER_NAME", "Anna"),
        ("GIT_COMMITTER_EMAIL", "anna@acme.example"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

pub(crate) fn author(name: &str) -> Author {
    Author {
        name: name.to_owned(),
        email: format!("{name}@acme.example"),
        at: Timestamp::from_second(1_790_000_000).unwrap(),
    }
}

pub(crate) fn reservation(token: &str, war: &str) -> Reservation {
    Reservation {
        token: token.to_owned(),
        inputs: [("billing.war".to_owned(), war.to_owned())].into(),
    }
}

/// Keeps what was reported.
#[derive(Default)]
pub(crate) struct Recorder(pub(crate) Mutex<Vec<Activity>>);

impl Reporter for Recorder {
    fn activity(&self, activity: Activity) {
        self.0.lock().unwrap().push(activity);
    }
}

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }
}
