//! The families of failures.

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
    /// A search that came to no answer.
    Undecided,
    /// A defect of devenv.
    Bug,
    /// The user stopped the command.
    Interrupted,
}
