//! Connections through the ssh program: `docker system dial-stdio` at the far side, as the docker client
//! does it. (`ssh -W` to a socket needs OpenSSH 9.4; older ones open a shell instead.)

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use super::dial::Dialler;
use super::lost::Lost;
use crate::engine::connect::endpoint::Endpoint;
use crate::engine::connect::ssh::{SshHost, dial_stdio};
use crate::error::{Error, Kind, PathContext, Result};
use crate::model::visible::visible;
use crate::system::{Duplex, Here, System as _};

/// How long one connection may take to be made, the far docker client's start included.
const LIMIT: Duration = Duration::from_secs(30);
/// How long ssh may take to say why it ended.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Of what ssh says, this much is kept.
const MOST_WORDS: u64 = 8 << 10;
/// Proves that an engine answers; an answer to `HEAD` has no body, whatever it says.
const QUESTION: &[u8] = b"HEAD /_ping HTTP/1.1\r\nHost: engine\r\n\r\n";

struct Tunnel {
    host: SshHost,
    name: String,
    /// The engine's socket there; without it the far docker client chooses.
    socket: Option<String>,
    /// How the host is called, once a call led to the engine.
    settled: OnceCell<SshHost>,
}

/// Connections to an [`Endpoint::Ssh`].
pub(super) fn dialler(endpoint: &Endpoint) -> Result<Dialler> {
    let (Some(host), Endpoint::Ssh { socket, .. }) = (SshHost::of(endpoint), endpoint) else {
        return Err(Error::bug(format!("{endpoint} is not reached by ssh")));
    };
    if let Some(folder) = &host.control {
        // Only its owner may use the shared connections in it.
        Here::create_private(folder).at(Kind::Engine, "create", folder)?;
    }
    let tunnel = Arc::new(Tunnel {
        host,
        name: endpoint.to_string(),
        socket: socket.clone(),
        settled: OnceCell::new(),
    });
    Ok(Dialler::new(move || {
        let tunnel = Arc::clone(&tunnel);
        async move { tunnel.connection().await }.boxed()
    }))
}

impl Tunnel {
    async fn connection(&self) -> io::Result<Box<dyn Duplex>> {
        let made = async {
            let mut first = None;
            let settled = self.settled.get_or_try_init(async || {
                let (host, pipe) = self.settle().await?;
                first = Some(pipe);
                Ok::<_, Lost>(host)
            });
            let host = settled.await?;
            match first {
                Some(pipe) => Ok(pipe),
                None => self.open(host).await,
            }
        };
        let made = tokio::time::timeout(LIMIT, made).await.unwrap_or_else(|_| {
            Err(Lost::unreachable(format!(
                "the engine at {} did not answer through ssh within {LIMIT:?}",
                self.name
            )))
        });
        match made {
            Ok(pipe) => Ok(Box::new(pipe)),
            Err(lost) => Err(lost.into_io()),
        }
    }

    /// The first connection, and how the host is called from then on.
    async fn settle(&self) -> Result<(SshHost, Pipe), Lost> {
        let host = self.host.clone().settled().await;
        let pipe = self.open(&host).await?;
        Ok((host, pipe))
    }

    async fn open(&self, host: &SshHost) -> Result<Pipe, Lost> {
        let mut pipe =
            Pipe::start(host, self.socket.as_deref()).map_err(|error| self.no_ssh(&error))?;
        match pipe.prove().await {
            Ok(()) => Ok(pipe),
            Err(error) => {
                let (code, said) = pipe.last_words().await;
                Err(self.explain(code, &said, &error))
            }
        }
    }

    fn no_ssh(&self, error: &io::Error) -> Lost {
        Lost::handshake(
            format!("cannot start ssh for the engine at {}: {error}", self.name),
            "install OpenSSH's client; `ssh -V` shows whether it is there",
        )
    }

