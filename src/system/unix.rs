//! Linux and macOS.

use std::ffi::OsStr;
use std::fs::{DirBuilder, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use futures_util::future::{self, BoxFuture};
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use rustix::fs::{Access, access};
use rustix::process::{Pid, Signal, geteuid, kill_process, kill_process_group};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};

use super::{Connecting, Duplex, Stranger, System, TerminalSize, program};

/// Linux, macOS and their like.
#[derive(Debug)]
pub enum Unix {}

/// The terminal as it was before.
#[derive(Debug)]
pub struct RawMode(Termios);

impl System for Unix {
    type RawMode = RawMode;

    const BROWSERS: &[&str] = if cfg!(target_os = "macos") {
        &["open"]
    } else {
        &["xdg-open", "wslview"]
    };
    const NULL_DEVICE: &str = "/dev/null";
    const PIPES: bool = false;
    const SHARED_SSH: bool = true;

    fn connect(path: &Path) -> Connecting {
        let path = path.to_owned();
        let made = async move { UnixStream::connect(path).await };
        made.map(|made| Ok(Box::new(made?) as Box<dyn Duplex>))
            .boxed()
    }

    fn mode(metadata: &Metadata) -> Option<u32> {
        Some(metadata.mode())
    }

    fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
        std::fs::set_permissions(path, Permissions::from_mode(mode))
    }

    fn create_with_mode(options: &mut OpenOptions, mode: u32) {
        options.mode(mode);
    }

    fn create_private(folder: &Path) -> io::Result<()> {
        if folder.as_os_str().is_empty() || folder.is_dir() {
            return Ok(());
        }
        if let Some(around) = folder.parent() {
            Self::create_private(around)?;
        }
        match DirBuilder::new().mode(0o700).create(folder) {
            // The umask may have kept this user out too.
            Ok(()) => Self::set_mode(folder, 0o700),
            // Another process was first.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
            other => other,
        }
    }

    fn stranger(metadata: &Metadata) -> Option<Stranger> {
        let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
        if owner != 0 && !Self::is_own(metadata) {
            return Some(Stranger::Owner(owner));
        }
        (mode & 0o022 != 0).then_some(Stranger::Writers(mode))
    }

    fn is_own(metadata: &Metadata) -> bool {
        metadata.uid() == geteuid().as_raw()
    }

    fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
        Some((metadata.dev(), metadata.ino()))
    }

    fn may_write(folder: &Path) -> io::Result<()> {
        Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
    }

    fn free_space(folder: &Path) -> Option<u64> {
        let disk = rustix::fs::statvfs(folder).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn machine_name() -> Option<String> {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
        Some(name.trim_end().to_owned())
    }

    fn is_variable(variable: &OsStr, name: &str) -> bool {
        variable == name
    }

    fn command_line(line: &str) -> Command {
        let mut command = program("sh");
        command.args(["-c", &format!("{line} \"$@\""), line]);
        command
    }

    fn set_apart(command: &mut Command) {
        command.process_group(0);
    }

    fn keep_to_itself() {
        close_fds::set_fds_cloexec_threadsafe(3, &[]);
    }

    fn kill(process: u32) -> io::Result<()> {
        Ok(kill_process(id(process)?, Signal::KILL)?)
    }

    fn kill_group(process: u32) -> io::Result<()> {
        Ok(kill_process_group(id(process)?, Signal::KILL)?)
    }

    fn asked_to_end() -> BoxFuture<'static, ()> {
        let ended = async {
            let signals = (
                signal(SignalKind::terminate()),
                signal(SignalKind::hangup()),
            );
            let (Ok(mut terminate), Ok(mut hang_up)) = signals else {
                return future::pending().await;
            };
            tokio::select! {
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
        };
        ended.boxed()
    }

    fn terminal_size() -> Option<TerminalSize> {
        let size = tcgetwinsize(io::stdout()).ok()?;
        Some(TerminalSize {
            rows: size.ws_row,
            columns: size.ws_col,
        })
    }

    fn terminal_sizes() -> BoxStream<'static, TerminalSize> {
        let Ok(changes) = signal(SignalKind::window_change()) else {
            return stream::pending().boxed();
        };
        stream::unfold(changes, |mut changes| async move {
            changes.recv().await;
            Some((Self::terminal_size(), changes))
        })
        .filter_map(future::ready)
        .boxed()
    }

    fn raw_mode() -> io::Result<Option<RawMode>> {
        let input = io::stdin();
        if !isatty(&input) {
            return Ok(None);
        }
        let before = tcgetattr(&input)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&input, OptionalActions::Now, &raw)?;
        Ok(Some(RawMode(before)))
    }
}

/// Never 0, which would be this process's own group.
fn id(process: u32) -> io::Result<Pid> {
    let id = i32::try_from(process).ok().and_then(Pid::from_raw);
    Ok(id.ok_or(io::ErrorKind::InvalidInput)?)
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn a_process_set_apart_has_a_group_of_its_own_and_is_killed() {
        let mut command = Command::new("sleep");
        command.arg("60");
        Unix::set_apart(&mut command);
        let mut child = command.spawn().unwrap();
        let id = Pid::from_child(&child);
        let group = rustix::process::getpgid(Some(id)).unwrap();
        Unix::kill(child.id()).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert_eq!(group, id);
        // These would be this process's own group, and everything.
        for none in [0, u32::MAX] {
            for kill in [Unix::kill, Unix::kill_group] {
                assert_eq!(kill(none).unwrap_err().kind(), io::ErrorKind::InvalidInput);
            }
        }
    }

    #[tokio::test]
    async fn two_signals_ask_the_process_to_end() {
        for signal in [Signal::TERM, Signal::HUP] {
            let mut asked = Unix::asked_to_end();
            assert!((&mut asked).now_or_never().is_none());
            kill_process(rustix::process::getpid(), signal).unwrap();
            let limit = std::time::Duration::from_secs(10);
            tokio::time::timeout(limit, asked).await.unwrap();
        }
    }

    #[test]
    fn the_shell_reads_a_command_line_and_not_what_is_added() {
        let mut command = Unix::command_line("printf '<%s>' 'a  b'");
        let output = command.arg("c $HOME \"d\"").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text, "<a  b><c $HOME \"d\">");
    }

    #[test]
    fn files_and_folders_are_told_apart_and_kept_from_others() {
        let home = tempfile::tempdir().unwrap();
        let look = |name: &str| fs::metadata(home.path().join(name)).unwrap();
        let mode = |name: &str| Unix::mode(&look(name)).unwrap() & 0o7777;
        Unix::create_private(&home.path().join("above/private")).unwrap();
        assert_eq!((mode("above"), mode("above/private")), (0o700, 0o700));
        assert_eq!(Unix::stranger(&look("above")), None);
        Unix::set_mode(&home.path().join("above"), 0o720).unwrap();
        let writers = Some(Stranger::Writers(0o720));
        assert_eq!(Unix::stranger(&look("above")), writers);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        Unix::create_with_mode(&mut options, 0o600);
        let file = options.open(home.path().join("file")).unwrap();
        assert_eq!(mode("file"), 0o600);
        Unix::set_mode(&home.path().join("file"), 0o640).unwrap();
        assert_eq!(mode("file"), 0o640);
        assert!(Unix::is_own(&look("file")));
        let opened = Unix::identity(&file.metadata().unwrap());
        fs::rename(home.path().join("file"), home.path().join("moved")).unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        assert_eq!(opened, Unix::identity(&look("moved")));
        assert_ne!(opened, Unix::identity(&look("file")));
    }
}
