//! The key that a server signs with what it tells of itself. It can sign no release: `trust.yaml` lists
//! it under `servers`.

use ring::rand::SystemRandom;

use crate::error::{Error, Kind, PathContext, Result};
use crate::home::file;
use crate::home::paths::Paths;
use crate::home::session::Session;
use crate::model::facets::record::Record;
use crate::model::secret::Secret;
use crate::system::{Here, System as _};
use crate::verify::trust::bundle::{RECORD_TYPE, sign_as};
use crate::verify::trust::keys::SigningKey;

/// This server's key; made where there is none yet, with its public half beside it.
///
/// # Errors
/// A file that others can change, or that is no key.
pub(super) fn own(paths: &Paths) -> Result<SigningKey> {
    let path = paths.server_key();
    if let Some(pem) = file::read_trusted(Kind::Trust, paths, &path)? {
        let pem = Secret::new(String::from_utf8_lossy(&pem));
        return SigningKey::from_pem(&pem, None)
            .map_err(|error| error.within(format!("cannot use {}", path.display())));
    }
    let key = SigningKey::generate(&SystemRandom::new())?;
    file::write(&path, key.to_pem()?.expose().as_bytes())?;
    let public = path.with_extension("pub");
    file::write(&public, key.public().to_pem().as_bytes())?;
    Here::set_mode(&public, 0o644).at(Kind::Usage, "change", &public)?;
    Ok(key)
}

/// A record as this server vouches for it: a Sigstore bundle.
///
/// # Errors
/// Those of [`own`]; a record that is too large.
pub fn signed(session: &Session, record: &Record) -> Result<Vec<u8>> {
    let payload =
        serde_json::to_vec(record).map_err(|error| Error::bug("a record").because(error))?;
    sign_as(RECORD_TYPE, &payload, &own(&session.home.paths)?)
}
