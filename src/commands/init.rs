//! `devenv init`

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::context::{Context, Remote};
use crate::definitions::{Commit, CommitId, Definitions, RemoteUrl};
use crate::error::{Error, Kind, PathContext, Result};
use crate::exit::Exit;
use crate::hosts;
use crate::model::name::PlatformName;
use crate::model::platform::Platform;
use crate::model::trust_file::TrustFile;
use crate::state;
use crate::ui::progress::Work;

/// Clone a platform's definitions and pin the keys that its releases are signed with
///
/// The fingerprints of the keys are shown: compare them with those that production told you by
/// another way (a wiki, a phone call). From then on nothing counts that these keys did not sign.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where the definitions are: https://…, ssh://…, user@host:path or a folder
    url: String,
    /// Trust the keys in the definitions without asking
    #[arg(long)]
    accept_keys: bool,
    /// Trust the keys in this file, got by another way, instead of those in the definitions
    #[arg(long, value_name = "FILE", conflicts_with = "accept_keys")]
    trust: Option<PathBuf>,
    /// Use another branch than the server's default
    #[arg(long)]
    branch: Option<String>,
}

/// How long the engine may take to tell what it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// Clones, shows, asks, pins.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let url = RemoteUrl::parse(&arguments.url)?;
    let staging = context
        .paths
        .platforms()
        .join(format!(".new-{}", state::random_hex(6)?));
    let work = Work::begin(&context.ui, "definitions");
    let git = context.git_to(Remote::Url(&url.to_string()))?;
    let cloned = Definitions::init_clone(&url, &staging, &git, work.clone()).await;
    let result = match cloned {
        Ok(definitions) => {
            work.finish("cloned");
            let host = host(context).await;
            adopt(context, &arguments, definitions, &staging, &host)
        }
        Err(error) => Err(error),
    };
    if result.is_err() {
        let _ = std::fs::remove_dir_all(&staging);
    }
    result
}

fn adopt(
    context: &Context,
    arguments: &Arguments,
    mut definitions: Definitions,
    staging: &std::path::Path,
    host: &str,
) -> Result<Exit> {
    if let Some(branch) = &arguments.branch {
        definitions.use_branch(branch)?;
    }
    let head = definitions.head()?;
    let text = definitions.read(head.id, "platform.yaml")?.ok_or_else(|| {
        Error::definitions(format!(
            "{} holds no platform.yaml: it is no definitions repository",
            arguments.url
        ))
    })?;
    let platform = Platform::parse("platform.yaml", &text)?;
    let name = platform.platform.clone();
    refuse_another(context, &name, arguments)?;
    let trust = trust_file(context, arguments, &definitions, head.id, &name)?;
    if trust.platform != name {
        return Err(Error::trust(format!(
            "the trust file is about `{}`, the platform is `{name}`",
            trust.platform
        )));
    }
    show(context, &platform, &head, &trust, host);
    let accepted = arguments.accept_keys
        || arguments.trust.is_some()
        || context.ui.confirm("trust these keys?", "--accept-keys")?;
    if !accepted {
        return Err(Error::trust("the keys were not trusted; nothing was kept"));
    }
    let path = context.paths.definitions(&name);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).at(Kind::Usage, "create", parent)?;
    }
    std::fs::rename(staging, &path).at(Kind::Usage, "create", &path)?;
    state::write_atomically(&context.paths.trust(&name), trust.to_yaml()?.as_bytes())?;
    context
        .ui
        .note("next: `devenv list` shows what there is, `devenv up NAME` starts it");
    context.ui.json(&serde_json::json!({
        "platform": name, "commit": head.id.to_string(), "registry": platform.registry,
        "threshold": trust.threshold,
        "keys": trust.usable_keys().map(|key| serde_json::json!({ "name": key.name, "sha256": key.fingerprint().to_string() })).collect::<Vec<_>>(),
    }));
    Ok(Exit::Done)
}

/// The kind of host that the engine is on, in words; an engine that does not answer is no reason not
/// to begin.
async fn host(context: &Context) -> String {
    let asked = async {
        let (engine, choice) = context.engine()?;
        let engine = engine.with_limit(PATIENCE);
        hosts::ask_host(context, &engine, &choice).await
    };
    match asked.await {
        Ok((host, _)) => format!("{} ({})", host.profile.description, host.profile.name),
        Err(error) => format!("not known: {}", error.chain().join(": ")),
    }
}

/// Shows what is about to be trusted.
fn show(context: &Context, platform: &Platform, head: &Commit, trust: &TrustFile, host: &str) {
    let name = &platform.platform;
    context.ui.note(&format!("platform     {name}"));
    context.ui.note(&format!(
        "definitions  {} of {}: {}",
        head.id.short(),
        head.time.strftime("%Y-%m-%d"),
        head.subject
    ));
    context
        .ui
        .note(&format!("registry     {}", platform.registry));
    context.ui.note(&format!("host         {host}"));
    context.ui.note(&trust.in_words());
}

/// The file that is to be pinned: one that was pinned before, the user's, or the definitions'.
fn trust_file(
    context: &Context,
    arguments: &Arguments,
    definitions: &Definitions,
    commit: CommitId,
    name: &PlatformName,
) -> Result<TrustFile> {
    if context.paths.trust(name).exists() {
        let pinned = context.trust(name)?;
        context.ui.note(&format!(
            "the keys of {name} were pinned before (root version {}) and stay",
            pinned.root_version
        ));
        return Ok(pinned);
    }
    if let Some(path) = &arguments.trust {
        let text = std::fs::read(path).at(Kind::Usage, "read", path)?;
        return TrustFile::parse(&path.display().to_string(), &text);
    }
    let text = definitions.read(commit, "trust.yaml")?.ok_or_else(|| {
        Error::trust("the definitions hold no trust.yaml, so nothing says who signs releases")
            .hint("`--trust FILE` takes a file that production gave you")
    })?;
    TrustFile::parse("trust.yaml", &text)
}

/// A second clone that claims a platform's name is refused, whoever asks.
fn refuse_another(context: &Context, name: &PlatformName, arguments: &Arguments) -> Result<()> {
    let path = context.paths.definitions(name);
    if !path.exists() {
        return Ok(());
    }
    let known = Definitions::open(&path, &context.git())?.url()?;
    let error = if known.to_string() == RemoteUrl::parse(&arguments.url)?.to_string() {
        Error::usage(format!("{name} is initialised already"))
            .hint("`devenv sync` fetches what is new")
    } else {
        Error::trust(format!(
            "{name} is initialised already, from {known}: another repository claims its name"
        ))
    };
    Err(error)
}
