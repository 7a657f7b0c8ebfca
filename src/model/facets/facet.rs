//! What a facet is: where it is read, when two of it are the same, why it matters.

/// Where a facet is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// What the engine was asked to do for a container: its inspect.
    Asked,
    /// What the engine says of itself.
    Engine,
    /// What is effective inside a container: one command in it.
    Inside,
}

impl Source {
    /// For the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "what the engine was asked for",
            Self::Engine => "what the engine is",
            Self::Inside => "what is effective inside",
        }
    }
}

/// When two values are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// Letter by letter; lists are sorted where their order means nothing.
    Exactly,
    /// Letter by letter, for each of several.
    Each,
    /// By keyed hash, for each of several.
    Hashed,
    /// Numbers that are at most one in a hundred apart.
    Nearly,
    /// Not at all: each side was measured by a clock of its own.
    OwnClock,
}

impl Compared {
    /// For the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exactly => "exactly",
            Self::Each => "each exactly",
            Self::Hashed => "each by keyed hash",
            Self::Nearly => "within 1 %",
            Self::OwnClock => "shown, not compared",
        }
    }

    /// Whether there can be several, `environment/PATH` and the like.
    pub fn is_several(self) -> bool {
        matches!(self, Self::Each | Self::Hashed)
    }
}

/// One thing in which containers can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facet {
    /// As in records: `memory`, or `environment` of `environment/PATH`.
    pub name: &'static str,
    /// Where it is read.
    pub source: Source,
    /// When two values are the same.
    pub compared: Compared,
    /// Why it matters.
    pub why: &'static str,
    /// What to do about a difference.
    pub advice: &'static str,
}
