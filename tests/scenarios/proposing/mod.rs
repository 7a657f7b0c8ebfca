//! A developer's own change: edited, built and run among production's containers, marked as local.

mod building;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::company::Company;
use crate::support::workstation::{Workstation, docker, finished};

/// A released platform, and a developer who begins a proposal about billing: its folder.
pub(crate) fn begun() -> (Company, Workstation, PathBuf) {
    begun_at(Company::new())
}

fn begun_at(company: Company) -> (Company, Workstation, PathBuf) {
    let company = company.with_reference();
    for environment in ["recette", "production"] {
        company
            .run(&["release", "promote", "1", "--to", environment, "--yes"])
            .ok();
    }
    let developer = Workstation::initialised(&company.url());
    let edited = developer.run(&["edit", "billing", "--print"]).ok();
    let folder = PathBuf::from(edited.stdout.trim());
    assert!(folder.join("container.yaml").is_file(), "{edited:?}");
    (company, developer, folder)
}

/// Another variable for billing.
pub(crate) fn trace(folder: &Path) {
    let definition = folder.join("container.yaml");
    let text = fs::read_to_string(&definition).unwrap();
    fs::write(
        &definition,
        format!("{text}environment: {{ TRACE: \"1\" }}\n"),
    )
    .unwrap();
}

/// The engine's name of billing.
pub(crate) fn object(company: &Company, developer: &Workstation) -> String {
    format!("devenv-{}-{}-billing", company.platform, developer.instance)
}

pub(crate) fn image_of(company: &Company, developer: &Workstation) -> String {
    let object = object(company, developer);
    docker(&["inspect", "--format", "{{.Image}}", &object])
}

/// A change is edited, built as production would, run among production's containers, LOCAL
/// everywhere, and undone.
#[test]
fn a_proposal_runs_among_productions_containers_marked_as_local() {
    let (company, developer, folder) = begun();
    developer.run(&["up", "billing", "--no-proxy"]).ok();
    let released = image_of(&company, &developer);
    developer.run(&["diff", "billing"]).ok();

    trace(&folder);
    fs::write(
        folder.join("configuration/recette/application.properties"),
        "name=changed\n",
    )
    .unwrap();
    let diff = developer.run(&["diff", "billing"]).code(1);
    assert!(
        diff.stdout.contains("~ containers/billing/container.yaml"),
        "{diff:?}"
    );
    assert!(diff.stdout.contains("TRACE: 1"), "{diff:?}");

    let built = developer.run(&["build", "billing"]).ok();
    let tag = built.stdout.trim().to_owned();
    assert!(tag.starts_with("localhost/devenv-local/billing:"), "{tag}");
    let again = developer.run(&["build", "billing", "--json"]).ok();
    assert_eq!(again.json()["unchanged"], true);

    let up = developer.run(&["up", "billing", "--local"]).ok();
    assert!(up.stdout.contains("LOCAL local-"), "{up:?}");
    up.says("signed by nobody");
    let running = docker(&["inspect", "--format", "{{.Id}}", &tag]);
    assert_eq!(image_of(&company, &developer), running);
    let status = developer.run(&["status", "--json"]).ok().json();
    let billing = &status["containers"][0];
    assert_eq!(billing["source"], "local");
    assert!(
        developer
            .run(&["status"])
            .ok()
            .stdout
            .contains("LOCAL local-")
    );
    assert!(
        developer
            .run(&["list"])
            .ok()
            .stdout
            .contains("LOCAL local-")
    );
    let object = object(&company, &developer);
    let variables = docker(&["inspect", "--format", "{{.Config.Env}}", &object]);
    assert!(variables.contains("TRACE=1"), "{variables}");
    // It is remembered, and nothing is done twice.
    developer.run(&["up"]).ok().says("nothing to do");

    // Nothing of it is a release.
    company
        .run(&["release", "verify", "billing:local-1"])
        .code(2)
        .says("is not published");
    developer
        .run(&["abandon", "billing", "--yes"])
        .code(2)
        .says("--release");
    developer.run(&["up", "billing", "--release"]).ok();
    assert_eq!(image_of(&company, &developer), released);
    developer.run(&["abandon", "billing"]).code(2).says("--yes");
    developer.run(&["abandon", "billing", "--yes"]).ok();
    assert!(!folder.exists());
    let listed = developer.run(&["proposals"]).ok();
    assert!(listed.stdout.contains("no proposals"), "{listed:?}");
}

