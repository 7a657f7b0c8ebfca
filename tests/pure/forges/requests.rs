//! Requests by REST: what `propose` asks of each forge, against the stand-ins.

use std::io::Read;
use std::net::TcpListener;
use std::sync::Once;
use std::time::Duration;

use devenv::error::{Kind, Result};
use devenv::model::forge::ForgeKind;
use devenv::model::secret::Secret;
use devenv::proposals::forge::{self, Api, Draft, Forge, Place, State, Token, Topics};
use reqwest::{Client, redirect};

use super::{commit, company, push_as};
use crate::support::forge::people::READER;
use crate::support::forge::{DEVELOPER, Mood, Server, Vendor, token};
use crate::support::tls_server::TlsServer;

pub(crate) fn client() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let client = Client::builder().user_agent("devenv tests");
    client
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap()
}

fn kind(vendor: Vendor) -> ForgeKind {
    match vendor {
        Vendor::GitLab => ForgeKind::GitLab,
        Vendor::Gitea => ForgeKind::Gitea,
        Vendor::GitHub => ForgeKind::GitHub,
        Vendor::Plain => ForgeKind::Plain,
    }
}

fn asking(server: &Server, token: &str) -> Box<dyn Forge> {
    asking_at(&server.url(), kind(server.vendor()), token)
}

fn asking_at(url: &str, kind: ForgeKind, token: &str) -> Box<dyn Forge> {
    let place = Place::new(url, None, None).unwrap();
    let token = Token {
        secret: Secret::new(token),
        user: None,
        origin: "a test".to_owned(),
    };
    let api = Api::new(client(), forge::root(kind, &place).unwrap(), token).unwrap();
    forge::of(kind, place, Some(api), Topics::new()).unwrap()
}

pub(crate) fn draft(source: &str) -> Draft {
    Draft {
        title: "Mend the health path".to_owned(),
        description: "why\n\n- `one`\n- two\n".to_owned(),
        source: source.to_owned(),
        target: "main".to_owned(),
        draft: false,
    }
}

/// Made once, changed, closed, made again and merged.
async fn a_whole_life(vendor: Vendor) {
    let (server, clone) = company(vendor);
    commit(clone.path(), "second");
    let source = "devenv/dev/billing-ab12";
    let pushed = push_as(
        clone.path(),
        &server.url_as(DEVELOPER),
        &format!("HEAD:refs/heads/{source}"),
        &[],
    );
    assert!(pushed.0, "{}", pushed.1);
    let forge = asking(&server, &token(DEVELOPER.0));
    let delivery = forge.delivery(&draft(source));
    assert!(
        !delivery.creates && delivery.options.is_empty(),
        "{delivery:?}"
    );
    let requests = forge.requests().unwrap();
    assert_eq!(requests.find(&draft(source)).await.unwrap(), None);
    let made = requests.create(&draft(source)).await.unwrap().request;
    assert_eq!((made.number, made.state), (Some(1), State::Open));
    assert!(made.url.starts_with(&server.origin()), "{}", made.url);
    assert_eq!(
        requests.create(&draft(source)).await.unwrap().request,
        made,
        "there is one already"
    );
    assert_eq!(
        requests.find(&draft(source)).await.unwrap(),
        Some(made.clone())
    );
    assert_eq!(server.requests()[0].description, draft(source).description);

    let mut changed = draft(source);
    "Another title".clone_into(&mut changed.title);
    requests.update(1, &changed).await.unwrap();
    assert_eq!(server.requests()[0].title, "Another title");
    let closed = requests.close(1).await.unwrap();
    assert_eq!(closed.state, State::Closed);
    let found = requests.find(&draft(source)).await.unwrap().unwrap();
    assert_eq!(found.state, State::Closed);

    let mut unready = draft(source);
    unready.draft = true;
    let again = requests.create(&unready).await.unwrap();
    assert_eq!((again.request.number, again.draft), (Some(2), true));
    // GitHub's REST cannot make it ready; the others can.
    let ready = requests.update(2, &draft(source)).await.unwrap();
    assert_eq!(ready.draft, vendor == Vendor::GitHub);
    requests.update(2, &unready).await.unwrap();
    assert!(server.requests()[1].draft);
    requests.close(2).await.unwrap();
    requests.create(&draft(source)).await.unwrap();
    server.merge(3);
    let merged = requests.find(&draft(source)).await.unwrap().unwrap();
    assert_eq!((merged.number, merged.state), (Some(3), State::Merged));
    // GitLab's is the squash commit, below its merge commit.
    let merged_as = merged.merged_as.unwrap();
    let here = server.git(&["merge-base", "--is-ancestor", &merged_as, "main"]);
    assert_eq!(here, "");
}

