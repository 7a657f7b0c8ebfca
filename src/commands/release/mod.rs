//! `devenv release`: production's side.

pub mod build;
pub mod key;
pub mod promote;
pub mod reference;
pub mod renew;
pub mod rollback;
pub mod sign;
pub mod trust;
pub mod verify;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};

use crate::cache::Cache;
use crate::context::{Context, OpenPlatform};
use crate::definitions::Definitions;
use crate::error::{Error, Kind, PathContext, Result};
use crate::exit::Exit;
use crate::model::secret::Secret;
use crate::registry::Registry;
use crate::release::ledger::{LIFETIME, Manner, Outcome};
use crate::release::{Desk, Side};
use crate::trust::keys::SigningKey;
use crate::ui::release::ReleaseProgress;

/// The environment variable that holds the passphrase of the signing key.
const PASSPHRASE: &str = "DEVENV_KEY_PASSPHRASE";

/// Build, sign, publish and promote what production runs
///
/// For operators: it takes the right to push to the registry and to the definitions, and a signing
/// key that the platform trusts. In order: `build` each container, `reference` to pin them all,
/// `promote` the reference through the environments. Each command can be interrupted and run again.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Key(key::Arguments),
    Build(build::Arguments),
    Reference(reference::Arguments),
    Promote(promote::Arguments),
    Rollback(rollback::Arguments),
    Renew(renew::Arguments),
    Sign(sign::Arguments),
    Trust(trust::Arguments),
    Verify(verify::Arguments),
}

/// What signing takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Signing")]
pub struct Signing {
    /// The signing key: a file from `devenv release key` or cosign
    #[arg(long, env = "DEVENV_KEY", value_name = "FILE")]
    key: PathBuf,
    /// A file with the key's passphrase; else `DEVENV_KEY_PASSPHRASE`, else it is asked for
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// How a ledger is written.
#[derive(Debug, Args)]
pub struct Writing {
    /// How long the ledger vouches for being the latest
    #[arg(long, value_name = "DAYS", default_value_t = LIFETIME.as_hours() / 24, value_parser = clap::value_parser!(i64).range(1..=3650))]
    days: i64,
    /// Replace a reservation that another operator left unfinished (asks first)
    #[arg(long)]
    take_over: bool,
}

impl Writing {
    fn manner(&self) -> Manner {
        Manner {
            lifetime: SignedDuration::from_hours(self.days * 24),
            take_over: self.take_over,
        }
    }
}

impl Signing {
    /// Opens the key. Files and the variable go first; then it asks.
    fn open(&self, context: &Context) -> Result<SigningKey> {
        let pem = std::fs::read_to_string(&self.key).at(Kind::Usage, "read", &self.key)?;
        let pem = Secret::new(pem);
        let passphrase = if SigningKey::needs_passphrase(pem.expose()) {
            Some(passphrase(context, self.passphrase_file.as_ref(), false)?)
        } else {
            None
        };
        SigningKey::from_pem(&pem, passphrase.as_ref())
            .map_err(|error| error.within(format!("cannot use {}", self.key.display())))
    }
}

/// The passphrase: from a file, from the environment, or typed (twice where it is new).
fn passphrase(context: &Context, file: Option<&PathBuf>, is_new: bool) -> Result<Secret> {
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).at(Kind::Usage, "read", path)?;
        return Ok(Secret::new(text.trim_end_matches(['\r', '\n'])));
    }
    if let Some(text) = context.environment.get(PASSPHRASE) {
        return Ok(Secret::new(text));
    }
    let instead = format!("`--passphrase-file FILE`, or the variable {PASSPHRASE}");
    let ask = |question: &str| context.ui.ask_secret(question, &instead);
    let first = ask("passphrase of the signing key")?;
    if is_new && ask("once more")? != first {
        return Err(Error::usage("the two passphrases differ"));
    }
    Ok(first)
}

/// What an operation works with, as the context gives it.
struct Office<'a> {
    open: OpenPlatform,
    definitions: Definitions,
    registry: Registry,
    cache: Cache,
    proxies: BTreeMap<String, Secret>,
    progress: ReleaseProgress<'a>,
    context: &'a Context,
}

impl<'a> Office<'a> {
    fn open(context: &'a Context) -> Result<Self> {
        let open = context.open()?;
        Ok(Self {
            definitions: context.definitions(&open.name)?,
            open,
            registry: context
                .registry_itself()
                .ok_or_else(|| Error::usage("releasing needs the network"))?,
            cache: context.cache(),
            proxies: context.build_arguments()?,
            progress: ReleaseProgress::new(&context.ui),
            context,
        })
    }

    fn desk(&mut self) -> Desk<'_> {
        Desk {
            definitions: &mut self.definitions,
            registry: Some(&self.registry),
            trust: &self.open.trust,
            cache: &self.cache,
            paths: &self.context.paths,
            clock: Timestamp::now,
            proxies: self.proxies.clone(),
            reporter: &self.progress,
            side: Side::Production,
        }
    }
}

/// What every ledger operation prints.
fn show_ledger(context: &Context, outcome: &Outcome) -> Result<Exit> {
    let (ledger, status, missing) = match outcome {
        Outcome::Declined => return Err(Error::usage("nothing was changed")),
        Outcome::Already(ledger) => (ledger, "already", 0),
        Outcome::Published(ledger, missing) => (ledger, "published", *missing),
    };
    let number = ledger.current().map(|entry| entry.number);
    let digest = ledger.current().map(|entry| entry.digest);
    let ui = &context.ui;
    ui.json(&serde_json::json!({
        "outcome": status, "environment": ledger.environment, "reference": number, "digest": digest,
        "sequence": ledger.sequence, "expires": ledger.expires, "missing_signatures": missing,
    }));
    let verb = if status == "already" {
        "runs reference"
    } else {
        "now runs reference"
    };
    ui.data(&format!(
        "{} {verb} {} (sequence {}, until {})",
        ledger.environment,
        number.unwrap_or_default(),
        ledger.sequence,
        ledger.expires.strftime("%Y-%m-%d")
    ));
    warn_of_missing(context, missing);
    Ok(Exit::Done)
}

/// With a threshold above one, a release counts only once others have signed it too.
fn warn_of_missing(context: &Context, missing: usize) {
    if missing > 0 {
        let s = if missing == 1 { "" } else { "s" };
        context.ui.warn(&format!(
            "{missing} more signature{s} by other keys must be added before anybody can use it"
        ));
    }
}

/// Runs one of them.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    match arguments.command {
        Command::Key(arguments) => key::run(context, &arguments),
        Command::Build(arguments) => build::run(context, arguments).await,
        Command::Reference(arguments) => reference::run(context, arguments).await,
        Command::Promote(arguments) => promote::run(context, arguments).await,
        Command::Rollback(arguments) => rollback::run(context, arguments).await,
        Command::Renew(arguments) => renew::run(context, arguments).await,
        Command::Sign(arguments) => sign::run(context, arguments).await,
        Command::Trust(arguments) => trust::run(context, arguments).await,
        Command::Verify(arguments) => verify::run(context, arguments).await,
    }
}
