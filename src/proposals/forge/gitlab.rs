//! GitLab: merge requests by push options, which need no token, or by REST where there is one.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Api, Authorization, Delivery, Draft, Forge, Heard, Made, Place, Reply, Request, Requests,
    State, foremost, hear,
};
use crate::error::{Error, Result};
use crate::model::forge::ForgeKind;

/// The longest push option, in bytes: git's packets end at 65,520.
const LONGEST_OPTION: usize = 60_000;
/// What begins a title that is not to be merged yet.
const DRAFT: &str = "Draft: ";

/// A project on GitLab.
pub(super) struct GitLab {
    place: Place,
    api: Option<Api>,
}

impl GitLab {
    pub(super) fn new(place: Place, api: Option<Api>) -> Self {
        Self { place, api }
    }
}

/// The words of `lib/gitlab/internal_post_receive/response.rb` in gitlab.com/gitlab-org/gitlab.
const VIEW: &str = "View merge request for ";
const OFFER: &str = "To create a merge request for ";
/// `app/services/post_receive_service.rb` there. The options follow, each in quotes, then the
/// reasons.
const FAILED: &str = "Error encountered with push options";

impl Forge for GitLab {
    fn kind(&self) -> ForgeKind {
        ForgeKind::GitLab
    }

    fn delivery(&self, draft: &Draft) -> Delivery {
        let mut delivery = Delivery::branch(draft);
        if self.api.is_some() {
            return delivery;
        }
        let (description, cut) = one_line(&draft.description);
        delivery.options = vec![
            "merge_request.create".to_owned(),
            format!("merge_request.target={}", draft.target),
            "merge_request.remove_source_branch".to_owned(),
            format!("merge_request.title={}", title(draft)),
        ];
        if !description.is_empty() {
            let option = format!("merge_request.description={description}");
            delivery.options.push(option);
        }
        delivery.creates = true;
        delivery.lost = if cut > 0 {
            Some(format!(
                "the description is {cut} bytes longer than a push option can be: its end is not sent"
            ))
        } else {
            // There is no way to write the two characters themselves.
            draft.description.contains("\\n").then(|| {
                "GitLab makes line ends of the description's `\\n`; with a token it goes as it is"
                    .to_owned()
            })
        };
        delivery
    }

