//! `devenv config`

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::ui::Ui;
use crate::cli::ui::table::{Cell, table};
use crate::error::{Exit, Result};
use crate::home::environment::Environment;
use crate::home::hosts;
use crate::home::session::Session;
use crate::home::settings::variables::VARIABLES;
use crate::home::settings::{Origin, Setting, Settings};

/// Show every setting and its origin, the folders in use, and which engine was chosen and why
///
/// Settings come from `settings.yaml` (its path is shown); options and their variables override it.
/// The values of secrets are never shown. `devenv help settings` explains each setting.
#[derive(Debug, Args)]
pub struct Arguments {}

#[derive(Debug, Serialize)]
struct Shown {
    settings: Vec<ShownSetting>,
    paths: Vec<ShownPath>,
    engine: Engine,
    variables: Vec<ShownVariable>,
}

#[derive(Debug, Serialize)]
struct ShownSetting {
    name: String,
    value: Option<String>,
    origin: String,
}

#[derive(Debug, Serialize)]
struct ShownPath {
    name: &'static str,
    path: PathBuf,
    exists: bool,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Engine {
    Chosen {
        endpoint: String,
        chosen_by: String,
        /// `None` until the engine was asked once.
        profile: Option<String>,
        profile_because: Option<String>,
    },
    /// The configured engine is not one: the error's text.
    Refused { error: String },
}

#[derive(Debug, Serialize)]
struct ShownVariable {
    name: &'static str,
    meaning: &'static str,
    is_set: bool,
    /// `None` where it is not set, or may hold a password.
    value: Option<String>,
}

/// Prints the configuration; nothing is contacted.
pub fn run(ui: &Ui, session: &Session, _: &Arguments) -> Result<Exit> {
    let shown = Shown {
        settings: settings(&session.home.settings),
        paths: paths(session),
        engine: engine(session)?,
        variables: variables(&session.home.environment),
    };
    ui.json(&shown);
    show(ui, &shown);
    Ok(Exit::Done)
}

/// `None` where the list is empty.
fn list(it: &impl ToString) -> Option<String> {
    Some(it.to_string()).filter(|text| !text.is_empty())
}

fn commands(commands: &[Vec<String>]) -> Option<String> {
    let lines: Vec<String> = commands.iter().map(|words| words.join(" ")).collect();
    Some(lines.join(", ")).filter(|text| !text.is_empty())
}

fn settings(settings: &Settings) -> Vec<ShownSetting> {
    fn shown<T>(
        name: &str,
        setting: &Setting<T>,
        text: impl Fn(&T) -> Option<String>,
    ) -> ShownSetting {
        ShownSetting {
            name: name.to_owned(),
            value: text(&setting.value),
            origin: setting.origin.to_string(),
        }
    }
    let path = |it: &Option<PathBuf>| Some(it.as_ref()?.display().to_string());
    let mut all = vec![
        shown("platform", &settings.platform, |it| {
            it.as_ref().map(ToString::to_string)
        }),
        shown("host", &settings.host, |it| {
            it.as_deref().map(without_password)
        }),
        shown("profile", &settings.profile, Clone::clone),
        shown("publish_address", &settings.publish_address, |it| {
            it.map(|address| address.to_string())
        }),
        shown("forward", &settings.forward, |it| Some(it.to_string())),
        shown("git", &settings.git, |it| Some(it.to_string())),
        shown("extra_ca", &settings.extra_ca, path),
        shown("concurrency", &settings.concurrency, |it| {
            Some(it.to_string())
        }),
        shown("ledger_grace_days", &settings.ledger_grace, |it| {
            Some((it.as_hours() / 24).to_string())
        }),
        shown("registry_mirrors", &settings.registry_mirrors, list),
        shown("insecure_registries", &settings.insecure_registries, list),
        shown("definitions_signers", &settings.definitions_signers, path),
        shown("definitions_limit", &settings.definitions_limit, |it| {
            Some(it.to_string())
        }),
        shown("git_variables", &settings.git_variables, |it| {
            Some(it.join(" ")).filter(|text| !text.is_empty())
        }),
        shown("scanners", &settings.scanners, |it| commands(it)),
    ];
    all.extend(settings.forges.iter().map(|(platform, root)| ShownSetting {
        name: format!("forges.{platform}"),
        value: Some(without_password(root)),
        origin: secrets_origin(settings),
    }));
    for (platform, configurations) in &settings.secrets {
        for (configuration, variables) in configurations {
            all.extend(variables.keys().map(|variable| ShownSetting {
                name: format!("secrets.{platform}.{configuration}.{variable}"),
                // Its arguments may hold what must not be shown.
                value: Some("from a command".to_owned()),
                origin: secrets_origin(settings),
            }));
        }
    }
    all
}

/// Only the user's file can name them.
fn secrets_origin(settings: &Settings) -> String {
    settings.file.as_ref().map_or_else(
        || Origin::Default.to_string(),
        |path| Origin::File(path.clone()).to_string(),
    )
}

fn paths(session: &Session) -> Vec<ShownPath> {
    let paths = &session.home.paths;
    let shown = |name: &'static str, path: &Path| ShownPath {
        name,
        exists: path.exists(),
        path: path.to_owned(),
    };
    let mut all = vec![
        shown("settings", &paths.settings()),
        shown("profiles", &paths.profiles()),
        shown("trust", &paths.trust_folder()),
        shown("platforms", &paths.platforms()),
        shown("cache", paths.cache()),
        shown("state", paths.state()),
    ];
    if let Ok(name) = session.home.platform_name() {
        all.extend([
            shown("definitions", &paths.definitions(&name)),
            shown("pinned keys", &paths.trust(&name)),
            shown("secrets", &paths.secrets(&name)),
            shown("overrides", &paths.overrides(&name)),
            shown("instances", &paths.instances(&name)),
        ]);
    }
    all
}

