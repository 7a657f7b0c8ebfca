//! `devenv init`

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::cli::ui::Ui;
use crate::definitions::repository::NEW;
use crate::definitions::{Commit, CommitId, Definitions, History, MadeFolders, RemoteUrl};
use crate::error::{Error, Exit, Kind, PathContext, Result};
use crate::home::file;
use crate::home::hosts;
use crate::home::reporter::Reporter as _;
use crate::home::session::{Remote, Session};
use crate::home::state;
use crate::instance::defaults;
use crate::model::name::PlatformName;
use crate::model::platform::{Platform, Workstation};
use crate::model::trust_file::TrustFile;

/// Clone a platform's definitions and pin the keys that its releases are signed with
///
/// The fingerprints of the keys are shown: compare them with those that you got from production by
/// another channel (a wiki, a phone call). From then on devenv accepts only what these keys signed.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where the definitions are: https://…, ssh://…, user@host:path or a folder
    url: String,
    /// Trust the keys in the definitions without asking
    #[arg(long)]
    accept_keys: bool,
    /// Trust the keys in this file instead of those in the definitions
    #[arg(long, value_name = "FILE", conflicts_with = "accept_keys")]
    trust: Option<PathBuf>,
    /// Use another branch than the server's default
    #[arg(long)]
    branch: Option<String>,
    /// Use this address for a platform that is initialised already; its pinned keys stay
    #[arg(long = "move", conflicts_with_all = ["accept_keys", "trust"])]
    moves: bool,
}

/// How long the engine may take to tell what it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// Clones, shows the keys, asks, and pins them. A failure leaves no files behind.
pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let url = RemoteUrl::parse(&arguments.url)?;
    if let Some(warning) = url.warning() {
        ui.warn(warning);
    }
    let ssh = session.home.paths.ssh();
    let had_ssh = ssh.exists();
    let was_known = hosts::is_known(session);
    let made = MadeFolders::make(&session.home.paths.platforms())?;
    let staging = session
        .home
        .paths
        .platforms()
        .join(format!("{NEW}{}", state::random_hex(6)?));
    let work = ui.work("definitions");
    let git = session.git_to(Remote::Url(url.address()))?;
    let branch = arguments.branch.as_deref();
    let cloned = Definitions::init_clone(&url, branch, &staging, &git, work.clone()).await;
    let result = match cloned {
        Ok(definitions) => {
            work.finish("cloned");
            adopt(ui, session, &arguments, &url, definitions, &staging).await
        }
        Err(error) => Err(error),
    };
    // Whoever was only followed is there already; what is left of it is removed by the next one.
    drop(std::fs::remove_dir_all(&staging));
    if result.is_ok() {
        made.keep();
        return result;
    }
    if !had_ssh {
        // The shared connection to an engine ends by itself.
        drop(std::fs::remove_dir_all(&ssh));
        drop(ssh.parent().map(std::fs::remove_dir));
    }
    if !was_known {
        hosts::forget(session);
    }
    result
}

async fn adopt(
    ui: &Ui,
    session: &Session,
    arguments: &Arguments,
    url: &RemoteUrl,
    definitions: Definitions,
    staging: &Path,
) -> Result<Exit> {
    let head = definitions.head()?;
    let text = definitions.read(head.id, "platform.yaml")?.ok_or_else(|| {
        Error::definitions(format!(
            "{url} has no platform.yaml: it is not a definitions repository"
        ))
    })?;
    let platform = Platform::parse("platform.yaml", &text)?;
    let name = platform.platform.clone();
    if session.home.paths.definitions(&name).exists() {
        if !arguments.moves {
            return Err(another(session, &name, url)?);
        }
    } else if arguments.moves {
        return Err(
            Error::usage(format!("{name} is not initialised here, so it cannot move"))
                .hint("`devenv init URL` without `--move` initialises it"),
        );
    }
    let trust = trust_file(ui, session, arguments, &definitions, head.id, &name)?;
    if trust.platform != name {
        return Err(Error::trust(format!(
            "the trust file is for the platform `{}`, not for `{name}`",
            trust.platform
        )));
    }
    let host = host(session).await;
    show(ui, &platform, &head, &trust, &host);
    warn_of_insecure(session, ui, &platform);
    let path = session.home.paths.definitions(&name);
    if arguments.moves {
        follow(ui, session, &name, url, &definitions).await?;
    } else {
        let accepted = arguments.accept_keys
            || arguments.trust.is_some()
            || ui.confirm("trust these keys?", "--accept-keys")?;
        if !accepted {
            return Err(Error::trust("the keys were not trusted; nothing was kept"));
        }
    }
    if !arguments.moves {
        file::create_parent(&path)?;
        // First the keys: a clone without them would be there, and of no use.
        file::write(
            &session.home.paths.trust(&name),
            trust.to_yaml()?.as_bytes(),
        )?;
        defaults::pin(session, &platform)?;
        std::fs::rename(staging, &path).at(Kind::Usage, "create", &path)?;
    }
    ui.note("next: `devenv list` shows what there is, `devenv up NAME` starts it");
    ui.json(&serde_json::json!({
        "platform": name, "commit": head.id.to_string(), "registry": platform.registry,
        "threshold": trust.threshold,
        "keys": trust.usable_keys().map(|key| serde_json::json!({ "name": key.name, "sha256": key.fingerprint().to_string() })).collect::<Vec<_>>(),
    }));
    Ok(Exit::Done)
}