    fn heard(&self, said: &[String]) -> Heard {
        let view = |line: &str| line.trim_start().starts_with(VIEW);
        let offer = |line: &str| line.trim_start().starts_with(OFFER);
        let mut heard = hear(said, &self.place, view, offer);
        heard.failures = failures(said);
        heard
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

/// The text as a push option's value: line ends as `\n` in two characters, which GitLab turns
/// back; and how many bytes had to go.
fn one_line(text: &str) -> (String, usize) {
    const MARK: &str = "\\n\\n(cut here: it was longer)";
    let text = text.trim_end().replace('\r', "").replace('\n', "\\n");
    if text.len() <= LONGEST_OPTION {
        return (text, 0);
    }
    let mut end = LONGEST_OPTION - MARK.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (format!("{}{MARK}", &text[..end]), text.len() - end)
}

/// What boxes of warnings say about push options. gitaly breaks the text at 72 columns, centres
/// it, and puts a line of `=` around it; other boxes (broadcasts) are not about this push.
fn failures(said: &[String]) -> Vec<String> {
    let rule = |line: &String| line.len() >= 10 && line.chars().all(|c| c == '=');
    said.split(rule)
        .map(|lines| {
            lines
                .join(" ")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        })
        .filter_map(|text| {
            let (_, after) = text.split_once(FAILED)?;
            let reason = after.rsplit("': ").next().unwrap_or(after);
            Some(reason.trim().to_owned())
        })
        .collect()
}

/// A merge request as REST gives it: <https://docs.gitlab.com/api/merge_requests/>.
#[derive(Deserialize)]
struct MergeRequest {
    iid: u64,
    web_url: String,
    state: String,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    merge_commit_sha: Option<String>,
    #[serde(default)]
    squash_commit_sha: Option<String>,
}

impl GitLab {
    async fn ask(
        &self,
        method: Method,
        below: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply> {
        let api = self.api()?;
        let mut path = vec!["api", "v4", "projects", self.place.project()];
        path.push("merge_requests");
        path.extend(below);
        api.ask(Authorization::Bearer, method, &path, query, body)
            .await
    }

    fn api(&self) -> Result<&Api> {
        let missing = || Error::bug("GitLab is asked without a token");
        self.api.as_ref().ok_or_else(missing)
    }

    /// The request in an answer.
    fn request(&self, reply: Reply) -> Result<Request> {
        self.known(self.api()?.taken(reply)?)
    }

    /// The same, and whether it is a draft.
    fn made(&self, reply: Reply) -> Result<Made> {
        let found: MergeRequest = self.api()?.taken(reply)?;
        let draft = found.draft;
        let request = self.known(found)?;
        Ok(Made { request, draft })
    }

    fn known(&self, found: MergeRequest) -> Result<Request> {
        Ok(Request {
            number: Some(found.iid),
            url: self.place.own(found.web_url)?,
            state: match found.state.as_str() {
                "merged" => State::Merged,
                "closed" => State::Closed,
                _ => State::Open,
            },
            merged_as: found.squash_commit_sha.or(found.merge_commit_sha),
        })
    }

    async fn lookup(&self, draft: &Draft) -> Result<Option<Request>> {
        let query = [
            ("source_branch", draft.source.as_str()),
            ("target_branch", draft.target.as_str()),
            ("order_by", "created_at"),
            ("sort", "desc"),
        ];
        let reply = self.ask(Method::GET, &[], &query, None).await?;
        let found: Vec<MergeRequest> = self.api()?.taken(reply)?;
        foremost(found, |it| it.state == "opened")
            .map(|it| self.known(it))
            .transpose()
    }

    async fn make(&self, draft: &Draft) -> Result<Made> {
        let body = json!({
            "source_branch": draft.source, "target_branch": draft.target,
            "title": title(draft), "description": draft.description,
            "remove_source_branch": true,
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
        let body = json!({ "title": title(draft), "description": draft.description });
        self.made(self.change(number, body).await?)
    }

    async fn change(&self, number: u64, body: Value) -> Result<Reply> {
        let number = number.to_string();
        self.ask(Method::PUT, &[&number], &[], Some(&body)).await
    }
}

impl Requests for GitLab {
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
            let body = json!({ "state_event": "close" });
            self.request(self.change(number, body).await?)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gitlab() -> GitLab {
        let place = Place::new("git@gitlab.acme.example:team/platform.git", None, None).unwrap();
        GitLab::new(place, None)
    }

    fn draft(description: &str) -> Draft {
        Draft {
            title: "Mend the health path".to_owned(),
            description: description.to_owned(),
            source: "devenv/anna/billing-hab12cd".to_owned(),
            target: "main".to_owned(),
            draft: true,
        }
    }

    fn heard(text: &str) -> Heard {
        gitlab().heard(&lines(text))
    }

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn options_carry_everything_on_one_line() {
        let delivery = gitlab().delivery(&draft("a\r\nb\n\nc\n"));
        assert_eq!(delivery.target, "refs/heads/devenv/anna/billing-hab12cd");
        assert!(delivery.creates && delivery.lost.is_none());
        assert_eq!(
            delivery.options,
            [
                "merge_request.create",
                "merge_request.target=main",
                "merge_request.remove_source_branch",
                "merge_request.title=Draft: Mend the health path",
                "merge_request.description=a\\nb\\n\\nc",
            ]
        );
    }

    #[test]
    fn line_ends_that_are_written_out_are_told() {
        let lost = gitlab().delivery(&draft("split at \\n\n")).lost;
        assert!(lost.unwrap().contains("line ends"));
    }

    #[test]
    fn a_long_description_is_cut_and_said_to_be() {
        let delivery = gitlab().delivery(&draft(&"é".repeat(40_000)));
        let option = delivery.options.last().unwrap();
        assert!(option.len() <= LONGEST_OPTION + "merge_request.description=".len());
        assert!(
            option.ends_with("(cut here: it was longer)"),
            "{}",
            &option[option.len() - 60..]
        );
        assert!(delivery.lost.unwrap().contains("is not sent"));
    }

    // spec/services/post_receive_service_spec.rb in gitlab.com/gitlab-org/gitlab, its host replaced.
    #[test]
    fn the_address_of_a_merge_request() {
        let said = "View merge request for devenv/anna/billing-hab12cd:\n  \
                    https://gitlab.acme.example/team/platform/-/merge_requests/1";
        let heard = heard(said);
        let url = "https://gitlab.acme.example/team/platform/-/merge_requests/1";
        assert_eq!(heard.request.as_deref(), Some(url));
        assert_eq!((heard.offered, heard.foreign), (None, 0));
    }

    #[test]
    fn an_offer_is_no_merge_request() {
        let said = "To create a merge request for devenv/anna/x, visit:\n  https://gitlab.acme.example/\
                    team/platform/-/merge_requests/new?merge_request%5Bsource_branch%5D=devenv/anna/x";
        let heard = heard(said);
        assert_eq!(heard.request, None);
        assert!(heard.offered.unwrap().contains("/new?"));
    }

    // The text of that spec in the box of internal/gitaly/hook/postreceive.go (printAlert) in
    // gitlab.com/gitlab-org/gitaly; git strips what is left of it.
    #[test]
    fn a_box_of_warnings_is_a_failure() {
        let rule = "=".repeat(72);
        let said = format!(
            "{rule}\nWARNINGS: Error encountered with push options\n'merge_request.create' \
             'merge_request.target=mian': Target\nbranch team/platform:mian does not exist\n{rule}\n\
             To create a merge request for x, visit:\n  https://gitlab.acme.example/team/platform/-/merge_requests/new"
        );
        let heard = heard(&said);
        assert_eq!(
            heard.failures,
            ["Target branch team/platform:mian does not exist"]
        );
        assert_eq!(heard.request, None);
        // A broadcast is a box of its own: nothing of it gets into the reason.
        let broadcast = format!("{said}\n{rule}\nMaintenance of 'gitlab': Sunday\n{rule}");
        assert_eq!(super::failures(&lines(&broadcast)), heard.failures);
        let alone = format!("{rule}\nMaintenance of 'gitlab': Sunday\n{rule}");
        assert!(super::failures(&lines(&alone)).is_empty());
    }

    #[test]
    fn an_address_on_another_host_is_not_taken() {
        let said =
            "View merge request for x:\n  https://evil.example/team/platform/-/merge_requests/1";
        let heard = heard(said);
        assert_eq!((heard.request, heard.foreign), (None, 1));
    }
}
