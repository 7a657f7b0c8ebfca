//! What a transfer is doing, and reading that from git's own progress lines.

use std::sync::Arc;

/// One sign of life of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Activity {
    /// A step advanced: `Receiving objects`, 45 of 456. On the server's side where `remote`.
    Step {
        /// git's own name of the step.
        name: String,
        /// How many are done.
        done: u64,
        /// Of how many, when that is known.
        total: Option<u64>,
        /// Whether the server does it.
        remote: bool,
    },
    /// A line that the server wants shown; control characters are already made visible.
    Server(String),
    /// Something that the user is to know of, although the transfer goes on.
    Warning(String),
}

/// Called with a line for somebody who is at the terminal.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// Who wants to know what a transfer does.
pub trait Reporter: Send + Sync {
    /// Called from any thread, often; must return at once.
    fn activity(&self, activity: Activity);
}

/// A reporter that a transfer may keep.
pub type SharedReporter = Arc<dyn Reporter>;

impl Reporter for () {
    fn activity(&self, _: Activity) {}
}

/// git's names of the steps; anything else with a colon is a message.
const STEPS: [&str; 9] = [
    "Enumerating objects",
    "Counting objects",
    "Compressing objects",
    "Receiving objects",
    "Unpacking objects",
    "Resolving deltas",
    "Writing objects",
    "Checking connectivity",
    "Finding sources",
];

/// Reads a line of git's standard error (or of the server's side band, as `remote`). `None` is
/// for a line that is git's own and no progress.
pub(super) fn read(line: &str, remote: bool) -> Option<Activity> {
    let (line, remote) = match line.strip_prefix("remote:") {
        Some(rest) => (rest.trim(), true),
        None => (line.trim(), remote),
    };
    if let Some(step) = step(line, remote) {
        return Some(step);
    }
    let count = line.starts_with("Total ") && line.contains("(delta ");
    (remote && !count && !line.is_empty()).then(|| Activity::Server(line.to_owned()))
}

fn step(line: &str, remote: bool) -> Option<Activity> {
    let (name, rest) = line.split_once(": ")?;
    if !STEPS.contains(&name) {
        return None;
    }
    let rest = rest.trim_start();
    let digits = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit());
        text[..end.unwrap_or(text.len())].parse::<u64>().ok()
    };
    let of = rest.split_once('(').and_then(|(_, numbers)| {
        let (done, total) = numbers.split_once('/')?;
        Some((digits(done)?, digits(total)?))
    });
    let (done, total) = match of {
        Some((done, total)) => (done, Some(total)),
        None => (digits(rest)?, None),
    };
    Some(Activity::Step {
        name: name.to_owned(),
        done,
        total,
        remote,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_and_messages_are_told_apart() {
        let step = |name: &str, done, total, remote| {
            Some(Activity::Step {
                name: name.into(),
                done,
                total,
                remote,
            })
        };
        assert_eq!(
            read(
                "Receiving objects:  45% (123/456), 1.20 MiB | 2.00 MiB/s",
                false
            ),
            step("Receiving objects", 123, Some(456), false)
        );
        assert_eq!(
            read("remote: Enumerating objects: 5, done.", false),
            step("Enumerating objects", 5, None, true)
        );
        assert_eq!(
            read("remote: Tests: 5 of 6", false),
            Some(Activity::Server("Tests: 5 of 6".into()))
        );
        assert_eq!(read("fatal: no", false), None);
        assert_eq!(read("remote: ", false), None);
        assert_eq!(
            read("remote: Total 3 (delta 0), reused 0 (delta 0)", false),
            None
        );
    }
}
