//! A developer's change on its way to those who merge: over real git, to stand-ins of each forge.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::desk::as_anna;
use crate::support::company::Company;
use crate::support::forge::{DEVELOPER, Mood, OPERATOR, Server, Vendor, token};
use crate::support::workstation::{Ran, Workstation, finished};

/// A developer with a change of billing, and where it goes.
struct Sending {
    company: Company,
    developer: Workstation,
    folder: PathBuf,
}

impl Sending {
    fn to(vendor: Vendor) -> Self {
        let company = Company::on(Server::start(vendor));
        let developer = Workstation::initialised(&company.url());
        let edited = developer.run(&["edit", "billing", "--print"]).ok();
        let folder = PathBuf::from(edited.stdout.trim());
        let sending = Self {
            company,
            developer,
            folder,
        };
        sending.change("memory: 300MiB\n");
        sending
    }

    /// Adds a line to billing's definition.
    fn change(&self, line: &str) {
        let file = self.folder.join("container.yaml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text + line).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.developer.command();
        command.args(arguments);
        as_anna(&mut command);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        finished(self.command(arguments), "")
    }

    /// With a token for the forge.
    fn with_token(&self, variable: &str, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        command.env(variable, token(DEVELOPER.0));
        let ran = finished(command, "");
        let secret = token(DEVELOPER.0);
        assert!(!ran.stdout.contains(&secret) && !ran.stderr.contains(&secret));
        ran
    }

    fn forge(&self) -> &Server {
        self.company.forge()
    }

    /// Nothing of a proposal is on the server.
    #[track_caller]
    fn nothing_is_left(&self) {
        assert_eq!(self.forge().branches(), Vec::<String>::new());
        assert!(self.forge().requests().is_empty());
    }
}

const PROPOSE: [&str; 4] = ["propose", "billing", "-m", "Less memory for billing"];

#[test]
fn a_merge_request_is_made_updated_and_noticed_as_merged() {
    let sending = Sending::to(Vendor::GitLab);
    let forge = sending.forge();
    let plan = sending
        .run(&["propose", "billing", "-m", "x", "--dry-run"])
        .ok();
    assert!(
        plan.stdout.contains("would make a merge request"),
        "{plan:?}"
    );
    sending.nothing_is_left();

    let mut described = PROPOSE.to_vec();
    described.extend(["--description", "It leaks.\n\nSee the graph."]);
    let first = sending.run(&described).ok().says("run: memory");
    let url = format!("{}/acme/platform/-/merge_requests/1", forge.origin());
    assert!(first.stdout.contains(&url), "{first:?}");
    let request = forge.requests().pop().unwrap();
    assert_eq!(request.title, "Less memory for billing");
    assert_eq!(
        (request.target.as_str(), request.author.as_str()),
        ("main", "dev")
    );
    let text = &request.description;
    assert!(text.starts_with("It leaks.\n\nSee the graph.\n"), "{text}");
    assert!(text.contains("`memory: "), "{text}");
    assert!(text.contains("was not run"), "{text}");
    assert!(
        request.source.starts_with("devenv/anna/billing-h"),
        "{request:?}"
    );
    let changed = forge.git(&["diff", "--name-only", "main", &request.source]);
    assert_eq!(changed, "containers/billing/container.yaml");
    let author = forge.git(&["log", "-1", "--format=%an <%ae>", &request.source]);
    assert_eq!(author, "Anna <anna@acme.example>");

    let again = sending.run(&["propose", "billing", "--json"]).ok().json();
    assert_eq!(again["outcome"], "unchanged");
    assert_eq!(again["request"]["url"], url);
    sending.change("hostname: billing\n");
    let updated = sending
        .run(&["propose", "billing", "--draft", "--json"])
        .ok()
        .json();
    assert_eq!(updated["outcome"], "updated");
    let requests = forge.requests();
    assert_eq!(requests.len(), 1);
    assert!(
        requests[0].draft || requests[0].title.starts_with("Draft: "),
        "{requests:?}"
    );
    assert!(requests[0].description.contains("hostname"), "{requests:?}");
    assert_eq!(forge.branches().len(), 1);
    assert!(forge.calls().is_empty(), "no token, no REST");

    let listed = sending.run(&["proposals", "--json"]).ok().json();
    assert_eq!(listed[0]["state"], "proposed");
    assert_eq!(listed[0]["url"], url);
    sending.run(&["propose", "billing"]).ok();
    forge.merge(1);
    let synced = sending.run(&["sync"]).ok();
    assert!(
        synced
            .stdout
            .contains("merged     your proposal about billing"),
        "{synced:?}"
    );
    assert!(!sending.folder.exists());
    assert!(
        sending
            .run(&["proposals"])
            .ok()
            .stdout
            .contains("no proposals")
    );
}

#[test]
fn what_is_not_part_of_a_merged_proposal_stays() {
    let sending = Sending::to(Vendor::GitLab);
    sending.run(&PROPOSE).ok();
    sending.forge().merge(1);
    sending.change("hostname: more\n");
    sending.run(&["sync"]).ok().says("it stays");
    assert!(sending.folder.exists());
    let listed = sending.run(&["proposals", "--json"]).ok().json();
    assert_eq!(listed[0]["state"], "merged");
    assert_eq!(listed[0]["behind"], 2, "the squash and its merge");
}

#[test]
fn only_the_folder_is_proposed_and_nothing_beside_it_is_lost() {
    let sending = Sending::to(Vendor::GitLab);
    let tree = sending.folder.ancestors().nth(2).unwrap();
    let platform = tree.join("platform.yaml");
    let before = fs::read_to_string(&platform).unwrap();
    fs::write(&platform, format!("{before}# mine\n")).unwrap();
    let told = "only containers/billing/ is proposed; changed outside of it: platform.yaml";
    sending.run(&["edit", "billing", "--print"]).ok().says(told);
    sending.run(&PROPOSE).code(2).says("platform.yaml");
    sending.company.push("Something new");
    sending.run(&["sync"]).ok();
    let update = ["edit", "billing", "--update", "--print"];
    sending.run(&update).code(2).says("platform.yaml");
    assert!(fs::read_to_string(&platform).unwrap().contains("# mine"));
    fs::write(&platform, before).unwrap();
    sending.run(&PROPOSE).ok();
    sending.forge().merge(1);

    let exclude = tree.ancestors().nth(2).unwrap();
    let exclude = exclude.join("definitions.git/info/exclude");
    fs::create_dir_all(exclude.parent().unwrap()).unwrap();
    fs::write(exclude, "*.notes\n").unwrap();
    for path in ["containers/other/file", "containers/billing/my.notes"] {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "mine").unwrap();
        sending.run(&["sync"]).ok().says("it stays");
        assert!(path.is_file());
        fs::remove_file(path).unwrap();
    }
    sending.run(&["sync"]).ok();
    assert!(!tree.exists());
}

