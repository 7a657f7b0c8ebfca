//! Data that a command in a running container reads or writes, of any size.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::io::AsyncWrite;

use super::{Docker, ExecOptions, ExecStreams};
use crate::engine::Fault;
use crate::model::visible::printable;

/// So much is kept of what a command said last.
const SAID: usize = 2000;

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; 126 or 127: it could not be begun.
    pub code: i64,
    /// What it said last.
    pub said: String,
}

impl Docker {
    /// Runs a command that reads this on its standard input.
    pub async fn exec_fed(
        &self,
        container: &str,
        command: &[String],
        input: BoxStream<'static, Bytes>,
    ) -> Result<Ended, Fault> {
        let mut output = End::default();
        let options = ExecOptions {
            command: command.to_vec(),
            input: true,
            ..ExecOptions::default()
        };
        let ended = self.run(container, &options, input, &mut output).await?;
        if ended.said.is_empty() {
            let said = output.text();
            return Ok(Ended { said, ..ended });
        }
        Ok(ended)
    }

    /// Runs a command whose standard output goes here.
    pub async fn exec_drawn(
        &self,
        container: &str,
        command: &[String],
        output: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<Ended, Fault> {
        let options = ExecOptions {
            command: command.to_vec(),
            ..ExecOptions::default()
        };
        self.run(container, &options, stream::empty().boxed(), output)
            .await
    }

    async fn run(
        &self,
        container: &str,
        options: &ExecOptions,
        input: BoxStream<'static, Bytes>,
        output: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<Ended, Fault> {
        let mut errors = End::default();
        let streams = ExecStreams {
            input,
            output,
            errors: &mut errors,
            sizes: stream::pending().boxed(),
        };
        let code = self.exec(container, options, streams).await?;
        let said = errors.text();
        Ok(Ended { code, said })
    }
}

/// Keeps the end of what is written.
#[derive(Debug, Default)]
struct End(Vec<u8>);

impl End {
    fn text(&self) -> String {
        printable(String::from_utf8_lossy(&self.0).trim())
    }
}

impl AsyncWrite for End {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        piece: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.0.extend_from_slice(piece);
        let surplus = self.0.len().saturating_sub(SAID);
        self.0.drain(..surplus);
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn the_end_of_what_is_said_is_kept() {
        let mut end = End::default();
        for _ in 0..10 {
            end.write_all(&[b'a'; 999]).await.unwrap();
        }
        end.write_all(b"\nlast\x1b[1m\n").await.unwrap();
        assert_eq!(end.0.len(), SAID);
        let text = end.text();
        assert!(text.starts_with("aaa") && !text.contains('\x1b'), "{text}");
        assert!(text.lines().last().unwrap().starts_with("last"), "{text}");
    }
}
