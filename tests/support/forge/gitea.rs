//! Gitea's and Forgejo's manners: `AGit` by git's own `proc-receive`, and the pull requests' part of the
//! API.
//!
//! From <https://github.com/go-gitea/gitea/blob/main/services/agit/agit.go>,
//! <https://github.com/go-gitea/gitea/blob/main/cmd/hook.go>,
//! <https://github.com/go-gitea/gitea/blob/main/models/issues/pull.go> and
//! <https://docs.gitea.com/api/#tag/repository/operation/repoCreatePullRequest>.

use serde_json::{Value, json};

use super::answer::{Answer, parameter};
use super::hooks::{Push, Update};
use super::http::Request;
use super::merging::squash;
use super::people::{Caller, READER};
use super::{Forge, Mood, PROJECT, Proposed};

const NOTHING: &str = "0000000000000000000000000000000000000000";

/// `ProcReceive` of `agit.go`.
pub fn receive(forge: &Forge, push: &Push) -> Vec<String> {
    push.updates
        .iter()
        .flat_map(|it| received(forge, push, it))
        .collect()
}

fn received(forge: &Forge, push: &Push, update: &Update) -> Vec<String> {
    let name = &update.name;
    let option = |key: &str| {
        let prefix = format!("{key}=");
        let mut all = push.options.iter();
        all.find_map(|it| it.strip_prefix(&prefix))
            .map(ToOwned::to_owned)
    };
    let Some(target) = name.strip_prefix("refs/for/") else {
        return vec![format!("ok {name}"), "option fall-through".to_owned()];
    };
    if update.deletes() {
        return vec![format!("ng {name} Can't delete not exist branch")];
    }
    let Some(topic) = option("topic").filter(|it| !it.is_empty()) else {
        return vec![format!("ng {name} topic-branch is not set")];
    };
    let prefix = format!("{}/", push.user);
    let source = if topic.starts_with(&prefix) {
        topic
    } else {
        prefix + &topic
    };
    let taken = |number: u64, old: &str| {
        let pull = format!("refs/pull/{number}/head");
        forge.git(&["update-ref", &pull, &update.new]);
        let mut lines = vec![format!("ok {name}"), format!("option refname {pull}")];
        if old != NOTHING {
            lines.push(format!("option old-oid {old}"));
        }
        lines.push(format!("option new-oid {}", update.new));
        lines
    };
    let Some(open) = forge.open(&source, Some(target)) else {
        let subject = || forge.git(&["log", "-1", "--format=%s", &update.new]);
        let mut new = Proposed {
            number: 0,
            author: push.user.clone(),
            title: String::new(),
            description: option("description").unwrap_or_default(),
            draft: false,
            source,
            target: target.to_owned(),
            state: "opened",
            remove_source: false,
            merged_as: None,
        };
        let title = option("title")
            .filter(|it| !it.is_empty())
            .unwrap_or_else(subject);
        title_of(&mut new, &title);
        return taken(forge.add(new).number, NOTHING);
    };
    let old = forge.git(&["rev-parse", &format!("refs/pull/{}/head", open.number)]);
    if old == update.new {
        return vec![format!("ng {name} new commit is same with old commit")];
    }
    let forced = push
        .options
        .iter()
        .any(|it| it == "force-push" || it.starts_with("force-push="));
    let kept = forge
        .git_command(&["merge-base", "--is-ancestor", &old, &update.new])
        .status();
    if !forced && !kept.unwrap().success() {
        return vec![format!("ng {name} request `force-push` push option")];
    }
    taken(open.number, &old)
}

/// `hookPrintResults` and what stands around it.
pub fn after(forge: &Forge, push: &Push) -> String {
    if forge.memory().mood == Mood::Forgetting {
        return String::new();
    }
    let mut text = String::new();
    for update in push.updates.iter().filter(|it| !it.deletes()) {
        let origin = forge.origin();
        let pull = update
            .name
            .strip_prefix("refs/pull/")
            .and_then(|it| it.strip_suffix("/head"));
        let view = |number: &str| {
            format!("\nVisit the existing pull request:\n  {origin}/{PROJECT}/pulls/{number}\n\n")
        };
        if let Some(number) = pull {
            text.push_str(&view(number));
        }
        let Some(branch) = update.branch().filter(|it| *it != "main") else {
            continue;
        };
        let words = match forge.open(branch, None) {
            Some(open) => view(&open.number.to_string()),
            None => format!(
                "\nCreate a new pull request for '{branch}':\n  \
                 {origin}/{PROJECT}/compare/main...{}\n\n",
                branch.replace('/', "%2F")
            ),
        };
        text.push_str(&words);
    }
    let count = push.updates.len();
    format!("{text}. Processing {count} references\nProcessed {count} references in total\n")
}

/// A title that begins with `WIP:` is what makes a draft.
fn title_of(request: &mut Proposed, title: &str) {
    let rest = title.strip_prefix("WIP:").map(str::trim_start);
    request.draft = rest.is_some();
    rest.unwrap_or(title).clone_into(&mut request.title);
}

