//! One error type: a kind (which decides the exit code), a message, the chain of causes, and hints.

use std::error::Error as StdError;
use std::fmt;

use crate::exit::Exit;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as the caller of the program must tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line, the settings or a missing answer.
    Usage,
    /// The definitions repository or its content.
    Definitions,
    /// The Docker engine.
    Engine,
    /// Something is not signed, or not by whom, or not what it claims.
    Trust,
    /// git, its server, or a forge.
    Git,
    /// A container did not get ready.
    NotHealthy,
    /// The registry.
    Registry,
    /// A defect of devenv.
    Bug,
    /// The user stopped the command.
    Interrupted,
}

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
        }))
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
        outer.because(self)
    }

    /// Which family of failures this belongs to.
    pub fn kind(&self) -> Kind {
        self.0.kind
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
}

impl<T> PathContext<T> for std::io::Result<T> {
    fn at(self, kind: Kind, action: &str, path: &std::path::Path) -> Result<T> {
        self.map_err(|error| {
            Error::new(kind, format!("cannot {action} {}", path.display())).because(error)
        })
    }
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