/// The kind of host that the engine is on, in words. An engine that does not answer is no error
/// here.
async fn host(session: &Session) -> String {
    let asked = async {
        let (engine, choice) = session.engine()?;
        let engine = engine.with_limit(PATIENCE);
        hosts::ask_host(session, &engine, &choice).await
    };
    match asked.await {
        Ok((host, _)) => format!("{} ({})", host.profile.description, host.profile.name),
        Err(error) => format!("not known: {}", error.chain().join(": ")),
    }
}

/// Shows what is about to be trusted.
fn show(ui: &Ui, platform: &Platform, head: &Commit, trust: &TrustFile, host: &str) {
    let name = &platform.platform;
    ui.note(&format!("platform     {name}"));
    ui.note(&format!(
        "definitions  {} of {}: {}",
        head.id.short(),
        head.time.strftime("%Y-%m-%d"),
        head.subject
    ));
    ui.note(&format!("registry     {}", platform.registry));
    ui.note(&format!("host         {host}"));
    let Workstation {
        environment,
        configuration,
    } = &platform.workstation;
    ui.note(&format!(
        "runs here    what {environment} runs, with the configuration {configuration}"
    ));
    ui.note(&trust.in_words());
}

/// Warns of a registry that nothing proves to be the one.
fn warn_of_insecure(session: &Session, ui: &Ui, platform: &Platform) {
    let settings = &session.home.settings;
    let read_from = settings.registry_mirrors.value.of(&platform.registry);
    let host = read_from.host();
    if settings.insecure_registries.value.contains(host) {
        ui.warn(&format!(
            "`insecure_registries` names {host}: nothing proves that it is the registry; images \
             stay protected by their signatures, a login does not. The engine has a list of its own: \
             `insecure-registries` in its daemon.json"
        ));
    }
}

/// The file that is to be pinned: one that was pinned before, the user's, or the definitions'.
fn trust_file(
    ui: &Ui,
    session: &Session,
    arguments: &Arguments,
    definitions: &Definitions,
    commit: CommitId,
    name: &PlatformName,
) -> Result<TrustFile> {
    if session.home.paths.trust(name).exists() {
        let pinned = session.home.trust(name)?;
        ui.note(&format!(
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
        Error::trust(
            "the definitions have no trust.yaml, so devenv cannot know whose signatures count",
        )
        .hint("`--trust FILE` uses a file that production gave you")
    })?;
    TrustFile::parse("trust.yaml", &text)
}

/// Why a platform that is here cannot be initialised again: a second clone that claims its name is
/// refused, whoever asks.
fn another(session: &Session, name: &PlatformName, url: &RemoteUrl) -> Result<Error> {
    let known = Definitions::open(&session.home.paths.definitions(name), &session.git())?.url()?;
    if known == *url {
        return Ok(Error::usage(format!("{name} is initialised already"))
            .hint("`devenv sync` fetches what is new"));
    }
    Ok(Error::trust(format!(
        "{name} is initialised already from {known}: a second repository must not use its name"
    ))
    .hint("if the repository has moved: `devenv init URL --move` uses the new address and keeps the pinned keys")
    .hint(format!(
        "if it is another platform with that name: `devenv forget {name}` first"
    )))
}

/// Lets the clone that is here follow its server to `url`. What was fetched, proposals and the
/// pinned keys stay; `there` is a clone of what the new address has.
async fn follow(
    ui: &Ui,
    session: &Session,
    name: &PlatformName,
    url: &RemoteUrl,
    there: &Definitions,
) -> Result<()> {
    let path = session.home.paths.definitions(name);
    let mut here = Definitions::open(&path, &session.git_to(Remote::Url(url.address()))?)?;
    let (before, accepted) = (here.url()?, here.head_id()?);
    let mut history = History::Forward;
    if !there.contains(accepted)? {
        let question = format!(
            "{url} does not have commit {}, which came from {before}: use it anyway?",
            accepted.short()
        );
        if !ui.confirm(&question, "--yes")? {
            return Err(Error::trust("the address was not changed"));
        }
        history = History::Rewritten;
    }
    here.move_to(url, &there.base_branch()?, history).await?;
    ui.note(&format!("{name} moved from {before} to {url}"));
    Ok(())
}