fn engine(session: &Session) -> Result<Engine> {
    Ok(match session.engine() {
        Ok((_, choice)) => {
            let known = hosts::known_profile(session, &choice.endpoint)?;
            let (profile, because) = known.unzip();
            Engine::Chosen {
                endpoint: choice.endpoint.to_string(),
                chosen_by: choice.chosen_by.to_string(),
                profile,
                profile_because: because,
            }
        }
        Err(error) => Engine::Refused {
            error: error.chain().join(": "),
        },
    })
}

fn variables(environment: &Environment) -> Vec<ShownVariable> {
    let shown = VARIABLES.iter().map(|variable| ShownVariable {
        name: variable.name,
        meaning: variable.meaning,
        is_set: environment.is_set(variable.name),
        value: environment
            .get(variable.name)
            .filter(|_| variable.shown)
            .map(without_password),
    });
    shown.collect()
}

/// An address without the password in it: `https://user:…@host` → `https://user@host`.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{host}{}", &rest[end..])
        }
        None => text.to_owned(),
    }
}

fn show(ui: &Ui, shown: &Shown) {
    let (ui, style) = (ui, ui.style());
    let rows: Vec<Vec<Cell>> = shown
        .settings
        .iter()
        .map(|it| {
            let value = it.value.clone().unwrap_or_else(|| "-".to_owned());
            [it.name.clone(), value, it.origin.clone()]
                .map(Cell::from)
                .into()
        })
        .collect();
    ui.data(&table(style, &["SETTING", "VALUE", "FROM"], &rows));
    let rows: Vec<Vec<Cell>> = shown
        .paths
        .iter()
        .map(|it| {
            let there = if it.exists { "" } else { "(not there yet)" };
            let path = it.path.display().to_string();
            vec![Cell::from(it.name), Cell::from(path), Cell::from(there)]
        })
        .collect();
    ui.data(&format!("\n{}", table(style, &["PATH", "", ""], &rows)));
    ui.data(&match &shown.engine {
        Engine::Chosen {
            endpoint,
            chosen_by,
            profile,
            profile_because,
        } => {
            let profile = match (profile, profile_because) {
                (Some(profile), Some(because)) => format!("{profile}, because: {because}"),
                _ => "not known yet: `devenv status` asks the engine".to_owned(),
            };
            format!("\nengine {endpoint}, chosen by: {chosen_by}\nhost profile {profile}")
        }
        Engine::Refused { error } => format!("\nengine: none: {error}"),
    });
    let rows: Vec<Vec<Cell>> = shown
        .variables
        .iter()
        .map(|it| {
            let value = match (&it.value, it.is_set) {
                (Some(value), _) => value.clone(),
                (None, true) => "(set)".to_owned(),
                (None, false) => "-".to_owned(),
            };
            vec![
                Cell::from(it.name),
                Cell::from(value),
                Cell::from(it.meaning),
            ]
        })
        .collect();
    ui.data(&format!(
        "\n{}",
        table(style, &["VARIABLE", "VALUE", "MEANING"], &rows)
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_never_shown() {
        assert_eq!(
            without_password("tcp://u:secret@h:2375/x"),
            "tcp://u@h:2375/x"
        );
        assert_eq!(
            without_password("unix:///var/run/docker.sock"),
            "unix:///var/run/docker.sock"
        );
        let given = [
            ("HTTPS_PROXY", "http://u:secret@proxy"),
            ("DEVENV_KEY_PASSPHRASE", "secret"),
            ("DOCKER_HOST", "tcp://u:secret@h"),
        ];
        let environment =
            Environment::from_variables(given.map(|(name, value)| (name.to_owned(), value.into())));
        let text = serde_json::to_string(&variables(&environment)).unwrap();
        assert!(!text.contains("secret"), "{text}");
        assert!(text.contains("tcp://u@h"), "{text}");
    }

    #[test]
    fn every_flag_with_a_variable_is_listed() {
        use clap::CommandFactory;
        let command = crate::cli::commands::Cli::command();
        for variable in command.get_arguments().filter_map(clap::Arg::get_env) {
            assert!(
                VARIABLES.iter().any(|it| it.name == variable),
                "{} is not in settings/variables.rs",
                variable.display()
            );
        }
    }
}
