//! `devenv release trust`

use std::path::PathBuf;

use clap::Args;

use super::{Office, Signing};
use crate::complete;
use crate::context::Context;
use crate::error::{Error, Kind, PathContext, Result};
use crate::exit::Exit;
use crate::model::digest::Digest;
use crate::model::name::EnvironmentName;
use crate::model::public_key::PublicKey;
use crate::model::trust_file::TrustedKey;
use crate::release::succession::{Change, Outcome};
use crate::state;

/// Make and sign the next trust file: other keys, another threshold, revocations
///
/// It counts once as many of the keys *before* it have signed as they demand (`release sign trust`).
/// Developers then take it with `devenv trust update`; for new ones, put it into the definitions
/// (`--write`). A retired key's old signatures stay good, a revoked key's do not.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Trust one more key: its public half, named after the file (repeatable)
    #[arg(long, value_name = "NAME.pub")]
    add: Vec<PathBuf>,
    /// Let a key sign nothing from now on (repeatable)
    #[arg(long, value_name = "NAME")]
    retire: Vec<String>,
    /// Void everything that a key ever signed: it was stolen (repeatable)
    #[arg(long, value_name = "NAME")]
    revoke: Vec<String>,
    /// Void one image or signed document (repeatable)
    #[arg(long, value_name = "SHA256:…")]
    revoke_digest: Vec<Digest>,
    /// How many keys must sign
    #[arg(long, value_name = "N")]
    threshold: Option<usize>,
    /// Refuse ledgers below this sequence; a new lowest sequence also resets what machines have seen
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

/// Makes, signs, publishes.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let change = Change {
        add: arguments.add.iter().map(key).collect::<Result<_>>()?,
        retire: arguments.retire,
        revoke: arguments.revoke,
        revoke_digests: arguments.revoke_digest,
        threshold: arguments.threshold,
        minimum_sequences: arguments.minimum_sequence.into_iter().collect(),
    };
    let mut office = Office::open(context)?;
    let key = arguments.signing.open(context)?;
    let (next, missing) = match office.desk().succeed(&key, &change).await? {
        Outcome::Declined => return Err(Error::usage("no trust file was made")),
        Outcome::Published(next, missing) => (next, missing),
    };
    if let Some(path) = &arguments.write {
        state::write_atomically(path, next.to_yaml()?.as_bytes())?;
    }
    context.ui.json(&serde_json::json!({
        "root_version": next.root_version, "threshold": next.threshold,
        "missing_signatures": missing,
    }));
    let text = format!("published root version {}", next.root_version);
    context.ui.data(&text);
    super::warn_of_missing(context, missing);
    context.ui.note(if missing > 0 {
        "next: devenv release sign trust, with another of the keys pinned now"
    } else {
        "next: devenv trust update, here and on every workstation"
    });
    Ok(Exit::Done)
}
