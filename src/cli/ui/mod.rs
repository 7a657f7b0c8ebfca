//! The only part that prints. stdout is data, everything else goes to stderr.

pub mod progress;
mod reporter;
pub mod style;
pub mod table;

use std::io::{IsTerminal, Write};

use indicatif::MultiProgress;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::model::visible::printable;
use crate::system::{Here, System as _};
use style::Style;

/// The global options about output.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// JSON on stdout instead of text for people.
    pub json: bool,
    /// Only data and errors.
    pub quiet: bool,
    /// Every step and its cause.
    pub verbose: bool,
    /// Questions are answered with yes.
    pub yes: bool,
    /// No colours, not even on a terminal.
    pub no_color: bool,
}

/// Prints to this process's stdout and stderr, and asks on its terminal.
#[derive(Debug, Clone)]
pub struct Ui {
    manner: Manner,
    /// Whether somebody can answer.
    interactive: bool,
    /// Whether stderr is a terminal.
    animated: bool,
    /// Columns of the terminal on stdout.
    width: Option<usize>,
    out: Style,
    err: Style,
    /// What is shown in place on stderr; it steps aside for lines.
    bars: MultiProgress,
}

impl Ui {
    /// Looks at the terminal once. `no_color` and `dumb` come from the environment.
    pub fn new(manner: Manner) -> Self {
        let (stdin, stdout, stderr) = (
            std::io::stdin().is_terminal(),
            std::io::stdout().is_terminal(),
            std::io::stderr().is_terminal(),
        );
        Self {
            manner,
            interactive: stdin && stderr,
            animated: stderr && !manner.json && !manner.quiet,
            width: Here::terminal_size()
                .map(|size| usize::from(size.columns))
                .filter(|columns| stdout && *columns > 0),
            out: Style::new(stdout && !manner.no_color && !manner.json),
            err: Style::new(stderr && !manner.no_color),
            bars: MultiProgress::new(),
        }
    }

    /// Whether stdout carries JSON.
    pub fn is_json(&self) -> bool {
        self.manner.json
    }

    /// Whether every step is to be told.
    pub fn is_verbose(&self) -> bool {
        self.manner.verbose
    }

    /// Columns of the terminal on stdout; `None` where it is none.
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// How stdout is coloured.
    pub fn style(&self) -> Style {
        self.out
    }

    /// Data for people; nothing with `--json`.
    pub fn data(&self, text: &str) {
        if !self.manner.json {
            write_out(text.trim_end_matches('\n'));
        }
    }

    /// Lines cut to the width of the terminal; whole where stdout is none.
    pub fn fitted(&self, text: &str) -> String {
        match self.width {
            None => text.to_owned(),
            Some(width) => text
                .lines()
                .map(|line| table::cut(line, width))
                .collect::<Vec<_>>()
                .join("\n"),
        }
    }

    /// Data for machines; nothing without `--json`. One line.
    pub fn json<T: Serialize>(&self, value: &T) {
        if self.manner.json {
            write_out(&serde_json::to_string(value).unwrap_or_default());
        }
    }

    /// One line of a stream of data, as it is; `false` once nobody reads any more.
    pub fn stream(&self, line: &[u8]) -> bool {
        let mut out = std::io::stdout().lock();
        out.write_all(line).is_ok() && out.write_all(b"\n").is_ok()
    }

    /// Shows an error with its causes, details and hints.
    pub fn error(&self, error: &Error) {
        let mut chain = error.chain().into_iter();
        write_err(&format!(
            "{} {}",
            self.err.red("error:"),
            printable(&chain.next().unwrap_or_default())
        ));
        for cause in chain {
            write_err(&format!(
                "  {} {}",
                self.err.dim("because:"),
                printable(&cause)
            ));
        }
        for detail in error.details() {
            for line in detail.lines() {
                write_err(&format!("  {}", printable(line)));
            }
        }
        for hint in error.hints() {
            write_err(&format!("  {} {}", self.err.cyan("hint:"), printable(hint)));
        }
        if self.manner.json {
            let chain: Vec<String> = error.chain();
            self.json(&serde_json::json!({
                "error": { "message": chain.first(), "causes": chain.get(1..), "hints": error.hints(), "code": error.exit().code() }
            }));
        }
    }

    /// Asks whether to try again what failed. Where nobody can answer, or everything is answered
    /// with yes beforehand, it is no: it might never end.
    pub fn ask_again(&self, question: &str) -> Result<bool> {
        if self.manner.yes || !self.interactive {
            return Ok(false);
        }
        dialoguer::Confirm::new()
            .with_prompt(printable(question))
            .default(true)
            .interact()
            .map_err(prompt_failed)
    }
}

impl Ui {
    /// Asks which of these it is, by its place. Only where somebody can answer.
    pub fn ask_which(&self, question: &str, choices: &[&str]) -> Result<usize> {
        dialoguer::Select::new()
            .with_prompt(printable(question))
            .items(choices)
            .default(0)
            .interact()
            .map_err(prompt_failed)
    }
}

fn prompt_failed(error: dialoguer::Error) -> Error {
    let dialoguer::Error::IO(error) = error;
    if error.kind() == std::io::ErrorKind::Interrupted {
        return Error::interrupted();
    }
    Error::usage("cannot ask").because(error)
}

/// A reader that went away is no error: `devenv list | head`.
fn write_out(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

fn write_err(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
