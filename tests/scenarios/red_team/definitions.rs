//! Definitions that mean harm to whoever edits them: a commit's files are checked before a work tree
//! is made of them, and nothing in one leads an editor or git elsewhere.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::app;
use crate::support::synthetic::{Synthetic, git};
use crate::support::workstation::{Ran, Workstation, finished};

/// Honest definitions, and a developer who has a file that matters.
struct Victim {
    platform: Synthetic,
    developer: Workstation,
}

impl Victim {
    fn new() -> Self {
        let platform = Synthetic::define(&[("billing", &app("")), ("audit", &app(""))]);
        let developer = Workstation::initialised(&platform.url());
        developer.write("precious", "precious\n");
        developer.write(
            "editor",
            "#!/bin/sh\necho '# owned' >> \"$1\"\ntouch \"$DEVENV_HOME/edited\"\n",
        );
        let editor = developer.home.path().join("editor");
        git(developer.home.path(), &["init", "--quiet", "elsewhere"]);
        let made = Command::new("chmod").arg("755").arg(&editor).status();
        assert!(made.unwrap().success());
        Self {
            platform,
            developer,
        }
    }

    fn precious(&self) -> PathBuf {
        self.developer.home.path().join("precious")
    }

    fn containers(&self) -> PathBuf {
        self.platform.work().join("containers")
    }

    /// Production merges this without looking.
    fn pushes(&mut self) {
        self.platform.push("Harmless");
        self.developer.run(&["sync"]).ok();
    }

    /// `edit` at a terminal, with an editor that changes what it is given.
    fn edits(&self, more: &str) -> Ran {
        let mut command = self.developer.command();
        let (program, arguments) = (command.get_program().to_owned(), ["-qec"]);
        let line = format!("{} edit billing {more}", program.to_string_lossy());
        let variables: Vec<_> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        command = Command::new("script");
        command.args(arguments).arg(line).arg("/dev/null");
        command.envs(variables);
        command.env("EDITOR", self.developer.home.path().join("editor"));
        finished(command, "")
    }

    fn unharmed(&self) {
        assert_eq!(fs::read_to_string(self.precious()).unwrap(), "precious\n");
        let edited = self.developer.home.path().join("edited");
        assert!(!edited.exists(), "an editor was started");
    }

    /// No work tree is made, nor half of one.
    fn no_work_tree(&self) {
        let tree = self
            .developer
            .home
            .path()
            .join("data/platforms/acme/proposals/billing");
        assert!(!tree.exists());
        self.unharmed();
    }
}

/// `edit` of definitions that planted a link to a file of the user's: refused before anything is
/// checked out; the honest twin is edited.
#[test]
fn a_link_to_a_file_of_the_users_is_never_made_nor_opened() {
    for (place, code, words) in [
        ("billing/container.yaml", 3, "symbolic link"),
        ("audit/extra", 3, "symbolic link"),
        // What is no folder is no container.
        ("billing", 2, "no container is called"),
    ] {
        let mut victim = Victim::new();
        let link = victim.containers().join(place);
        let _ = fs::remove_file(&link).or_else(|_| fs::remove_dir_all(&link));
        symlink(victim.precious(), &link).unwrap();
        victim.pushes();
        let ran = victim.edits("");
        assert_eq!(ran.code, code, "{place}: {}", ran.stdout);
        assert!(ran.stdout.contains(words), "{}", ran.stdout);
        victim.no_work_tree();
    }
    let honest = Victim::new();
    honest.edits("").ok();
    assert!(honest.developer.home.path().join("edited").exists());
}

/// The same where the link comes with an update of a proposal that is under way, and where it stands
/// in the work tree already.
#[test]
fn a_link_that_comes_later_is_not_made_either() {
    let mut victim = Victim::new();
    let folder = victim.developer.run(&["edit", "billing", "--print"]).ok();
    let file = Path::new(folder.stdout.trim()).join("container.yaml");
    let link = victim.containers().join("audit/container.yaml");
    fs::remove_file(&link).unwrap();
    symlink(victim.precious(), &link).unwrap();
    victim.pushes();
    let ran = victim.edits("--update");
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    victim.unharmed();
    fs::remove_file(&file).unwrap();
    symlink(victim.precious(), &file).unwrap();
    let ran = victim.edits("");
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    assert!(ran.stdout.contains("symbolic link"), "{}", ran.stdout);
    victim.unharmed();
}

