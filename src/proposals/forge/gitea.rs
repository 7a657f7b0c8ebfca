//! Gitea and Forgejo: pull requests by `AGit` (a push to `refs/for/…`), which needs no token and makes no
//! branch, or by REST where there is a token.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Api, Authorization, Delivery, Draft, Forge, Heard, Made, Place, Reply, Request, Requests,
    State, Topics, hear,
};
use crate::error::{Error, Result};
use crate::model::forge::ForgeKind;

/// The longest push option, in bytes: git's packets end at 65,520.
const LONGEST_OPTION: usize = 60_000;
/// What begins a title that is not to be merged yet: `WORK_IN_PROGRESS_PREFIXES` of `app.ini`.
const DRAFT: &str = "WIP: ";
/// How many requests a page has: `MAX_RESPONSE_ITEMS` of `app.ini`.
const PAGE: usize = 50;
/// How many pages are looked through for one that is not open any more.
const PAGES: usize = 4;

/// The words of `hookPrintResult` in `cmd/hook.go`, <https://github.com/go-gitea/gitea>.
const VIEW: &str = "Visit the existing pull request:";
const OFFER: &str = "Create a new pull request for '";

/// A repository on Gitea or Forgejo.
pub(super) struct Gitea {
    kind: ForgeKind,
    place: Place,
    api: Option<Api>,
    /// Requests that were made by `AGit`: the API names no branch of theirs, only their number
    /// (`services/convert/pull.go` of <https://github.com/go-gitea/gitea>).
    topics: Topics,
}

impl Gitea {
    pub(super) fn new(kind: ForgeKind, place: Place, api: Option<Api>, topics: Topics) -> Self {
        Self {
            kind,
            place,
            api,
            topics,
        }
    }
}

impl Forge for Gitea {
    fn kind(&self) -> ForgeKind {
        self.kind
    }

    /// `services/agit/agit.go` reads title and description of a new request only.
    fn keeps_words(&self) -> bool {
        self.api.is_none()
    }

    /// What began by `AGit` goes on so: it has no branch. The options are those of `services/agit/agit.go`. A topic is found again by its name; other
    /// commits than fast-forwards need `force-push`.
    fn delivery(&self, draft: &Draft) -> Delivery {
        if self.api.is_some() && !self.topics.contains_key(&draft.source) {
            return Delivery::branch(draft);
        }
        let (description, lost) = one_line(&draft.description);
        let lost = lost.filter(|_| self.api.is_none());
        let mut options = vec![
            format!("topic={}", draft.source),
            format!("title={}", title(draft)),
            "force-push=true".to_owned(),
        ];
        if !description.is_empty() {
            options.push(format!("description={description}"));
        }
        Delivery {
            target: format!("refs/for/{}", draft.target),
            options,
            creates: true,
            lost,
        }
    }

    fn heard(&self, said: &[String]) -> Heard {
        let view = |line: &str| line.starts_with(VIEW);
        let offer = |line: &str| line.starts_with(OFFER);
        hear(said, &self.place, view, offer)
    }

    fn requests(&self) -> Option<&dyn Requests> {
        self.api.is_some().then_some(self)
    }
}

fn title(draft: &Draft) -> String {
    let title = draft.title.as_str();
    if draft.draft && !title.starts_with(DRAFT) {
        format!("{DRAFT}{title}")
    } else {
        title.to_owned()
    }
}

/// A push option has no line ends, and Gitea no way to write one: paragraphs are set apart by ` / `.
fn one_line(text: &str) -> (String, Option<String>) {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut joined = lines.collect::<Vec<_>>().join(" / ");
    let mut end = joined.len().min(LONGEST_OPTION);
    while !joined.is_char_boundary(end) {
        end -= 1;
    }
    let cut = joined.len() - end;
    joined.truncate(end);
    let lost = (text.trim().contains('\n') || cut > 0).then(|| {
        let end = if cut > 0 {
            format!(" without its last {cut} bytes")
        } else {
            String::new()
        };
        format!("the description is sent in one line{end}; with a token it goes as it is")
    });
    (joined, lost)
}

/// A pull request as REST gives it: `PullRequest` of <https://docs.gitea.com/api>.
#[derive(Deserialize)]
struct PullRequest {
    number: u64,
    html_url: String,
    state: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    merged: bool,
    #[serde(default)]
    merge_commit_sha: Option<String>,
    head: End,
    base: End,
}

/// One end of it. The label stays where the branch is gone.
#[derive(Default, Deserialize)]
struct End {
    #[serde(default)]
    label: String,
    #[serde(default, rename = "ref")]
    reference: String,
}

impl End {
    fn is(&self, branch: &str) -> bool {
        self.label == branch || self.reference == branch
    }
}

