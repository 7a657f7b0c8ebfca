//! What differs between operating systems, behind one trait. No other module names one.

use std::ffi::OsStr;
use std::fs::{Metadata, OpenOptions};
use std::io;
use std::path::Path;
use std::process::Command;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::io::{AsyncRead, AsyncWrite};

mod programs;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

pub use self::programs::{CAPSULE_PASSPHRASE, KEY_PASSPHRASE, OWN_SECRETS, program};
#[cfg(unix)]
pub use self::unix::Unix as Here;
#[cfg(windows)]
pub use self::windows::Windows as Here;

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection that is being made.
pub type Connecting = BoxFuture<'static, io::Result<Box<dyn Duplex>>>;

/// A moment in the time of this machine and in that of the world: `2026-11-17 00:00 +01:00
/// (2026-11-16T23:00:00Z)`.
pub fn in_full(moment: jiff::Timestamp) -> String {
    let here = moment.to_zoned(jiff::tz::TimeZone::system());
    format!("{} ({moment})", here.strftime("%Y-%m-%d %H:%M %:z"))
}

/// Characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Height.
    pub rows: u16,
    /// Width.
    pub columns: u16,
}

/// Somebody who may change what is this user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stranger {
    /// Another user owns it: his number.
    Owner(u32),
    /// Its group or everybody may write it: its mode.
    Writers(u32),
}

/// Variables without which programs do not run on Windows, or do not find their files.
pub const OF_WINDOWS: [&str; 19] = [
    "TMP",
    "TEMP",
    "USERNAME",
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "WINDIR",
    "COMSPEC",
    "PATHEXT",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
    "PROGRAMFILES",
    "PROGRAMFILES(X86)",
    "ALLUSERSPROFILE",
    "USERPROFILE",
    "USERDOMAIN",
    "HOMEDRIVE",
    "HOMEPATH",
    "COMPUTERNAME",
];

/// An operating system: [`Here`] is the one that this program was compiled for. "Unix" is Linux and
/// macOS.
pub trait System {
    /// The terminal on standard input in raw mode, until dropped.
    type RawMode: Send;

    /// The command lines that open an address in a browser, the most wanted first.
    const BROWSERS: &[&str];
    /// What reads as empty and keeps nothing: `/dev/null`, `NUL`.
    const NULL_DEVICE: &str;
    /// Whether engines of this machine listen at named pipes (Windows), not at sockets (Unix).
    const PIPES: bool;
    /// Whether several ssh processes can share one connection: not Windows' own ssh.
    const SHARED_SSH: bool;

    /// Connects to what listens on this machine: at a socket (Unix), at a named pipe (Windows).
    fn connect(path: &Path) -> Connecting;

    /// Who may do what with a file, as `chmod` counts it; `None` on Windows, where the user's own
    /// folders are the user's alone.
    fn mode(metadata: &Metadata) -> Option<u32>;
    /// Changes that; nothing on Windows.
    fn set_mode(path: &Path, mode: u32) -> io::Result<()>;
    /// Files that these options create get this mode; nothing on Windows.
    fn create_with_mode(options: &mut OpenOptions, mode: u32);
    /// Makes a folder and those above it for this user alone (mode 0700 whatever the umask); one that
    /// is there stays as it is. Windows: as the folder above it is.
    fn create_private(folder: &Path) -> io::Result<()>;
    /// Who else than this user and the administrator may change a file or folder. Windows: nobody.
    fn stranger(metadata: &Metadata) -> Option<Stranger>;
    /// Whether a file is this user's. Windows: always.
    fn is_own(metadata: &Metadata) -> bool;
    /// What a file shares with no other that exists at the same time, whatever they are called.
    /// `None` on Windows, where an open file keeps its name.
    fn identity(metadata: &Metadata) -> Option<(u64, u64)>;
    /// Whether this user may make files in a folder; the error says why not. Windows: the attempt tells.
    fn may_write(folder: &Path) -> io::Result<()>;
    /// Bytes that are free where a folder is; `None` where nobody says (Windows).
    fn free_space(folder: &Path) -> Option<u64>;

    /// What this machine calls itself; `None` where engines are in virtual machines anyway: all but Linux.
    fn machine_name() -> Option<String>;
    /// Whether an environment variable has this name: on Windows `Path` is `PATH`.
    fn is_variable(variable: &OsStr, name: &str) -> bool;
    /// A command that a user wrote as one line, to which the caller adds arguments. Unix: the shell
    /// reads it, quotes and all. Windows: it is one program, or words between blanks.
    fn command_line(line: &str) -> Command;
    /// What is pressed in this terminal does not reach the process: it gets a group of its own. On
    /// Windows the end of the terminal's window does not reach it either.
    fn set_apart(command: &mut Command);
    /// What was open before this program began, beside its standard streams, is not handed to those
    /// that it starts; nothing on Windows, where that is so anyway.
    fn keep_to_itself();
    /// Ends a process at once.
    fn kill(process: u32) -> io::Result<()>;
    /// The same with those that it started; it was [set apart](System::set_apart).
    fn kill_group(process: u32) -> io::Result<()>;
    /// Waits until this process is asked to end, other than by Ctrl-C. Unix: SIGTERM and SIGHUP.
    /// Windows: Ctrl-Break, the window's end and the system's.
    fn asked_to_end() -> BoxFuture<'static, ()>;

    /// The size of the terminal on standard output; `None` where there is none.
    fn terminal_size() -> Option<TerminalSize>;
    /// The same each time it has changed; never on Windows.
    fn terminal_sizes() -> BoxStream<'static, TerminalSize>;
    /// Enters raw mode; `None` where standard input is no terminal, and on Windows.
    fn raw_mode() -> io::Result<Option<Self::RawMode>>;
}
