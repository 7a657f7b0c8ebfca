//! Commands inside a running container.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::Docker;
use super::refusal::fault;
use crate::engine::terminal;
use crate::engine::{Fault, FaultKind};
use crate::model::visible::printable;
use crate::system::{Here, System as _, TerminalSize};

/// How long the exit code may lag behind the end of the output.
const CODE_PATIENCE: Duration = Duration::from_secs(5);

/// So much is kept of what a quiet command printed.
const PRINTED: usize = 400;

/// What to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecOptions {
    /// Program and arguments.
    pub command: Vec<String>,
    /// `NAME=value`, added to the container's own.
    pub environment: Vec<String>,
    /// User inside; `None` is the container's own.
    pub user: Option<String>,
    /// Working folder inside; `None` is the container's own.
    pub folder: Option<String>,
    /// Whether it gets an input.
    pub input: bool,
    /// Whether it gets a terminal, of this size.
    pub terminal: Option<TerminalSize>,
}

/// Where its input comes from and its output goes to. With a terminal all output is `output`.
pub struct ExecStreams<'a> {
    /// Ends when the input ends.
    pub input: BoxStream<'static, Bytes>,
    /// Standard output.
    pub output: &'a mut (dyn AsyncWrite + Send + Unpin),
    /// Standard error.
    pub errors: &'a mut (dyn AsyncWrite + Send + Unpin),
    /// New sizes of the terminal.
    pub sizes: BoxStream<'static, TerminalSize>,
}

impl Docker {
    /// Runs a command and gives its exit code. A program that is not there is code 126 or 127.
    pub async fn exec(
        &self,
        container: &str,
        options: &ExecOptions,
        mut streams: ExecStreams<'_>,
    ) -> Result<i64, Fault> {
        let create = CreateExecOptions {
            attach_stdin: Some(options.input),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(options.terminal.is_some()),
            env: Some(options.environment.clone()),
            cmd: Some(options.command.clone()),
            user: options.user.clone(),
            working_dir: options.folder.clone(),
            ..CreateExecOptions::default()
        };
        let id = self
            .short(self.client.create_exec(container, create))
            .await?
            .id;
        let start = StartExecOptions {
            detach: false,
            tty: options.terminal.is_some(),
            output_capacity: None,
        };
        let StartExecResults::Attached { output, input } =
            self.short(self.client.start_exec(&id, Some(start))).await?
        else {
            return Err(Fault::new(FaultKind::Failed, "the engine did not attach"));
        };
        if let Some(size) = options.terminal {
            self.resize(&id, size).await;
        }
        let mut sizes =
            std::mem::replace(&mut streams.sizes, futures_util::stream::pending().boxed());
        let source = std::mem::replace(&mut streams.input, futures_util::stream::pending().boxed());
        let resizing = async {
            while let Some(size) = sizes.next().await {
                self.resize(&id, size).await;
            }
        };
        tokio::select! {
            copied = copy_output(output, &mut streams) => copied?,
            () = async { tokio::join!(feed(source, input, options.input), resizing); } => {}
        }
        self.exit_code(&id).await
    }

    /// Runs a command without an input and gives its exit code and the end of what it printed.
    pub(super) async fn exec_quietly(
        &self,
        container: &str,
        command: &[String],
    ) -> Result<(i64, String), Fault> {
        let options = ExecOptions {
            command: command.to_vec(),
            ..ExecOptions::default()
        };
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let streams = ExecStreams {
            input: futures_util::stream::empty().boxed(),
            output: &mut output,
            errors: &mut errors,
            sizes: futures_util::stream::pending().boxed(),
        };
        let code = self.exec(container, &options, streams).await?;
        output.extend(errors);
        let end = &output[output.len().saturating_sub(PRINTED)..];
        Ok((code, printable(String::from_utf8_lossy(end).trim())))
    }

