//! One run of `git`: both outputs read as they come, limits on silence and size, nothing kept
//! without bound.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio::time::{Instant, interval, sleep_until, timeout};

use super::super::remote_url::redact;
use super::super::text::Lines;
use super::Limits;
use super::failure::Failure;
use super::progress::{self, Activity, SharedReporter};

/// Lines of standard error that are kept; of more, the first ones go.
const MOST_LINES: usize = 2000;
/// Bytes of standard output that are kept: a listing of some 400,000 references.
const MOST_OUTPUT: usize = 32 * 1024 * 1024;
/// How long outputs are still read after git ended: an ssh master connection may hold them open.
const AFTERMATH: Duration = Duration::from_millis(300);
/// After this much silence somebody at the terminal is told that git waits.
const ALOUD: Duration = Duration::from_secs(5);
/// How often the size of what arrives is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A run that is going on.
pub(super) struct Conversation {
    child: Child,
    reporter: SharedReporter,
    limits: Limits,
    lines: Lines,
    log: Vec<String>,
    output: Vec<u8>,
    /// Faults that git let pass, by the names of its `fsck`: how many, and one of the objects.
    passed: BTreeMap<String, (usize, String)>,
    told: bool,
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
    pub(super) fn new(child: Child, reporter: SharedReporter, limits: Limits) -> Self {
        Self {
            child,
            reporter,
            limits,
            lines: Lines::default(),
            log: Vec::new(),
            output: Vec::new(),
            passed: BTreeMap::new(),
            told: false,
        }
    }

    /// Reads until git ends, or until the repository `receiving` has grown too large. Dropping the
    /// future kills git.
    pub(super) async fn finish(mut self, receiving: Option<&Path>) -> Result<Outcome, Failure> {
        let (mut stdout, mut stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let (mut out, mut err) = (vec![0; 16 * 1024], vec![0; 4 * 1024]);
        let mut status = None;
        let mut looks = interval(LOOK);
        let mut heard = Instant::now();
        while stdout.is_some() || stderr.is_some() {
            let end = heard
                + if status.is_some() {
                    AFTERMATH
                } else {
                    self.silence()
                };
            let alive = tokio::select! {
                read = some(&mut stdout, &mut out) => {
                    match read {
                        0 => stdout = None,
                        count => self.keep(&out[..count]),
                    }
                    true
                }
                read = some(&mut stderr, &mut err) => {
                    match read {
                        0 => stderr = None,
                        count => self.hear(&err[..count]),
                    }
                    true
                }
                ended = self.child.wait(), if status.is_none() => {
                    status = Some(ended);
                    true
                }
                _ = looks.tick(), if receiving.is_some() => {
                    self.check_size(receiving)?;
                    false
                }
                () = sleep_until(end) => {
                    if status.is_some() {
                        break;
                    }
                    if !self.tell() {
                        return Err(self.give_up());
                    }
                    false
                }
            };
            if alive {
                heard = Instant::now();
            }
        }
        if status.is_none() {
            status = timeout(self.limits.silence, self.child.wait()).await.ok();
        }
        self.check_size(receiving)?;
        self.ended(status)
    }

    fn ended(
        mut self,
        status: Option<std::io::Result<std::process::ExitStatus>>,
    ) -> Result<Outcome, Failure> {
        if let Some(line) = self.lines.finish() {
            self.line(line);
        }
        self.warn();
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

    /// How much silence comes before something is done about it.
    fn silence(&self) -> Duration {
        match &self.limits.people {
            Some(_) if !self.told => ALOUD.min(self.limits.silence),
            Some((patience, _)) => *patience,
            None => self.limits.silence,
        }
    }

    /// Tells somebody at the terminal, once, that a helper may be waiting for them.
    fn tell(&mut self) -> bool {
        match &self.limits.people {
            Some((_, tell)) if !self.told => {
                self.told = true;
                tell(
                    "git is waiting: for the server, or for a helper that asks you for a login (Ctrl-C ends it)",
                );
                true
            }
            _ => false,
        }
    }

    fn check_size(&mut self, receiving: Option<&Path>) -> Result<(), Failure> {
        let Some(repository) = receiving else {
            return Ok(());
        };
        if size(&repository.join("objects")) <= self.limits.largest {
            return Ok(());
        }
        // It may have ended by itself meanwhile.
        let _ = self.child.start_kill();
        Err(Failure::too_large(self.limits.largest))
    }

    fn give_up(mut self) -> Failure {
        let _ = self.child.start_kill();
        let waited = match &self.limits.people {
            Some((patience, _)) => *patience,
            None => self.limits.silence,
        };
        Failure::timed_out(waited, &self.log)
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
        if let Some((object, fault)) = passed(&line) {
            let entry = self.passed.entry(fault.to_owned());
            entry.or_insert_with(|| (0, object.to_owned())).0 += 1;
            return;
        }
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

    /// One line for each kind of fault: an old history has the same one many times.
    fn warn(&self) {
        for (fault, (count, object)) in &self.passed {
            let objects = if *count == 1 {
                "object has"
            } else {
                "objects have"
            };
            self.reporter.activity(Activity::Warning(format!(
                "{count} {objects} the fault {fault}, which git lets pass: {object}"
            )));
        }
    }
}

/// Object and fault of a line such as `warning: object 1234…: badTimezone: invalid …`.
fn passed(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("warning: object ")?;
    let (object, rest) = rest.split_once(": ")?;
    let (fault, _) = rest.split_once(": ")?;
    Some((object, fault))
}

/// Bytes of the files below a folder.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => size(&entry.path()),
            Ok(data) => data.len(),
            // Files come and go meanwhile.
            Err(_) => 0,
        })
        .sum()
}

/// Reads some bytes; 0 at the end or on an error; waits for ever once the stream is gone.
async fn some(stream: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> usize {
    match stream {
        Some(stream) => stream.read(buffer).await.unwrap_or_default(),
        None => std::future::pending().await,
    }
}
