//! GitHub: pull requests by REST, which needs a token. Without one the branch is pushed and people open
//! the page where a request is made by hand.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Api, Authorization, Delivery, Draft, Forge, Heard, Made, Place, Reply, Request, Requests,
    State, foremost, hear,
};
use crate::error::{Error, Result};
use crate::model::forge::ForgeKind;

/// The host whose API has a host of its own.
const PUBLIC: &str = "github.com";
/// That one: <https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api>.
const PUBLIC_API: &str = "https://api.github.com/";

/// What it prints after the first push of a branch:
/// <https://docs.github.com/en/get-started/using-git/pushing-commits-to-a-remote-repository>.
const OFFER: &str = "Create a pull request for '";

/// The longest description, in characters: `body is too long (maximum is 65536 characters)`,
/// <https://github.com/orgs/community/discussions/27190>.
const LONGEST_BODY: usize = 65_536;

/// A repository on GitHub.
pub(super) struct GitHub {
    place: Place,
    api: Option<Api>,
}

impl GitHub {
    pub(super) fn new(place: Place, api: Option<Api>) -> Self {
        Self { place, api }
    }
}

/// The root of the API: GitHub's own has a host of its own, elsewhere it is below `api/v3`:
/// <https://docs.github.com/en/enterprise-server/rest/using-the-rest-api/getting-started-with-the-rest-api>.
pub(super) fn root(place: &Place) -> Option<Url> {
    if place.host() == Some(PUBLIC) {
        return Url::parse(PUBLIC_API).ok();
    }
    place.api()?.join("api/v3/").ok()
}

impl Forge for GitHub {
    fn kind(&self) -> ForgeKind {
        ForgeKind::GitHub
    }

    fn delivery(&self, draft: &Draft) -> Delivery {
        let mut delivery = Delivery::branch(draft);
        let (_, cut) = body(&draft.description);
        delivery.lost = (cut > 0).then(|| {
            format!(
                "the description is {cut} characters longer than GitHub takes: its end is not sent"
            )
        });
        delivery
    }

    fn heard(&self, said: &[String]) -> Heard {
        hear(said, &self.place, |_| false, |line| line.starts_with(OFFER))
    }

    fn requests(&self) -> Option<&dyn Requests> {
        self.api.is_some().then_some(self)
    }

    fn by_hand(&self, draft: &Draft) -> Option<String> {
        let (owner, name) = self.place.owner_and_name().ok()?;
        let mut url = self.place.web()?;
        let range = format!("{}...{}", draft.target, draft.source);
        let mut parts = vec![owner, name, "compare"];
        parts.extend(range.split('/'));
        url.path_segments_mut().ok()?.pop_if_empty().extend(parts);
        url.query_pairs_mut().append_pair("expand", "1");
        Some(url.to_string())
    }
}

/// As much of a description as GitHub takes, and how many characters had to go.
fn body(text: &str) -> (String, usize) {
    const MARK: &str = "\n\n(cut here: it was longer)";
    let length = text.chars().count();
    if length <= LONGEST_BODY {
        return (text.to_owned(), 0);
    }
    let kept = LONGEST_BODY - MARK.len();
    let start: String = text.chars().take(kept).collect();
    (start + MARK, length - kept)
}

/// A pull request as REST gives it: <https://docs.github.com/en/rest/pulls/pulls>. Lists have no `merged`.
#[derive(Deserialize)]
struct PullRequest {
    number: u64,
    html_url: String,
    state: String,
    #[serde(default)]
    merged_at: Option<String>,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    merge_commit_sha: Option<String>,
}