#[test]
fn a_merge_is_noticed_although_the_command_was_killed_the_file_went_on_and_the_tree_is_gone() {
    let sending = Sending::to(Vendor::Plain);
    sending.run(&PROPOSE).ok();
    // Killed after the push.
    let record = format!("state/proposals/{}/billing.json", sending.company.platform);
    let record = sending.developer.home.path().join(record);
    let text = fs::read_to_string(&record).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value["sent"]["sending"] = value["sent"]["commit"].take();
    fs::write(&record, value.to_string()).unwrap();
    let branch = sending.forge().branches().pop().unwrap();
    let reference = sending.forge().git(&["rev-parse", &branch]);
    sending
        .forge()
        .git(&["update-ref", "refs/heads/main", &reference]);
    let definition = "containers/billing/container.yaml";
    let text = sending.company.on_main(definition);
    // The operator's clone has the merge before it goes on.
    sending.company.push("Something else");
    sending
        .company
        .write(definition, &text.replace("300MiB", "333MiB"));
    sending.company.push("Other memory");
    assert!(sending.company.on_main(definition).contains("333MiB"));
    fs::remove_dir_all(sending.folder.ancestors().nth(2).unwrap()).unwrap();
    let synced = sending.run(&["sync"]).ok();
    let at = |text: &str| {
        synced
            .stdout
            .find(text)
            .unwrap_or_else(|| panic!("{text}: {synced:?}"))
    };
    assert!(at("Other memory") < at("merged     your proposal about billing"));
    assert!(!record.exists());
}

#[test]
fn words_that_an_editor_wrote_are_kept_until_they_are_sent() {
    let sending = Sending::to(Vendor::GitLab);
    let home = sending.developer.home.path();
    let script = |name: &str, text: &str| {
        let file = home.join(name);
        fs::write(&file, text).unwrap();
        format!("sh {}", file.display())
    };
    let propose = |arguments: &[&str], editor: &str| {
        let arguments = [&["propose", "billing"], arguments].concat();
        crate::proposing::in_terminal(&sending.developer, &arguments, editor, "")
    };
    let long = format!(
        "printf '{}\\n\\nThe graph says so.\\n' > \"$1\"",
        "x".repeat(300)
    );
    let told = propose(&[], &script("long", &long));
    assert!(
        told.contains("one line") && told.contains("(ended with 2)"),
        "{told}"
    );
    let told = propose(&[], "false");
    assert!(told.contains("exit status: 1"), "{told}");
    let shorter = script("shorter", "sed -i 's/^xx*$/Less memory/' \"$1\"");
    let told = propose(&["--dry-run"], &shorter);
    assert!(
        told.contains("Less memory") && told.contains("(ended with 0)"),
        "{told}"
    );
    let told = propose(&[], "true");
    assert!(told.contains("proposed: "), "{told}");
    let request = sending.forge().requests().pop().unwrap();
    assert_eq!(request.title, "Less memory");
    assert!(
        request.description.starts_with("The graph says so."),
        "{request:?}"
    );
    let words = format!("state/proposals/{}/billing.md", sending.company.platform);
    assert!(!home.join(words).exists());
}

