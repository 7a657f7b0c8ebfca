//! Logins that git's own helpers keep: a credential store, the system's keyring.

use super::git::Git;
use super::runner::{self, Runner};
use crate::model::secret::Secret;

/// A login for a web server.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user's name there.
    pub user: String,
    /// The password or token.
    pub secret: Secret,
}

impl Git {
    /// What `git credential fill` knows for an `https://` address; none where there is no `git`
    /// program or no helper knows it. A helper may ask the user where there is one at a terminal.
    pub async fn stored_login(&self, url: &str) -> Option<Login> {
        if url.contains(['\n', '\0']) {
            return None;
        }
        let patience = self.helper_patience();
        let git = Runner::find(self.environment().clone(), patience).ok()?;
        let mut command = git.command(None);
        command.args(["-c", "core.askPass=", "credential", "fill"]);
        command.env("GIT_ASKPASS", "").env("SSH_ASKPASS", "");
        if !self.is_watched() {
            command.env("GCM_INTERACTIVE", "never");
        }
        let asked = format!("url={url}\n\n");
        let answer =
            tokio::task::spawn_blocking(move || runner::run(command, asked.as_bytes(), patience));
        let answer = self.waiting_for("git's credential helper", answer).await;
        let answer = answer.ok()?.ok()?;
        answer.success.then(|| parse(&answer.stdout))?
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
