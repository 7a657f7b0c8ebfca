//! This process's terminal: its size, raw mode, and input that never keeps the process alive.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

/// Characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Height.
    pub rows: u16,
    /// Width.
    pub columns: u16,
}

/// The size of the terminal on standard output; `None` where there is none.
#[cfg(unix)]
pub fn size() -> Option<TerminalSize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(TerminalSize {
        rows: size.ws_row,
        columns: size.ws_col,
    })
}

/// The size of the terminal on standard output; `None` where there is none.
#[cfg(not(unix))]
pub fn size() -> Option<TerminalSize> {
    None
}

/// Sizes as the terminal changes.
#[cfg(unix)]
pub fn size_changes() -> BoxStream<'static, TerminalSize> {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(changes) = signal(SignalKind::window_change()) else {
        return stream::pending().boxed();
    };
    stream::unfold(changes, |mut changes| async move {
        changes.recv().await;
        Some((size(), changes))
    })
    .filter_map(std::future::ready)
    .boxed()
}

/// Sizes as the terminal changes.
#[cfg(not(unix))]
pub fn size_changes() -> BoxStream<'static, TerminalSize> {
    stream::pending().boxed()
}

/// Raw mode of the terminal on standard input, until dropped.
#[cfg(unix)]
#[derive(Debug)]
pub struct RawMode(rustix::termios::Termios);

#[cfg(unix)]
impl RawMode {
    /// Enters raw mode; `None` where standard input is no terminal.
    pub fn enter() -> std::io::Result<Option<Self>> {
        use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
        let input = std::io::stdin();
        if !rustix::termios::isatty(&input) {
            return Ok(None);
        }
        let before = tcgetattr(&input)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&input, OptionalActions::Now, &raw)?;
        Ok(Some(Self(before)))
    }
}

#[cfg(unix)]
impl Drop for RawMode {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, &self.0);
    }
}

/// Raw mode of the terminal on standard input, until dropped.
#[cfg(not(unix))]
#[derive(Debug)]
pub struct RawMode;

#[cfg(not(unix))]
impl RawMode {
    /// Enters raw mode; `None` where standard input is no terminal.
    pub fn enter() -> std::io::Result<Option<Self>> {
        Ok(None)
    }
}

/// Standard input as it arrives. A thread of its own reads it: tokio's would hold up the end of
/// the process until one more key is pressed.
pub fn standard_input() -> BoxStream<'static, Bytes> {
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(4);
    std::thread::spawn(move || {
        use std::io::Read;
        let mut input = std::io::stdin().lock();
        let mut piece = [0; 8192];
        while let Ok(length @ 1..) = input.read(&mut piece) {
            let bytes = Bytes::copy_from_slice(&piece[..length]);
            if sender.blocking_send(bytes).is_err() {
                break;
            }
        }
    });
    stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|bytes| (bytes, receiver))
    })
    .boxed()
}