    fn explain(&self, code: Option<i32>, said: &str, error: &io::Error) -> Lost {
        let at = &self.name;
        let typed = self.host.typed();
        let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let about =
            |what: &str| format!("cannot reach the engine at {at}: {what}: {}", shown(said));
        if has(&["Host key verification failed", "REMOTE HOST IDENTIFICATION"]) {
            return Lost::handshake(
                about("ssh does not know the host's key"),
                format!(
                    "`{typed}` shows the key; compare it with the host's own before you accept it"
                ),
            );
        }
        if has(&["Permission denied (", "Too many authentication failures"]) {
            return Lost::handshake(
                about("ssh is not let in"),
                format!(
                    "`{typed} true` must work without a question: a key in ssh-agent (`ssh-add`), or the user in DOCKER_HOST"
                ),
            );
        }
        if code == Some(127) || has(&["command not found", "not recognized"]) {
            let mut lost = Lost::unreachable(about("there is no docker client there"));
            lost.hint = Some(format!(
                "install the docker client on that machine, where `{typed} docker version` finds it"
            ));
            return lost;
        }
        let socket = has(&[
            "permission denied",
            "Cannot connect to the Docker daemon",
            "no such file",
            "failed to open the raw stream connection",
        ]);
        if socket {
            let mut lost =
                Lost::unreachable(about("ssh works, the engine behind it does not answer"));
            lost.hint = Some(format!(
                "`{typed} docker version` shows what the docker client there sees"
            ));
            return lost;
        }
        let mut lost = Lost::unreachable(if said.trim().is_empty() {
            format!("cannot reach the engine at {at}: ssh ended without a word ({error})")
        } else {
            about("ssh says")
        });
        lost.hint = Some(format!("`{typed} true` shows whether ssh gets there"));
        lost
    }
}

/// The last lines of what ssh said, the noise aside, on one line.
fn shown(said: &str) -> String {
    let noise = ["Warning: Permanently added", "ControlSocket", "debug1:"];
    let lines = said.lines().map(str::trim);
    let kept: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !noise.iter().any(|it| line.starts_with(it)))
        .collect();
    let last = &kept[kept.len().saturating_sub(4)..];
    visible(&last.join("; "))
}

/// One ssh process; it ends with its connection.
struct Pipe {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    said: JoinHandle<String>,
}

impl Pipe {
    fn start(host: &SshHost, socket: Option<&str>) -> io::Result<Self> {
        let mut command = host.command(&["-o", "ClearAllForwardings=yes"]);
        command.args(dial_stdio(socket));
        // What the terminal sends to devenv is not for it.
        Here::set_apart(&mut command);
        let mut child = Command::from(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let missing = || io::Error::other("ssh has no pipes");
        let stderr = child.stderr.take().ok_or_else(missing)?;
        Ok(Self {
            stdin: Some(child.stdin.take().ok_or_else(missing)?),
            stdout: child.stdout.take().ok_or_else(missing)?,
            said: tokio::spawn(listen(stderr)),
            child,
        })
    }

    /// Asks the engine something that it must answer.
    async fn prove(&mut self) -> io::Result<()> {
        self.write_all(QUESTION).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if self.stdout.read_buf(&mut head).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let known = head.len().min(5);
            if head[..known] != b"HTTP/"[..known] || head.len() as u64 > MOST_WORDS {
                return Err(io::Error::other("what answers is no engine"));
            }
        }
        Ok(())
    }

    /// How it ended and what it said.
    async fn last_words(mut self) -> (Option<i32>, String) {
        self.stdin = None;
        let ended = tokio::time::timeout(LAST_WORDS, self.child.wait()).await;
        let code = ended.ok().and_then(Result::ok).and_then(|it| it.code());
        let said = tokio::time::timeout(LAST_WORDS, self.said).await;
        let said = said.ok().and_then(Result::ok);
        (code, said.unwrap_or_default())
    }
}

/// Keeps the beginning of what is said, and reads on, so that nobody waits.
async fn listen(mut stderr: ChildStderr) -> String {
    let mut said = Vec::new();
    let _ = (&mut stderr).take(MOST_WORDS).read_to_end(&mut said).await;
    let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&said).into_owned()
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(context, buffer)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_write(context, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_flush(context),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Only a closed pipe says that no more comes.
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stdin = None;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_says_is_shown_without_noise_or_control_characters() {
        let said = "Warning: Permanently added 'x'\r\nControlSocket /x already exists\n\u{1b}[31mno\n\nroute\n";
        assert_eq!(shown(said), "\\u{1b}[31mno; route");
    }
}
