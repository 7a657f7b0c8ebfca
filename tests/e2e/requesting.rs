//! `propose` against real git servers that have the forges' manners.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;

use crate::support::company::Company;
use crate::support::forge::{DEVELOPER, Forge, Mood, READER, Server, Vendor, token};
use crate::support::synthetic::git;
use crate::support::workstation::{Ran, Workstation, docker, finished};

/// A company with its forge, and a developer who has changed how billing runs.
struct Desk {
    company: Company,
    developer: Workstation,
    folder: PathBuf,
    /// More of the developer's environment.
    environment: Vec<(&'static str, String)>,
}

impl Desk {
    fn begun(vendor: Vendor) -> Self {
        let company = Company::on(Server::start(vendor));
        let url = company.url();
        Self::at(company, &url, Vec::new())
    }

    fn at(company: Company, url: &str, environment: Vec<(&'static str, String)>) -> Self {
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

    fn edited(&mut self) {
        let edited = self.run(&["edit", "billing", "--print"]).ok();
        self.folder = PathBuf::from(edited.stdout.trim());
        self.change("TRACE: \"1\"");
    }

    /// Sets a variable of billing's.
    fn change(&self, variable: &str) {
        let path = self.folder.join("container.yaml");
        let text = fs::read_to_string(&path).unwrap();
        let before = text.split("environment:").next().unwrap();
        fs::write(&path, format!("{before}environment: {{ {variable} }}\n")).unwrap();
    }

    fn with_token(mut self) -> Self {
        let name = match self.forge().vendor() {
            Vendor::GitLab => "GITLAB_TOKEN",
            Vendor::Gitea => "GITEA_TOKEN",
            _ => "GH_ENTERPRISE_TOKEN",
        };
        self.environment.push((name, token(DEVELOPER.0)));
        self
    }

    fn forge(&self) -> &Forge {
        self.company.forge()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.developer.command();
        command.args(arguments);
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "Anna")
                .env(format!("GIT_{role}_EMAIL"), "anna@acme.example");
        }
        for token in [
            "GITLAB_TOKEN",
            "GITEA_TOKEN",
            "FORGEJO_TOKEN",
            "GITHUB_TOKEN",
            "GH_TOKEN",
            "GH_ENTERPRISE_TOKEN",
            "GITHUB_ENTERPRISE_TOKEN",
        ] {
            command.env_remove(token);
        }
        command.env_remove("SSH_AUTH_SOCK");
        command.envs(self.environment.iter().cloned());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
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

    fn propose(&self) -> Ran {
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
    fn sends_what_was_typed(&self) {
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
    fn left_nothing(&self) {
        assert_eq!(self.forge().branches(), Vec::<String>::new());
        assert_eq!(self.forge().requests(), []);
    }

    fn page(&self, number: u64) -> String {
        let below = match self.forge().vendor() {
            Vendor::GitLab => "-/merge_requests",
            Vendor::Gitea => "pulls",
            _ => "pull",
        };
        format!("{}/acme/platform/{below}/{number}", self.forge().origin())
    }
}

#[test]
fn gitlab_makes_a_merge_request_of_a_push_without_a_token() {
    let desk = Desk::begun(Vendor::GitLab);
    let dry = desk
        .run(&["propose", "billing", "-m", "Mend billing", "--dry-run"])
        .ok();
    assert_eq!(dry.stdout, "would make a merge request for main\n");
    dry.says("~ containers/billing/container.yaml");
    desk.left_nothing();

    let made = desk.propose().ok();
    assert_eq!(made.stdout, format!("proposed: {}\n", desk.page(1)));
    let requests = desk.forge().requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        (requests[0].title.as_str(), requests[0].target.as_str()),
        ("Mend billing", "main")
    );
    assert!(
        requests[0].description.starts_with("Because.\nReally.\n"),
        "{requests:?}"
    );
    assert!(requests[0].description.contains("TRACE"), "{requests:?}");
    assert!(!requests[0].draft);
    assert_eq!(desk.forge().calls(), [], "no API is asked");
    let branches = desk.forge().branches();
    assert!(
        branches[0].starts_with("devenv/anna/billing-h"),
        "{branches:?}"
    );
    let changed = desk
        .forge()
        .git(&["diff", "--name-only", "main", &branches[0]]);
    assert_eq!(changed, "containers/billing/container.yaml");

    let again = desk.run(&["propose", "billing"]).ok();
    assert_eq!(again.stdout, format!("unchanged: {}\n", desk.page(1)));
    desk.change("TRACE: \"2\"");
    let updated = desk
        .run(&["propose", "billing", "-m", "Another title", "--draft"])
        .ok();
    assert_eq!(updated.stdout, format!("updated: {}\n", desk.page(1)));
    let requests = desk.forge().requests();
    assert_eq!(
        (requests.len(), requests[0].title.as_str()),
        (1, "Another title")
    );
    assert!(requests[0].draft);
    assert_eq!(desk.forge().branches(), branches);
    let listed = desk.run(&["proposals", "--json"]).ok().json();
    assert_eq!(listed[0]["state"], "proposed");
    assert_eq!(listed[0]["url"], desk.page(1));
}

#[test]
fn with_a_token_the_api_makes_it_where_push_options_are_missing() {
    let mut desk = Desk::begun(Vendor::GitLab);
    desk.forge()
        .git(&["config", "receive.advertisePushOptions", "false"]);
    desk.propose().code(6).says("push options").says("token");
    desk.left_nothing();
    desk = desk.with_token();
    desk.sends_what_was_typed();
    assert_eq!(desk.forge().requests().len(), 1);
    let calls = desk.forge().calls();
    assert!(calls.iter().all(|it| it.token.is_some()), "{calls:?}");
    desk.change("TRACE: \"2\"");
    let updated = desk.run(&["propose", "billing"]).ok();
    assert_eq!(updated.stdout, format!("updated: {}\n", desk.page(1)));

    let dropped = desk.run(&["abandon", "billing", "--yes"]).ok();
    assert!(
        dropped.stdout.contains(&format!("closed {}", desk.page(1))),
        "{dropped:?}"
    );
    assert_eq!(desk.forge().requests()[0].state, "closed");
    assert_eq!(desk.forge().branches(), Vec::<String>::new());
    assert!(!desk.folder.exists());
}

#[test]
fn each_failure_has_its_own_words_and_leaves_nothing() {
    let desk = Desk::begun(Vendor::GitLab);
    let hostile = "\u{1b}[31mNo ticket\u{1b}]0;owned\u{7}".to_owned();
    desk.forge().mood(Mood::Refusing(hostile));
    desk.propose()
        .code(6)
        .says("a hook of the server refused")
        .says("No ticket");
    desk.left_nothing();
    desk.forge().mood(Mood::Honest);

    desk.forge().protect("devenv/");
    desk.propose()
        .code(6)
        .says("the server protects the branch devenv/anna/billing-h");
    desk.left_nothing();
    desk.forge().unprotect("devenv/");

    desk.company.forge().change_password(DEVELOPER.0, "another");
    desk.propose().code(6).says("authentication failed");
    desk.left_nothing();
    desk.company
        .forge()
        .change_password(DEVELOPER.0, DEVELOPER.1);

    desk.run(&["propose", "billing", "--offline"])
        .code(6)
        .says("--offline");
    desk.sends_what_was_typed();
    desk.company.forge().stop();
    desk.change("TRACE: \"3\"");
    desk.run(&["propose", "billing"])
        .code(6)
        .says("cannot be reached");
}

#[test]
fn who_may_only_read_is_told_so() {
    let company = Company::on(Server::start(Vendor::GitLab));
    let url = company.url_as(READER);
    let desk = Desk::at(company, &url, Vec::new());
    let refused = desk.propose().code(6);
    refused.says("You are not allowed to push code to this project.");
    desk.left_nothing();
}

#[test]
fn what_gitlab_did_not_do_is_noticed_and_taken_back() {
    let desk = Desk::begun(Vendor::GitLab);
    desk.forge().mood(Mood::Forgetting);
    desk.propose()
        .code(6)
        .says("made no merge request of it")
        .says("was removed from the server again");
    desk.left_nothing();
    desk.forge()
        .mood(Mood::Elsewhere("http://evil.example".to_owned()));
    let elsewhere = desk.propose().code(6).says("other hosts");
    let shown = elsewhere
        .stderr
        .lines()
        .filter(|line| line.contains("proposed:"))
        .count();
    assert_eq!((shown, elsewhere.stdout.as_str()), (0, ""));
    assert_eq!(desk.forge().branches(), Vec::<String>::new());
}

#[test]
fn what_an_earlier_try_left_is_taken_back_as_well() {
    let desk = Desk::begun(Vendor::GitLab);
    desk.forge().mood(Mood::Forgetting);
    desk.forge().git(&["config", "receive.denyDeletes", "true"]);
    desk.propose()
        .code(6)
        .says("could not be removed")
        .says("offers to make it by hand");
    assert_eq!(desk.forge().branches().len(), 1);
    desk.forge()
        .git(&["config", "receive.denyDeletes", "false"]);
    desk.propose()
        .code(6)
        .says("was removed from the server again");
    desk.left_nothing();
}

#[test]
fn one_that_was_closed_by_hand_is_proposed_anew() {
    let desk = Desk::begun(Vendor::GitLab);
    desk.propose().ok();
    let place = "/api/v4/projects/acme%2Fplatform/merge_requests/1";
    let close = serde_json::json!({ "state_event": "close" });
    let (status, _) = desk.forge().ask("PUT", place, &close);
    assert!(status.starts_with("200"), "{status}");
    desk.change("TRACE: \"2\"");
    let anew = desk.propose().ok();
    assert_eq!(anew.stdout, format!("proposed: {}\n", desk.page(2)));
}

#[test]
fn what_began_by_agit_goes_on_with_a_token() {
    let mut desk = Desk::begun(Vendor::Gitea);
    desk.propose().ok();
    desk.change("TRACE: \"2\"");
    desk.run(&["propose", "billing", "-m", "Another title"])
        .ok()
        .says("only the commit was sent");
    assert_eq!(desk.forge().requests()[0].title, "Mend billing");
    desk = desk.with_token();
    desk.change("TRACE: \"3\"");
    let updated = desk
        .run(&["propose", "billing", "-m", "Another title"])
        .ok();
    assert_eq!(updated.stdout, format!("updated: {}\n", desk.page(1)));
    let requests = desk.forge().requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].title, "Another title");
    let sent = desk
        .forge()
        .git(&["show", "refs/pull/1/head:containers/billing/container.yaml"]);
    assert!(sent.contains("TRACE: \"3\""), "{sent}");
    desk.run(&["abandon", "billing", "--yes"]).ok();
    assert_eq!(desk.forge().requests()[0].state, "closed");
}

#[test]
fn a_server_that_talks_without_end_is_survived() {
    let desk = Desk::begun(Vendor::GitLab);
    let line = format!("{}\u{1b}[2J\u{1b}]52;c;b3duZWQ=\u{7}\n", "x".repeat(200));
    desk.forge().mood(Mood::Saying(line.repeat(20_000)));
    for choice in ["program", "built-in"] {
        let settings = format!("git: {choice}\n");
        desk.developer.write("config/settings.yaml", &settings);
        desk.change(&format!("TRACE: {choice}"));
        let made = desk.propose().ok();
        assert!(
            made.stdout.ends_with(&format!("{}\n", desk.page(1))),
            "{made:?}"
        );
        let shown = made.stderr.len();
        assert!(shown < 200_000, "{shown} bytes are shown by the {choice}");
    }
}

#[test]
fn a_token_stays_with_its_host() {
    let desk = Desk::begun(Vendor::GitLab).with_token();
    let thief = Server::start(Vendor::GitLab);
    let elsewhere = thief.origin().replace("127.0.0.1", "localhost");
    desk.forge().mood(Mood::Redirecting(elsewhere.clone()));
    desk.propose().code(6).says("does not follow with a token");
    assert_eq!(thief.calls(), []);
    desk.left_nothing();
    // Nor do definitions lead it anywhere.
    desk.forge().mood(Mood::Honest);
    let platform = desk.company.on_main("platform.yaml");
    // Another port of the same host is another's as well.
    for place in [elsewhere, thief.origin()] {
        let evil = platform.replace("kind: gitlab", &format!("kind: gitlab, api: \"{place}\""));
        desk.company.write("platform.yaml", &evil);
        desk.company.push("evil");
        desk.run(&["sync"]).ok();
        desk.propose().code(5);
        assert_eq!(thief.calls(), []);
        desk.left_nothing();
    }
}

/// Merged by a squash, which is no ancestor: `sync` notices and cleans up.
fn merged_and_noticed(desk: &Desk, number: u64) {
    desk.forge().merge(number);
    let synced = desk.run(&["sync"]).ok();
    assert!(
        synced
            .stdout
            .contains("merged     your proposal about billing"),
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

#[test]
fn a_squashed_merge_request_is_noticed_with_and_without_a_token() {
    let mut desk = Desk::begun(Vendor::GitLab);
    desk.propose().ok();
    merged_and_noticed(&desk, 1);
    desk = desk.with_token();
    desk.edited();
    desk.change("TRACE: \"token\"");
    desk.propose().ok();
    let merged = desk.page(2);
    desk.forge().merge(2);
    let synced = desk.run(&["sync"]).ok();
    assert!(
        synced.stdout.contains(&format!("billing: {merged}")),
        "{synced:?}"
    );
}

#[test]
fn gitea_takes_it_by_agit_and_by_rest() {
    let mut desk = Desk::begun(Vendor::Gitea);
    let made = desk.propose().ok();
    assert_eq!(made.stdout, format!("proposed: {}\n", desk.page(1)));
    assert_eq!(
        desk.forge().branches(),
        Vec::<String>::new(),
        "AGit makes no branch"
    );
    assert_eq!(desk.forge().calls(), []);
    assert_eq!(desk.forge().requests()[0].title, "Mend billing");
    desk.change("TRACE: \"2\"");
    let updated = desk.run(&["propose", "billing"]).ok();
    assert_eq!(updated.stdout, format!("updated: {}\n", desk.page(1)));
    assert_eq!(desk.forge().requests().len(), 1);
    merged_and_noticed(&desk, 1);

    desk.developer
        .write("config/settings.yaml", "git: built-in\n");
    desk.edited();
    desk.change("TRACE: \"built-in\"");
    let made = desk.propose().ok();
    assert_eq!(made.stdout, format!("proposed: {}\n", desk.page(2)));
    merged_and_noticed(&desk, 2);

    desk = desk.with_token();
    desk.edited();
    desk.change("TRACE: \"rest\"");
    let made = desk.propose().ok();
    assert_eq!(made.stdout, format!("proposed: {}\n", desk.page(3)));
    assert!(
        desk.forge().requests()[2]
            .description
            .starts_with("Because.\nReally.\n")
    );
    assert_eq!(desk.forge().branches().len(), 1);
    merged_and_noticed(&desk, 3);
}

#[test]
fn github_takes_it_by_rest_and_says_what_is_left_without_a_token() {
    let mut desk = Desk::begun(Vendor::GitHub);
    let pushed = desk.propose().ok();
    let branch = desk.forge().branches().pop().unwrap();
    let page = format!(
        "{}/acme/platform/compare/main...{branch}?expand=1",
        desk.forge().origin()
    );
    pushed
        .says("without a token the pull request is yours to make")
        .says(&page);
    // github.com's token is no other host's.
    desk.environment.push(("GITHUB_TOKEN", token(DEVELOPER.0)));
    desk.run(&["propose", "billing", "-m", "Another"]).ok();
    assert_eq!(desk.forge().calls(), []);
    desk = desk.with_token();
    let made = desk.run(&["propose", "billing", "--draft"]).ok();
    assert!(
        made.stdout.ends_with(&format!("{}\n", desk.page(1))),
        "{made:?}"
    );
    assert!(desk.forge().requests()[0].draft);
    assert_eq!(desk.forge().branches(), [branch]);
    let ready = desk.run(&["propose", "billing"]).ok();
    ready.says("the pull request is still a draft: github has no way");
    merged_and_noticed(&desk, 1);
}

#[test]
fn a_plain_server_gets_the_branch_and_people_get_the_text() {
    let desk = Desk::begun(Vendor::Plain);
    let made = desk.propose().ok();
    let files: Vec<&str> = made.stdout.lines().skip(1).collect();
    let [text, patch] = files.as_slice() else {
        panic!("{made:?}");
    };
    assert!(fs::read_to_string(text).unwrap().contains("Because."));
    let other = tempfile::tempdir().unwrap();
    let url = desk.company.url();
    git(other.path(), &["clone", "--quiet", &url, "."]);
    git(other.path(), &["am", "--quiet", patch]);
    let applied = fs::read_to_string(other.path().join("containers/billing/container.yaml"));
    assert!(
        applied.unwrap().contains("TRACE"),
        "the patch is what git takes"
    );
    assert_eq!(desk.forge().branches().len(), 1);
}

/// Both transports, over both ways to the server.
fn by(choice: &str, over_ssh: bool) {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(Vendor::GitLab).with_ssh_for(home.path());
    let mut environment = Vec::new();
    let mut url = server.url_as(DEVELOPER);
    if over_ssh {
        environment.extend(server.ssh().environment());
        url = server.ssh().url();
    }
    let company = Company::on(server);
    let mut desk = Desk {
        company,
        developer: Workstation::empty(),
        folder: PathBuf::new(),
        environment,
    };
    desk.developer
        .write("config/settings.yaml", &format!("git: {choice}\n"));
    desk.run(&["init", &url, "--accept-keys"]).ok();
    desk.edited();
    let made = desk.propose().ok();
    // Over ssh git's address has no web port: the page is on the same host all the same.
    assert_eq!(made.stdout, format!("proposed: {}\n", desk.page(1)));
    merged_and_noticed(&desk, 1);
}

#[test]
fn the_program_proposes_over_http() {
    by("program", false);
}

#[test]
fn the_program_proposes_over_ssh() {
    by("program", true);
}

#[test]
fn what_is_built_in_proposes_over_http() {
    by("built-in", false);
}

#[test]
fn what_is_built_in_proposes_over_ssh() {
    by("built-in", true);
}

#[test]
fn nothing_of_a_hostile_repository_runs_or_escapes() {
    let company = Company::on(Server::start(Vendor::GitLab));
    let traps = tempfile::tempdir().unwrap();
    let sprung = traps.path().join("sprung");
    let trap = format!("touch {}", sprung.display());
    let hooks = traps.path().join("hooks");
    fs::create_dir_all(&hooks).unwrap();
    for hook in [
        "post-checkout",
        "pre-push",
        "pre-commit",
        "post-commit",
        "reference-transaction",
    ] {
        let path = hooks.join(hook);
        fs::write(&path, format!("#!/bin/sh\n{trap}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let config = traps.path().join("gitconfig");
    let text = format!(
        "[core]\n\thooksPath = {}\n\tfsmonitor = {trap}\n[filter \"evil\"]\n\tclean = {trap}; cat\n\t\
         smudge = {trap}; cat\n\tprocess = {trap}\n\trequired = true\n[diff \"evil\"]\n\t\
         textconv = {trap}\n[submodule]\n\trecurse = true\n",
        hooks.display()
    );
    fs::write(&config, text).unwrap();
    company.write(".gitattributes", "* filter=evil diff=evil\n");
    company.write("containers/.gitattributes", "* filter=evil\n");
    company.write(
        ".gitmodules",
        "[submodule \"x\"]\n\tpath = x\n\turl = ext::sh -c 'touch /tmp/owned'\n",
    );
    symlink("/etc/passwd", company.work().join("link")).unwrap();
    let head = git(&company.work(), &["rev-parse", "HEAD"]);
    let module = format!("160000,{head},x");
    git(
        &company.work(),
        &["update-index", "--add", "--cacheinfo", &module],
    );
    company.push("traps");
    let url = company.url();
    let environment = vec![("GIT_CONFIG_GLOBAL", config.display().to_string())];
    let desk = Desk::at(company, &url, environment);
    desk.propose().ok();
    desk.run(&["sync"]).ok();
    assert!(!sprung.exists(), "something ran");
    let branch = desk.forge().branches().pop().unwrap();
    let changed = desk.forge().git(&["diff", "--name-only", "main", &branch]);
    assert_eq!(changed, "containers/billing/container.yaml");

    symlink("/etc/passwd", desk.folder.join("configuration/link")).unwrap();
    desk.propose().code(3).says("link");
    assert!(!sprung.exists(), "something ran");
}

/// The whole story of README: a wrong health path, mended, run, proposed, merged, released.
#[test]
fn a_fault_is_mended_proposed_merged_and_released() {
    let company = Company::on(Server::start(Vendor::GitLab));
    let path = "containers/billing/container.yaml";
    let right = company.on_main(path);
    company.write(
        path,
        &format!(
            "{}\n",
            right.replace("/probe, check, /probe", "/probe, check, /nothing")
        ),
    );
    company.push("A health check that never passes");
    let company = company.with_reference();
    for environment in ["recette", "production"] {
        company
            .run(&["release", "promote", "1", "--to", environment, "--yes"])
            .ok();
    }
    let url = company.url();
    let mut desk = Desk {
        company,
        developer: Workstation::empty(),
        folder: PathBuf::new(),
        environment: Vec::new(),
    };
    desk.run(&["init", &url, "--accept-keys"]).ok();
    desk.run(&["up", "billing", "--no-proxy", "--timeout", "6s"])
        .code(7);

    let edited = desk.run(&["edit", "billing", "--print"]).ok();
    desk.folder = PathBuf::from(edited.stdout.trim());
    let file = desk.folder.join("container.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("/nothing", "/probe")).unwrap();
    let up = desk.run(&["up", "billing", "--local", "--no-proxy"]).ok();
    assert!(up.stdout.contains("healthy"), "{up:?}");
    let made = desk
        .run(&[
            "propose",
            "billing",
            "-m",
            "billing: its health check looks where it answers",
        ])
        .ok();
    assert_eq!(made.stdout, format!("proposed: {}\n", desk.page(1)));
    let description = desk.forge().requests()[0].description.clone();
    assert!(
        description.contains("among the containers of reference 1 (production), healthy"),
        "{description}"
    );

    desk.forge().merge(1);
    desk.company.run(&["sync"]).ok();
    desk.run(&["sync"]).ok().says("still runs it LOCAL");
    desk.company
        .run(&["release", "build", "billing", "--version", "1.1"])
        .ok();
    desk.company.run(&["release", "reference", "--yes"]).ok();
    for environment in ["recette", "production"] {
        desk.company
            .run(&["release", "promote", "2", "--to", environment, "--yes"])
            .ok();
    }
    let up = desk.run(&["up", "billing", "--release", "--no-proxy"]).ok();
    assert!(up.stdout.contains("healthy"), "{up:?}");
    let billing = desk.developer.container("billing");
    assert_eq!(billing["version"], "1.1");
    assert_eq!(billing["source"], "reference");
    let synced = desk.run(&["sync"]).ok();
    assert!(
        synced
            .stdout
            .contains("its work tree and local image are gone"),
        "{synced:?}"
    );
    assert!(!desk.folder.exists());
    let images = docker(&[
        "image",
        "ls",
        "--format",
        "{{.Repository}}:{{.Tag}} {{.ID}}",
    ]);
    let object = format!(
        "devenv-{}-{}-billing",
        desk.company.platform, desk.developer.instance
    );
    let running = docker(&["inspect", "--format", "{{.Config.Image}}", &object]);
    assert!(!running.contains("devenv-local"), "{running} {images}");
}
