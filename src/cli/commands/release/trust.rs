//! `devenv release trust`

use std::path::PathBuf;

use clap::Args;

use super::signing::Signing;
use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::error::{Error, Exit, Kind, PathContext, Result};
use crate::home::file;
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::model::digest::Digest;
use crate::model::name::EnvironmentName;
use crate::model::public_key::PublicKey;
use crate::model::trust_file::TrustedKey;
use crate::release::Desk;
use crate::release::succession::{Change, Outcome};

/// Make and sign the next trust file: other keys, another threshold, revocations
///
/// It counts when as many keys of the file before have signed it as that file demands (`devenv release
/// sign trust`). Developers then pin it with `devenv trust update`; for new workstations commit it to
/// the definitions (`--write`). Old signatures of a retired key stay valid, those of a revoked key do
/// not.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Trust this public key too; its name is that of the file (repeatable)
    #[arg(long, value_name = "NAME.pub")]
    add: Vec<PathBuf>,
    /// Believe what the server with this public key tells of itself; its name is that of the file
    /// (repeatable)
    #[arg(long, value_name = "NAME.pub")]
    add_server: Vec<PathBuf>,
    /// Believe this server no longer (repeatable)
    #[arg(long, value_name = "NAME")]
    remove_server: Vec<String>,
    /// Do not accept new signatures of this key (repeatable)
    #[arg(long, value_name = "NAME")]
    retire: Vec<String>,
    /// Accept no signature of this key any more, because it was stolen (repeatable)
    #[arg(long, value_name = "NAME")]
    revoke: Vec<String>,
    /// Refuse this image or signed document (repeatable)
    #[arg(long, value_name = "SHA256:…")]
    revoke_digest: Vec<Digest>,
    /// How many keys must sign
    #[arg(long, value_name = "N")]
    threshold: Option<usize>,
    /// Refuse ledgers with a lower sequence; workstations forget what they saw of it before
    #[arg(long, value_name = "ENVIRONMENT=N", value_parser = minimum, add = complete::environments())]
    minimum_sequence: Vec<(EnvironmentName, u64)>,
    /// Write the file here as well, to be committed as `trust.yaml`
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    #[command(flatten)]
    signing: Signing,
}

fn minimum(text: &str) -> Result<(EnvironmentName, u64), String> {
    let wrong = || format!("`{text}` is not ENVIRONMENT=N");
    let (name, number) = text.split_once('=').ok_or_else(wrong)?;
    Ok((
        EnvironmentName::new(name)?,
        number.parse().map_err(|_| wrong())?,
    ))
}

fn key(path: &PathBuf) -> Result<TrustedKey> {
    let text = std::fs::read_to_string(path).at(Kind::Usage, "read", path)?;
    let key = PublicKey::from_pem(&text)
        .map_err(|wrong| Error::usage(format!("{}: {wrong}", path.display())))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(TrustedKey {
        name: name.into_owned(),
        key,
        from: None,
        until: None,
    })
}

pub(super) async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let change = Change {
        add: arguments.add.iter().map(key).collect::<Result<_>>()?,
        add_servers: arguments
            .add_server
            .iter()
            .map(|path| key(path).map(|it| (it.name, it.key)))
            .collect::<Result<_>>()?,
        remove_servers: arguments.remove_server,
        retire: arguments.retire,
        revoke: arguments.revoke,
        revoke_digests: arguments.revoke_digest,
        threshold: arguments.threshold,
        minimum_sequences: arguments.minimum_sequence.into_iter().collect(),
    };
    let open = session.open()?;
    let mut desk = Desk::production(session, &open)?;
    let key = arguments.signing.open(ui, session)?;
    let (next, missing) = match desk.succeed(&key, &change).await? {
        Outcome::Declined => return Err(Error::usage("no trust file was made")),
        Outcome::Published(next, missing) => (next, missing),
    };
    if let Some(path) = &arguments.write {
        file::write(path, next.to_yaml()?.as_bytes())?;
    }
    ui.json(&serde_json::json!({
        "root_version": next.root_version, "threshold": next.threshold,
        "missing_signatures": missing,
    }));
    let text = format!("published root version {}", next.root_version);
    ui.data(&text);
    super::outcome::warn_of_missing(ui, missing);
    ui.note(if missing > 0 {
        "next: devenv release sign trust, with another of the keys pinned now"
    } else {
        "next: devenv trust update, here and on every workstation"
    });
    Ok(Exit::Done)
}
