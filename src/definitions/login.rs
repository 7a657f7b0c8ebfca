//! The login that an address carried, kept beside the clone: git gets it as a credential, and no
//! address, argument or message has it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::remote_url::{RemoteUrl, UrlLogin};
use crate::error::{Kind, PathContext, Result};
use crate::model::secret::Secret;

/// The file in the clone's folder: lines as git-credential(1) has them. Mode 0600.
const FILE: &str = "devenv-login";

/// A login that is kept in a clone.
pub(super) struct KeptLogin {
    /// The server that gets it, and no other: `https://host:port`.
    server: String,
    pub(super) login: UrlLogin,
    file: PathBuf,
}

/// What is kept in the clone at `repository`, if anything.
pub(super) fn kept_login(repository: &Path) -> Option<KeptLogin> {
    let file = repository.join(FILE);
    let text = std::fs::read_to_string(&file).ok()?;
    let value = |key: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    };
    Some(KeptLogin {
        server: format!("{}://{}", value("protocol")?, value("host")?),
        login: UrlLogin {
            user: value("username")?.to_owned(),
            password: value("password").map(Secret::new),
        },
        file,
    })
}

/// Keeps the login of `url`, where it has one, in the clone at `repository`.
pub(super) fn keep_login(repository: &Path, url: &RemoteUrl) -> Result<()> {
    let (Some(login), Some(host)) = (url.login(), url.host()) else {
        return Ok(());
    };
    let file = repository.join(FILE);
    let write = || {
        let mut made = tempfile::NamedTempFile::new_in(repository)?;
        let scheme = url.scheme();
        write!(
            made,
            "protocol={scheme}\nhost={host}\nusername={}\n",
            login.user
        )?;
        if let Some(password) = &login.password {
            writeln!(made, "password={}", password.expose())?;
        }
        made.persist(&file)?;
        Ok(())
    };
    write().at(Kind::Git, "write", &file)
}

/// Keeps no login any more.
pub(super) fn forget_login(repository: &Path) -> Result<()> {
    let file = repository.join(FILE);
    match std::fs::remove_file(&file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).at(Kind::Git, "remove", &file)
        }
        _ => Ok(()),
    }
}

impl KeptLogin {
    /// Whether an address is on the server that the login is for.
    pub(super) fn is_for(&self, url: &str) -> bool {
        let rest = url.strip_prefix(self.server.as_str());
        rest.is_some_and(|it| it.is_empty() || it.starts_with('/'))
    }

    /// How git is told: its user by name, its password by a helper of one line that other helpers do
    /// not come before, and which keeps what it has when a server refuses it.
    pub(super) fn settings(&self) -> Vec<String> {
        let of = |key: &str| format!("credential.{}.{key}", self.server);
        let mut settings = vec![format!("{}={}", of("username"), self.login.user)];
        if self.login.password.is_some() {
            let file = self.file.to_string_lossy().replace('\\', "/");
            let file = file.replace('\'', r"'\''");
            settings.push(format!("{}=", of("helper")));
            settings.push(format!(
                "{}=!f() {{ test \"$1\" = get && cat '{file}'; }}; f",
                of("helper")
            ));
        }
        settings
    }
}
