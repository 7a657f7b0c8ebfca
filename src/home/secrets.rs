//! Values of secret variables: from the user's file or a command in the settings, per configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::path::Path;

use crate::error::{Error, Kind, PathContext, Result};
use crate::home::file::{self, read_trusted};
use crate::home::paths::Paths;
use crate::home::session::Session;
use crate::model::name::{ConfigurationName, PlatformName, VariableName};
use crate::model::secret::Secret;
use crate::model::visible::visible;
use crate::model::yaml;
use crate::system::{Here, System as _, program};

type File = BTreeMap<ConfigurationName, BTreeMap<VariableName, Secret>>;

/// What becomes of a secret that has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// It is asked for on a terminal, and kept.
    Asked,
    /// For a plan: it is told, and stands empty.
    Told,
}

/// The values of `wanted`, by variable.
///
/// # Errors
/// Without a terminal, values that are missing: all are named.
pub async fn values(
    session: &Session,
    platform: &PlatformName,
    configuration: &ConfigurationName,
    wanted: &BTreeSet<VariableName>,
    when_missing: Missing,
) -> Result<BTreeMap<String, Secret>> {
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let path = session.home.paths.secrets(platform);
    let mut file = read(&session.home.paths, &path)?;
    let own = file.entry(configuration.clone()).or_default();
    let commands = session
        .home
        .settings
        .secrets
        .get(platform)
        .and_then(|it| it.get(configuration));
    let mut values = BTreeMap::new();
    let mut missing = Vec::new();
    for name in wanted {
        if let Some(value) = own.get(name) {
            values.insert(name.to_string(), value.clone());
        } else if let Some(source) = commands.and_then(|it| it.get(name)) {
            values.insert(name.to_string(), from_command(name, &source.command).await?);
        } else {
            missing.push(name);
        }
    }
    if missing.is_empty() {
        return Ok(values);
    }
    if when_missing == Missing::Told {
        for name in missing {
            session.reporter.warn(&format!(
                "{name} of configuration {configuration} has no value yet: `up` asks for it"
            ));
            values.insert(name.to_string(), Secret::new(String::new()));
        }
        return Ok(values);
    }
    if !session.reporter.is_interactive() {
        return Err(absent(&missing, configuration, &path));
    }
    for name in missing {
        let question =
            format!("{name} of configuration {configuration} (@FILE: what a file holds)");
        let value = answered(session.reporter.ask_secret(&question, "")?)?;
        own.insert(name.clone(), value.clone());
        values.insert(name.to_string(), value);
    }
    save(&path, &file)?;
    session
        .reporter
        .note(&format!("kept in {}", path.display()));
    Ok(values)
}

/// A prompt takes one line: `@FILE` stands for a file's whole content but its last line break, `@@` for an `@`.
///
/// # Errors
/// A file that cannot be read or is no UTF-8.
fn answered(typed: Secret) -> Result<Secret> {
    let Some(rest) = typed.expose().strip_prefix('@') else {
        return Ok(typed);
    };
    if rest.starts_with('@') {
        return Ok(Secret::new(rest.to_owned()));
    }
    // What was typed may be a secret after all: it is not repeated.
    let text = std::fs::read_to_string(rest).map_err(|cause| {
        Error::usage(format!(
            "the file that was named after @ cannot be read: {cause}"
        ))
        .hint("a value that begins with @ is typed with @@")
    })?;
    Ok(Secret::new(without_last_break(&text).to_owned()))
}

/// Those of `wanted` that have no value. Nobody is asked, and no command is run.
pub fn missing(
    session: &Session,
    platform: &PlatformName,
    configuration: &ConfigurationName,
    wanted: &BTreeSet<VariableName>,
) -> Result<Vec<VariableName>> {
    let paths = &session.home.paths;
    let file = read(paths, &paths.secrets(platform))?;
    let own = file.get(configuration);
    let commands = session.home.settings.secrets.get(platform);
    let commands = commands.and_then(|it| it.get(configuration));
    let has_value = |name: &&VariableName| {
        own.is_some_and(|it| it.contains_key(*name))
            || commands.is_some_and(|it| it.contains_key(*name))
    };
    Ok(wanted.iter().filter(|it| !has_value(it)).cloned().collect())
}

/// What is known of a platform's secrets without asking anybody.
#[derive(Debug)]
pub struct Known {
    /// Values that are written down, of all configurations.
    pub values: Vec<Secret>,
    /// Names of those that a command gives.
    pub of_commands: Vec<String>,
}

/// The values of the user's own file. Nobody is asked, and no command is run.
///
/// # Errors
/// A file that cannot be read, or that others may read.
pub fn known(session: &Session, platform: &PlatformName) -> Result<Known> {
    let paths = &session.home.paths;
    let file = read(paths, &paths.secrets(platform))?;
    let commands = session.home.settings.secrets.get(platform);
    let names: BTreeSet<String> = commands
        .into_iter()
        .flat_map(BTreeMap::values)
        .flat_map(|it| it.keys().map(ToString::to_string))
        .collect();
    Ok(Known {
        values: file.into_values().flat_map(BTreeMap::into_values).collect(),
        of_commands: names.into_iter().collect(),
    })
}

/// The values of the user's own file, of all configurations, and those that the commands of this one give, by
/// their names. Nobody is asked, but by such a command.
///
/// # Errors
/// A file that cannot be read, or that others may read; a command that fails.
pub async fn named(
    session: &Session,
    platform: &PlatformName,
    configuration: &ConfigurationName,
) -> Result<Vec<(String, Secret)>> {
    let paths = &session.home.paths;
    let file = read(paths, &paths.secrets(platform))?;
    let own = file.into_values().flatten();
    let mut found: Vec<(String, Secret)> = own.map(|(name, it)| (name.to_string(), it)).collect();
    let commands = session.home.settings.secrets.get(platform);
    for (name, source) in commands
        .and_then(|it| it.get(configuration))
        .into_iter()
        .flatten()
    {
        let value = from_command(name, &source.command).await?;
        found.push((name.to_string(), value));
    }
    Ok(found)
}

