//! Where git really goes: addresses as the user's configuration of git and ssh rewrites them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::git::Git;
use super::remote_url::RemoteUrl;
use super::repository::Definitions;
use super::runner::{self, Runner, chosen_ssh};
use crate::error::Result;
use crate::system::{Here, System as _};

/// How long git or ssh may think about their configuration (which may run programs).
const PATIENCE: Duration = Duration::from_secs(10);

/// Hosts that large forges have for ssh alone, and the forge.
const SSH_ALONE: [(&str, &str); 3] = [
    ("ssh.github.com", "github.com"),
    ("altssh.gitlab.com", "gitlab.com"),
    ("altssh.bitbucket.org", "bitbucket.org"),
];

impl Git {
    /// A line that the program answers about its configuration; `None` where there is none, and
    /// without the program.
    fn configured(&self, clone: Option<&Path>, arguments: &[&str]) -> Option<String> {
        let git = Runner::find(self.environment().clone(), PATIENCE).ok()?;
        git.ask(clone, arguments).ok()?.line()
    }

    /// The address that git goes to for `remote`, an address or the `origin` of a clone:
    /// `url.<base>.insteadOf` may name another. `None` without the git program.
    pub fn rewritten(&self, clone: Option<&Path>, remote: &str) -> Option<RemoteUrl> {
        let url = self.configured(clone, &["ls-remote", "--get-url", "--", remote])?;
        RemoteUrl::parse(&url).ok()
    }

    /// The file of certificate authorities that git's configuration names for an address.
    pub fn authorities_at(&self, clone: Option<&Path>, url: &str) -> Option<PathBuf> {
        let question = [
            "config",
            "--type=path",
            "--get-urlmatch",
            "http.sslCAInfo",
            url,
        ];
        self.configured(clone, &question).map(PathBuf::from)
    }

    /// The host that ssh goes to for one that its configuration may know as an alias.
    fn ssh_host(&self, user_and_host: &str) -> Option<String> {
        let environment = self.environment();
        let mut command = match chosen_ssh(environment) {
            Some(line) if Path::new(&line).is_file() => Command::new(line),
            Some(line) => Here::command_line(&line),
            None => Command::new("ssh"),
        };
        command.env_clear().envs(environment.of_programs());
        command.args(["-G", "--", user_and_host]);
        let answer = runner::run(command, b"", PATIENCE).ok()?;
        let text = String::from_utf8(answer.stdout).ok()?;
        let host = text
            .lines()
            .find_map(|line| line.strip_prefix("hostname "))?;
        (answer.success && !host.is_empty()).then(|| host.to_owned())
    }

    /// The address with the host that ssh really goes to.
    fn without_alias(&self, url: RemoteUrl) -> Result<RemoteUrl> {
        let Some(authority) = url.host().filter(|_| url.scheme() == "ssh") else {
            return Ok(url);
        };
        let (alias, _) = authority.rsplit_once(':').unwrap_or((authority, ""));
        let before = url.address().split_once(authority).map_or("", |it| it.0);
        let user = before.trim_start_matches("ssh://");
        let named = self.ssh_host(&format!("{user}{alias}"));
        let host = named.unwrap_or_else(|| alias.to_owned());
        let forge = SSH_ALONE.iter().find(|(known, _)| *known == host);
        let host = forge.map_or(host.as_str(), |(_, forge)| forge);
        // A name that ssh finds by its number is the name that certificates have.
        let is_number = alias.contains('.') && host.parse::<IpAddr>().is_ok();
        if is_number || host.eq_ignore_ascii_case(alias) {
            return Ok(url);
        }
        RemoteUrl::parse(&url.address().replacen(alias, host, 1))
    }
}

impl Definitions {
    /// The address of the server itself, whatever the user's git and ssh call it.
    pub fn resolved_url(&self) -> Result<RemoteUrl> {
        let rewritten = self.git.rewritten(Some(&self.path), "origin");
        self.git.without_alias(match rewritten {
            Some(url) => url,
            None => self.url()?,
        })
    }
}