/// Outside of the containers a link is made as a plain file, and stays a link in what is proposed.
#[test]
fn a_link_elsewhere_is_a_plain_file_in_the_work_tree() {
    let mut victim = Victim::new();
    symlink(victim.precious(), victim.platform.work().join("README")).unwrap();
    victim.pushes();
    let folder = victim.developer.run(&["edit", "billing", "--print"]).ok();
    let tree = Path::new(folder.stdout.trim())
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned();
    let made = fs::symlink_metadata(tree.join("README")).unwrap();
    assert!(made.is_file(), "{made:?}");
    // Nothing is released, so all of it differs from that; but no file from the definitions.
    let diff = victim.developer.run(&["diff", "billing"]).code(1);
    assert!(diff.stdout.contains("no file differs"), "{}", diff.stdout);
}

/// Names that a terminal or another file system takes for something else, submodules, and names that
/// differ only in case.
#[test]
fn names_that_are_not_what_they_seem_make_no_work_tree() {
    for (name, why) in [
        ("a\\..\\b", "backslash"),
        ("a\u{1b}]0;x\u{7}", "invisible"),
        ("a\u{202e}lmay", "invisible"),
        ("CONTAINER.yaml", "only in case"),
    ] {
        let mut victim = Victim::new();
        fs::write(victim.containers().join("billing").join(name), "x\n").unwrap();
        victim.pushes();
        let ran = victim.edits("");
        assert_eq!(ran.code, 3, "{name:?}: {}", ran.stdout);
        assert!(ran.stdout.contains(why), "{name:?}: {}", ran.stdout);
        assert!(!ran.stdout.contains("\u{1b}]0"), "a terminal would obey");
        victim.no_work_tree();
    }
    // What some systems take for git's own folder does not even get here.
    let mut victim = Victim::new();
    fs::write(victim.containers().join(".g\u{200c}it"), "x\n").unwrap();
    victim.platform.push("Harmless");
    victim.developer.run(&["sync"]).code(6).says("hasDotgit");

    let victim = Victim::new();
    let work = victim.platform.work();
    let commit = git(&work, &["rev-parse", "HEAD"]);
    let entry = format!("160000,{},containers/billing/sub", commit.trim());
    git(&work, &["update-index", "--add", "--cacheinfo", &entry]);
    git(&work, &["commit", "--quiet", "--message", "A submodule"]);
    let bare = victim.platform.url();
    git(&work, &["push", "--quiet", &bare, "HEAD:refs/heads/main"]);
    victim.developer.run(&["sync"]).ok();
    let ran = victim.edits("");
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    assert!(ran.stdout.contains("submodule"), "{}", ran.stdout);
    victim.no_work_tree();
}

/// Attributes of the definitions start no filter of the user's configuration.
#[test]
fn attributes_run_no_filter() {
    let mut victim = Victim::new();
    let attributes = "* filter=evil diff=evil merge=evil ident\n";
    fs::write(victim.platform.work().join(".gitattributes"), attributes).unwrap();
    victim.pushes();
    let home = victim.developer.home.path();
    let run = format!("touch {}; cat", home.join("edited").display());
    let config = format!(
        "[filter \"evil\"]\nsmudge = {run}\nclean = {run}\nprocess = {run}\nrequired = true\n\
         [diff \"evil\"]\ntextconv = {run}\n[merge \"evil\"]\ndriver = {run}\n"
    );
    fs::write(home.join("gitconfig"), config).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = victim.developer.command();
        command.args(arguments);
        command.env("GIT_CONFIG_GLOBAL", home.join("gitconfig"));
        finished(command, "")
    };
    run(&["edit", "billing", "--print"]).ok();
    run(&["diff", "billing"]).code(1);
    run(&["edit", "billing", "--update", "--print"]).ok();
    victim.unharmed();
}
