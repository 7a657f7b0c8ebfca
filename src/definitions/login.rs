//! Logins that git's own helpers keep: a credential store, the system's keyring.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::git::Git;
use super::transport::hardened::Hardened;
use crate::model::secret::Secret;

/// How long a helper may take: a keyring may have to be opened by the user.
const PATIENCE: Duration = Duration::from_secs(15);

/// Bytes that are read of an answer.
const LONGEST: u64 = 64 * 1024;

/// A login for a web server.
#[derive(Debug, Clone)]
pub struct Login {
    /// Whose.
    pub user: String,
    /// The password or token.
    pub secret: Secret,
}

impl Git {
    /// What `git credential fill` knows for an `https://` address, without asking anybody; none
    /// where there is no `git` program or no helper knows it.
    pub async fn stored_login(&self, url: &str) -> Option<Login> {
        if url.contains(['\n', '\0']) {
            return None;
        }
        let git = Hardened::find(self.environment().clone(), PATIENCE).ok()?;
        let mut command = git.command(None);
        command
            .args(["-c", "core.askPass=", "credential", "fill"])
            .env("GIT_ASKPASS", "")
            .env("SSH_ASKPASS", "")
            .env("GCM_INTERACTIVE", "never")
            .stdin(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let mut stdin = child.stdin.take()?;
        let asked = format!("url={url}\n\n");
        stdin.write_all(asked.as_bytes()).await.ok()?;
        drop(stdin);
        let mut output = Vec::new();
        let mut stdout = child.stdout.take()?.take(LONGEST);
        let ended = async {
            stdout.read_to_end(&mut output).await?;
            // One that has more to say ends when nobody reads.
            drop(stdout);
            child.wait().await
        };
        let status = tokio::time::timeout(PATIENCE, ended).await.ok()?.ok()?;
        status.success().then(|| parse(&output))?
    }
}

/// The `key=value` lines of git-credential(1).
fn parse(output: &[u8]) -> Option<Login> {
    let text = String::from_utf8_lossy(output);
    let find = |key: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    };
    Some(Login {
        user: find("username")?.to_owned(),
        secret: Secret::new(find("password").filter(|it| !it.is_empty())?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_helper() {
        let found = parse(b"protocol=https\nhost=h\nusername=anna\npassword=a=b\n").unwrap();
        assert_eq!(found.user, "anna");
        assert_eq!(found.secret.expose(), "a=b");
        assert!(parse(b"username=anna\n").is_none());
        assert!(parse(b"username=anna\npassword=\n").is_none());
    }
}
