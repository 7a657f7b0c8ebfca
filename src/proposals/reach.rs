//! The forge of a platform: its kind, its place, and the token where there is one.

use reqwest::Url;

use crate::context::{Context, OpenPlatform};
use crate::definitions::Definitions;
use crate::error::{Error, Result};
use crate::forge::{self, Api, Forge, Place, Token};
use crate::model::forge::ForgeKind;
use crate::model::secret::Secret;

/// Where the token of a kind is looked for.
fn variables(kind: ForgeKind) -> &'static [&'static str] {
    match kind {
        ForgeKind::GitLab => &["GITLAB_TOKEN"],
        ForgeKind::Gitea => &["GITEA_TOKEN", "FORGEJO_TOKEN"],
        ForgeKind::Forgejo => &["FORGEJO_TOKEN", "GITEA_TOKEN"],
        ForgeKind::GitHub => &["GITHUB_TOKEN", "GH_TOKEN"],
        ForgeKind::Plain => &[],
    }
}

/// The forge, and whether its token was only found, not given: one that is refused then counts as
/// none.
pub(super) async fn reach(
    context: &Context,
    open: &OpenPlatform,
    definitions: &Definitions,
    chosen: Option<ForgeKind>,
) -> Result<Box<dyn Forge>> {
    let settled = open.platform.forge.clone().unwrap_or_default();
    let url = definitions.url()?;
    let mine = context.settings.forges.get(&open.name).map(String::as_str);
    let place = Place::new(&url.to_string(), settled.api.as_deref(), mine)?;
    let kind = match chosen.or(settled.kind) {
        Some(kind) => kind,
        None => guess(context, &place)?,
    };
    let reachable = !context.offline && kind != ForgeKind::Plain;
    let Some(root) = forge::root(kind, &place).filter(|_| reachable) else {
        return forge::of(kind, place, None);
    };
    let given = variables(kind).iter().find_map(|name| {
        let secret = Secret::new(context.environment.get(name)?.trim());
        let origin = (*name).to_owned();
        Some(Token {
            secret,
            user: None,
            origin,
        })
    });
    if let Some(token) = given {
        let api = connect(context, root, token).await?;
        return forge::of(kind, place, Some(api));
    }
    let found = stored(context, kind, &url.to_string(), &root).await;
    forge::of(kind, place, found)
}

async fn connect(context: &Context, root: Url, token: Token) -> Result<Api> {
    let ca = context.settings.extra_ca.value.clone();
    let client = crate::registry::web_client(ca, context.proxies(), &root).await;
    let host = root.host_str().unwrap_or_default();
    let client = client.map_err(|fault| {
        Error::git(format!("the forge's API on {host} cannot be used")).because(fault)
    })?;
    Api::new(client, root, token)
}

/// What git's own helpers keep for the host, where it is a token that the forge takes: a helper
/// may as well keep a password, which is good for git alone.
async fn stored(context: &Context, kind: ForgeKind, remote: &str, root: &Url) -> Option<Api> {
    if kind == ForgeKind::Plain || !remote.starts_with("https://") {
        return None;
    }
    let login = context.git().stored_login(remote).await?;
    let token = Token {
        secret: login.secret,
        user: Some(login.user),
        origin: "git's credential helper".to_owned(),
    };
    let api = connect(context, root.clone(), token).await.ok()?;
    let accepted = forge::accepts(kind, &api).await;
    if !accepted {
        context
            .ui
            .note("git's stored login is no token of the forge: only git is used");
    }
    accepted.then_some(api)
}

/// Asks whether the host is what its name suggests.
fn guess(context: &Context, place: &Place) -> Result<ForgeKind> {
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
    if context.ui.confirm(&format!("is {host} a {kind}?"), &flag)? {
        Ok(kind)
    } else {
        Err(unknown(host))
    }
}
