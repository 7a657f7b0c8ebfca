//! The button of the web page: a squash, made in the same repository.

use super::{Forge, Proposed};

/// Squashes a request's branch into its target. GitLab makes a merge commit beside the squash commit,
/// the others the squash commit alone. Gives what it was merged as; the error is a conflict.
pub fn squash(
    forge: &Forge,
    request: &Proposed,
    source: &str,
    merge_commit: bool,
) -> Result<String, String> {
    let target = format!("refs/heads/{}", request.target);
    let before = forge.git(&["rev-parse", &target]);
    let merged = forge
        .git_command(&["merge-tree", "--write-tree", &before, source])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&merged.stdout).into_owned();
    if !merged.status.success() {
        return Err(text);
    }
    let tree = text.trim().to_owned();
    let commit = |message: &str, parents: &[&str]| {
        let mut arguments = vec!["commit-tree", &tree, "-m", message];
        for parent in parents {
            arguments.extend(["-p", parent]);
        }
        forge.git(&arguments)
    };
    let squashed = commit(&request.title, &[&before]);
    let after = if merge_commit {
        let message = format!(
            "Merge branch '{}' into '{}'",
            request.source, request.target
        );
        commit(&message, &[&before, &squashed])
    } else {
        squashed
    };
    forge.git(&["update-ref", &target, &after, &before]);
    if request.remove_source {
        let branch = format!("refs/heads/{}", request.source);
        let _ = forge.git_command(&["update-ref", "-d", &branch]).output();
    }
    Ok(after)
}