fn shape(forge: &Forge, it: &Proposed) -> Value {
    let prefix = if it.draft { "WIP: " } else { "" };
    let merged = it.merged_as.is_some();
    // `services/convert/pull.go`: what came by AGit has no name of a branch.
    let pull = format!("refs/pull/{}/head", it.number);
    let agit = forge
        .git_command(&["rev-parse", "--verify", "--quiet", &pull])
        .output();
    let head = if agit.unwrap().status.success() {
        json!({ "label": "", "ref": pull })
    } else {
        json!({ "label": it.source, "ref": it.source })
    };
    let user = json!({ "id": 1, "login": it.author, "full_name": "" });
    json!({
        "id": 100 + it.number, "url": format!("{}/{PROJECT}/pulls/{}", forge.origin(), it.number),
        "number": it.number, "user": user, "title": format!("{prefix}{}", it.title),
        "body": it.description, "labels": [], "milestone": null, "assignee": null,
        "assignees": null, "requested_reviewers": null,
        "state": if it.state == "opened" { "open" } else { "closed" }, "draft": it.draft,
        "is_locked": false, "comments": 0,
        "html_url": format!("{}/{PROJECT}/pulls/{}", forge.origin(), it.number),
        "mergeable": true, "merged": merged, "merged_at": merged.then_some("2026-11-25T08:00:00Z"),
        "merge_commit_sha": it.merged_as, "merged_by": null,
        "base": { "label": it.target, "ref": it.target }, "head": head
    })
}

/// The API.
pub fn answer(forge: &Forge, request: &Request, caller: Caller) -> Answer {
    let swagger = format!("{}/api/swagger", forge.origin());
    let said = |status, message: &str| {
        Answer::json(status, &json!({ "message": message, "url": swagger }))
    };
    let user = match caller {
        Caller::Known(user) => user,
        Caller::Stranger => {
            return said("401 Unauthorized", "user does not exist [uid: 0, name: ]");
        }
        Caller::Nobody => return said("401 Unauthorized", "token is required"),
    };
    let (path, _) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    let Some(rest) = path.strip_prefix("/api/v1/repos/acme/platform/") else {
        let body =
            json!({ "errors": null, "message": "The target couldn't be found.", "url": swagger });
        return Answer::json("404 Not Found", &body);
    };
    if request.method != "GET" && user == READER.0 {
        return said(
            "403 Forbidden",
            "user should have a permission to write to a repo",
        );
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let parts: Vec<&str> = rest.split('/').collect();
    let number = |text: &str| text.parse::<u64>().unwrap_or_default();
    let missing = || said("404 Not Found", "The target couldn't be found.");
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["pulls"]) => {
            let state = parameter(&request.target, "state").unwrap_or_else(|| "open".to_owned());
            let mut found = forge.requests();
            found.retain(|it| state == "all" || (it.state == "opened") == (state == "open"));
            found.reverse();
            let all = found.iter().map(|it| shape(forge, it)).collect();
            Answer::json("200 OK", &Value::Array(all))
        }
        ("POST", ["pulls"]) => create(forge, user, &body, &swagger),
        ("GET", ["pulls", one]) => {
            let requests = forge.requests();
            let found = requests.iter().find(|it| it.number == number(one));
            found.map_or_else(missing, |it| Answer::json("200 OK", &shape(forge, it)))
        }
        ("PATCH", ["pulls", one]) => {
            let changed = forge.change(number(one), |it| {
                if let Some(title) = body["title"].as_str() {
                    title_of(it, title);
                }
                if let Some(text) = body["body"].as_str() {
                    text.clone_into(&mut it.description);
                }
                if body["state"] == "closed" {
                    it.state = "closed";
                }
            });
            changed.map_or_else(missing, |it| {
                Answer::json("201 Created", &shape(forge, &it))
            })
        }
        ("POST", ["pulls", one, "merge"]) => {
            let requests = forge.requests();
            let Some(found) = requests.iter().find(|it| it.number == number(one)) else {
                return missing();
            };
            let pull = format!("refs/pull/{}/head", found.number);
            let agit = forge
                .git_command(&["rev-parse", "--verify", "--quiet", &pull])
                .output();
            let branch = format!("refs/heads/{}", found.source);
            let source = if agit.unwrap().status.success() {
                pull
            } else {
                branch
            };
            let mut found = found.clone();
            found.remove_source = body["delete_branch_after_merge"] == true;
            let Ok(merged) = squash(forge, &found, &source, false) else {
                return said("405 Method Not Allowed", "Please try again later");
            };
            forge.change(found.number, |it| {
                it.state = "merged";
                it.merged_as = Some(merged);
            });
            Answer::new("200 OK", "")
        }
        _ => missing(),
    }
}

fn create(forge: &Forge, user: &str, body: &Value, swagger: &str) -> Answer {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let (source, target) = (text("head"), text("base"));
    if let Some(open) = forge.open(&source, Some(&target)) {
        // ErrPullRequestAlreadyExists of models/issues/pull.go
        let message = format!(
            "pull request already exists for these targets [id: {}, issue_id: {}, head_repo_id: 1, \
             base_repo_id: 1, head_branch: {source}, base_branch: {target}]",
            100 + open.number,
            open.number
        );
        return Answer::json(
            "409 Conflict",
            &json!({ "message": message, "url": swagger }),
        );
    }
    let mut new = Proposed {
        number: 0,
        author: user.to_owned(),
        title: String::new(),
        description: text("body"),
        draft: false,
        source,
        target,
        state: "opened",
        remove_source: false,
        merged_as: None,
    };
    title_of(&mut new, &text("title"));
    let new = forge.add(new);
    Answer::json("201 Created", &shape(forge, &new))
}
