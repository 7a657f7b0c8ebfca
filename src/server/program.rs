//! Programs of the system that a server runs.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::error::{Error, Result};

/// Where programs of the system are.
const FOLDERS: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether a program of the system is there.
pub(super) fn is_there(program: &str) -> bool {
    let is_file = |folder: &str| Path::new(folder).join(program).is_file();
    FOLDERS.split(':').any(is_file)
}

/// Runs a program of the system: what it printed, or what it complained about; `None`: it is not there.
pub(super) async fn run(
    program: &str,
    words: &[&str],
    input: Option<&str>,
) -> Result<Option<Result<String, String>>> {
    let failed = |error: std::io::Error| {
        Error::usage(format!("cannot run `{program}`, which a server needs")).because(error)
    };
    let spawned = Command::new(program)
        .args(words)
        .env_clear()
        .env("PATH", FOLDERS)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::PermissionDenied
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    if let Some(mut pipe) = child.stdin.take() {
        // One that ended without reading says why on stderr.
        let _ = pipe.write_all(input.unwrap_or_default().as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(failed)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Some(if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }))
}

/// A program of the system refused something.
pub(super) fn refused(program: &str, said: &str) -> Error {
    let error = Error::engine(format!("`{program}` refused: {}", said.trim()));
    error.hint("devenv changes the kernel's tables as root: is this run as root?")
}
