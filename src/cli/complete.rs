//! Names while a command is typed: only from local files, never from a network or an engine.
//!
//! Whatever cannot be read gives no names. An error would land in the middle of somebody's command
//! line.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use crate::cli::help::TOPICS;
use crate::definitions::known::{Known, KnownContainer};
use crate::definitions::{self, Definitions, Git};
use crate::home::environment::Environment;
use crate::home::file;
use crate::home::paths::Paths;
use crate::home::settings::variables::COMPLETE;
use crate::home::settings::{Flags, Settings};
use crate::home::snapshots::Snapshots;
use crate::instance::pin::REFERENCE;
use crate::model::catalogue::WORKSTATION;
use crate::model::container::Kind;
use crate::model::name::{
    ContainerName, EnvironmentName, InstanceName, PlatformName, SnapshotName,
};
use crate::model::platform::Platform;
use crate::verify::trust::policy::LedgerSeen;

/// Answers a shell that asks for completions; false when this is an ordinary run.
pub fn answer(
    command: impl Fn() -> clap::Command,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<bool, clap::Error> {
    let folder = std::env::current_dir().ok();
    CompleteEnv::with_factory(|| with_help(command()))
        .var(COMPLETE)
        .try_complete(arguments, folder.as_deref())
}

/// The command line where `help` is followed by commands and topics.
fn with_help(program: clap::Command) -> clap::Command {
    let commands = program.get_subcommands().filter(|it| !it.is_hide_set());
    let commands =
        commands.map(|it| named(&it.get_name(), it.get_about().map(ToString::to_string)));
    let topics = TOPICS
        .iter()
        .map(|it| named(&it.name, Some(it.about().to_owned())));
    let mut subjects: Vec<Named> = commands.chain(topics).collect();
    subjects.sort();
    subjects.dedup_by(|a, b| a.0 == b.0);
    program.mut_subcommand("help", |help| {
        help.mut_arg("subject", |it| {
            it.add(ArgValueCompleter::new(move |typed: &OsStr| {
                matching(typed, subjects.clone())
            }))
        })
    })
}

/// Completes names of containers and bundles.
pub fn names() -> ArgValueCompleter {
    completer(with_bundles)
}

/// The same, and after `NAME:` the released versions of that container.
pub fn names_and_versions() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let give = match typed.to_str().and_then(|it| it.split_once(':')) {
            Some((name, _)) => Local::open().map(|local| versions_of(&local, name)),
            None => Local::open().map(|local| with_bundles(&local)),
        };
        matching(typed, give.unwrap_or_default())
    })
}

/// Completes names of containers.
pub fn container_names() -> ArgValueCompleter {
    completer(containers)
}

/// Everything that has a definition, bases too.
pub fn definitions() -> ArgValueCompleter {
    completer(|local| defined(local).into_iter().map(|(_, named)| named).collect())
}

/// Completes names of environments.
pub fn environments() -> ArgValueCompleter {
    completer(|local| {
        let environments = &local.platform.environments;
        environments.iter().map(|name| named(name, None)).collect()
    })
}

/// Configurations: environments, and what developers have for themselves.
pub fn configurations() -> ArgValueCompleter {
    completer(|local| {
        let environments = local.platform.environments.iter();
        environments
            .map(|name| named(name, None))
            .chain([(WORKSTATION.to_owned(), None)])
            .collect()
    })
}

/// Numbers of references, newest first, with the environments that run them.
pub fn references() -> ArgValueCompleter {
    completer(references_of)
}

/// Platforms that were initialised.
pub fn platforms() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let platforms = Place::find().map(|place| place.platforms());
        matching(
            typed,
            platforms
                .unwrap_or_default()
                .iter()
                .map(|name| named(name, None)),
        )
    })
}

/// Completes names of snapshots, with the references that they are from.
pub fn snapshots() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let snapshots = || {
            let place = Place::find()?;
            let all = Snapshots::of(&place.paths, &place.platform()?);
            let from = |name: &SnapshotName| {
                let number = all.load(name).ok()?.reference;
                Some(format!("of reference {number}"))
            };
            let names = all.names().ok()?.into_iter();
            Some(names.map(|it| named(&it, from(&it))).collect::<Vec<_>>())
        };
        matching(typed, snapshots().unwrap_or_default())
    })
}

/// Instances that were used.
pub fn instances() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let instances = || {
            let place = Place::find()?;
            let entries = std::fs::read_dir(place.paths.instances(&place.platform()?)).ok()?;
            let names = entries.filter_map(|entry| {
                let name = entry.ok()?.file_name().into_string().ok()?;
                InstanceName::new(name.strip_suffix(".json")?).ok()
            });
            Some(names.map(|name| named(&name, None)).collect::<Vec<_>>())
        };
        matching(typed, instances().unwrap_or_default())
    })
}

/// A name with what the shell may show beside it.
type Named = (String, Option<String>);

fn named(name: &impl ToString, help: Option<String>) -> Named {
    (name.to_string(), help)
}

fn completer(give: impl Fn(&Local) -> Vec<Named> + Send + Sync + 'static) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let found = Local::open().map(|local| give(&local));
        matching(typed, found.unwrap_or_default())
    })
}

fn matching(typed: &OsStr, names: impl IntoIterator<Item = Named>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    names
        .into_iter()
        .filter(|(name, _)| name.starts_with(&*typed))
        .enumerate()
        .map(|(order, (name, help))| {
            // Shells sort by themselves unless they are told.
            CompletionCandidate::new(name)
                .help(help.map(|it| crate::model::visible::visible(&it).into()))
                .display_order(Some(order))
        })
        .collect()
}

