//! `devenv server init`

use std::path::PathBuf;

use clap::Args;
use ipnet::Ipv4Net;

use crate::cli::ui::Ui;
use crate::error::{Error, Exit, Kind, PathContext, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::model::image::Repository;
use crate::model::name::{EnvironmentName, InstanceName, VariableName};
use crate::model::trust_file::TrustFile;
use crate::server::{Settings, init};

/// Make this machine a server of one environment
///
/// Writes `server.yaml`, pins the trust file, and writes the units of systemd that run `devenv server
/// apply`. The fingerprints of the keys are shown: compare them with those that you got from production
/// by another channel. From then on only what these keys signed runs here.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where images, references and ledgers are published: HOST[:PORT]/PATH
    #[arg(long, value_name = "PLACE")]
    registry: Repository,
    /// Environment whose ledger is followed
    #[arg(long, value_name = "ENVIRONMENT")]
    environment: EnvironmentName,
    /// File with the keys that count, from production
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
    /// What containers, networks and volumes are named after
    #[arg(long, value_name = "NAME", default_value = "server")]
    name: InstanceName,
    /// Addresses for the networks of generations, in use by nobody else [default: 10.213.0.0/16]
    #[arg(long, value_name = "NETWORK")]
    addresses: Option<Ipv4Net>,
    /// Trust the keys in the file without asking
    #[arg(long)]
    accept_keys: bool,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let text = std::fs::read(&arguments.trust).at(Kind::Usage, "read", &arguments.trust)?;
    let trust = TrustFile::parse(&arguments.trust.display().to_string(), &text)?;
    let named = session.home.settings.platform.value.as_ref();
    if let Some(other) = named.filter(|it| **it != trust.platform) {
        return Err(Error::trust(format!(
            "the trust file is for the platform `{}`, not for `{other}`",
            trust.platform
        )));
    }
    ui.note(&trust.in_words());
    if !arguments.accept_keys && !ui.confirm("trust these keys?", "--accept-keys")? {
        return Err(Error::trust("the keys were not trusted; nothing was kept"));
    }
    let made = init(
        session,
        &Settings {
            registry: arguments.registry,
            environment: arguments.environment,
            name: arguments.name,
            addresses: arguments.addresses,
        },
        &trust,
    )
    .await?;
    for path in std::iter::once(&made.file).chain(&made.units) {
        ui.note(&format!("wrote {}", path.display()));
    }
    if let Some(why) = &made.kernel {
        ui.warn(&format!("this machine cannot be a server yet: {why}"));
    }
    made.remarks.iter().for_each(|remark| ui.note(remark));
    ui.note(
        "requests are lost in no change if the proxy's configuration has the line of `devenv help server`; \
         `devenv server check` says whether it has",
    );
    ui.note(&format!(
        "its records are signed: `devenv release trust --add-server NAME.pub`, with a copy of {}, has them believed",
        made.key.display()
    ));
    let (missing, file) = &made.missing;
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(VariableName::as_str).collect();
        let (names, file) = (names.join(", "), file.display());
        ui.warn(&format!(
            "secrets without a value: {names}; write them to {file} (mode 0600)"
        ));
    }
    ui.note(&format!(
        "next: `devenv server apply`, then `{}`",
        enable(&made.units)
    ));
    ui.json(&serde_json::json!({
        "file": made.file, "units": made.units, "reference": made.reference,
        "missing_secrets": missing, "problem": made.kernel, "remarks": made.remarks,
        "key": made.key,
    }));
    Ok(Exit::Done)
}

/// The line that has systemd run the units: by their paths where it does not find them by name.
fn enable(units: &[PathBuf]) -> String {
    let is_found = |it: &PathBuf| it.starts_with("/etc/systemd/system");
    let names = units.iter().map(|it| match it.file_name() {
        Some(name) if is_found(it) => name.to_string_lossy(),
        _ => it.to_string_lossy(),
    });
    let names: Vec<_> = names.collect();
    format!("systemctl enable --now {}", names.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_that_systemd_does_not_find_are_named_by_path() {
        let told = |folder: &str| {
            let names = ["a.service", "a.timer"];
            enable(&names.map(|it| PathBuf::from(folder).join(it)))
        };
        let enabled = "systemctl enable --now a.service a.timer";
        assert_eq!(told("/etc/systemd/system"), enabled);
        let enabled =
            "systemctl enable --now /h/config/systemd/a.service /h/config/systemd/a.timer";
        assert_eq!(told("/h/config/systemd"), enabled);
    }
}
