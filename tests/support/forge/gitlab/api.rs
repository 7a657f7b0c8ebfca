//! GitLab's REST interface, as far as merge requests go.

use super::*;

/// The API.
pub fn answer(forge: &Forge, request: &Request, caller: Caller) -> Answer {
    let unauthorized = || {
        Answer::json(
            "401 Unauthorized",
            &json!({ "message": "401 Unauthorized" }),
        )
    };
    let Caller::Known(user) = caller else {
        return unauthorized();
    };
    let (path, _) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    let Some(rest) = path.strip_prefix("/api/v4/projects/acme%2Fplatform") else {
        let message = json!({ "message": "404 Project Not Found" });
        return Answer::json("404 Not Found", &message);
    };
    let reads = request.method == "GET";
    if !reads && user == READER.0 {
        return Answer::json("403 Forbidden", &json!({ "message": "403 Forbidden" }));
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let parts: Vec<&str> = rest.trim_start_matches('/').split('/').collect();
    let number = |text: &str| text.parse::<u64>().unwrap_or_default();
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["merge_requests"]) => list(forge, &request.target),
        ("POST", ["merge_requests"]) => create(forge, user, &body),
        ("GET", ["merge_requests", one]) => shown(forge, number(one)),
        ("PUT", ["merge_requests", one]) => update(forge, number(one), &body),
        ("PUT", ["merge_requests", one, "merge"]) => merge(forge, user, number(one), &body),
        ("DELETE", ["repository", "branches", name]) => {
            let branch = format!("refs/heads/{}", decoded(name));
            forge.git(&["update-ref", "-d", &branch]);
            Answer::new("204 No Content", "")
        }
        _ => Answer::json("404 Not Found", &json!({ "error": "404 Not Found" })),
    }
}

fn shape(forge: &Forge, it: &Proposed) -> Value {
    let head = forge
        .git_command(&["rev-parse", "--verify", "--quiet", &it.source])
        .output();
    let sha = String::from_utf8_lossy(&head.unwrap().stdout)
        .trim()
        .to_owned();
    let squashed = it
        .merged_as
        .as_ref()
        .map(|id| forge.git(&["rev-parse", &format!("{id}^2")]));
    let author = json!({ "id": 1, "name": it.author, "username": it.author, "state": "active" });
    json!({
        "id": 1000 + it.number, "iid": it.number, "project_id": 3, "title": shown_title(it),
        "description": it.description, "state": it.state, "created_at": "2026-11-25T08:00:00.000Z",
        "updated_at": "2026-11-25T08:00:00.000Z", "target_branch": it.target,
        "source_branch": it.source, "upvotes": 0, "downvotes": 0, "author": author,
        "assignees": [], "assignee": null, "source_project_id": 3, "target_project_id": 3,
        "labels": [], "draft": it.draft, "work_in_progress": it.draft, "milestone": null,
        "merge_when_pipeline_succeeds": false, "merge_status": "can_be_merged",
        "detailed_merge_status": "mergeable", "sha": sha, "merge_commit_sha": it.merged_as,
        "squash_commit_sha": squashed, "user_notes_count": 0, "discussion_locked": null,
        "should_remove_source_branch": null, "force_remove_source_branch": it.remove_source,
        "web_url": url(forge, it), "references": {
            "short": format!("!{}", it.number), "relative": format!("!{}", it.number),
            "full": format!("{PROJECT}!{}", it.number)
        },
        "squash": false, "has_conflicts": false, "blocking_discussions_resolved": true
    })
}

fn list(forge: &Forge, target: &str) -> Answer {
    let wanted = |name: &str| parameter(target, name);
    let fits = |value: &str, wanted: Option<String>| wanted.is_none_or(|it| it == value);
    let state = wanted("state").filter(|it| it != "all");
    let mut found: Vec<Value> = forge
        .requests()
        .iter()
        .filter(|it| fits(it.state, state.clone()))
        .filter(|it| fits(&it.source, wanted("source_branch")))
        .filter(|it| fits(&it.target, wanted("target_branch")))
        .map(|it| shape(forge, it))
        .collect();
    found.reverse();
    Answer::json("200 OK", &Value::Array(found))
}

fn not_found() -> Answer {
    Answer::json("404 Not Found", &json!({ "message": "404 Not found" }))
}

fn shown(forge: &Forge, number: u64) -> Answer {
    let requests = forge.requests();
    let found = requests.iter().find(|it| it.number == number);
    found.map_or_else(not_found, |it| Answer::json("200 OK", &shape(forge, it)))
}

fn create(forge: &Forge, user: &str, body: &Value) -> Answer {
    let text = |name: &str| body[name].as_str().map(ToOwned::to_owned);
    for name in ["title", "source_branch", "target_branch"] {
        if text(name).is_none() {
            return Answer::json(
                "400 Bad Request",
                &json!({ "error": format!("{name} is missing") }),
            );
        }
    }
    let (source, target) = (
        text("source_branch").unwrap(),
        text("target_branch").unwrap(),
    );
    if let Some(open) = forge.open(&source, Some(&target)) {
        // conflicting_mr_message of app/models/merge_request.rb
        let message = format!(
            "Another open merge request already exists for this source branch: !{}",
            open.number
        );
        return Answer::json("409 Conflict", &json!({ "message": [message] }));
    }
    let mut new = Proposed {
        number: 0,
        author: user.to_owned(),
        title: String::new(),
        description: text("description").unwrap_or_default(),
        draft: false,
        source,
        target,
        state: "opened",
        remove_source: body["remove_source_branch"].as_bool().unwrap_or_default(),
        merged_as: None,
    };
    title_of(&mut new, &text("title").unwrap());
    let wrong = wrong(&new);
    if !wrong.is_empty() {
        return Answer::json("400 Bad Request", &json!({ "message": wrong }));
    }
    let new = forge.add(new);
    Answer::json("201 Created", &shape(forge, &new))
}

fn update(forge: &Forge, number: u64, body: &Value) -> Answer {
    let changed = forge.change(number, |it| {
        if let Some(title) = body["title"].as_str() {
            title_of(it, title);
        }
        if let Some(text) = body["description"].as_str() {
            text.clone_into(&mut it.description);
        }
        match body["state_event"].as_str() {
            Some("close") => it.state = "closed",
            Some("reopen") => it.state = "opened",
            _ => {}
        }
    });
    changed.map_or_else(not_found, |it| Answer::json("200 OK", &shape(forge, &it)))
}

fn merge(forge: &Forge, user: &str, number: u64, body: &Value) -> Answer {
    if user != OPERATOR.0 {
        return Answer::json(
            "401 Unauthorized",
            &json!({ "message": "401 Unauthorized" }),
        );
    }
    let requests = forge.requests();
    let Some(request) = requests.iter().find(|it| it.number == number) else {
        return not_found();
    };
    if request.state != "opened" || request.draft {
        let message = json!({ "message": "405 Method Not Allowed" });
        return Answer::json("405 Method Not Allowed", &message);
    }
    let mut request = request.clone();
    let remove = body["should_remove_source_branch"]
        .as_bool()
        .unwrap_or_default();
    request.remove_source |= remove;
    let source = format!("refs/heads/{}", request.source);
    let Ok(merged) = squash(forge, &request, &source, true) else {
        let message = json!({ "message": "Branch cannot be merged" });
        return Answer::json("422 Unprocessable Entity", &message);
    };
    let merged = forge.change(number, |it| {
        it.state = "merged";
        it.merged_as = Some(merged);
    });
    Answer::json("200 OK", &shape(forge, &merged.unwrap()))
}