impl Gitea {
    async fn ask(
        &self,
        method: Method,
        below: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply> {
        let (owner, name) = self.place.owner_and_name()?;
        let mut path = vec!["api", "v1", "repos", owner, name, "pulls"];
        path.extend(below);
        let api = self.api()?;
        api.ask(Authorization::Token, method, &path, query, body)
            .await
    }

    fn api(&self) -> Result<&Api> {
        let missing = || Error::bug("Gitea is asked without a token");
        self.api.as_ref().ok_or_else(missing)
    }

    /// The request in an answer.
    fn request(&self, reply: Reply) -> Result<Request> {
        self.known(self.api()?.taken(reply)?)
    }

    /// The same, and whether it is a draft.
    fn made(&self, reply: Reply) -> Result<Made> {
        let found: PullRequest = self.api()?.taken(reply)?;
        let draft = found.title.starts_with(DRAFT.trim_end());
        let request = self.known(found)?;
        Ok(Made { request, draft })
    }

    fn known(&self, found: PullRequest) -> Result<Request> {
        Ok(Request {
            number: Some(found.number),
            url: self.place.own(found.html_url)?,
            state: match found.state.as_str() {
                _ if found.merged => State::Merged,
                "closed" => State::Closed,
                _ => State::Open,
            },
            merged_as: found.merge_commit_sha.filter(|_| found.merged),
        })
    }

    async fn page(&self, state: &str, number: usize) -> Result<Vec<PullRequest>> {
        let (limit, number) = (PAGE.to_string(), number.to_string());
        let query = [
            ("state", state),
            ("sort", "recentupdate"),
            ("limit", limit.as_str()),
            ("page", number.as_str()),
        ];
        let reply = self.ask(Method::GET, &[], &query, None).await?;
        self.api()?.taken(reply)
    }

    /// By its number where it is known, else by its branch; an open one first.
    async fn lookup(&self, draft: &Draft) -> Result<Option<Request>> {
        let known = match self.topics.get(&draft.source) {
            Some(number) => self.numbered(*number).await?,
            None => None,
        };
        if known.as_ref().is_some_and(|it| it.state == State::Open) {
            return Ok(known);
        }
        let found = self.listed(draft).await?;
        Ok(found
            .filter(|it| known.is_none() || it.state == State::Open)
            .or(known))
    }

    async fn numbered(&self, number: u64) -> Result<Option<Request>> {
        let number = number.to_string();
        let reply = self.ask(Method::GET, &[&number], &[], None).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        self.request(reply).map(Some)
    }

    /// The list has no filter by branch: the newest of it are looked through.
    async fn listed(&self, draft: &Draft) -> Result<Option<Request>> {
        for state in ["open", "closed"] {
            for number in 1..=PAGES {
                let page = self.page(state, number).await?;
                // A server may give less to a page than it is asked for.
                let over = page.is_empty();
                let mut fitting = page
                    .into_iter()
                    .filter(|it| it.head.is(&draft.source) && it.base.is(&draft.target));
                if let Some(found) = fitting.next() {
                    return self.known(found).map(Some);
                }
                if over {
                    break;
                }
            }
        }
        Ok(None)
    }

    async fn make(&self, draft: &Draft) -> Result<Made> {
        let body = json!({
            "head": draft.source, "base": draft.target,
            "title": title(draft), "body": draft.description,
        });
        let reply = self.ask(Method::POST, &[], &[], Some(&body)).await?;
        if reply.status == StatusCode::CONFLICT
            && let Some(request) = self.lookup(draft).await?
            && request.state == State::Open
            && let Some(number) = request.number
        {
            return self.rewrite(number, draft).await;
        }
        self.made(reply)
    }

    async fn rewrite(&self, number: u64, draft: &Draft) -> Result<Made> {
        let body = json!({ "title": title(draft), "body": draft.description });
        self.made(self.change(number, body).await?)
    }

    async fn change(&self, number: u64, body: Value) -> Result<Reply> {
        let number = number.to_string();
        let below = [number.as_str()];
        self.ask(Method::PATCH, &below, &[], Some(&body)).await
    }
}

impl Requests for Gitea {
    fn find<'a>(&'a self, draft: &'a Draft) -> BoxFuture<'a, Result<Option<Request>>> {
        self.lookup(draft).boxed()
    }

    fn create<'a>(&'a self, draft: &'a Draft) -> BoxFuture<'a, Result<Made>> {
        self.make(draft).boxed()
    }

    fn update<'a>(&'a self, number: u64, draft: &'a Draft) -> BoxFuture<'a, Result<Made>> {
        self.rewrite(number, draft).boxed()
    }

    fn close(&self, number: u64) -> BoxFuture<'_, Result<Request>> {
        async move {
            let body = json!({ "state": "closed" });
            self.request(self.change(number, body).await?)
        }
        .boxed()
    }
}

#[cfg(test)]
#[path = "gitea_tests.rs"]
mod tests;
