//! Programs of others that judge an image.
//!
//! Definitions say which; they run only where the user's own settings allow that very command. They
//! get what they need of the environment and nothing else, an end to waiting, and little room for
//! what they say.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use crate::home::environment::Environment;
use crate::model::norms::Scanner;
use crate::model::visible::visible;
use crate::system::{Here, OF_WINDOWS, System as _};

/// Bytes of what it prints that are read.
const LONGEST: u64 = 1 << 20;
/// Characters of a finding.
const WIDEST: usize = 300;
/// What a scanner gets of the environment: where programs, its own files and the network are.
const VARIABLES: [&str; 13] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "XDG_CACHE_HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// What a scanner looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places<'a> {
    /// The OCI image layout.
    pub(super) layout: &'a Path,
    /// The SPDX document.
    pub(super) sbom: &'a Path,
}

/// What comes of a scanner.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// All its findings.
    Findings(Vec<String>),
    /// What it found is not known, or not all of it: why.
    Unknown(String),
}

/// Its findings: none where it ends with 0; with 1 what it prints, a line each.
pub(super) async fn run(
    scanner: &Scanner,
    allowed: &[Vec<String>],
    places: Places<'_>,
    environment: &Environment,
) -> Said {
    if !allowed.contains(&scanner.command) {
        let words: Vec<String> = scanner.command.iter().map(|word| json(word)).collect();
        return Said::Unknown(format!(
            "it was not run: this machine's settings.yaml does not allow it (`scanners: [[{}]]` does)",
            words.join(", ")
        ));
    }
    let within = scanner.within;
    match tokio::time::timeout(within.duration(), ended(scanner, places, environment)).await {
        Ok(said) => said,
        Err(_) => Said::Unknown(format!("it took longer than {within}")),
    }
}

/// A word as YAML and JSON write it.
fn json(word: &str) -> String {
    visible(&serde_json::Value::from(word).to_string())
}

async fn ended(scanner: &Scanner, places: Places<'_>, environment: &Environment) -> Said {
    let place = |word: &String| {
        word.replace("{layout}", &places.layout.display().to_string())
            .replace("{sbom}", &places.sbom.display().to_string())
    };
    let words: Vec<String> = scanner.command.iter().map(place).collect();
    let Some((program, arguments)) = words.split_first() else {
        return Said::Unknown("it has no command".to_owned());
    };
    let variables = environment.all().filter(|(name, _)| {
        let mut known = VARIABLES.iter().chain(&OF_WINDOWS);
        known.any(|it| Here::is_variable(name, it))
    });
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(variables)
        .env("DEVENV_LAYOUT", places.layout)
        .env("DEVENV_SBOM", places.sbom)
        .current_dir(places.layout)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    Here::set_apart(command.as_std_mut());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Said::Unknown(format!("it cannot be started: {error}")),
    };
    let mut group = Group(child.id());
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let ((output, is_all), (errors, _)) = tokio::join!(text(output), text(errors));
    let ended = child.wait().await;
    group.0 = None;
    let code = match ended {
        Ok(status) => status.code(),
        Err(error) => return Said::Unknown(format!("it cannot be waited for: {error}")),
    };
    match code {
        Some(0) => Said::Findings(Vec::new()),
        Some(1) if !is_all => Said::Unknown("it found more than is read here: a MiB".to_owned()),
        Some(1) => match lines(&output) {
            none if none.is_empty() => {
                Said::Unknown("it found something and does not say what".to_owned())
            }
            found => Said::Findings(found),
        },
        code => {
            let how = code.map_or("was killed".to_owned(), |code| format!("ended with {code}"));
            let said = lines(&errors).pop().unwrap_or_default();
            Said::Unknown(format!("it failed: it {how}: {said}"))
        }
    }
}

fn lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(visible).filter(|line| !line.is_empty());
    lines
        .map(|line| line.chars().take(WIDEST).collect())
        .collect()
}

/// The process of a scanner that goes on, and those that it started: they end with the waiting.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.0 {
            // What has ended meanwhile is not there.
            let _ = Here::kill_group(id);
        }
    }
}

