//! Where in a file something is wrong.

use std::fmt;

/// A file, and as far as it is known the line and the column in it; both from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its path in the repository.
    pub file: String,
    /// The line.
    pub line: Option<usize>,
    /// In characters.
    pub column: Option<usize>,
}

impl Place {
    /// A file as a whole.
    pub fn file(file: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: None,
            column: None,
        }
    }

    /// A line of a file.
    pub fn line(file: impl Into<String>, line: usize) -> Self {
        Self {
            line: Some(line),
            ..Self::file(file)
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        Ok(())
    }
}
