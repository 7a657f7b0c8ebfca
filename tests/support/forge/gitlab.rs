//! GitLab's manners: what its hooks do with push options, what they print, and the merge requests'
//! part of its API.
//!
//! From GitLab's source, as mirrored at github.com/gitlabhq/gitlabhq:
//! - <https://gitlab.com/gitlab-org/gitlab/-/blob/master/lib/gitlab/push_options.rb>
//! - <https://gitlab.com/gitlab-org/gitlab/-/blob/master/app/services/merge_requests/push_options_handler_service.rb>
//! - <https://gitlab.com/gitlab-org/gitlab/-/blob/master/app/services/post_receive_service.rb>
//! - <https://gitlab.com/gitlab-org/gitlab/-/blob/master/lib/gitlab/internal_post_receive/response.rb>
//! - <https://gitlab.com/gitlab-org/gitlab/-/blob/master/lib/gitlab/checks/branch_check.rb>
//!
//! Printed as <https://gitlab.com/gitlab-org/gitlab-shell/-/blob/v8.4.1/lib/gitlab_post_receive.rb> does;
//! the API's shapes are those of <https://docs.gitlab.com/api/merge_requests/> and
//! <https://docs.gitlab.com/api/rest/troubleshooting/>.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::answer::{Answer, decoded, parameter};
use super::hooks::{Push, Update, Verdict};
use super::http::Request;
use super::merging::squash;
use super::people::{Caller, OPERATOR, READER};
use super::{Forge, Mood, PROJECT, Proposed};

/// `VALID_OPTIONS` of `push_options.rb`, those about merge requests.
const OPTIONS: [&str; 13] = [
    "assign",
    "create",
    "description",
    "draft",
    "label",
    "merge_when_pipeline_succeeds",
    "milestone",
    "remove_source_branch",
    "target",
    "target_project",
    "title",
    "unassign",
    "unlabel",
];

/// `TITLE_LENGTH_MAX` and `DESCRIPTION_LENGTH_MAX` of app/models/concerns/issuable.rb.
const TITLE: usize = 255;
const DESCRIPTION: usize = 1_048_576;

/// Branches that are protected, as `branch_check.rb` says it.
pub fn before(forge: &Forge, push: &Push) -> Verdict {
    let protected = forge.memory().protected.clone();
    for update in &push.updates {
        let Some(branch) = update.branch() else {
            continue;
        };
        let guarded = protected
            .iter()
            .any(|prefix| branch.starts_with(prefix.as_str()));
        if guarded && push.user != OPERATOR.0 {
            let created = update.old.bytes().all(|byte| byte == b'0');
            let text = match (created, update.deletes()) {
                (_, true) => {
                    "You are not allowed to delete protected branches from this project. Only a \
                     project maintainer or owner can delete a protected branch."
                }
                (true, _) => "You are not allowed to create protected branches on this project.",
                _ => "You are not allowed to push code to protected branches on this project.",
            };
            return Verdict(1, format!("GitLab: {text}\n"));
        }
    }
    Verdict(0, String::new())
}

/// `PostReceiveService#execute`, printed.
pub fn after(forge: &Forge, push: &Push) -> String {
    let branches: Vec<&Update> = push
        .updates
        .iter()
        .filter(|it| it.branch().is_some_and(|name| name != "main") && !it.deletes())
        .collect();
    let mut text = String::new();
    let options = parse(&push.options);
    if !options.is_empty() && forge.memory().mood != Mood::Forgetting {
        let errors: Vec<String> = handle(forge, push, &branches, &options);
        if !errors.is_empty() {
            let given: Vec<String> = push.options.iter().map(|it| format!("'{it}'")).collect();
            text += &alert(&format!(
                "WARNINGS:\nError encountered with push options {}: {}",
                given.join(" "),
                errors.join("\n\n")
            ));
        }
    }
    for update in branches {
        let branch = update.branch().unwrap_or_default();
        let origin = forge.origin();
        let (message, url) = match forge.open(branch, None) {
            Some(request) => (
                format!("View merge request for {branch}:"),
                url(forge, &request),
            ),
            None => (
                format!("To create a merge request for {branch}, visit:"),
                format!(
                    "{origin}/{PROJECT}/-/merge_requests/new?merge_request%5Bsource_branch%5D={}",
                    branch.replace('/', "%2F")
                ),
            ),
        };
        let _ = write!(text, "\n{message}\n  {url}\n\n");
    }
    text
}

