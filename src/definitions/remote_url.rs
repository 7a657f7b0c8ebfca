//! The address of a definitions repository, and keeping its password out of what is shown.

use std::fmt;

use crate::error::{Error, Result};

/// An address that git can clone from. Shown without password; for http without the user as well,
/// since forges take tokens there.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteUrl(String);

impl RemoteUrl {
    /// Takes `https://`, `http://`, `ssh://`, `git://`, `file://`, `user@host:path` and absolute
    /// paths. Fails with [`crate::error::Kind::Usage`] on all else: on `ext::` and its like, which
    /// run commands, and on relative paths, which would mean another place in each folder.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Err(Error::usage(format!(
                "`{}` is not an address to clone from: {why}",
                redact(&text.escape_default().to_string())
            ))
            .hint("https://host/path, ssh://user@host/path, user@host:path or an absolute path"))
        };
        if text.is_empty() || text.starts_with('-') || text.len() > 2000 {
            return wrong("empty, too long or from a dash");
        }
        if text.chars().any(|c| c.is_control() || c == ' ') {
            return wrong("it has spaces or control characters");
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            let known = ["https", "http", "ssh", "git", "file"].contains(&scheme);
            let rest_ok = !rest.is_empty() && !rest.starts_with('-');
            return match (known, rest_ok) {
                (true, true) => Ok(Self(text.to_owned())),
                (false, _) => wrong("https, http, ssh, git and file are known"),
                (true, false) => wrong("the host is missing"),
            };
        }
        if std::path::Path::new(text).is_absolute() {
            return Ok(Self(text.to_owned()));
        }
        match text.split_once(':') {
            Some((host, path))
                if !host.is_empty()
                    && !host.contains('/')
                    && !path.is_empty()
                    && !path.starts_with(':') =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => wrong("neither a scheme, a host nor an absolute path"),
        }
    }

    /// The whole address, with what secrets it has: for git alone.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// The host with its port, when the address has one.
    pub fn host(&self) -> Option<&str> {
        let authority = match self.0.split_once("://") {
            Some(("file", _)) => return None,
            Some((_, rest)) => rest.split('/').next()?,
            None if self.0.starts_with('/') => return None,
            None => self.0.split(':').next()?,
        };
        Some(authority.rsplit('@').next().unwrap_or(authority))
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.0))
    }
}

impl fmt::Debug for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&redact(&self.0), f)
    }
}

/// `text` with the user information of every address in it removed; of ssh only the password.
pub(super) fn redact(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let scheme_is_ssh = rest[..start].ends_with("ssh");
        let (before, after) = rest.split_at(start + 3);
        clean.push_str(before);
        let end = after
            .find(|c: char| c == '/' || c.is_whitespace() || "'\"`?#<>".contains(c))
            .unwrap_or(after.len());
        let authority = &after[..end];
        if let Some((user, host)) = authority.rsplit_once('@') {
            if scheme_is_ssh {
                clean.push_str(user.split(':').next().unwrap_or_default());
                clean.push('@');
            }
            clean.push_str(host);
        } else {
            clean.push_str(authority);
        }
        rest = &after[end..];
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let url = RemoteUrl::parse("https://anna:s3cret@git.acme.example/p.git").unwrap();
        assert_eq!(url.to_string(), "https://git.acme.example/p.git");
        assert!(!format!("{url:?}").contains("s3cret"));
        assert_eq!(url.host(), Some("git.acme.example"));
        assert_eq!(
            redact("cannot reach 'ssh://git:pw@h:22/x' nor http://tok@[::1]:80/y?z=a@b"),
            "cannot reach 'ssh://git@h:22/x' nor http://[::1]:80/y?z=a@b"
        );
    }

    #[test]
    fn what_runs_commands_or_means_nothing_is_refused() {
        for bad in [
            "",
            "-u",
            "ext::sh -c x",
            "ext::id",
            "fd::3",
            "ftp://h/x",
            "relative/path",
            "https://",
            "ssh://-oProxyCommand=id/x",
            "https://h/\u{1b}",
            "host",
        ] {
            assert!(RemoteUrl::parse(bad).is_err(), "{bad}");
        }
        for good in ["git@h:p/q.git", "/srv/p.git", "file:///srv/p.git", "h:p"] {
            assert!(RemoteUrl::parse(good).is_ok(), "{good}");
        }
        let error = RemoteUrl::parse("ftp://a:pw@h/x").unwrap_err();
        assert!(!error.to_string().contains("pw"), "{error}");
    }
}
