//! `propose` to GitLab, from a real git server that has its manners.

use std::fs;
use std::path::PathBuf;

use crate::desk::{Desk, merged_and_noticed};
use crate::support::company::Company;
use crate::support::forge::people::READER;
use crate::support::forge::{DEVELOPER, Mood, Server, Vendor};
use crate::support::workstation::{Workstation, docker};

/// GitLab makes a merge request of a push, without a token; again is an update; `--dry-run` sends
/// nothing.
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

/// A server without push options: its own words, then REST where a token is set; `abandon` closes.
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

/// A hook's refusal, a protected branch, a wrong password, offline, a server that is gone: each its
/// own words, nothing left behind, typed text kept.
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

/// What a push that was refused would have sent outlives the merge of what was sent before.
#[test]
fn what_was_never_taken_outlives_the_merge_of_what_was() {
    let desk = Desk::begun(Vendor::GitLab);
    desk.propose().ok();
    desk.change("TRACE: \"2\"");
    desk.forge().mood(Mood::Refusing("No ticket".to_owned()));
    desk.propose().code(6);
    desk.forge().mood(Mood::Honest);
    desk.forge().merge(1);
    desk.run(&["sync"]).ok();
    let kept = fs::read_to_string(desk.folder.join("container.yaml")).unwrap();
    assert!(kept.contains("TRACE: \"2\""), "{kept}");
}

/// Who may only read is told so.
#[test]
fn who_may_only_read_is_told_so() {
    let company = Company::on(Server::start(Vendor::GitLab));
    let url = company.url_as(READER);
    let desk = Desk::at(company, &url, Vec::new());
    let refused = desk.propose().code(6);
    refused.says("You are not allowed to push code to this project.");
    desk.left_nothing();
}

/// Push options that were ignored, an address of another host: noticed, and the branch taken back.
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

/// A branch that an earlier try left without a request is taken back.
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

/// A request that was closed by hand is proposed anew, and said to be new.
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

/// `sync` notices a squashed merge, with and without a token, and cleans up.
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
            .contains("its work tree and local image were removed"),
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
