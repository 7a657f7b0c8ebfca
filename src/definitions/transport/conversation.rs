//! One run of `git`: both outputs read as they come, a limit on silence, nothing kept without bound.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio::time::{sleep, timeout};

use super::super::remote_url::redact;
use super::super::text::Lines;
use super::failure::Failure;
use super::progress::{self, Activity, SharedReporter};

/// Lines of standard error that are kept; of more, the first ones go.
const MOST_LINES: usize = 2000;
/// Bytes of standard output that are kept: a listing of some 400,000 references.
const MOST_OUTPUT: usize = 32 * 1024 * 1024;
/// How long outputs are still read after git ended: an ssh master connection may hold them open.
const AFTERMATH: Duration = Duration::from_millis(300);

/// A run that is going on.
pub(super) struct Conversation {
    child: Child,
    reporter: SharedReporter,
    patience: Duration,
    lines: Lines,
    log: Vec<String>,
    output: Vec<u8>,
}

/// A run that ended.
pub(super) struct Outcome {
    pub(super) success: bool,
    pub(super) stdout: Vec<u8>,
    log: Vec<String>,
}

impl Outcome {
    pub(super) fn succeeded(self, what: &str) -> Result<(), Failure> {
        if self.success {
            Ok(())
        } else {
            Err(self.failure(what))
        }
    }

    pub(super) fn failure(&self, what: &str) -> Failure {
        Failure::from_lines(&self.log, &format!("{what} failed and said nothing"))
    }

    /// The lines that came from the server.
    pub(super) fn said(&self) -> Vec<String> {
        let server = |line: &String| line.strip_prefix("remote:").map(|rest| redact(rest.trim()));
        self.log.iter().filter_map(server).collect()
    }
}

impl Conversation {
    pub(super) fn new(child: Child, reporter: SharedReporter, patience: Duration) -> Self {
        Self {
            child,
            reporter,
            patience,
            lines: Lines::default(),
            log: Vec::new(),
            output: Vec::new(),
        }
    }

    /// Reads until git ends. Dropping the future kills git.
    pub(super) async fn finish(mut self) -> Result<Outcome, Failure> {
        let (mut stdout, mut stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let (mut out, mut err) = (vec![0; 16 * 1024], vec![0; 4 * 1024]);
        let mut status = None;
        while stdout.is_some() || stderr.is_some() {
            let limit = if status.is_some() {
                AFTERMATH
            } else {
                self.patience
            };
            tokio::select! {
                read = some(&mut stdout, &mut out) => match read {
                    0 => stdout = None,
                    count => self.keep(&out[..count]),
                },
                read = some(&mut stderr, &mut err) => match read {
                    0 => stderr = None,
                    count => self.hear(&err[..count]),
                },
                ended = self.child.wait(), if status.is_none() => status = Some(ended),
                () = sleep(limit) => {
                    if status.is_some() {
                        break;
                    }
                    return Err(self.give_up());
                }
            }
        }
        if status.is_none() {
            status = timeout(self.patience, self.child.wait()).await.ok();
        }
        if let Some(line) = self.lines.finish() {
            self.line(line);
        }
        match status {
            None => Err(self.give_up()),
            Some(Err(error)) => Err(Failure::other(format!("cannot wait for git: {error}"))),
            Some(Ok(status)) => Ok(Outcome {
                success: status.success(),
                stdout: self.output,
                log: self.log,
            }),
        }
    }

    fn give_up(mut self) -> Failure {
        // It may have ended by itself meanwhile.
        let _ = self.child.start_kill();
        Failure::timed_out(self.patience, &self.log)
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = MOST_OUTPUT.saturating_sub(self.output.len());
        self.output
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn hear(&mut self, bytes: &[u8]) {
        for line in self.lines.push(bytes) {
            self.line(line);
        }
    }

    fn line(&mut self, line: String) {
        let activity = progress::read(&line, false);
        let step = matches!(activity, Some(Activity::Step { .. }));
        if let Some(activity) = activity {
            self.reporter.activity(activity);
        }
        if !step {
            if self.log.len() == MOST_LINES {
                self.log.remove(0);
            }
            self.log.push(line);
        }
    }
}

/// Reads some bytes; 0 at the end or on an error; waits for ever once the stream is gone.
async fn some(stream: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> usize {
    match stream {
        Some(stream) => stream.read(buffer).await.unwrap_or_default(),
        None => std::future::pending().await,
    }
}
