//! What the stand-ins say, heard by git itself.

use serde_json::{Value, json};

use super::{commit, company, has, push_as};
use crate::support::forge::people::READER;
use crate::support::forge::{DEVELOPER, Mood, Vendor, token};
use crate::support::synthetic::git;

/// The stand-in's hook has GitLab's words and limits.
#[test]
fn gitlab_s_hook_makes_and_changes_a_merge_request() {
    let (server, clone) = company(Vendor::GitLab);
    let url = server.url_as(DEVELOPER);
    commit(clone.path(), "second");
    let to = "HEAD:refs/heads/devenv/dev/billing";
    let (_, said) = push_as(clone.path(), &url, to, &[]);
    let origin = server.origin();
    has(
        &said,
        &format!(
            "remote:\nremote: To create a merge request for devenv/dev/billing, visit:\nremote:   \
             {origin}/acme/platform/-/merge_requests/new?merge_request%5Bsource_branch%5D=devenv%2Fdev%2Fbilling\n"
        ),
    );
    assert!(server.requests().is_empty());

    commit(clone.path(), "third");
    let title = "merge_request.title=Mend the health path";
    let options = [
        "merge_request.create",
        title,
        "merge_request.description=one\\ntwo",
        "merge_request.draft",
        "merge_request.unheard_of=1",
        "nonsense",
    ];
    let (ok, said) = push_as(clone.path(), &url, to, &options);
    assert!(ok, "{said}");
    has(
        &said,
        &format!(
            "remote: View merge request for devenv/dev/billing:\nremote:   \
             {origin}/acme/platform/-/merge_requests/1\n"
        ),
    );
    let made = server.requests();
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].title, "Mend the health path");
    assert_eq!(made[0].description, "one\ntwo");
    assert!(made[0].draft);

    commit(clone.path(), "fourth");
    push_as(clone.path(), &url, to, &["mr.title=Another"]);
    assert_eq!(server.requests()[0].title, "Another");
    assert_eq!(server.requests().len(), 1);
}

/// And its warnings.
#[test]
fn gitlab_s_hook_warns_of_what_it_did_not_do() {
    let (server, clone) = company(Vendor::GitLab);
    let url = server.url_as(DEVELOPER);
    commit(clone.path(), "second");
    let to = "HEAD:refs/heads/topic";
    let long = format!("merge_request.title={}", "x".repeat(256));
    for (options, warning) in [
        (
            ["merge_request.create", "merge_request.target=nowhere"],
            "Target branch acme/platform:nowhere does not exist",
        ),
        (
            ["merge_request.create", long.as_str()],
            "Title is too long (maximum is 255 characters)",
        ),
        (
            ["merge_request.title=x", "ci.skip"],
            "A merge_request.create push option is required",
        ),
    ] {
        commit(clone.path(), warning);
        let (ok, said) = push_as(clone.path(), &url, to, &options);
        assert!(ok, "{said}");
        let words = said
            .replace("remote:", "")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        has(
            &words,
            &format!(
                "WARNINGS: Error encountered with push options '{}'",
                options[0]
            ),
        );
        has(&words, warning);
        has(&said, &format!("remote: {}", "=".repeat(72)));
    }
    assert!(server.requests().is_empty());
}

/// And its refusals.
#[test]
fn gitlab_tells_who_may_not() {
    let (server, clone) = company(Vendor::GitLab);
    commit(clone.path(), "second");
    let to = "HEAD:refs/heads/topic";
    let (ok, said) = push_as(
        clone.path(),
        &server.url_as((DEVELOPER.0, "wrong")),
        to,
        &[],
    );
    assert!(!ok);
    has(&said, "remote: HTTP Basic: Access denied");
    has(&said, "fatal: Authentication failed for");
    let (ok, said) = push_as(clone.path(), &server.url_as(READER), to, &[]);
    assert!(!ok);
    has(
        &said,
        "remote: You are not allowed to push code to this project.",
    );
    has(&said, "The requested URL returned error: 403");
    let (ok, said) = push_as(
        clone.path(),
        &server.url_as(DEVELOPER),
        "HEAD:refs/heads/main",
        &[],
    );
    assert!(!ok);
    has(
        &said,
        "remote: GitLab: You are not allowed to push code to protected branches on this project.",
    );
    has(&said, "(pre-receive hook declined)");
    server.mood(Mood::Refusing("\u{1b}[31mno\u{1b}[0m".to_owned()));
    let (ok, said) = push_as(clone.path(), &server.url_as(DEVELOPER), to, &[]);
    assert!(!ok);
    has(&said, "\u{1b}[31mno");
    assert!(server.branches().is_empty());
}

