//! The address of a definitions repository, and keeping logins out of what is shown.

use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::error::{Error, Result};
use crate::model::secret::Secret;
use crate::model::visible::visible;

/// An address that git can clone from, without the login that it may have been given with.
#[derive(Debug, Clone)]
pub struct RemoteUrl {
    address: String,
    login: Option<UrlLogin>,
    /// A password that ssh would not take was left out.
    lost_password: bool,
}

/// The login that an address for the web carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlLogin {
    /// The user's name, or a token.
    pub user: String,
    /// The password or a token; `None` where a credential helper is to know it.
    pub password: Option<Secret>,
}

/// Two addresses are the same whoever logs in.
impl PartialEq for RemoteUrl {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address
    }
}

/// Whether a name of a user is a token that stands alone, as forges make them.
fn is_token(user: &str) -> bool {
    let begins = ["ghp_", "gho_", "github_pat_", "glpat-", "gldt-"];
    let is_hex = user.len() == 40 && user.chars().all(|c| c.is_ascii_hexdigit());
    is_hex || begins.iter().any(|it| user.starts_with(it))
}

impl RemoteUrl {
    /// Takes `https://`, `http://`, `ssh://`, `git://`, `file://`, `user@host:path` and absolute
    /// paths. Fails with [`crate::error::Kind::Usage`] on all else: on `ext::` and its like, which
    /// run commands, and on relative paths, which would mean another place in each folder.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::usage(format!(
                "`{}` is not an address to clone from: {why}",
                visible(&refused(text))
            ))
            .hint("https://host/path, ssh://user@host/path, user@host:path or an absolute path")
        };
        if text.is_empty() || text.starts_with('-') || text.len() > 2000 {
            return Err(wrong("empty, too long or from a dash"));
        }
        if text.chars().any(|c| c.is_control() || c == ' ') {
            return Err(wrong("it has spaces or control characters"));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return Self::with_scheme(scheme, rest).map_err(|why| wrong(&why));
        }
        if std::path::Path::new(text).is_absolute() {
            return Ok(Self::plain(text));
        }
        match text.split_once(':') {
            Some((host, path)) if !host.is_empty() && !host.contains('/') => {
                let before = path.split('/').next().unwrap_or_default();
                if path.is_empty() || path.starts_with(':') {
                    return Err(wrong("the path is missing"));
                }
                if !host.contains('@') && before.contains('@') {
                    return Err(wrong("ssh takes no password from an address"));
                }
                Ok(Self::plain(text))
            }
            _ => Err(wrong("neither a scheme, a host nor an absolute path")),
        }
    }

    fn plain(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            login: None,
            lost_password: false,
        }
    }

    fn with_scheme(scheme: &str, rest: &str) -> Result<Self, String> {
        if !["https", "http", "ssh", "git", "file"].contains(&scheme) {
            return Err("https, http, ssh, git and file are known".to_owned());
        }
        if rest.is_empty() || rest.starts_with('-') {
            return Err("the host is missing".to_owned());
        }
        if scheme == "file" {
            return Ok(Self::plain(&format!("file://{rest}")));
        }
        let parsed = Url::parse(&format!("{scheme}://{rest}")).map_err(|why| why.to_string())?;
        if parsed
            .host_str()
            .is_none_or(|host| host.is_empty() || host.starts_with('-'))
        {
            return Err("the host is missing".to_owned());
        }
        if parsed.query().is_some() || parsed.fragment().is_some() || rest.contains('\\') {
            return Err(
                "it has a query, a fragment or a backslash: give a token as \
                        https://user:token@host/path, or to a credential helper"
                    .to_owned(),
            );
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (_, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let user = decoded(parsed.username())?;
        let password = parsed.password().map(decoded).transpose()?;
        let has_login = authority.contains('@');
        let is_web = ["https", "http"].contains(&scheme);
        if has_login && scheme == "git" {
            return Err("the git protocol knows no logins".to_owned());
        }
        let at = if has_login && !is_web {
            format!("{}@", parsed.username())
        } else {
            String::new()
        };
        Ok(Self {
            address: format!("{scheme}://{at}{host}/{path}"),
            lost_password: !is_web && password.is_some(),
            login: (has_login && is_web && !user.is_empty()).then(|| UrlLogin {
                user,
                password: password.map(Secret::new),
            }),
        })
    }

    /// The same address with this login.
    pub(super) fn with_login(self, login: Option<UrlLogin>) -> Self {
        Self { login, ..self }
    }

    /// The address as git gets it and as it is shown: without login, for ssh with the user.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The login that the address carried; only for the web.
    pub fn login(&self) -> Option<&UrlLogin> {
        self.login.as_ref()
    }

    /// What there is to say about the password that the address carried.
    pub fn warning(&self) -> Option<&'static str> {
        if self.lost_password {
            return Some("ssh takes no password from an address: it is left out");
        }
        let login = self.login.as_ref()?;
        if login.password.is_none() && !is_token(&login.user) {
            return None;
        }
        Some(
            "the address carries a password or token, which your shell's history may keep: devenv keeps it in \
             a file that only you can read; git's credential helper is the better place",
        )
    }

    /// `https`, `ssh`; `ssh` for `user@host:path`, `file` for a path.
    pub fn scheme(&self) -> &str {
        match self.address.split_once("://") {
            Some((scheme, _)) => scheme,
            None if std::path::Path::new(&self.address).is_absolute() => "file",
            None => "ssh",
        }
    }

    /// The host with its port, when the address has one.
    pub fn host(&self) -> Option<&str> {
        let authority = match self.address.split_once("://") {
            Some(("file", _)) => return None,
            Some((_, rest)) => rest.split('/').next()?,
            None if self.scheme() == "file" => return None,
            None => self.address.split(':').next()?,
        };
        Some(authority.rsplit('@').next().unwrap_or(authority))
    }
}

