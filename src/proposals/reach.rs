//! The forge of a platform: its kind, its place, and the token where there is one.

use reqwest::Url;

use super::Proposal;
use crate::definitions::Definitions;
use crate::error::{Error, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::model::forge::ForgeKind;
use crate::model::secret::Secret;
use crate::proposals::forge::{self, Api, Forge, Place, Token, Topics};

/// Where the token for a host is looked for.
fn variables(kind: ForgeKind, host: Option<&str>) -> &'static [&'static str] {
    match kind {
        ForgeKind::GitLab => &["GITLAB_TOKEN"],
        ForgeKind::Gitea => &["GITEA_TOKEN", "FORGEJO_TOKEN"],
        ForgeKind::Forgejo => &["FORGEJO_TOKEN", "GITEA_TOKEN"],
        // As gh(1) does: the public one's token is no other host's.
        ForgeKind::GitHub if host == Some("github.com") => &["GITHUB_TOKEN", "GH_TOKEN"],
        ForgeKind::GitHub => &["GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"],
        ForgeKind::Plain => &[],
    }
}

/// The forge, with its token where there is one: from the environment, else what git's own helpers
/// keep.
pub(super) async fn reach(
    session: &Session,
    open: &OpenPlatform,
    definitions: &Definitions,
    chosen: Option<ForgeKind>,
) -> Result<Box<dyn Forge>> {
    let settled = open.platform.forge.clone().unwrap_or_default();
    let url = definitions.resolved_url()?;
    let mine = session
        .home
        .settings
        .forges
        .get(&open.name)
        .map(String::as_str);
    let place = Place::new(&url.to_string(), settled.api.as_deref(), mine)?;
    let kind = match chosen.or(settled.kind) {
        Some(kind) => kind,
        None => guess(session, &place)?,
    };
    let topics = topics(session, open)?;
    let reachable = !session.offline && kind != ForgeKind::Plain;
    let Some(root) = forge::root(kind, &place).filter(|_| reachable) else {
        return forge::of(kind, place, None, topics);
    };
    let given = variables(kind, place.host()).iter().find_map(|name| {
        let secret = Secret::new(session.home.environment.get(name)?.trim());
        let origin = (*name).to_owned();
        Some(Token {
            secret,
            user: None,
            origin,
        })
    });
    if let Some(token) = given {
        let api = connect(session, root, token).await?;
        return forge::of(kind, place, Some(api), topics);
    }
    let found = stored(session, kind, &url.to_string(), &root).await;
    forge::of(kind, place, found, topics)
}

/// The requests that pushes of proposals made without a branch.
fn topics(session: &Session, open: &OpenPlatform) -> Result<Topics> {
    let sent = Proposal::all(session, open)?
        .into_iter()
        .filter_map(|proposal| proposal.sent);
    Ok(sent.filter_map(|it| Some((it.branch, it.topic?))).collect())
}

async fn connect(session: &Session, root: Url, token: Token) -> Result<Api> {
    let ca = session.home.settings.extra_ca.value.clone();
    let client = crate::registry::web_client(ca, session.home.proxies(), &root).await;
    let host = root.host_str().unwrap_or_default();
    let client = client.map_err(|fault| {
        let hint = fault.hint();
        let error = Error::git(format!("the forge's API on {host} cannot be used")).because(fault);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    })?;
    Api::new(client, root, token)
}

/// What git's own helpers keep for the host, where it is a token that the forge takes: a helper
/// may as well keep a password, which is good for git alone. Where the forge does not say, that is
/// told, and only git is used.
async fn stored(session: &Session, kind: ForgeKind, remote: &str, root: &Url) -> Option<Api> {
    if kind == ForgeKind::Plain || !remote.starts_with("https://") {
        return None;
    }
    let login = session.git().stored_login(remote).await?;
    let token = Token {
        secret: login.secret,
        user: Some(login.user),
        origin: "git's credential helper".to_owned(),
    };
    let asked = async {
        let api = connect(session, root.clone(), token).await?;
        let accepted = forge::accepts(kind, &api).await?;
        Ok::<_, Error>(accepted.then_some(api))
    };
    match asked.await {
        Ok(Some(api)) => Some(api),
        Ok(None) => {
            let note = "git's stored login is no token of the forge: only git is used";
            session.reporter.note(note);
            None
        }
        Err(error) => {
            let why = error.chain().join(": ");
            session.reporter.warn(&format!(
                "whether git's stored login is a token of the forge is not known, only git is used: {why}"
            ));
            None
        }
    }
}

/// Asks whether the host is what its name suggests.
fn guess(session: &Session, place: &Place) -> Result<ForgeKind> {
    let unknown = |host: &str| {
        let known = ForgeKind::ALL.map(ForgeKind::as_str).join(", ");
        Error::usage(format!("it is not known what kind of forge {host} is"))
            .hint(format!("`--forge KIND` says so: {known}"))
            .hint("`forge: { kind: … }` in platform.yaml says so for everybody")
    };
    let Some(host) = place.host() else {
        return Ok(ForgeKind::Plain);
    };
    let kind = ForgeKind::suggested_by(host).ok_or_else(|| unknown(host))?;
    let flag = format!("--forge {kind}");
    if session
        .reporter
        .confirm(&format!("is {host} a {kind}?"), &flag)?
    {
        Ok(kind)
    } else {
        Err(unknown(host))
    }
}