#[test]
fn with_a_token_the_forge_itself_is_asked() {
    for (vendor, variable) in [
        (Vendor::GitLab, "GITLAB_TOKEN"),
        (Vendor::Gitea, "GITEA_TOKEN"),
    ] {
        let sending = Sending::to(vendor);
        let forge = sending.forge();
        let first = sending.with_token(variable, &PROPOSE).ok();
        assert!(first.stdout.contains(&forge.origin()), "{first:?}");
        sending.change("hostname: billing\n");
        let mut again = PROPOSE;
        again[3] = "Another title";
        let second = sending.with_token(variable, &again).ok();
        assert!(second.stdout.contains("updated: "), "{second:?}");
        let requests = forge.requests();
        assert_eq!(requests.len(), 1, "{vendor:?}");
        assert_eq!(requests[0].title, "Another title");
        assert!(requests[0].description.contains("hostname"));
        assert!(
            forge
                .calls()
                .iter()
                .all(|it| it.token == Some(token(DEVELOPER.0)))
        );
        sending
            .with_token(variable, &["abandon", "billing"])
            .code(2)
            .says("--yes");
        let dropped = sending
            .with_token(variable, &["abandon", "billing", "--yes"])
            .ok();
        assert!(dropped.stdout.contains("closed "), "{dropped:?}");
        assert_eq!(forge.requests()[0].state, "closed");
        assert!(forge.branches().is_empty(), "{vendor:?}");
        assert!(!sending.folder.exists());
    }
}

#[test]
fn a_plain_server_gets_a_branch_and_people_a_text_and_a_patch() {
    let sending = Sending::to(Vendor::Plain);
    let sent = sending.run(&PROPOSE).ok();
    let branch = sending.forge().branches().pop().unwrap();
    assert!(sent.stdout.contains(&branch), "{sent:?}");
    let written: Vec<&str> = sent
        .stdout
        .lines()
        .filter(|it| it.starts_with('/'))
        .collect();
    let text = fs::read_to_string(written[0]).unwrap();
    assert!(
        text.contains(&branch) && !text.contains("password"),
        "{text}"
    );
    // git itself applies the patch to what the server has.
    let clone = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| crate::support::synthetic::git(clone.path(), arguments);
    git(&["clone", "--quiet", &sending.company.url(), "."]);
    git(&["am", "--quiet", written[1]]);
    let tree = git(&["rev-parse", "HEAD^{tree}"]);
    assert_eq!(
        tree.trim(),
        sending
            .forge()
            .git(&["rev-parse", &format!("{branch}^{{tree}}")])
    );
    assert_eq!(
        sending.run(&["propose", "billing", "--json"]).ok().json()["outcome"],
        "unchanged"
    );
    // Squashed by hand by somebody.
    git(&[
        "push",
        "--quiet",
        &sending.company.url_as(OPERATOR),
        "HEAD:main",
    ]);
    let synced = sending.run(&["sync"]).ok();
    assert!(synced.stdout.contains("merged     "), "{synced:?}");
    assert!(!sending.folder.exists());
}

