//! GitHub's manners: what it prints after a push, and the pull requests' part of its API.
//!
//! The shapes are those of <https://docs.github.com/en/rest/pulls/pulls> and
//! <https://github.com/github/rest-api-description>, its refusals those of
//! <https://github.com/vsoch/pull-request-action/issues/86> and
//! <https://github.com/shepherd-tools/shepherd/issues/51>; on a host of one's own the API is below `/api/v3`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::answer::{Answer, parameter};
use super::hooks::Push;
use super::http::Request;
use super::merging::squash;
use super::people::{Caller, READER};
use super::{Forge, PROJECT, Proposed};

/// As in <https://docs.github.com/en/pull-requests/collaborating-with-pull-requests>: only for a branch
/// that is new.
pub fn after(forge: &Forge, push: &Push) -> String {
    let mut text = String::new();
    for update in &push.updates {
        let new = update.old.bytes().all(|byte| byte == b'0');
        if let Some(branch) = update.branch().filter(|it| new && *it != "main") {
            let _ = write!(
                text,
                "\nCreate a pull request for '{branch}' on GitHub by visiting:\n     \
                 {}/{PROJECT}/pull/new/{branch}\n\n",
                forge.origin()
            );
        }
    }
    text
}

fn shape(forge: &Forge, it: &Proposed) -> Value {
    let origin = forge.origin();
    let merged = it.merged_as.is_some();
    json!({
        "url": format!("{origin}/api/v3/repos/{PROJECT}/pulls/{}", it.number), "id": it.number,
        "node_id": "MDExOlB1bGxSZXF1ZXN0MQ==",
        "html_url": format!("{origin}/{PROJECT}/pull/{}", it.number), "number": it.number,
        "state": if it.state == "opened" { "open" } else { "closed" }, "locked": false,
        "title": it.title, "user": { "login": it.author, "id": 1, "type": "User" },
        "body": it.description, "labels": [], "milestone": null,
        "created_at": "2026-11-25T08:00:00Z", "updated_at": "2026-11-25T08:00:00Z",
        "closed_at": null, "merged_at": merged.then_some("2026-11-25T08:00:00Z"),
        "merge_commit_sha": it.merged_as, "draft": it.draft, "merged": merged,
        "head": { "label": format!("acme:{}", it.source), "ref": it.source },
        "base": { "label": format!("acme:{}", it.target), "ref": it.target }
    })
}

fn said(status: &'static str, message: &str, place: &str) -> Answer {
    let code = status.split(' ').next().unwrap_or_default();
    let body = json!({
        "message": message, "documentation_url": format!("https://docs.github.com/rest{place}"),
        "status": code
    });
    Answer::json(status, &body)
}

/// The API.
pub fn answer(forge: &Forge, request: &Request, caller: Caller) -> Answer {
    let user = match caller {
        Caller::Known(user) => user,
        Caller::Stranger => return said("401 Unauthorized", "Bad credentials", ""),
        Caller::Nobody => {
            return said(
                "401 Unauthorized",
                "Requires authentication",
                "/pulls/pulls",
            );
        }
    };
    let (path, _) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    let missing = || said("404 Not Found", "Not Found", "/pulls/pulls");
    let Some(rest) = path.strip_prefix("/api/v3/repos/acme/platform/") else {
        return missing();
    };
    if !request.headers.contains_key("user-agent")
        && request.headers.contains_key("x-forwarded-host")
    {
        // https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api#user-agent
        return Answer::new(
            "403 Forbidden",
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
        );
    }
    if request.method != "GET" && user == READER.0 {
        return said(
            "403 Forbidden",
            "Resource not accessible by personal access token",
            "/pulls/pulls#create-a-pull-request",
        );
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let parts: Vec<&str> = rest.split('/').collect();
    let number = |text: &str| text.parse::<u64>().unwrap_or_default();
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["pulls"]) => {
            let state = parameter(&request.target, "state").unwrap_or_else(|| "open".to_owned());
            let head = parameter(&request.target, "head");
            let mut found = forge.requests();
            found.retain(|it| state == "all" || (it.state == "opened") == (state == "open"));
            found.retain(|it| {
                head.as_ref()
                    .is_none_or(|head| *head == format!("acme:{}", it.source))
            });
            found.reverse();
            let all = found.iter().map(|it| shape(forge, it)).collect();
            Answer::json("200 OK", &Value::Array(all))
        }
        ("POST", ["pulls"]) => create(forge, user, &body),
        ("GET", ["pulls", one]) => {
            let requests = forge.requests();
            let found = requests.iter().find(|it| it.number == number(one));
            found.map_or_else(missing, |it| Answer::json("200 OK", &shape(forge, it)))
        }
        ("PATCH", ["pulls", one]) => {
            let changed = forge.change(number(one), |it| {
                if let Some(title) = body["title"].as_str() {
                    title.clone_into(&mut it.title);
                }
                if let Some(text) = body["body"].as_str() {
                    text.clone_into(&mut it.description);
                }
                if body["state"] == "closed" {
                    it.state = "closed";
                }
            });
            changed.map_or_else(missing, |it| Answer::json("200 OK", &shape(forge, &it)))
        }
        ("PUT", ["pulls", one, "merge"]) => {
            let requests = forge.requests();
            let Some(found) = requests.iter().find(|it| it.number == number(one)) else {
                return missing();
            };
            let source = format!("refs/heads/{}", found.source);
            let Ok(merged) = squash(forge, found, &source, false) else {
                return said(
                    "405 Method Not Allowed",
                    "Pull Request is not mergeable",
                    "/pulls/pulls#merge-a-pull-request",
                );
            };
            let sha = merged.clone();
            forge.change(found.number, |it| {
                it.state = "merged";
                it.merged_as = Some(merged);
            });
            let body = json!({ "sha": sha, "merged": true, "message": "Pull Request successfully merged" });
            Answer::json("200 OK", &body)
        }
        _ => missing(),
    }
}

fn create(forge: &Forge, user: &str, body: &Value) -> Answer {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let head = text("head");
    let source = head.strip_prefix("acme:").unwrap_or(&head).to_owned();
    let refused = |error: Value| {
        let body = json!({
            "message": "Validation Failed", "errors": [error], "status": "422",
            "documentation_url": "https://docs.github.com/rest/pulls/pulls#create-a-pull-request"
        });
        Answer::json("422 Unprocessable Entity", &body)
    };
    if forge.open(&source, Some(&text("base"))).is_some() {
        return refused(json!({
            "resource": "PullRequest", "code": "custom",
            "message": format!("A pull request already exists for acme:{source}.")
        }));
    }
    let branch = format!("refs/heads/{source}");
    let there = forge
        .git_command(&["rev-parse", "--verify", "--quiet", &branch])
        .output();
    if !there.unwrap().status.success() {
        return refused(json!({ "resource": "PullRequest", "field": "head", "code": "invalid" }));
    }
    let new = forge.add(Proposed {
        number: 0,
        author: user.to_owned(),
        title: text("title"),
        description: text("body"),
        draft: body["draft"] == true,
        source,
        target: text("base"),
        state: "opened",
        remove_source: false,
        merged_as: None,
    });
    Answer::json("201 Created", &shape(forge, &new))
}
