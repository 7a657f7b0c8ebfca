//! Windows. Compiled and run under Wine by `tests/desktops/windows`; what Wine cannot show (a console,
//! the end of a window) stands as its documentation has it.

use std::ffi::OsStr;
use std::fs::{Metadata, OpenOptions};
use std::io;
use std::os::windows::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use dialoguer::console::Term;
use futures_util::future::{self, BoxFuture};
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient};
use tokio::signal::windows::{ctrl_break, ctrl_close, ctrl_shutdown};
use tokio::time::Instant;

use super::{Connecting, Duplex, Stranger, System, TerminalSize, program};

/// How long a pipe may have no free end.
const PIPE_LIMIT: Duration = Duration::from_secs(10);
const PIPE_PAUSE: Duration = Duration::from_millis(50);
/// All ends of a pipe are taken. Source: System Error Codes, `ERROR_PIPE_BUSY`.
const PIPE_BUSY: i32 = 231;
/// Source: Process Creation Flags, `CREATE_NEW_PROCESS_GROUP` and `CREATE_NO_WINDOW`.
const NEW_PROCESS_GROUP: u32 = 0x0000_0200;
const NO_WINDOW: u32 = 0x0800_0000;

/// Windows 10 and its successors.
#[derive(Debug)]
pub enum Windows {}

/// There is none.
#[derive(Debug)]
pub enum RawMode {}

impl System for Windows {
    type RawMode = RawMode;

    const BROWSERS: &[&str] = &["rundll32 url.dll,FileProtocolHandler"];
    const NULL_DEVICE: &str = "NUL";
    const PIPES: bool = true;
    const SHARED_SSH: bool = false;

    fn connect(path: &Path) -> Connecting {
        let made = open_pipe(path.to_owned());
        made.map(|made| Ok(Box::new(made?) as Box<dyn Duplex>))
            .boxed()
    }

    fn mode(_: &Metadata) -> Option<u32> {
        None
    }

    fn set_mode(_: &Path, _: u32) -> io::Result<()> {
        Ok(())
    }

    fn create_with_mode(_: &mut OpenOptions, _: u32) {}

    fn create_private(folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)
    }

    fn stranger(_: &Metadata) -> Option<Stranger> {
        None
    }

    fn is_own(_: &Metadata) -> bool {
        true
    }

    fn identity(_: &Metadata) -> Option<(u64, u64)> {
        None
    }

    fn may_write(_: &Path) -> io::Result<()> {
        Ok(())
    }

    fn free_space(_: &Path) -> Option<u64> {
        None
    }

    fn machine_name() -> Option<String> {
        None
    }

    fn is_variable(variable: &OsStr, name: &str) -> bool {
        variable.eq_ignore_ascii_case(name)
    }

    fn command_line(line: &str) -> Command {
        if Path::new(line).is_file() {
            return program(line);
        }
        let mut words = line.split_whitespace();
        let mut command = program(words.next().unwrap_or_default());
        command.args(words);
        command
    }

    fn set_apart(command: &mut Command) {
        command.creation_flags(NEW_PROCESS_GROUP | NO_WINDOW);
    }

    fn keep_to_itself() {}

    fn kill(process: u32) -> io::Result<()> {
        kill(&["/F", "/PID", &process.to_string()])
    }

    fn kill_group(process: u32) -> io::Result<()> {
        kill(&["/F", "/T", "/PID", &process.to_string()])
    }

    fn asked_to_end() -> BoxFuture<'static, ()> {
        let ended = async {
            let events = (ctrl_break(), ctrl_close(), ctrl_shutdown());
            let (Ok(mut pressed), Ok(mut closed), Ok(mut shut_down)) = events else {
                return future::pending().await;
            };
            tokio::select! {
                _ = pressed.recv() => {}
                _ = closed.recv() => {}
                _ = shut_down.recv() => {}
            }
        };
        ended.boxed()
    }

    fn terminal_size() -> Option<TerminalSize> {
        let (rows, columns) = Term::stdout().size_checked()?;
        Some(TerminalSize { rows, columns })
    }

    fn terminal_sizes() -> BoxStream<'static, TerminalSize> {
        stream::pending().boxed()
    }

    fn raw_mode() -> io::Result<Option<RawMode>> {
        Ok(None)
    }
}

/// Runs `taskkill`, which knows processes and what they started.
fn kill(arguments: &[&str]) -> io::Result<()> {
    let output = Command::new("taskkill").args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(why.trim().to_owned()))
}

/// Waits for a free end: an engine makes a new one only after the last was taken.
async fn open_pipe(path: PathBuf) -> io::Result<NamedPipeClient> {
    let begun = Instant::now();
    loop {
        match ClientOptions::new().open(&path) {
            Err(error)
                if error.raw_os_error() == Some(PIPE_BUSY) && begun.elapsed() < PIPE_LIMIT =>
            {
                tokio::time::sleep(PIPE_PAUSE).await;
            }
            made => return made,
        }
    }
}