/// A new app makes the proxy LOCAL, with its routes.
#[test]
fn a_new_app_and_other_routes_make_the_proxy_local_too() {
    let (company, developer, _) = begun();
    developer
        .run(&["edit", "--new", "audit", "--like", "billing", "--print"])
        .ok();
    let port = crate::support::workstation::free_port();
    let port = format!("80={port}");
    let up = ["up", "audit", "--local", "--port", &port];
    developer.run(&up).ok().says("front is LOCAL too");
    let front = format!("devenv-{}-{}-front", company.platform, developer.instance);
    let copied = docker(&["cp", &format!("{front}:/etc/routes"), "-"]);
    assert!(copied.contains("/audit audit"), "{copied}");
    assert!(copied.contains("/billing billing"), "{copied}");
    developer.run(&["up"]).ok().says("nothing to do");
    developer.run(&["down", "--volumes", "--yes"]).ok();
}

/// `down` ends LOCAL; a new container can be taken down and abandoned, and there is nothing to go
/// back to.
#[test]
fn what_ran_from_a_proposal_ends_with_down_and_can_be_abandoned() {
    let (_company, developer, _) = begun();
    developer
        .run(&["edit", "--new", "audit", "--like", "billing", "--print"])
        .ok();
    let up = ["up", "billing", "audit", "--local", "--no-proxy"];
    developer.run(&up).ok();
    developer
        .run(&["abandon", "audit", "--yes"])
        .code(2)
        .says("`devenv down audit --instance");
    developer
        .run(&["up", "audit", "--release"])
        .code(2)
        .says("reference 1 has no audit to go back to")
        .says("`devenv down audit`");
    developer.run(&["down", "audit"]).ok();
    developer.run(&["abandon", "audit", "--yes"]).ok();
    let state = || developer.run(&["proposals", "--json"]).ok().json()[0]["state"].clone();
    assert_eq!(state(), "running LOCAL");
    developer.run(&["down"]).ok();
    assert_eq!(state(), "built");
    developer.run(&["abandon", "billing", "--yes"]).ok();
    let up = developer.run(&["up", "billing", "--no-proxy"]).ok();
    assert!(!up.stderr.contains("LOCAL"), "{}", up.stderr);
}

/// A proposal that does not parse or holds a link.
#[test]
fn what_does_not_hold_together_is_refused_with_its_place() {
    let (_company, developer, folder) = begun();
    fs::write(folder.join("container.yaml"), "port: 8080\nrouts: []\n").unwrap();
    for command in [
        &["edit", "billing", "--print"][..],
        &["build", "billing"],
        &["diff", "billing"],
        &["up", "billing", "--local", "--no-proxy"],
    ] {
        developer
            .run(command)
            .code(3)
            .says("containers/billing/container.yaml:2")
            .says("did you mean `routes`?");
    }
    #[cfg(unix)]
    {
        fs::write(folder.join("container.yaml"), "port: 8080\n").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.join("configuration/link")).unwrap();
        developer.run(&["build", "billing"]).code(3).says("link");
    }
    developer.run(&["edit", "nobody"]).code(2).says("--new");
    developer
        .run(&["build", "base"])
        .code(2)
        .says("no proposal");
}

