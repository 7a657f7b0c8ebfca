//! A developer at work on a proposal, and the forge it goes to.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use devenv::system::{KEY_PASSPHRASE, OWN_SECRETS};

use crate::support::company::Company;
use crate::support::forge::{DEVELOPER, Forge, Server, Vendor, token};
use crate::support::workstation::{Ran, Workstation, finished};

/// As Anna, whatever the environment of the tests has of forges.
pub(crate) fn as_anna(command: &mut Command) {
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "Anna")
            .env(format!("GIT_{role}_EMAIL"), "anna@acme.example");
    }
    for token in OWN_SECRETS.into_iter().filter(|it| *it != KEY_PASSPHRASE) {
        command.env_remove(token);
    }
}

/// A company with its forge, and a developer who has changed how billing runs.
pub(crate) struct Desk {
    pub(crate) company: Company,
    pub(crate) developer: Workstation,
    pub(crate) folder: PathBuf,
    /// More of the developer's environment.
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Desk {
    pub(crate) fn begun(vendor: Vendor) -> Self {
        let company = Company::on(Server::start(vendor));
        let url = company.url();
        Self::at(company, &url, Vec::new())
    }

    pub(crate) fn at(
        company: Company,
        url: &str,
        environment: Vec<(&'static str, String)>,
    ) -> Self {
        let mut desk = Self {
            company,
            developer: Workstation::empty(),
            folder: PathBuf::new(),
            environment,
        };
        desk.run(&["init", url, "--accept-keys"]).ok();
        desk.edited();
        desk
    }

    pub(crate) fn edited(&mut self) {
        let edited = self.run(&["edit", "billing", "--print"]).ok();
        self.folder = PathBuf::from(edited.stdout.trim());
        self.change("TRACE: \"1\"");
    }

    /// Sets a variable of billing's.
    pub(crate) fn change(&self, variable: &str) {
        let path = self.folder.join("container.yaml");
        let text = fs::read_to_string(&path).unwrap();
        let before = text.split("environment:").next().unwrap();
        fs::write(&path, format!("{before}environment: {{ {variable} }}\n")).unwrap();
    }

    pub(crate) fn with_token(mut self) -> Self {
        let name = match self.forge().vendor() {
            Vendor::GitLab => "GITLAB_TOKEN",
            Vendor::Gitea => "GITEA_TOKEN",
            _ => "GH_ENTERPRISE_TOKEN",
        };
        self.environment.push((name, token(DEVELOPER.0)));
        self
    }

    pub(crate) fn forge(&self) -> &Forge {
        self.company.forge()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.developer.command();
        command.args(arguments);
        as_anna(&mut command);
        command.env_remove("SSH_AUTH_SOCK");
        command.envs(self.environment.iter().cloned());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let ran = finished(self.command(arguments), "");
        eprintln!(
            "$ devenv {}\n{}{}",
            arguments.join(" "),
            ran.stdout,
            ran.stderr
        );
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!all.contains("glpat"), "a token is shown: {all}");
        assert!(!all.contains('\u{1b}'), "a terminal would obey: {all:?}");
        ran
    }

    pub(crate) fn propose(&self) -> Ran {
        self.run(&[
            "propose",
            "billing",
            "-m",
            "Mend billing",
            "--description",
            "Because.\nReally.",
        ])
    }

    /// What was typed is still there: the next try needs no words.
    pub(crate) fn sends_what_was_typed(&self) {
        self.run(&["propose", "billing"]).ok();
        let request = self.forge().requests().pop().unwrap();
        assert_eq!(request.title, "Mend billing");
        assert!(
            request.description.starts_with("Because."),
            "{}",
            request.description
        );
    }

    /// Nothing is left behind on the server.
    pub(crate) fn left_nothing(&self) {
        assert_eq!(self.forge().branches(), Vec::<String>::new());
        assert_eq!(self.forge().requests(), []);
    }

    pub(crate) fn page(&self, number: u64) -> String {
        let below = match self.forge().vendor() {
            Vendor::GitLab => "-/merge_requests",
            Vendor::Gitea => "pulls",
            _ => "pull",
        };
        format!("{}/acme/platform/{below}/{number}", self.forge().origin())
    }
}

/// Merged by a squash, which is no ancestor: `sync` notices and cleans up.
pub(crate) fn merged_and_noticed(desk: &Desk, number: u64) {
    desk.forge().merge(number);
    let synced = desk.run(&["sync"]).ok();
    assert!(
        synced
            .stdout
            .contains("merged     your proposal for billing"),
        "{synced:?}"
    );
    assert!(!desk.folder.exists());
    assert_eq!(
        desk.run(&["proposals", "--json"]).ok().json(),
        serde_json::json!([])
    );
    assert!(
        desk.company
            .on_main("containers/billing/container.yaml")
            .contains("TRACE")
    );
}