/// What a stream says, and whether that is all of it: what is too much is read away, so that who writes
/// it goes on.
async fn text(stream: Option<impl AsyncRead + Unpin>) -> (String, bool) {
    let (mut bytes, mut more) = (Vec::new(), 0);
    if let Some(mut stream) = stream {
        // What breaks off is what was said.
        let _ = (&mut stream).take(LONGEST).read_to_end(&mut bytes).await;
        more = tokio::io::copy(&mut stream, &mut tokio::io::sink())
            .await
            .unwrap_or(1);
    }
    (String::from_utf8_lossy(&bytes).into_owned(), more == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::quantity::Span;

    async fn findings(script: &str, allowed: bool, within: u64) -> Vec<String> {
        match said(script, allowed, within).await {
            Said::Findings(found) => found,
            Said::Unknown(why) => vec![why],
        }
    }

    async fn said(script: &str, allowed: bool, within: u64) -> Said {
        let command = vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()];
        let scanner = Scanner {
            level: crate::model::norms::Level::Refuse,
            command: command.clone(),
            within: Span::seconds(within),
        };
        let folder = tempfile::tempdir().unwrap();
        let places = Places {
            layout: folder.path(),
            sbom: folder.path(),
        };
        let allowed = if allowed { vec![command] } else { Vec::new() };
        let variables = [
            ("PATH".to_owned(), "/usr/bin:/bin".into()),
            ("DEVENV_KEY_PASSPHRASE".to_owned(), "s3cret".into()),
            ("TEMP".to_owned(), "/x".into()),
        ];
        let environment = Environment::from_variables(variables);
        run(&scanner, &allowed, places, &environment).await
    }

    #[tokio::test]
    async fn the_exit_code_and_the_lines_decide() {
        assert!(findings("echo all is well", true, 10).await.is_empty());
        assert_eq!(
            findings("echo a; echo; echo b; exit 1", true, 10).await,
            ["a", "b"]
        );
        assert_eq!(
            findings("exit 1", true, 10).await,
            ["it found something and does not say what"]
        );
        assert_eq!(
            findings("echo no database >&2; exit 3", true, 10).await,
            ["it failed: it ended with 3: no database"]
        );
        assert_eq!(
            findings("sleep 20", true, 1).await,
            ["it took longer than 1s"]
        );
        assert_eq!(findings("seq 1000; exit 1", true, 10).await.len(), 1000);
    }

    #[tokio::test]
    async fn what_it_says_too_much_is_read_away() {
        let print = "yes | head -c 3000000";
        let quiet = said(&format!("{print}; {print} >&2; exit 0"), true, 10).await;
        assert_eq!(quiet, Said::Findings(Vec::new()));
        let found = said(&format!("echo CVE-1; {print}; exit 1"), true, 10).await;
        let why = "it found more than is read here: a MiB".to_owned();
        assert_eq!(found, Said::Unknown(why));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn what_it_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("child").display().to_string();
        let script = format!("sleep 60 & echo $! > {file}; wait");
        let late = said(&script, true, 1).await;
        assert_eq!(late, Said::Unknown("it took longer than 1s".to_owned()));
        let child = std::fs::read_to_string(&file).unwrap();
        let stat = format!("/proc/{}/stat", child.trim());
        for _ in 0..100 {
            // One that nobody waits for any more is there, but dead.
            match std::fs::read_to_string(&stat) {
                Ok(stat) if !stat.contains(") Z ") => {}
                _ => return,
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("it goes on: {stat}");
    }

    #[tokio::test]
    async fn it_runs_only_where_it_is_allowed_and_sees_no_secret() {
        let refused = findings("exit 0", false, 10).await;
        assert!(
            refused[0].contains(r#"[["sh", "-c", "exit 0"]]"#),
            "{refused:?}"
        );
        let seen = findings("env; exit 1", true, 10).await;
        assert!(
            seen.iter().any(|line| line.starts_with("DEVENV_LAYOUT=")),
            "{seen:?}"
        );
        assert!(!seen.iter().any(|line| line.contains("s3cret")), "{seen:?}");
        assert!(seen.contains(&"TEMP=/x".to_owned()), "{seen:?}");
    }
}