    /// Runs a command without an input and gives what it printed on its standard output, `most` bytes of
    /// it; `None` where it could not be begun. What it prints is its container's word.
    pub async fn exec_for(
        &self,
        container: &str,
        command: &[&str],
        most: usize,
    ) -> Result<Option<String>, Fault> {
        let options = ExecOptions {
            command: command.iter().map(ToString::to_string).collect(),
            ..ExecOptions::default()
        };
        let mut output = Beginning {
            bytes: Vec::new(),
            most,
        };
        let streams = ExecStreams {
            input: futures_util::stream::empty().boxed(),
            output: &mut output,
            errors: &mut tokio::io::sink(),
            sizes: futures_util::stream::pending().boxed(),
        };
        let code = self.exec(container, &options, streams).await?;
        let printed = String::from_utf8_lossy(&output.bytes).into_owned();
        Ok((![126, 127].contains(&code)).then_some(printed))
    }

    /// Runs a command on this process's own terminal and streams: raw mode while it runs, size
    /// changes followed. Without a terminal on both ends it runs without one.
    pub async fn exec_here(&self, container: &str, options: &ExecOptions) -> Result<i64, Fault> {
        let raw = if options.terminal.is_some() && options.input {
            Here::raw_mode().map_err(|error| {
                Fault::new(
                    FaultKind::Failed,
                    format!("cannot set up the terminal: {error}"),
                )
            })?
        } else {
            None
        };
        let (mut output, mut errors) = (tokio::io::stdout(), tokio::io::stderr());
        let streams = ExecStreams {
            input: if options.input {
                terminal::standard_input()
            } else {
                futures_util::stream::empty().boxed()
            },
            output: &mut output,
            errors: &mut errors,
            sizes: Here::terminal_sizes(),
        };
        let code = self.exec(container, options, streams).await;
        drop(raw);
        code
    }

    /// A size that does not arrive is a nuisance, not an error.
    async fn resize(&self, exec: &str, size: TerminalSize) {
        let options = ResizeExecOptions {
            height: size.rows,
            width: size.columns,
        };
        // The program may not have its terminal yet: the docker CLI tries a few times as well.
        for attempt in 1..=5 {
            if self
                .short(self.client.resize_exec(exec, options))
                .await
                .is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10 * attempt)).await;
        }
    }

    async fn exit_code(&self, exec: &str) -> Result<i64, Fault> {
        let waited = async {
            loop {
                let answer = self.short(self.client.inspect_exec(exec)).await?;
                if let (Some(false), Some(code)) = (answer.running, answer.exit_code) {
                    return Ok(code);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(CODE_PATIENCE, waited)
            .await
            .unwrap_or_else(|_| {
                let text = "the command's output ended, but the engine gives no exit code";
                Err(Fault::new(FaultKind::Failed, text))
            })
    }
}

/// Keeps the beginning of what is written.
struct Beginning {
    bytes: Vec<u8>,
    most: usize,
}

impl AsyncWrite for Beginning {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        piece: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let room = self.most.saturating_sub(self.bytes.len());
        self.bytes
            .extend_from_slice(&piece[..piece.len().min(room)]);
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Ends when the command's output ends.
async fn copy_output<S>(mut output: S, streams: &mut ExecStreams<'_>) -> Result<(), Fault>
where
    S: futures_util::Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin,
{
    while let Some(piece) = output.next().await {
        let piece = piece.map_err(fault)?;
        let sink = match &piece {
            LogOutput::StdErr { .. } => &mut *streams.errors,
            _ => &mut *streams.output,
        };
        let bytes = piece.into_bytes();
        let written = async {
            sink.write_all(&bytes).await?;
            sink.flush().await
        };
        written.await.map_err(|error| {
            Fault::new(
                FaultKind::Failed,
                format!("cannot write the output: {error}"),
            )
        })?;
    }
    Ok(())
}

/// Never an error: a command that closes its input early is a command that needs no more.
async fn feed(
    mut source: BoxStream<'static, Bytes>,
    mut sink: std::pin::Pin<Box<dyn AsyncWrite + Send>>,
    wanted: bool,
) {
    if !wanted {
        return std::future::pending().await;
    }
    while let Some(bytes) = source.next().await {
        if sink.write_all(&bytes).await.is_err() || sink.flush().await.is_err() {
            return std::future::pending().await;
        }
    }
    let _ = sink.shutdown().await;
    // The writing half stays open: dropping it could end the reading half as well.
    std::future::pending::<()>().await;
}
