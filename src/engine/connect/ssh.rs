//! How the `ssh` program is called for an engine: for its connections, and for forwarded ports.
//!
//! Source: docker/cli `cli/connhelper` (arguments, `docker system dial-stdio`); ssh(1) and
//! `ssh_config`(5).

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::endpoint::Endpoint;
use crate::model::digest::Digest;
use crate::system::{Here, System as _, program};

/// Seconds until a host that does not answer is given up.
const CONNECT_SECONDS: u32 = 20;
/// How long the shared connection outlives the last one that used it.
const PERSIST: &str = "3m";
/// How long `ssh -G` may take, which reads files alone.
const ANSWERS: Duration = Duration::from_secs(2);
/// What a socket's path may be long, less what ssh appends while it makes one.
const LONGEST_SOCKET: usize = 104 - 18;

/// A host that ssh leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshHost {
    /// The user there, when named.
    pub user: Option<String>,
    /// Name or address.
    pub host: String,
    /// Port, when named.
    pub port: Option<u16>,
    /// The folder of sockets of shared connections; without it each connection is made anew.
    pub control: Option<PathBuf>,
}

impl SshHost {
    /// The host of an endpoint that ssh leads to.
    pub fn of(endpoint: &Endpoint) -> Option<Self> {
        match endpoint {
            Endpoint::Ssh {
                user,
                host,
                port,
                control,
                ..
            } => Some(Self {
                user: user.clone(),
                host: host.clone(),
                port: *port,
                control: control.clone(),
            }),
            _ => None,
        }
    }

    /// `ssh`, these options and the host; words of a remote command may follow. It asks nothing, and
    /// ends when the host is silent.
    pub fn command(&self, options: &[&str]) -> Command {
        let mut command = program("ssh");
        command
            .args(["-T", "-x", "-a", "-o", "BatchMode=yes"])
            .args(["-o", &format!("ConnectTimeout={CONNECT_SECONDS}")])
            .args(["-o", "ServerAliveInterval=20"]);
        if let Some(socket) = self.socket() {
            let path = format!("ControlPath=\"{socket}\"");
            command.args(["-o", "ControlMaster=auto", "-o", &path]);
            command.args(["-o", &format!("ControlPersist={PERSIST}")]);
        }
        command.args(options).args(self.place());
        command
    }

    /// Without a shared connection of devenv's own where ssh's configuration has one: that may
    /// have come of a login that asked something.
    #[must_use]
    pub async fn settled(mut self) -> Self {
        if self.control.is_some() && self.shares_connections().await {
            self.control = None;
        }
        self
    }

    /// Source: `ssh -G`, what ssh's own configuration says of the host.
    async fn shares_connections(&self) -> bool {
        let mut command = tokio::process::Command::from(program("ssh"));
        command.arg("-G").args(self.place());
        command.stdin(Stdio::null()).kill_on_drop(true);
        let Ok(Ok(output)) = tokio::time::timeout(ANSWERS, command.output()).await else {
            return false;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().any(|line| {
            line.strip_prefix("controlpath ")
                .is_some_and(|path| path != "none")
        })
    }

    /// What a person types: `ssh -p 22022 me@host`.
    pub fn typed(&self) -> String {
        let port = self.port.map(|port| format!("-p {port} "));
        let user = self.user.as_ref().map(|user| format!("{user}@"));
        let (port, user) = (port.unwrap_or_default(), user.unwrap_or_default());
        format!("ssh {port}{user}{}", self.host)
    }

    /// User, port and host; nothing of it can be taken for an option.
    fn place(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(user) = &self.user {
            words.extend(["-l".to_owned(), user.clone()]);
        }
        if let Some(port) = self.port {
            words.extend(["-p".to_owned(), port.to_string()]);
        }
        words.extend(["--".to_owned(), self.host.clone()]);
        words
    }

    /// Where the shared connection listens; `None` where the path would be too long for one.
    fn socket(&self) -> Option<String> {
        if !Here::SHARED_SSH {
            return None;
        }
        let folder = self.control.as_ref()?;
        let place = self.place().join("\n");
        let path = folder.join(Digest::of(place.as_bytes()).short());
        let path = path.to_str()?;
        if path.len() > LONGEST_SOCKET || path.contains(['"', '\n']) {
            return None;
        }
        Some(path.replace('%', "%%"))
    }
}

/// `docker system dial-stdio` as the words of a remote command, which a shell there reads.
pub(in crate::engine) fn dial_stdio(socket: Option<&str>) -> Vec<String> {
    let mut words = vec!["docker".to_owned()];
    if let Some(socket) = socket {
        let host = format!("unix://{socket}").replace('\'', "'\\''");
        words.push(format!("--host='{host}'"));
    }
    words.extend(["system", "dial-stdio"].map(ToOwned::to_owned));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &Command) -> Vec<String> {
        let words = command.get_args().map(|it| it.to_str().unwrap().to_owned());
        words.collect()
    }

    #[test]
    fn nothing_of_an_address_becomes_an_option() {
        let mut host = SshHost {
            user: Some("-oProxyCommand=x".to_owned()),
            host: "vm".to_owned(),
            port: Some(22022),
            control: None,
        };
        let words = words(&host.command(&["-N"]));
        let at = words.iter().position(|it| it == "-l").unwrap();
        assert_eq!(
            words[at - 1..],
            ["-N", "-l", "-oProxyCommand=x", "-p", "22022", "--", "vm"]
        );
        host.user = Some("me".to_owned());
        assert_eq!(host.typed(), "ssh -p 22022 me@vm");
    }

    #[test]
    fn a_connection_is_shared_where_a_socket_can_be() {
        let mut host = SshHost {
            user: None,
            host: "vm".to_owned(),
            port: None,
            control: Some(PathBuf::from("/run/me 100%/ssh")),
        };
        let shared = words(&host.command(&[])).join(" ");
        assert!(
            shared.contains("ControlPath=\"/run/me 100%%/ssh/"),
            "{shared}"
        );
        host.control = Some(PathBuf::from(format!("/{}", "x".repeat(90))));
        assert!(!words(&host.command(&[])).join(" ").contains("ControlPath"));
    }

    #[test]
    fn a_far_shell_gets_the_socket_in_one_word() {
        assert_eq!(dial_stdio(None).join(" "), "docker system dial-stdio");
        assert_eq!(
            dial_stdio(Some("/run/it's; x.sock")).join(" "),
            "docker --host='unix:///run/it'\\''s; x.sock' system dial-stdio"
        );
    }
}