/// A proposal in progress is asked about once, and a script is told the flags.
#[test]
fn a_proposal_in_progress_is_asked_about_once() {
    let (company, developer, folder) = begun();
    developer.run(&["up", "billing", "--no-proxy"]).ok();
    let released = image_of(&company, &developer);
    let properties = folder.join("configuration/recette/application.properties");
    fs::write(&properties, "name=changed\n").unwrap();
    // Nobody can answer: nothing is taken for granted, and nothing has to be asked where it is not named.
    developer
        .run(&["up", "billing"])
        .code(2)
        .says("`--local` answers yes")
        .says("--release");
    developer.run(&["up"]).ok();
    developer
        .run(&["up", "billing", "--dry-run"])
        .ok()
        .says("which this plan does not use");
    developer.run(&["up", "billing", "--release"]).ok();
    developer.run(&["up", "billing"]).ok();
    assert_eq!(image_of(&company, &developer), released);
    // Another proposal is another question.
    developer.run(&["abandon", "billing", "--yes"]).ok();
    developer.run(&["edit", "billing", "--print"]).ok();
    fs::write(&properties, "name=changed again\n").unwrap();
    let answered = in_terminal(&developer, &["up", "billing"], "vi", "y");
    assert!(answered.contains("LOCAL"), "{answered}");
    assert_ne!(image_of(&company, &developer), released);
    developer.run(&["up", "billing"]).ok().says("nothing to do");
}

/// What a command shows on a terminal where these keys are pressed.
pub(crate) fn in_terminal(
    developer: &Workstation,
    arguments: &[&str],
    editor: &str,
    keys: &str,
) -> String {
    in_terminal_with(developer, arguments, &[], editor, keys)
}

/// The same with more variables.
pub(crate) fn in_terminal_with(
    developer: &Workstation,
    arguments: &[&str],
    more: &[(&str, &str)],
    editor: &str,
    keys: &str,
) -> String {
    let program = env!("CARGO_BIN_EXE_devenv");
    let mut command = Command::new("script");
    for (name, value) in developer.command().get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let line = format!("{program} {}", arguments.join(" "));
    command
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env("TERM", "xterm")
        .env("EDITOR", editor)
        .envs(["AUTHOR", "COMMITTER"].map(|role| (format!("GIT_{role}_NAME"), "Anna")))
        .envs(
            ["AUTHOR", "COMMITTER"].map(|role| (format!("GIT_{role}_EMAIL"), "anna@acme.example")),
        )
        .envs(more.iter().copied())
        .env_remove("VISUAL");
    let ran = finished(command, keys);
    format!("{}{}(ended with {})", ran.stdout, ran.stderr, ran.code)
}

/// `edit` checks what is saved and opens the editor again until it holds together; nothing is lost.
#[test]
fn what_is_saved_is_checked_and_edited_again_until_it_holds_together() {
    let (_company, developer, folder) = begun();
    let editor = developer.home.path().join("editor");
    let count = developer.home.path().join("count");
    // Its arguments and quotes are a shell's; the first time it breaks the file, then it mends it.
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = 'two words' ] || exit 9\necho >> {0}\n\
         if [ $(wc -l < {0}) = 1 ]; then echo 'routs: []' >> \"$2\"; else sed -i /routs/d \"$2\"; fi\n",
        count.display()
    );
    fs::write(&editor, script).unwrap();
    let call = format!("sh {} 'two words'", editor.display());
    let told = in_terminal(&developer, &["edit", "billing"], &call, "y");
    for text in [
        "containers/billing/container.yaml:",
        "`routs`",
        "`routes`",
        "open the editor again?",
        "the definitions are valid",
        "(ended with 0)",
    ] {
        assert!(told.contains(text), "{text:?} in {told}");
    }
    assert_eq!(fs::read_to_string(&count).unwrap().len(), 2);

    // Somebody who gives up loses nothing.
    fs::remove_file(&count).unwrap();
    let told = in_terminal(&developer, &["edit", "billing"], &call, "n");
    assert!(
        told.contains("are kept") && told.contains("(ended with 3)"),
        "{told}"
    );
    let kept = fs::read_to_string(folder.join("container.yaml")).unwrap();
    assert!(kept.contains("routs"), "{kept}");
    let told = in_terminal(&developer, &["edit", "billing"], "false", "");
    assert!(told.contains("ended with exit status: 1"), "{told}");
}
