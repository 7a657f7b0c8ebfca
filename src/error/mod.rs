//! One error type: a kind (which decides the exit code), a message, the chain of causes, and hints.

mod exit;
mod kind;
mod place;

use std::error::Error as StdError;
use std::fmt;

pub use exit::Exit;
pub use kind::Kind;
pub use place::Place;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error as the user meets it. Messages are fragments that start in lower case.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    message: String,
    cause: Option<Box<dyn StdError + Send + Sync>>,
    hints: Vec<String>,
    details: Vec<String>,
    place: Option<Place>,
    passes: bool,
}

impl Error {
    /// An error of `kind` that says `message`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            cause: None,
            hints: Vec::new(),
            details: Vec::new(),
            place: None,
            passes: false,
        }))
    }

    /// An error about a place in a file, which its message begins with.
    pub fn at(kind: Kind, place: Place, message: &str) -> Self {
        Self::new(kind, format!("{place}: {message}")).about(place)
    }

    /// Notes that it says nothing of what was asked for: an engine was away, which may pass by itself.
    #[must_use]
    pub fn passing(mut self) -> Self {
        self.0.passes = true;
        self
    }

    /// Whether the same may go well later, without anybody's doing.
    pub fn may_pass(&self) -> bool {
        self.0.passes
    }

    /// Notes the place that it is about; the message stays as it is.
    #[must_use]
    pub fn about(mut self, place: Place) -> Self {
        self.0.place = Some(place);
        self
    }

    /// [`Kind::Usage`]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// [`Kind::Definitions`]
    pub fn definitions(message: impl Into<String>) -> Self {
        Self::new(Kind::Definitions, message)
    }

    /// [`Kind::Engine`]
    pub fn engine(message: impl Into<String>) -> Self {
        Self::new(Kind::Engine, message)
    }

    /// [`Kind::Trust`]
    pub fn trust(message: impl Into<String>) -> Self {
        Self::new(Kind::Trust, message)
    }

    /// [`Kind::Git`]
    pub fn git(message: impl Into<String>) -> Self {
        Self::new(Kind::Git, message)
    }

    /// [`Kind::NotHealthy`]
    pub fn not_healthy(message: impl Into<String>) -> Self {
        Self::new(Kind::NotHealthy, message)
    }

    /// [`Kind::Registry`]
    pub fn registry(message: impl Into<String>) -> Self {
        Self::new(Kind::Registry, message)
    }

    /// [`Kind::Undecided`]
    pub fn undecided(message: impl Into<String>) -> Self {
        Self::new(Kind::Undecided, message)
    }

    /// [`Kind::Bug`]
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Kind::Bug, message)
    }

    /// [`Kind::Interrupted`]
    pub fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "interrupted")
    }

    /// Adds what the user can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// Adds a block of lines shown below the message: a log, a snippet, a list.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.details.push(detail.into());
        self
    }

    /// Records the error beneath this one.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Wraps this error in a message of a wider view; kind, hints and details stay.
    #[must_use]
    pub fn within(mut self, message: impl Into<String>) -> Self {
        let (hints, details) = (
            std::mem::take(&mut self.0.hints),
            std::mem::take(&mut self.0.details),
        );
        let mut outer = Self::new(self.0.kind, message);
        outer.0.hints = hints;
        outer.0.details = details;
        outer.0.passes = self.0.passes;
        outer.0.place.clone_from(&self.0.place);
        outer.because(self)
    }

    /// Which family of failures this belongs to.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The place in a file that it is about, where it is about one.
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// What the user can do.
    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }

    /// Blocks of lines that belong below the message.
    pub fn details(&self) -> &[String] {
        &self.0.details
    }

    /// The process exit code.
    pub fn exit(&self) -> Exit {
        Exit::from(self.0.kind)
    }

    /// The message followed by those of its causes.
    pub fn chain(&self) -> Vec<String> {
        let mut chain = vec![self.0.message.clone()];
        let mut next = self.source();
        while let Some(error) = next {
            let text = error.to_string();
            if chain.last() != Some(&text) {
                chain.push(text);
            }
            next = error.source();
        }
        chain
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .cause
            .as_deref()
            .map(|cause| cause as &(dyn StdError + 'static))
    }
}

/// Turns an I/O error into one that names what was done to which path.
pub trait PathContext<T> {
    /// `action` is a verb in the infinitive: `read`, `write`, `create`.
    fn at(self, kind: Kind, action: &str, path: &std::path::Path) -> Result<T>;
    /// The same; `None` where there is no such file or folder.
    fn if_there(self, kind: Kind, action: &str, path: &std::path::Path) -> Result<Option<T>>;
}

impl<T> PathContext<T> for std::io::Result<T> {
    fn at(self, kind: Kind, action: &str, path: &std::path::Path) -> Result<T> {
        self.map_err(|cause| {
            let hint = hint(cause.kind());
            let error = Error::new(kind, format!("cannot {action} {}", path.display()));
            match hint {
                Some(hint) => error.because(cause).hint(hint),
                None => error.because(cause),
            }
        })
    }

    fn if_there(self, kind: Kind, action: &str, path: &std::path::Path) -> Result<Option<T>> {
        match self {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            other => other.at(kind, action, path).map(Some),
        }
    }
}

/// What to do about a file system's refusal.
fn hint(cause: std::io::ErrorKind) -> Option<&'static str> {
    use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match cause {
        StorageFull | QuotaExceeded => Some(
            "the disk is full: `devenv clean` removes what nothing refers to, `df -h` shows the rest",
        ),
        ReadOnlyFilesystem => Some(
            "its file system is read-only: DEVENV_HOME names another folder for what devenv keeps",
        ),
        _ => None,
    }
}

/// The same for the words of another program or library (those of the C library, in English).
pub fn disk_hint(said: &str) -> Option<&'static str> {
    use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let said = said.to_ascii_lowercase();
    let known = [
        ("no space left on device", StorageFull),
        ("disk quota exceeded", QuotaExceeded),
        ("read-only file system", ReadOnlyFilesystem),
    ];
    let (_, cause) = known.into_iter().find(|(words, _)| said.contains(words))?;
    hint(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_keeps_kind_hints_and_chain() {
        let error = Error::registry("401 Unauthorized")
            .hint("docker login")
            .within("cannot pull billing");
        assert_eq!(error.kind(), Kind::Registry);
        assert_eq!(error.hints(), ["docker login"]);
        assert_eq!(error.chain(), ["cannot pull billing", "401 Unauthorized"]);
    }
}