impl GitHub {
    async fn ask(
        &self,
        method: Method,
        below: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply> {
        let (owner, name) = self.place.owner_and_name()?;
        let mut path = vec!["repos", owner, name, "pulls"];
        path.extend(below);
        let api = self.api()?;
        api.ask(Authorization::Bearer, method, &path, query, body)
            .await
    }

    fn api(&self) -> Result<&Api> {
        let missing = || Error::bug("GitHub is asked without a token");
        self.api.as_ref().ok_or_else(missing)
    }

    /// The request in an answer.
    fn request(&self, reply: Reply) -> Result<Request> {
        self.known(self.api()?.taken(reply)?)
    }

    /// The same, and whether it is a draft.
    fn made(&self, reply: Reply) -> Result<Made> {
        let found: PullRequest = self.api()?.taken(reply)?;
        let draft = found.draft;
        let request = self.known(found)?;
        Ok(Made { request, draft })
    }

    fn known(&self, found: PullRequest) -> Result<Request> {
        let merged = found.merged_at.is_some();
        Ok(Request {
            number: Some(found.number),
            url: self.place.own(found.html_url)?,
            state: match found.state.as_str() {
                _ if merged => State::Merged,
                "closed" => State::Closed,
                _ => State::Open,
            },
            // Before a merge it is a trial merge's.
            merged_as: found.merge_commit_sha.filter(|_| merged),
        })
    }

    async fn lookup(&self, draft: &Draft) -> Result<Option<Request>> {
        let (owner, _) = self.place.owner_and_name()?;
        let head = format!("{owner}:{}", draft.source);
        let query = [
            ("state", "all"),
            ("head", head.as_str()),
            ("base", draft.target.as_str()),
            ("sort", "created"),
            ("direction", "desc"),
        ];
        let reply = self.ask(Method::GET, &[], &query, None).await?;
        let found: Vec<PullRequest> = self.api()?.taken(reply)?;
        foremost(found, |it| it.state == "open")
            .map(|it| self.known(it))
            .transpose()
    }

    async fn make(&self, draft: &Draft) -> Result<Made> {
        let body = json!({
            "title": draft.title, "body": body(&draft.description).0, "head": draft.source,
            "base": draft.target, "draft": draft.draft,
        });
        let reply = self.ask(Method::POST, &[], &[], Some(&body)).await?;
        if reply.status == StatusCode::UNPROCESSABLE_ENTITY
            && exists(&reply.body)
            && let Some(request) = self.lookup(draft).await?
            && request.state == State::Open
            && let Some(number) = request.number
        {
            return self.rewrite(number, draft).await;
        }
        self.made(reply)
    }

    /// Whether it is a draft stays as it is: REST has no way to change that.
    async fn rewrite(&self, number: u64, draft: &Draft) -> Result<Made> {
        let body = json!({ "title": draft.title, "body": body(&draft.description).0 });
        self.made(self.change(number, body).await?)
    }

    async fn change(&self, number: u64, body: Value) -> Result<Reply> {
        let number = number.to_string();
        let below = [number.as_str()];
        self.ask(Method::PATCH, &below, &[], Some(&body)).await
    }
}

/// Whether an answer says that there is a request already.
fn exists(body: &Value) -> bool {
    let errors = body["errors"].as_array();
    errors.is_some_and(|all| {
        all.iter().any(|it| {
            it["message"]
                .as_str()
                .is_some_and(|text| text.starts_with("A pull request already exists for "))
        })
    })
}

impl Requests for GitHub {
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
mod tests {
    use super::*;

    fn github(remote: &str) -> GitHub {
        GitHub::new(Place::new(remote, None, None).unwrap(), None)
    }

