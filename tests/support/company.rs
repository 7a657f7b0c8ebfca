//! Production of a small company: its key, its definitions, and images of the probe program alone,
//! released by devenv's own commands in seconds.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::forge::{DEVELOPER, OPERATOR, Server, Vendor};
use super::real_engine::{probe_program, tar, unique};
use super::registry::{prefix, prefix_at};
use super::synthetic::git;
use super::workstation::{Ran, Workstation, finished};

/// The passphrase of its key.
pub const PASSPHRASE: &str = "correct horse battery";

/// Its git server, its definitions as somebody edits them, and one operator.
pub struct Company {
    folder: tempfile::TempDir,
    /// The platform's name, its own in each test.
    pub platform: String,
    /// Where its images go.
    pub prefix: String,
    /// Production's machine.
    pub operator: Workstation,
    /// Its forge; else the definitions are in a folder.
    forge: Option<Server>,
}

impl Company {
    /// Everything is set up and nothing is released: `base`, the app `billing` and the proxy `front`.
    pub fn new() -> Self {
        Self::set_up(None, prefix())
    }

    /// The same with whatever is in front of the registry.
    pub fn behind(host: &str) -> Self {
        Self::set_up(None, prefix_at(host))
    }

    /// The same with its definitions on a forge.
    pub fn on(forge: Server) -> Self {
        Self::set_up(Some(forge), prefix())
    }

    fn set_up(forge: Option<Server>, prefix: String) -> Self {
        let company = Self {
            folder: tempfile::tempdir().unwrap(),
            platform: format!("c{}", unique()),
            prefix,
            operator: Workstation::empty(),
            forge,
        };
        fs::write(
            company.artifact(),
            tar(&[("probe", 0o755, &probe_program())]),
        )
        .unwrap();
        company.define();
        company
            .run(&[
                "release",
                "key",
                "--name",
                "ops",
                "--platform",
                &company.platform,
                "--directory",
                company.keys().to_str().unwrap(),
                "--trust-file",
                company.work().join("trust.yaml").to_str().unwrap(),
            ])
            .ok();
        if company.forge.is_none() {
            git(
                company.folder.path(),
                &[
                    "init",
                    "--quiet",
                    "--bare",
                    "--initial-branch=main",
                    "definitions.git",
                ],
            );
        }
        git(
            &company.work(),
            &["init", "--quiet", "--initial-branch=main"],
        );
        company.push("The platform");
        company
            .run(&["init", &company.operator_url(), "--accept-keys"])
            .ok();
        company
    }

    /// Its forge.
    pub fn forge(&self) -> &Server {
        self.forge.as_ref().unwrap()
    }

    fn define(&self) {
        let forge = match self.forge.as_ref().map(|it| it.vendor()) {
            None => "",
            Some(Vendor::GitLab) => "forge: { kind: gitlab }\n",
            Some(Vendor::Gitea) => "forge: { kind: gitea }\n",
            Some(Vendor::GitHub) => "forge: { kind: github }\n",
            Some(Vendor::Plain) => "forge: { kind: plain }\n",
        };
        let platform = format!(
            "# What exists, and which versions production has released.\nschema: 1\nplatform: {}\n\
             registry: {}\nproxy: front\nenvironments: [recette, production]\n\
             configuration_variable: PLATFORM_ENVIRONMENT\n\
             workstation: {{ environment: production, configuration: recette }}\n\
             containers: {{}}\n{forge}",
            self.platform, self.prefix
        );
        self.write("platform.yaml", &platform);
        self.write(
            "containers/base/container.yaml",
            "kind: base\nartifact: probe.tar\n",
        );
        self.write(
            "containers/base/Dockerfile",
            "FROM scratch\nADD probe.tar /\n",
        );
        self.write(
            "containers/billing/container.yaml",
            "port: 8080\ncommand: [/probe, listen, \"8080\"]\n\
             health: { command: [/probe, check, /probe], interval: 200ms, timeout: 2s, start_period: 1s }\n\
             routes: [{ path: /billing }]\n",
        );
        self.write(
            "containers/billing/Dockerfile",
            "ARG BASE_BASE\nFROM ${BASE_BASE}\nCOPY configuration /etc/configuration\n",
        );
        for environment in ["recette", "production"] {
            let path =
                format!("containers/billing/configuration/{environment}/application.properties");
            self.write(&path, &format!("name={environment}\n"));
        }
        self.write(
            "containers/front/container.yaml",
            "kind: proxy\npublish: [80]\ncommand: [/probe, listen, \"80\"]\n",
        );
        self.write(
            "containers/front/Dockerfile",
            "ARG BASE_BASE\nFROM ${BASE_BASE}\nCOPY routes /etc/routes\n",
        );
        self.write(
            "containers/front/routes.j2",
            "{% for route in routes %}{{ route.path }} {{ route.container }}\n{% endfor %}",
        );
    }

