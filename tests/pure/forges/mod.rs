//! The stand-ins for forges, asked by git and by devenv: they say what the vendors' say.

#![cfg(unix)]

mod live;
mod requests;
mod transports;
mod vendors;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::forge::{OPERATOR, Server, Vendor};
use crate::support::synthetic::git;

/// A server whose `main` has one file, and somebody's clone of it.
fn company(vendor: Vendor) -> (Server, tempfile::TempDir) {
    let server = Server::start(vendor);
    let clone = tempfile::tempdir().unwrap();
    git(clone.path(), &["init", "--quiet", "--initial-branch=main"]);
    commit(clone.path(), "first");
    let main = push_as(
        clone.path(),
        &server.url_as(OPERATOR),
        "HEAD:refs/heads/main",
        &[],
    );
    assert!(main.0, "{}", main.1);
    (server, clone)
}

fn commit(folder: &Path, text: &str) {
    fs::write(folder.join("file"), format!("{text}\n")).unwrap();
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--message", text]);
}

/// Pushes with options: whether it went well, and what was said.
fn push_as(folder: &Path, url: &str, what: &str, options: &[&str]) -> (bool, String) {
    let mut command = Command::new("git");
    command.current_dir(folder).arg("push");
    for option in options {
        command.args(["-o", option]);
    }
    let Output { status, stderr, .. } = command
        .args([url, what])
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&stderr).into_owned();
    // git fills lines of the other side up with spaces.
    let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
    (status.success(), lines.join("\n"))
}

fn has(said: &str, text: &str) {
    assert!(said.contains(text), "wanted {text:?} in:\n{said}");
}