fn absent(missing: &[&VariableName], configuration: &ConfigurationName, path: &Path) -> Error {
    let names: Vec<_> = missing.iter().map(|name| name.as_str()).collect();
    let lines = names.join(
        ": …
  ",
    );
    Error::usage(format!(
        "no value for the secret {} of configuration `{configuration}`",
        names.join(", ")
    ))
    .hint(format!("write it to {} (mode 0600):", path.display()))
    .detail(format!("{configuration}:\n  {lines}: …"))
}

fn read(paths: &Paths, path: &Path) -> Result<File> {
    let Some(text) = read_trusted(Kind::Usage, paths, path)? else {
        return Ok(File::new());
    };
    refuse_if_others_read(path)?;
    let read = yaml::read_secret(Kind::Usage, &path.display().to_string(), &text);
    read.map_err(|error| {
        error.hint("its values are text in quotes: `recette: { DB_PASSWORD: \"…\" }`")
    })
}

fn refuse_if_others_read(path: &Path) -> Result<()> {
    let metadata = std::fs::metadata(path).at(Kind::Usage, "read", path)?;
    let Some(mode) = Here::mode(&metadata).filter(|mode| mode.trailing_zeros() < 6) else {
        return Ok(());
    };
    Err(Error::usage(format!(
        "{} can be read by others (mode {:04o})",
        path.display(),
        mode & 0o7777
    ))
    .hint(format!("chmod 600 {}", path.display())))
}

fn save(path: &Path, file: &File) -> Result<()> {
    let plain: BTreeMap<_, BTreeMap<_, _>> = file
        .iter()
        .map(|(configuration, values)| {
            (
                configuration,
                values
                    .iter()
                    .map(|(name, value)| (name, value.expose()))
                    .collect(),
            )
        })
        .collect();
    file::write(path, yaml::write(&plain)?.as_bytes())
}

/// How many of the last lines of a failing command's messages are shown.
const SHOWN: usize = 10;

/// What a command of the user's own settings prints, but the line break at its end.
async fn from_command(name: &VariableName, command: &[String]) -> Result<Secret> {
    let refuse = |why: &str| Error::usage(format!("the command for the secret {name} {why}"));
    let (first, arguments) = command.split_first().ok_or_else(|| refuse("is empty"))?;
    // On a terminal it may ask for something there.
    let is_watched = std::io::stdin().is_terminal();
    let mut child = tokio::process::Command::from(program(first));
    child
        .args(arguments)
        .stdin(std::process::Stdio::inherit())
        .stderr(if is_watched {
            std::process::Stdio::inherit()
        } else {
            std::process::Stdio::piped()
        });
    let output = child
        .output()
        .await
        .map_err(|error| refuse(&format!("(`{first}`) cannot be run")).because(error))?;
    if !output.status.success() {
        let refusal = refuse(&format!("(`{first}`) failed: {}", output.status));
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<String> = said.lines().map(visible).collect();
        let end = &lines[lines.len().saturating_sub(SHOWN)..];
        return Err(if end.is_empty() {
            refusal
        } else {
            refusal.detail(end.join("\n"))
        });
    }
    let text = String::from_utf8(output.stdout).map_err(|_| refuse("printed no text"))?;
    match without_last_break(&text) {
        "" => Err(refuse(&format!("(`{first}`) printed nothing"))),
        value => Ok(Secret::new(value)),
    }
}

fn without_last_break(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[tokio::test]
    async fn what_a_failing_command_says_is_shown() {
        if std::io::stdin().is_terminal() {
            return;
        }
        let name = VariableName::new("DB_PASSWORD").unwrap();
        let script = "printf 'oo\\033ps\\n' >&2; exit 3";
        let command = ["sh", "-c", script].map(ToOwned::to_owned);
        let error = from_command(&name, &command).await.unwrap_err();
        assert!(error.to_string().contains("failed: exit status: 3"));
        assert!(error.details()[0].starts_with("oo"), "{error:?}");
        assert!(!error.details()[0].contains('\u{1b}'), "{error:?}");
    }

    #[test]
    fn an_answer_may_be_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("tls.key");
        std::fs::write(&key, "-----BEGIN\nabc\n-----END\n").unwrap();
        let said = |typed: String| answered(Secret::new(typed)).map(|it| it.expose().to_owned());
        let file = format!("@{}", key.display());
        assert_eq!(said(file).unwrap(), "-----BEGIN\nabc\n-----END");
        assert_eq!(said("secret@home".to_owned()).unwrap(), "secret@home");
        assert_eq!(said("@@home".to_owned()).unwrap(), "@home");
        let absent = said("@assword".to_owned()).unwrap_err();
        assert!(format!("{absent:?}").contains("@@"), "{absent:?}");
        assert!(!format!("{absent:?}").contains("assword"), "{absent:?}");
    }

    #[test]
    fn a_commands_output_counts_as_a_whole() {
        for (printed, value) in [
            ("one\n", "one"),
            ("one\r\n", "one"),
            ("one", "one"),
            (
                "-----BEGIN-----\nabc\n-----END-----\n",
                "-----BEGIN-----\nabc\n-----END-----",
            ),
            ("one\n\n", "one\n"),
            ("\n", ""),
        ] {
            assert_eq!(without_last_break(printed), value, "{printed:?}");
        }
    }
}