/// What is valid among the options; all else is silently ignored.
fn parse(options: &[String]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for option in options {
        let Some((namespace, rest)) = option.split_once('.') else {
            continue;
        };
        let (key, value) = rest.split_once('=').unwrap_or((rest, ""));
        let known = OPTIONS.contains(&key.trim());
        if ["merge_request", "mr"].contains(&namespace.trim()) && known {
            found.insert(key.trim().to_owned(), value.trim().to_owned());
        }
    }
    found
}

/// `PushOptionsHandlerService`: its errors.
fn handle(
    forge: &Forge,
    push: &Push,
    branches: &[&Update],
    options: &BTreeMap<String, String>,
) -> Vec<String> {
    if branches.len() > 10 {
        let count = branches.len();
        return vec![format!(
            "Too many branches pushed ({count} were pushed, limit is 10)"
        )];
    }
    if let Some(target) = options.get("target") {
        let branch = format!("refs/heads/{target}");
        let there = forge
            .git_command(&["rev-parse", "--verify", "--quiet", &branch])
            .output();
        if !there.unwrap().status.success() {
            return vec![format!("Target branch {PROJECT}:{target} does not exist")];
        }
    }
    let mut errors = Vec::new();
    for update in branches {
        let branch = update.branch().unwrap_or_default();
        let existing = forge.open(branch, None);
        if existing.is_none() && !options.contains_key("create") {
            errors.push(format!(
                "A merge_request.create push option is required to create a merge request for \
                 branch {branch}"
            ));
            continue;
        }
        let before = existing.clone().unwrap_or_else(|| Proposed {
            number: 0,
            author: push.user.clone(),
            title: forge.git(&["log", "-1", "--format=%s", &update.new]),
            description: String::new(),
            draft: false,
            source: branch.to_owned(),
            target: "main".to_owned(),
            state: "opened",
            remove_source: false,
            merged_as: None,
        });
        let wanted = applied(before, options);
        let wrong = wrong(&wanted);
        if !wrong.is_empty() {
            errors.extend(wrong);
        } else if existing.is_some() {
            forge.change(wanted.number, |it| *it = wanted.clone());
        } else {
            forge.add(wanted);
        }
    }
    errors
}

/// `base_params`
fn applied(mut request: Proposed, options: &BTreeMap<String, String>) -> Proposed {
    if let Some(title) = options.get("title").filter(|it| !it.is_empty()) {
        title_of(&mut request, title);
    }
    if let Some(description) = options.get("description") {
        request.description = description.replace("\\n", "\n");
    }
    if let Some(target) = options.get("target") {
        request.target.clone_from(target);
    }
    if options.get("draft").is_some_and(|it| it != "false") {
        request.draft = true;
    }
    request.remove_source |= options.contains_key("remove_source_branch");
    request
}

/// A title that begins with `Draft:` is what makes a draft.
fn title_of(request: &mut Proposed, title: &str) {
    let rest = title.strip_prefix("Draft:").map(str::trim_start);
    request.draft = rest.is_some();
    rest.unwrap_or(title).clone_into(&mut request.title);
}

fn shown_title(request: &Proposed) -> String {
    let prefix = if request.draft { "Draft: " } else { "" };
    format!("{prefix}{}", request.title)
}

/// The validations of app/models/concerns/issuable.rb, in Rails' words.
fn wrong(request: &Proposed) -> Vec<String> {
    let mut errors = Vec::new();
    if shown_title(request).chars().count() > TITLE {
        errors.push(format!("Title is too long (maximum is {TITLE} characters)"));
    }
    if request.description.chars().count() > DESCRIPTION {
        errors.push(format!(
            "Description is too long (maximum is {DESCRIPTION} characters)"
        ));
    }
    errors
}

/// `print_broadcast_message`: a box, its text wrapped at 68 and centred in 72.
fn alert(message: &str) -> String {
    let (total, width) = (72_usize, 68_usize);
    let mut lines: Vec<String> = vec![String::new()];
    for word in message.split_whitespace() {
        let last = lines.last_mut().unwrap();
        let longer = last.chars().count() + 1 + word.chars().count();
        if last.is_empty() {
            last.push_str(word);
        } else if longer <= width {
            *last += " ";
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    let rule = "=".repeat(total);
    let centred: String = lines
        .iter()
        .map(|line| {
            let padding = total.saturating_sub(line.chars().count()) / 2;
            format!("{}{line}\n", " ".repeat(padding))
        })
        .collect();
    format!("\n{rule}\n\n{centred}\n{rule}\n")
}

fn url(forge: &Forge, request: &Proposed) -> String {
    format!(
        "{}/{PROJECT}/-/merge_requests/{}",
        forge.origin(),
        request.number
    )
}

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