#[test]
fn a_conflict_is_found_in_memory_and_both_sides_are_marked() {
    let sending = Sending::to(Vendor::GitLab);
    let definition = "containers/billing/container.yaml";
    let theirs = sending.company.on_main(definition) + "\nmemory: 400MiB\n";
    sending.company.write(definition, &theirs);
    sending.company.push("More memory");
    let conflict = sending.run(&PROPOSE).code(6);
    conflict.says(definition).says("--update");
    sending.nothing_is_left();
    sending
        .run(&["edit", "billing", "--update", "--print"])
        .code(3)
        .says("<<<<<<<");
    let file = sending.folder.join("container.yaml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("<<<<<<<") && text.contains("400MiB") && text.contains("300MiB"),
        "{text}"
    );
    fs::write(&file, theirs.replace("400MiB", "350MiB")).unwrap();
    // In a file that is no YAML, only a look for them finds the marks.
    let properties = sending
        .folder
        .join("configuration/recette/application.properties");
    let settled = fs::read_to_string(&properties).unwrap();
    let marked = "a=1\n<<<<<<< newest\nb=1\n=======\nb=2\n>>>>>>> proposal\n";
    fs::write(&properties, marked).unwrap();
    for command in [&["propose", "billing"][..], &["edit", "billing", "--print"]] {
        let place = "configuration/recette/application.properties:2";
        sending.run(command).code(3).says(place);
    }
    fs::write(&properties, settled).unwrap();
    sending.run(&["propose", "billing"]).ok();
    let source = sending.forge().requests()[0].source.clone();
    let sent = sending
        .forge()
        .git(&["show", &format!("{source}:{definition}")]);
    assert_eq!(sent.trim(), theirs.replace("400MiB", "350MiB").trim());
}

#[test]
fn somebody_elses_push_to_the_branch_is_not_overwritten() {
    let sending = Sending::to(Vendor::GitLab);
    sending.run(&PROPOSE).ok();
    let branch = sending.forge().branches().pop().unwrap();
    let reference = format!("refs/heads/{branch}");
    let main = sending.forge().git(&["rev-parse", "main"]);
    sending.forge().git(&["update-ref", &reference, &main]);
    sending.change("hostname: billing\n");
    sending
        .run(&["propose", "billing"])
        .code(6)
        .says("somebody else changed");
    assert_eq!(sending.forge().git(&["rev-parse", &reference]), main);
    sending
        .with_token("GITLAB_TOKEN", &["abandon", "billing", "--yes"])
        .code(6)
        .says("--keep-request");
    assert_ne!(sending.forge().requests()[0].state, "closed");
    assert!(sending.folder.exists());
    sending
        .run(&["abandon", "billing", "--yes", "--keep-request"])
        .ok();
}

#[test]
fn a_container_that_is_new_is_proposed_with_its_files_alone() {
    let sending = Sending::to(Vendor::GitLab);
    sending
        .run(&["edit", "--new", "audit", "--like", "billing", "--print"])
        .ok();
    let anew = ["edit", "--new", "audit", "--print"];
    sending.run(&anew).code(2).says("already");
    sending.run(&["propose", "audit"]).code(2).says("-m TITLE");
    sending
        .run(&["propose", "audit", "-m", "Audit is new"])
        .ok();
    let source = sending.forge().requests()[0].source.clone();
    let changed = sending
        .forge()
        .git(&["diff", "--name-only", "main", &source]);
    assert!(
        changed
            .lines()
            .all(|it| it.starts_with("containers/audit/")),
        "{changed}"
    );
    assert!(changed.contains("containers/audit/Dockerfile"), "{changed}");
}

#[test]
fn commits_are_signed_where_git_is_set_up_to_and_never_silently_not() {
    let sending = Sending::to(Vendor::GitLab);
    let home = sending.developer.home.path();
    let key = home.join("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status();
    assert!(made.unwrap().success());
    let config = home.join("gitconfig");
    let signing = |key: &std::path::Path| {
        let text = format!(
            "[user]\n\tsigningkey = {}\n[gpg]\n\tformat = ssh\n[commit]\n\tgpgsign = true\n",
            key.display()
        );
        fs::write(&config, text).unwrap();
        let mut command = sending.command(&PROPOSE);
        command.env("GIT_CONFIG_GLOBAL", &config);
        finished(command, "")
    };
    signing(&home.join("nothing"))
        .code(6)
        .says("cannot be signed");
    sending.nothing_is_left();
    signing(&key).ok();
    let source = sending.forge().requests()[0].source.clone();
    let commit = sending.forge().git(&["cat-file", "commit", &source]);
    assert!(
        commit.contains("gpgsig -----BEGIN SSH SIGNATURE"),
        "{commit}"
    );
}

#[test]
fn an_answer_of_the_api_without_end_is_cut_off() {
    let sending = Sending::to(Vendor::GitLab);
    sending.forge().mood(Mood::Endless(6_000_000));
    sending
        .with_token("GITLAB_TOKEN", &PROPOSE)
        .code(6)
        .says("more than 4194304 bytes");
    sending.forge().mood(Mood::Honest);
    sending.nothing_is_left();
    std::os::unix::fs::symlink("/etc/passwd", sending.folder.join("link")).unwrap();
    sending
        .with_token("GITLAB_TOKEN", &PROPOSE)
        .code(3)
        .says("symbolic link");
    sending.nothing_is_left();
}
