//! A developer's change on its way to those who merge: over real git, to stand-ins of each forge.

mod logins;
mod meanwhile;
mod pointers;

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

/// A merge request is made by push options, updated by the same command, and noticed as merged when
/// squashed.
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
            .contains("merged     your proposal for billing"),
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

/// Words that an editor wrote are kept until they are sent.
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

/// With a token the forge is asked by REST, and abandoning closes the request and removes the
/// branch.
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

/// A plain server gets a branch, people a text and a patch that `git am` takes; merged by hand is
/// noticed.
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

/// A new container is proposed with its files alone.
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

/// Proposals are signed where git is set up to, and never silently not.
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

/// An answer of a forge's API without end is cut off; a link in the work tree is refused.
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
