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

mod api;
pub use api::answer;

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