    /// The work tree that somebody edits.
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// The git server's repository, where it is a folder.
    pub fn bare(&self) -> PathBuf {
        self.folder.path().join("definitions.git")
    }

    /// Where developers clone it from.
    pub fn url(&self) -> String {
        self.url_as(DEVELOPER)
    }

    /// Where production does.
    fn operator_url(&self) -> String {
        self.url_as(OPERATOR)
    }

    /// Where somebody does, by his password.
    pub fn url_as(&self, who: (&str, &str)) -> String {
        let folder = || format!("file://{}", self.bare().display());
        self.forge.as_ref().map_or_else(folder, |it| it.url_as(who))
    }

    /// The folder of the key pair `ops`.
    pub fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    /// The artifact of `base`.
    pub fn artifact(&self) -> PathBuf {
        self.folder.path().join("probe.tar")
    }

    /// Writes a file of the definitions, not yet committed.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Commits everything on top of what the server has, and pushes it.
    pub fn push(&self, message: &str) {
        let work = self.work();
        git(&work, &["add", "--all"]);
        git(
            &work,
            &["commit", "--quiet", "--allow-empty", "--message", message],
        );
        let url = self.operator_url();
        if !git(&work, &["ls-remote", "--heads", &url, "main"]).is_empty() {
            git(&work, &["pull", "--quiet", "--rebase", &url, "main"]);
        }
        git(&work, &["push", "--quiet", &url, "HEAD:refs/heads/main"]);
    }

    /// A file on the server's main branch.
    pub fn on_main(&self, path: &str) -> String {
        let wanted = format!("main:{path}");
        match &self.forge {
            Some(forge) => forge.git(&["show", &wanted]),
            None => git(&self.bare(), &["show", &wanted]),
        }
    }

    /// A command of the operator's, with the key, still to be run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_at(&self.operator, arguments)
    }

    /// The same on another machine of production.
    pub fn command_at(&self, machine: &Workstation, arguments: &[&str]) -> Command {
        let mut command = machine.command();
        command
            .args(arguments)
            .env("DEVENV_KEY", self.keys().join("ops.key"))
            .env("DEVENV_KEY_PASSPHRASE", PASSPHRASE);
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "production")
                .env(format!("GIT_{role}_EMAIL"), "production@acme.example");
        }
        command
    }

    /// Runs a command of the operator's.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        finished(self.command(arguments), "")
    }

    /// `release build base`, which the others stand on.
    pub fn with_base(self) -> Self {
        let artifact = self.artifact();
        self.run(&[
            "release",
            "build",
            "base",
            "--version",
            "1",
            "--artifact",
            artifact.to_str().unwrap(),
        ])
        .ok();
        self
    }

    /// A released image as its vendor might hand it over: a file that `docker save` writes.
    pub fn saved(&self, container: &str, version: &str) -> PathBuf {
        let file = self.folder.path().join(format!("{container}.tar"));
        let image = format!("localhost/devenv/{}/{container}:{version}", self.platform);
        let saved = Command::new("docker")
            .args(["image", "save", "--output", file.to_str().unwrap(), &image])
            .status();
        assert!(saved.unwrap().success(), "docker save {image}");
        file
    }

    /// `base`, `billing` 1.0 and reference 1.
    pub fn with_reference(self) -> Self {
        let company = self.with_base();
        company
            .run(&["release", "build", "billing", "--version", "1.0"])
            .ok();
        company.run(&["release", "reference", "--yes"]).ok();
        company
    }
}

impl Drop for Company {
    /// Removes the images that were built.
    fn drop(&mut self) {
        let list = [
            "image",
            "ls",
            "--no-trunc",
            "--format",
            "{{.ID}} {{.Repository}}",
        ];
        let Ok(found) = Command::new("docker").args(list).output() else {
            return;
        };
        let local = format!("localhost/devenv/{}/", self.platform);
        let found = String::from_utf8_lossy(&found.stdout).into_owned();
        let ours = found.lines().filter_map(|line| {
            let (id, repository) = line.split_once(' ')?;
            let ours = repository.starts_with(&self.prefix) || repository.starts_with(&local);
            ours.then_some(id)
        });
        let ours: Vec<&str> = ours.collect();
        if !ours.is_empty() {
            let _ = Command::new("docker")
                .args(["image", "rm", "--force"])
                .args(ours)
                .output();
        }
    }
}

/// The permissions of a file.
pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