/// The stand-in's API has GitLab's shapes; its merge is a real squash.
#[test]
fn gitlab_s_api_has_its_shapes_and_merges_by_a_squash() {
    let (server, clone) = company(Vendor::GitLab);
    commit(clone.path(), "second");
    commit(clone.path(), "third");
    let proposed = git(clone.path(), &["rev-parse", "HEAD"]);
    push_as(
        clone.path(),
        &server.url_as(DEVELOPER),
        "HEAD:refs/heads/a/b",
        &[],
    );
    let place = "/api/v4/projects/acme%2Fplatform/merge_requests";
    let new = json!({ "title": "T", "source_branch": "a/b", "target_branch": "main" });
    let developer = token(DEVELOPER.0);
    for (who, target, status, said) in [
        (None, place, "401", r#"{"message":"401 Unauthorized"}"#),
        (
            Some("wrong"),
            place,
            "401",
            r#"{"message":"401 Unauthorized"}"#,
        ),
        (
            Some(&*token(READER.0)),
            place,
            "403",
            r#"{"message":"403 Forbidden"}"#,
        ),
        (
            Some(&*developer),
            "/api/v4/projects/acme%2Fother/merge_requests",
            "404",
            r#"{"message":"404 Project Not Found"}"#,
        ),
    ] {
        let (answer, body) = server.ask_as(who, "POST", target, &new);
        assert!(answer.starts_with(status), "{answer} {body}");
        assert_eq!(body, said);
    }
    let (status, body) = server.ask_as(Some(&developer), "POST", place, &new);
    assert!(status.starts_with("201"), "{status} {body}");
    let made: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (made["iid"].as_u64(), made["state"].as_str()),
        (Some(1), Some("opened"))
    );
    let (status, body) = server.ask_as(Some(&developer), "POST", place, &new);
    assert!(status.starts_with("409"), "{status}");
    assert_eq!(
        body,
        r#"{"message":["Another open merge request already exists for this source branch: !1"]}"#
    );
    let list = format!("{place}?state=opened&source_branch=a%2Fb");
    let (_, body) = server.ask_as(Some(&developer), "GET", &list, &Value::Null);
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()[0]["iid"], 1);

    let merge = format!("{place}/1/merge");
    let (status, _) = server.ask_as(Some(&developer), "PUT", &merge, &Value::Null);
    assert!(status.starts_with("401"), "{status}");
    server.merge(1);
    assert_eq!(server.requests()[0].state, "merged");
    assert_eq!(server.git(&["show", "main:file"]), "third");
    let ancestor = server
        .git_command(&["merge-base", "--is-ancestor", &proposed, "main"])
        .status();
    assert!(!ancestor.unwrap().success(), "a squash is no ancestor");
    assert!(server.branches().is_empty());
}

/// `AGit` by git's own proc-receive, with Gitea's words.
#[test]
fn gitea_takes_pull_requests_by_agit() {
    let (server, clone) = company(Vendor::Gitea);
    let url = server.url_as(DEVELOPER);
    commit(clone.path(), "second");
    let to = "HEAD:refs/for/main";
    let (ok, said) = push_as(clone.path(), &url, to, &[]);
    assert!(!ok);
    has(&said, "topic-branch is not set");
    let options = ["topic=billing", "title=Mend", "description=why"];
    let (ok, said) = push_as(clone.path(), &url, to, &options);
    assert!(ok, "{said}");
    let origin = server.origin();
    has(
        &said,
        &format!(
            "remote: Visit the existing pull request:\nremote:   {origin}/acme/platform/pulls/1\n"
        ),
    );
    let made = server.requests();
    assert_eq!(
        (made[0].title.as_str(), made[0].source.as_str()),
        ("Mend", "dev/billing")
    );
    assert!(server.branches().is_empty(), "AGit makes no branch");
    let (_, said) = push_as(clone.path(), &url, to, &options);
    has(&said, "new commit is same with old commit");
    git(
        clone.path(),
        &["commit", "--quiet", "--amend", "--message", "other"],
    );
    let (_, said) = push_as(clone.path(), &url, to, &options);
    has(&said, "request `force-push` push option");
    let forced = ["topic=billing", "force-push=true"];
    let (ok, said) = push_as(clone.path(), &url, to, &forced);
    assert!(ok, "{said}");
    assert_eq!(server.requests().len(), 1);
    server.merge(1);
    assert_eq!(server.git(&["show", "main:file"]), "second");
}

/// The stand-in's API has GitHub's shapes.
#[test]
fn github_s_api_has_its_shapes() {
    let (server, clone) = company(Vendor::GitHub);
    commit(clone.path(), "second");
    let (_, said) = push_as(
        clone.path(),
        &server.url_as(DEVELOPER),
        "HEAD:refs/heads/topic",
        &[],
    );
    has(
        &said,
        "remote: Create a pull request for 'topic' on GitHub by visiting:",
    );
    let place = "/api/v3/repos/acme/platform/pulls";
    let new = json!({ "title": "T", "head": "topic", "base": "main", "body": "b", "draft": true });
    let developer = token(DEVELOPER.0);
    let (status, body) = server.ask_as(Some(&developer), "POST", place, &new);
    assert!(status.starts_with("201"), "{status} {body}");
    let (status, body) = server.ask_as(Some(&developer), "POST", place, &new);
    assert!(status.starts_with("422"), "{status}");
    has(&body, "A pull request already exists for acme:topic.");
    let (status, body) = server.ask_as(Some("wrong"), "POST", place, &new);
    assert!(status.starts_with("401"), "{status}");
    has(&body, "Bad credentials");
    server.merge(1);
    assert_eq!(server.git(&["show", "main:file"]), "second");
}
