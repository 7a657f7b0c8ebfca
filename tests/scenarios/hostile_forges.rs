//! Servers and repositories that mean harm to whoever proposes.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::desk::Desk;
use crate::support::company::Company;
use crate::support::forge::{Mood, Server, Vendor};
use crate::support::synthetic::git;

/// A server that talks without end, in control characters.
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

/// Neither a redirect nor the definitions lead a token to another host.
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

/// A repository with symlinks, a submodule, filters and a user with hooks: nothing runs, nothing
/// escapes.
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
