//! Why a server did not take a proposal, told apart by what the developer can do about it.

use crate::error::Error;
use crate::model::visible::printable;
use crate::proposals::forge::{Heard, OWN_WORD};

/// Lines of a server that are shown.
const MOST: usize = 40;

/// The error of a push that the server refused.
pub(super) fn refused(branch: &str, reason: &str, said: &[String]) -> Error {
    let text = format!("{reason}\n{}", said.join("\n")).to_ascii_lowercase();
    let has = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    let error = if has(&["protected branch", "gh006", "protected ref"]) {
        Error::git(format!("the server protects the branch {branch}")).hint(
            "its rules cover branches that begin with `devenv/`: ask those who run it to leave them open",
        )
    } else if has(&[
        "not allowed to",
        "permission",
        "denied",
        "forbidden",
        "unauthorized",
    ]) && !has(&["hook declined"])
        || has(&["you are not allowed to push"])
    {
        Error::git("you have no right to push to the definitions")
            .hint("ask for the right to push branches there")
    } else if has(&["hook declined", "hook"]) {
        Error::git("a hook of the server refused the proposal")
            .hint("what it said is above: change the proposal or its words, then propose again")
    } else {
        Error::git(format!(
            "the server did not take the proposal: {}",
            printable(reason)
        ))
    };
    match lines(said) {
        Some(lines) => error.detail(lines),
        None => error,
    }
}

/// The branch is not what was left there.
pub(super) fn overtaken(branch: &str) -> Error {
    Error::git(format!(
        "somebody else changed the branch {branch} since it was last proposed from here"
    ))
    .hint("look at it on the server; nothing there was overwritten")
    .hint("`devenv abandon NAME` here, then `devenv edit NAME`, begins anew")
}

/// The server took the branch, and made no request of it.
pub(super) fn not_made(what: &str, heard: &Heard, said: &[String]) -> Error {
    let mut error = Error::git(format!(
        "the server took the branch, but made no {what} of it"
    ));
    if let Some(page) = &heard.offered {
        error = error.hint(format!("the server offers to make it by hand: {page}"));
    }
    if heard.foreign > 0 {
        error = error.hint(OWN_WORD);
    }
    let failures = &heard.failures;
    if failures.is_empty() {
        let error =
            error.hint("is `forge.kind` of platform.yaml right? A token lets devenv ask itself");
        return match lines(said) {
            Some(lines) => error.detail(lines),
            None => error,
        };
    }
    error.detail(printable(&failures.join("\n")))
}

fn lines(said: &[String]) -> Option<String> {
    let kept: Vec<String> = said.iter().take(MOST).map(|it| printable(it)).collect();
    (!kept.is_empty()).then(|| kept.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(reason: &str, said: &[&str]) -> String {
        let said: Vec<String> = said.iter().map(ToString::to_string).collect();
        refused("devenv/anna/x", reason, &said).to_string()
    }

    // The first two: lib/gitlab/checks/branch_check.rb and lib/gitlab/git_access.rb in
    // gitlab.com/gitlab-org/gitlab.
    #[test]
    fn refusals_are_told_apart() {
        let hook = "[remote rejected] (pre-receive hook declined)";
        let protected =
            "GitLab: You are not allowed to push code to protected branches on this project.";
        assert!(message(hook, &[protected]).contains("protects the branch"));
        let right = "GitLab: You are not allowed to push code to this project.";
        assert!(message(hook, &[right]).contains("no right to push"));
        assert!(message(hook, &["A ticket number is missing"]).contains("a hook of the server"));
        assert!(
            message("[remote rejected] (shallow update not allowed)", &[]).contains("did not take")
        );
    }
}
