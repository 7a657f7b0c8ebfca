//! Colours, each of which means one thing.

use std::fmt::Display;

/// Colours text, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    color: bool,
}

impl Style {
    /// A style that colours, or not.
    pub fn new(color: bool) -> Self {
        Self { color }
    }

    /// Whether text is coloured at all.
    pub fn is_coloured(self) -> bool {
        self.color
    }

    fn paint(self, code: &str, text: impl Display) -> String {
        if self.color {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_string()
        }
    }

    /// For what failed or is dangerous.
    pub fn red(self, text: impl Display) -> String {
        self.paint("31", text)
    }

    /// For what works as it should.
    pub fn green(self, text: impl Display) -> String {
        self.paint("32", text)
    }

    /// Not production's, or not as asked.
    pub fn yellow(self, text: impl Display) -> String {
        self.paint("33", text)
    }

    /// What to do or open.
    pub fn cyan(self, text: impl Display) -> String {
        self.paint("36", text)
    }

    /// A name, always in the same colour, none of which has another meaning here.
    pub fn named(self, name: &str, text: impl Display) -> String {
        const PALETTE: [&str; 8] = [
            "38;5;39", "38;5;208", "38;5;141", "38;5;107", "38;5;175", "38;5;37", "38;5;179",
            "38;5;99",
        ];
        let sum = name.bytes().fold(5381_usize, |sum, byte| {
            sum.wrapping_mul(33) ^ usize::from(byte)
        });
        self.paint(PALETTE[sum % PALETTE.len()], text)
    }

    /// For what is less important.
    pub fn dim(self, text: impl Display) -> String {
        self.paint("2", text)
    }

    /// For titles and names of platforms.
    pub fn bold(self, text: impl Display) -> String {
        self.paint("1", text)
    }
}
