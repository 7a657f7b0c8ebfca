//! Values of secret variables: from the user's file or a command in the settings, per configuration.

use std::collections::{BTreeMap, BTreeSet};

use crate::context::Context;
use crate::error::{Error, Kind, PathContext, Result};
use crate::model::name::{ConfigurationName, PlatformName, VariableName};
use crate::model::secret::Secret;
use crate::model::yaml;
use crate::system::{Here, System as _};

type File = BTreeMap<ConfigurationName, BTreeMap<VariableName, Secret>>;

/// The values of `wanted`. Missing ones are asked for once on a terminal and kept; otherwise the
/// error names all of them.
pub async fn values(
    context: &Context,
    platform: &PlatformName,
    configuration: &ConfigurationName,
    wanted: &BTreeSet<VariableName>,
) -> Result<BTreeMap<String, Secret>> {
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let path = context.paths.secrets(platform);
    let mut file = read(&path)?;
    let own = file.entry(configuration.clone()).or_default();
    let commands = context
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
    if !context.ui.is_interactive() {
        return Err(absent(&missing, configuration, &path));
    }
    for name in missing {
        let value = context
            .ui
            .ask_secret(&format!("{name} of configuration {configuration}"), "")?;
        own.insert(name.clone(), value.clone());
        values.insert(name.to_string(), value);
    }
    save(&path, &file)?;
    context.ui.note(&format!("kept in {}", path.display()));
    Ok(values)
}

fn absent(
    missing: &[&VariableName],
    configuration: &ConfigurationName,
    path: &std::path::Path,
) -> Error {
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

fn read(path: &std::path::Path) -> Result<File> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(File::new()),
        Err(error) => return Err(error).at(Kind::Usage, "read", path),
    };
    refuse_if_others_read(path)?;
    let read = yaml::read_secret(Kind::Usage, &path.display().to_string(), &text);
    read.map_err(|error| {
        error.hint("its values are text in quotes: `recette: { DB_PASSWORD: \"…\" }`")
    })
}

fn refuse_if_others_read(path: &std::path::Path) -> Result<()> {
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

fn save(path: &std::path::Path, file: &File) -> Result<()> {
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
    crate::state::write_atomically(path, yaml::write(&plain)?.as_bytes())
}

/// The first line that a command of the user's own settings prints.
async fn from_command(name: &VariableName, command: &[String]) -> Result<Secret> {
    let refuse = |why: &str| Error::usage(format!("the command for the secret {name} {why}"));
    let (program, arguments) = command.split_first().ok_or_else(|| refuse("is empty"))?;
    let mut child = tokio::process::Command::new(program);
    child
        .args(arguments)
        .stdin(std::process::Stdio::inherit())
        .stderr(std::process::Stdio::inherit());
    let output = child
        .output()
        .await
        .map_err(|error| refuse(&format!("(`{program}`) cannot be run")).because(error))?;
    if !output.status.success() {
        return Err(refuse(&format!("(`{program}`) failed: {}", output.status)));
    }
    let text = String::from_utf8(output.stdout).map_err(|_| refuse("printed no text"))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(refuse(&format!("(`{program}`) printed nothing")));
    }
    Ok(Secret::new(line))
}
