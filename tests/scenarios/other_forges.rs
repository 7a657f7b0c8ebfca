//! `propose` to Gitea, GitHub and a plain git server, and over every way to a server.

use std::fs;
use std::path::PathBuf;

use crate::desk::{Desk, merged_and_noticed};
use crate::support::company::Company;
use crate::support::forge::{DEVELOPER, Server, Vendor, token};
use crate::support::synthetic::git;
use crate::support::workstation::Workstation;

/// Gitea and Forgejo: `AGit` by both transports, REST with a token.
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

/// What began by `AGit` goes on, is renamed and closed with a token.
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

/// GitHub: REST with a token, the page to do it by hand without one.
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

/// A plain git server: the branch, a request's text, a patch that `git am` takes.
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

/// The `git` program proposes over http.
#[test]
fn the_program_proposes_over_http() {
    by("program", false);
}

/// The `git` program proposes over ssh.
#[test]
fn the_program_proposes_over_ssh() {
    by("program", true);
}

/// The git that is built in proposes over http.
#[test]
fn what_is_built_in_proposes_over_http() {
    by("built-in", false);
}

/// The git that is built in proposes over ssh.
#[test]
fn what_is_built_in_proposes_over_ssh() {
    by("built-in", true);
}