/// Where devenv keeps things, and what the words typed so far say.
struct Place {
    paths: Paths,
    settings: Settings,
}

impl Place {
    fn find() -> Option<Self> {
        let environment = Environment::read();
        let paths = Paths::locate(&environment).ok()?;
        let words: Vec<String> = std::env::args_os()
            .filter_map(|word| word.into_string().ok())
            .collect();
        let variable = environment.get("DEVENV_PLATFORM").map(ToOwned::to_owned);
        let platform = option(&words, "--platform").or(variable);
        let flags = Flags {
            platform: platform.and_then(|name| PlatformName::new(name).ok()),
            host: None,
        };
        let settings = Settings::resolve(&paths, &flags).ok()?;
        Some(Self { paths, settings })
    }

    fn platforms(&self) -> Vec<PlatformName> {
        let entries = std::fs::read_dir(self.paths.trust_folder());
        let mut names: Vec<PlatformName> = entries
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let name = entry.ok()?.file_name().into_string().ok()?;
                PlatformName::new(name.strip_suffix(".yaml")?).ok()
            })
            .collect();
        names.sort();
        names
    }

    /// The one that is named, or the only one.
    fn platform(&self) -> Option<PlatformName> {
        let named = self.settings.platform.value.clone();
        named.or_else(|| match self.platforms().as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        })
    }
}

/// The value of an option among the words typed so far.
fn option(words: &[String], name: &str) -> Option<String> {
    let next = words.iter().skip(1).map(Some).chain([None]);
    words
        .iter()
        .zip(next)
        .find_map(|(word, next)| match word.strip_prefix(name)? {
            "" => next.cloned(),
            rest => rest.strip_prefix('=').map(ToOwned::to_owned),
        })
}

/// The definitions as last fetched.
struct Local {
    place: Place,
    path: PathBuf,
    git: Git,
    containers: Vec<KnownContainer>,
    platform: Platform,
}

impl Local {
    fn open() -> Option<Self> {
        let place = Place::find()?;
        let path = place.paths.definitions(&place.platform()?);
        let git = Git::new([], definitions::Options::default());
        let known = Known::of(&path, &git).ok()?;
        let platform = Platform::parse("platform.yaml", known.platform.as_bytes()).ok()?;
        Some(Self {
            place,
            path,
            git,
            containers: known.containers,
            platform,
        })
    }
}

fn with_bundles(local: &Local) -> Vec<Named> {
    let bundles = local.platform.bundles.iter();
    let bundles = bundles.map(|(name, members)| {
        let members: Vec<&str> = members.iter().map(ContainerName::as_str).collect();
        (name.to_string(), Some(members.join(", ")))
    });
    containers(local).into_iter().chain(bundles).collect()
}

/// `NAME:VERSION` as reserved in git, newest first; last what ends such a choice.
fn versions_of(local: &Local, container: &str) -> Vec<Named> {
    let definitions = Definitions::open(&local.path, &local.git);
    let versions = definitions.and_then(|it| it.versions(container));
    let versions = versions.unwrap_or_default().into_iter().rev();
    let all = versions.chain([REFERENCE.to_owned()]);
    all.map(|version| named(&format!("{container}:{version}"), None))
        .collect()
}

/// All but bases, which are never run.
fn containers(local: &Local) -> Vec<Named> {
    let runs = |(kind, _): &(Kind, Named)| *kind != Kind::Base;
    let found = defined(local).into_iter().filter(runs);
    found.map(|(_, named)| named).collect()
}

fn defined(local: &Local) -> Vec<(Kind, Named)> {
    let containers = local.containers.iter();
    containers
        .map(|it| (it.kind, named(&it.name, it.description.clone())))
        .collect()
}

/// From the ledgers that were seen, and the numbers that were reserved in git.
fn references_of(local: &Local) -> Vec<Named> {
    let definitions = Definitions::open(&local.path, &local.git);
    let mut numbers: BTreeMap<u64, Vec<String>> = definitions
        .and_then(|it| it.reference_numbers())
        .unwrap_or_default()
        .into_iter()
        .map(|number| (number, Vec::new()))
        .collect();
    for environment in &local.platform.environments {
        let seen = ledger(local, environment).unwrap_or_default();
        for (index, number) in seen.iter().enumerate() {
            let runs = numbers.entry(*number).or_default();
            if index + 1 == seen.len() {
                runs.push(format!("runs in {environment}"));
            }
        }
    }
    numbers
        .into_iter()
        .rev()
        .map(|(number, runs)| {
            named(
                &number,
                Some(runs.join(", ")).filter(|help| !help.is_empty()),
            )
        })
        .collect()
}

/// The numbers that an environment ran, oldest first.
fn ledger(local: &Local, environment: &EnvironmentName) -> Option<Vec<u64>> {
    let paths = &local.place.paths;
    let path = paths.ledger_seen(&local.platform.platform, environment);
    let seen: LedgerSeen = file::load(&path).ok()??;
    Some(seen.entries.iter().map(|entry| entry.number).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_found_among_the_words() {
        let words = |text: &str| -> Vec<String> {
            text.split_whitespace().map(ToOwned::to_owned).collect()
        };
        let platform = |text| option(&words(text), "--platform");
        assert_eq!(platform("devenv --platform acme up b"), Some("acme".into()));
        assert_eq!(platform("devenv up --platform=acme b"), Some("acme".into()));
        assert_eq!(platform("devenv up --platforms x"), None);
        assert_eq!(platform("devenv up --platform"), None);
    }
}