    #[test]
    fn without_a_token_the_page_to_make_one_by_hand_is_named() {
        let draft = Draft {
            title: "Mend".to_owned(),
            description: String::new(),
            source: "devenv/anna/billing-ab12cd".to_owned(),
            target: "main".to_owned(),
            draft: false,
        };
        let github = github("git@github.com:octocat/Hello-World.git");
        assert_eq!(
            github.by_hand(&draft).unwrap(),
            "https://github.com/octocat/Hello-World/compare/main...devenv/anna/billing-ab12cd?expand=1"
        );
        let delivery = github.delivery(&draft);
        assert_eq!(delivery.target, "refs/heads/devenv/anna/billing-ab12cd");
        assert!(!delivery.creates && delivery.options.is_empty());
        let said = "Create a pull request for 'x' on GitHub by visiting:|     \
                    https://github.com/octocat/Hello-World/pull/new/x";
        let said: Vec<String> = said.split('|').map(ToOwned::to_owned).collect();
        let offered = github.heard(&said).offered.unwrap();
        assert!(offered.ends_with("/pull/new/x"), "{offered}");
    }

    #[test]
    fn a_description_is_as_long_as_github_takes() {
        assert_eq!(body("why"), ("why".to_owned(), 0));
        let (sent, cut) = body(&"é".repeat(LONGEST_BODY + 1));
        assert_eq!(sent.chars().count(), LONGEST_BODY);
        assert!(sent.ends_with("it was longer)") && cut > 0, "{cut}");
    }

    #[test]
    fn the_api_s_host_is_known_for_github_alone() {
        let api = |remote: &str| root(&github(remote).place).map(|it| it.to_string());
        let public = api("https://github.com/octocat/Hello-World.git");
        assert_eq!(public.as_deref(), Some("https://api.github.com/"));
        for (remote, root) in [
            (
                "https://github.com.evil.example/o/r.git",
                "https://github.com.evil.example/api/v3/",
            ),
            (
                "git@github.acme.example:o/r.git",
                "https://github.acme.example/api/v3/",
            ),
        ] {
            assert_eq!(api(remote).as_deref(), Some(root));
        }
    }

    /// The example of "Create a pull request", shortened: <https://docs.github.com/en/rest/pulls/pulls>.
    #[test]
    fn rest_s_shape_is_understood() {
        let shape = |state: &str, merged_at: Value| -> PullRequest {
            serde_json::from_value(json!({
                "url": "https://api.github.com/repos/octocat/Hello-World/pulls/1347", "id": 1,
                "node_id": "MDExOlB1bGxSZXF1ZXN0MQ==",
                "html_url": "https://github.com/octocat/Hello-World/pull/1347",
                "number": 1347, "state": state, "locked": true, "title": "Amazing new feature",
                "body": "Please pull these awesome changes in!", "merged_at": merged_at,
                "merge_commit_sha": "e5bd3914e2e596debea16f433f57875b5b90bcd6", "draft": false,
                "head": { "label": "octocat:new-topic", "ref": "new-topic" },
                "base": { "label": "octocat:master", "ref": "master" },
            }))
            .unwrap()
        };
        let github = github("https://github.com/octocat/Hello-World.git");
        let open = github.known(shape("open", Value::Null)).unwrap();
        assert_eq!((open.number, open.state), (Some(1347), State::Open));
        assert_eq!(open.merged_as, None, "a trial merge is none");
        let merged = github.known(shape("closed", json!("2011-01-26T19:01:12Z")));
        assert!(merged.unwrap().merged_as.unwrap().starts_with("e5bd39"));
        let closed = github.known(shape("closed", Value::Null)).unwrap();
        assert_eq!(closed.state, State::Closed);
    }

    /// As in <https://github.com/vsoch/pull-request-action/issues/86> and
    /// <https://github.com/google/go-github/issues/1441>.
    #[test]
    fn a_request_that_exists_is_told_from_other_refusals() {
        let body = |message: &str| {
            json!({
                "message": "Validation Failed", "status": "422", "errors": [{
                    "resource": "PullRequest", "code": "custom", "message": message
                }],
                "documentation_url": "https://docs.github.com/rest/pulls/pulls#create-a-pull-request"
            })
        };
        assert!(exists(&body(
            "A pull request already exists for octocat:new-topic."
        )));
        assert!(!exists(&body("No commits between master and new-topic")));
        assert!(!exists(&Value::Null));
    }
}
