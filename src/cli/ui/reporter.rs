//! What operations tell and ask, shown on stderr and answered on the terminal.

use std::sync::Arc;

use super::progress::{Progress, Work};
use super::{Ui, prompt_failed, write_err};
use crate::converge::apply;
use crate::error::{Error, Result};
use crate::home::reporter::{self, Reporter};
use crate::model::secret::Secret;
use crate::model::visible::printable;

impl Reporter for Ui {
    fn note(&self, text: &str) {
        if !self.manner.quiet {
            self.bars.suspend(|| write_err(&printable(text)));
        }
    }

    fn warn(&self, text: &str) {
        let line = format!("{} {}", self.err.yellow("warning:"), printable(text));
        self.bars.suspend(|| write_err(&line));
    }

    fn is_interactive(&self) -> bool {
        self.interactive
    }

    fn confirm(&self, question: &str, flag: &str) -> Result<bool> {
        if self.manner.yes {
            return Ok(true);
        }
        self.confirm_alone(question, flag)
    }

    fn confirm_alone(&self, question: &str, flag: &str) -> Result<bool> {
        if !self.interactive {
            return Err(Error::usage(format!(
                "cannot ask without a terminal: {}",
                printable(question)
            ))
            .hint(format!("`{flag}` answers yes")));
        }
        dialoguer::Confirm::new()
            .with_prompt(printable(question))
            .default(false)
            .interact()
            .map_err(prompt_failed)
    }

    fn ask_secret(&self, question: &str, instead: &str) -> Result<Secret> {
        if !self.interactive {
            return Err(Error::usage(format!(
                "cannot ask without a terminal: {}",
                printable(question)
            ))
            .hint(instead));
        }
        dialoguer::Password::new()
            .with_prompt(printable(question))
            .interact()
            .map(Secret::new)
            .map_err(prompt_failed)
    }

    fn plan(&self) -> Box<dyn apply::Reporter + '_> {
        Box::new(Progress::new(self))
    }

    fn work(&self, name: &str) -> Arc<dyn reporter::Work> {
        Arc::new(Work::begin(self, name))
    }
}