fn decoded(part: &str) -> Result<String, String> {
    let text = percent_decode_str(part).decode_utf8();
    let text = text.map_err(|_| "its login is not UTF-8".to_owned())?;
    if text.chars().any(char::is_control) {
        return Err("its login has control characters".to_owned());
    }
    Ok(text.into_owned())
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// What may be shown of a text that is no address: nothing that could be a secret.
fn refused(text: &str) -> String {
    let text = redact(text);
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let text = &text[..end];
    match text.rsplit_once('@') {
        Some((before, after)) if before.contains(':') && !text.contains("://") => after.to_owned(),
        _ => text.to_owned(),
    }
}

/// `text` with the login of every address in it removed (of ssh only the password), and the values
/// of secrets in its query. What is no well-formed address loses everything up to its last `@`.
pub(super) fn redact(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let scheme_is_ssh = rest[..start].ends_with("ssh");
        let (before, after) = rest.split_at(start + 3);
        clean.push_str(before);
        let end = after.find(char::is_whitespace).unwrap_or(after.len());
        let (address, more) = after.split_at(end);
        let authority = address.find(['/', '?', '#', '\\']).unwrap_or(address.len());
        let login = match address[..authority].rfind('@') {
            Some(at) => Some(at),
            None if is_host(&address[..authority]) => None,
            None => address.rfind('@'),
        };
        let shown = login.map_or(address, |at| &address[at + 1..]);
        if let (Some(at), true) = (login, scheme_is_ssh) {
            clean.push_str(address[..at].split(':').next().unwrap_or_default());
            clean.push('@');
        }
        push_without_secrets(&mut clean, shown);
        rest = more;
    }
    clean.push_str(rest);
    clean
}

/// Parts of the names of parameters whose values are secrets.
const SECRETS: [&str; 7] = ["token", "secret", "pass", "key", "auth", "sig", "cred"];

fn push_without_secrets(clean: &mut String, address: &str) {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    clean.push_str(path);
    let parameters = query.split('&').filter(|it| !it.is_empty());
    for (index, parameter) in parameters.enumerate() {
        clean.push(if index == 0 { '?' } else { '&' });
        let (name, _) = parameter.split_once('=').unwrap_or((parameter, ""));
        let lower = name.to_ascii_lowercase();
        if SECRETS.iter().any(|it| lower.contains(it)) {
            clean.extend([name, "=…"]);
        } else {
            clean.push_str(parameter);
        }
    }
}

/// Whether this can be `host` or `host:port`, whatever a sentence puts around it.
fn is_host(authority: &str) -> bool {
    let host = authority.trim_end_matches(['\'', '"', '`', '>', ')', ',', '.', ':']);
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    host.ends_with(']') || port.bytes().all(|byte| byte.is_ascii_digit())
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
        assert_eq!(
            redact("no https://h/x?private_token=s3'cret&ref=1"),
            "no https://h/x?private_token=…&ref=1"
        );
        for kept in [
            "visit https://h/x/-/merge_requests/new?merge_request%5Bsource_branch%5D=b",
            "fatal: repository 'https://h/x.git/' not found",
            "see <https://h:8443/@scope/x>, or https://h: it says so",
        ] {
            assert_eq!(redact(kept), kept);
        }
    }

    #[test]
    fn whatever_a_password_is_made_of() {
        for password in [
            "p'w", "p\"w", "p`w", "p<w", "p@w", "p:w", "a%2Fw", "p%27w", ">p)w", "p;w$(id)",
        ] {
            let text = format!("https://anna:{password}@git.acme.example:8443/p.git");
            let url = RemoteUrl::parse(&text).unwrap();
            let decoded = percent_decode_str(password).decode_utf8().unwrap();
            let login = url.login().unwrap();
            assert_eq!(login.user, "anna", "{text}");
            assert_eq!(login.password.as_ref().unwrap().expose(), decoded, "{text}");
            assert_eq!(url.address(), "https://git.acme.example:8443/p.git");
            let said = redact(&format!("fatal: unable to access '{text}/': no"));
            assert_eq!(
                said,
                "fatal: unable to access 'https://git.acme.example:8443/p.git/': no"
            );
            assert!(url.warning().is_some());
        }
    }

    #[test]
    fn what_cannot_be_an_address_is_refused_and_its_password_not_shown() {
        for text in [
            "https://anna:pw/w0rd@h/x",
            "https://h/x?private_token=w0rd",
            "https://anna:w0rd@h/x?ref=1",
            "https://h/x#w0rd",
            "https://anna:w0rd@h\\@evil/x",
            "ftp://anna:w0rd@h/x",
            "git://anna:w0rd@h/x",
            "https://anna:w0rd%0a@h/x",
            "anna:w0rd@h:x",
        ] {
            let error = RemoteUrl::parse(text).unwrap_err();
            assert!(!error.to_string().contains("w0rd"), "{error}");
        }
    }

    #[test]
    fn a_user_alone_is_no_password() {
        let url = RemoteUrl::parse("https://anna@bitbucket.example/p.git").unwrap();
        assert_eq!(url.login().unwrap().user, "anna");
        assert_eq!(url.login().unwrap().password, None);
        assert_eq!(url.warning(), None);
        let url = RemoteUrl::parse("ssh://git:pw@h:22/x").unwrap();
        assert_eq!(url.address(), "ssh://git@h:22/x");
        assert!(url.warning().unwrap().contains("ssh"));
        assert_eq!(RemoteUrl::parse("git@h:x").unwrap().scheme(), "ssh");
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
    }
}
