//! Opens an address in the user's browser.

use std::process::Stdio;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::home::environment::Environment;
use crate::system::{Here, System as _, program};

/// How long a program is watched: one that still runs by then is the browser itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// The commands that open `url`, the most wanted first: those in `BROWSER` (between what
/// separates `PATH`; `%s` is the address), else this system's.
pub fn commands(browser: Option<&str>, url: &str) -> Vec<Vec<String>> {
    let words = |command: &str| -> Vec<String> {
        let mut words: Vec<String> = command
            .split_whitespace()
            .map(|word| word.replace("%s", url))
            .collect();
        if !command.contains("%s") {
            words.push(url.to_owned());
        }
        words
    };
    let own: Vec<Vec<String>> = std::env::split_paths(browser.unwrap_or_default())
        .filter_map(|command| command.into_os_string().into_string().ok())
        .filter(|command| !command.trim().is_empty())
        .map(|command| words(&command))
        .collect();
    if !own.is_empty() {
        return own;
    }
    Here::BROWSERS
        .iter()
        .map(|command| words(command))
        .collect()
}

/// Opens `url` with the first command that works.
pub async fn open(environment: &Environment, url: &str) -> Result<()> {
    let mut tried = Vec::new();
    for command in commands(environment.get("BROWSER"), url) {
        let Some((name, arguments)) = command.split_first() else {
            continue;
        };
        match start(name, arguments).await {
            Ok(()) => return Ok(()),
            Err(why) => tried.push(format!("{name}: {why}")),
        }
    }
    Err(Error::usage(format!("no browser opened {url}"))
        .detail(tried.join("\n"))
        .hint("set BROWSER to a program; `--print` only prints the address"))
}

async fn start(name: &str, arguments: &[String]) -> std::io::Result<()> {
    let mut child = tokio::process::Command::from(program(name))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    match tokio::time::timeout(PATIENCE, child.wait()).await {
        Ok(status) => match status? {
            status if status.success() => Ok(()),
            status => Err(std::io::Error::other(status.to_string())),
        },
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn the_users_browser_comes_first() {
        assert_eq!(
            commands(Some("firefox --new-tab:w3m %s -T x"), "http://localhost/"),
            [
                vec!["firefox", "--new-tab", "http://localhost/"],
                vec!["w3m", "http://localhost/", "-T", "x"]
            ]
        );
        assert_eq!(commands(Some(""), "u"), commands(None, "u"));
    }
}