/// A merge request's whole life by REST.
#[tokio::test]
async fn gitlab_s_merge_requests_live_and_end() {
    a_whole_life(Vendor::GitLab).await;
}

/// A Gitea pull request's whole life by REST.
#[tokio::test]
async fn gitea_s_pull_requests_live_and_end() {
    a_whole_life(Vendor::Gitea).await;
}

/// A GitHub pull request's whole life by REST.
#[tokio::test]
async fn github_s_pull_requests_live_and_end() {
    a_whole_life(Vendor::GitHub).await;
}

async fn attempt(server: &Server, token: &str) -> Result<()> {
    let forge = asking(server, token);
    forge
        .requests()
        .unwrap()
        .create(&draft("topic"))
        .await
        .map(drop)
}

/// A wrong token, a right that is missing, an unknown project: told apart, the token never named.
#[tokio::test]
async fn refusals_are_told_apart_and_never_name_the_token() {
    for vendor in [Vendor::GitLab, Vendor::Gitea, Vendor::GitHub] {
        let server = Server::start(vendor);
        for (token, words) in [
            ("not-a-token", "does not accept the token of a test"),
            (
                &*token(READER.0),
                "does not allow this with the token of a test",
            ),
        ] {
            let error = attempt(&server, token).await.unwrap_err();
            let said = error.chain().join(" / ");
            assert_eq!(error.kind(), Kind::Git);
            assert!(said.contains(words), "{vendor:?}: {said}");
            assert!(
                !format!("{error:?}").contains(token),
                "{vendor:?}: {error:?}"
            );
        }
        let elsewhere = server.url().replace("acme/platform", "acme/other");
        let forge = asking_at(&elsewhere, kind(vendor), &token(DEVELOPER.0));
        let found = forge.requests().unwrap().find(&draft("topic")).await;
        let said = found.unwrap_err().chain().join(" / ");
        assert!(
            said.contains("does not know the project"),
            "{vendor:?}: {said}"
        );
    }
}

/// The REST client follows no redirect.
#[tokio::test]
async fn a_token_does_not_follow_a_redirect() {
    let server = Server::start(Vendor::GitLab);
    let thief = TcpListener::bind("127.0.0.1:0").unwrap();
    thief.set_nonblocking(true).unwrap();
    let host = format!("http://localhost:{}", thief.local_addr().unwrap().port());
    server.mood(Mood::Redirecting(host));
    let error = attempt(&server, &token(DEVELOPER.0)).await.unwrap_err();
    let said = error.chain().join(" / ");
    assert!(
        said.contains("localhost, which devenv does not follow"),
        "{said}"
    );
    let mut nothing = [0];
    let visited = thief
        .accept()
        .map(|(mut stream, _)| stream.read(&mut nothing));
    assert!(visited.is_err(), "somebody came");
}

/// An answer without end is cut.
#[tokio::test]
async fn an_endless_answer_is_cut() {
    let server = Server::start(Vendor::GitLab);
    server.mood(Mood::Endless(64 << 20));
    let token = token(DEVELOPER.0);
    let patience = Duration::from_secs(20);
    let answered = tokio::time::timeout(patience, attempt(&server, &token)).await;
    let error = answered.unwrap().unwrap_err();
    let said = error.chain().join(" / ");
    assert!(said.contains("answered with more than"), "{said}");
}

#[tokio::test]
async fn a_certificate_of_nobodys_is_no_matter_of_the_network() {
    let server = TlsServer::start("DNS:localhost", 60);
    let url = format!("https://localhost:{}/acme/platform.git", server.port);
    let forge = asking_at(&url, ForgeKind::GitLab, &token(DEVELOPER.0));
    let found = forge.requests().unwrap().find(&draft("topic")).await;
    let error = found.unwrap_err();
    let said = error.chain().join(" / ");
    assert!(
        said.contains("the certificate of the forge on localhost is not trusted"),
        "{said}"
    );
    let hints = error.hints().join(" / ");
    assert!(hints.contains("extra_ca"), "{hints}");
}
