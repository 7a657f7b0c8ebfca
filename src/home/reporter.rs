//! Whom operations tell what they do, and whom they ask. Only the command line implements it for people.

use std::fmt::Debug;
use std::sync::Arc;

use crate::converge::apply;
use crate::definitions;
use crate::error::Result;
use crate::model::difference::Difference;
use crate::model::secret::Secret;

/// Hears what an operation does, and answers its questions. No call blocks but the questions.
pub trait Reporter: Debug + Send + Sync {
    /// What happens; left out with `--quiet`.
    fn note(&self, text: &str);

    /// What the user should act on.
    fn warn(&self, text: &str);

    /// Whether somebody can answer a question.
    fn is_interactive(&self) -> bool;

    /// A question of yes or no.
    ///
    /// # Errors
    /// Without a terminal: a usage error with the flag that answers yes.
    fn confirm(&self, question: &str, flag: &str) -> Result<bool>;

    /// A question of yes or no that `--yes` does not answer: it asks for more than what was to be
    /// expected.
    ///
    /// # Errors
    /// Without a terminal: a usage error with the flag that answers yes.
    fn confirm_alone(&self, question: &str, flag: &str) -> Result<bool>;

    /// A value that is not shown while it is typed; `instead` is the hint without a terminal.
    ///
    /// # Errors
    /// Without a terminal: a usage error.
    fn ask_secret(&self, question: &str, instead: &str) -> Result<Secret>;

    /// Shows a plan while it is walked.
    fn plan(&self) -> Box<dyn apply::Reporter + '_>;

    /// Shows a long piece of work: a clone, a build, a push.
    fn work(&self, name: &str) -> Arc<dyn Work>;

    /// What is about to change, one line each below a title.
    fn differences(&self, title: &str, differences: &[Difference]) {
        let colon = if differences.is_empty() { "" } else { ":" };
        self.note(&format!("{title}{colon}"));
        for difference in differences {
            self.note(&format!("  {difference}"));
        }
    }
}

/// A long piece of work with a text that changes. Dropped unfinished, its line goes.
pub trait Work: definitions::Reporter {
    /// How far it got; shown only where it can be replaced later.
    fn update(&self, text: &str);

    /// How many bytes of how many have arrived.
    fn bytes(&self, done: u64, total: u64) {
        let megabytes = |bytes: u64| bytes / 1_000_000;
        self.update(&format!("{} of {} MB", megabytes(done), megabytes(total)));
    }

    /// Says that it is done.
    fn finish(&self, text: &str);
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::error::Error;

    /// Tells nobody, and answers no question.
    #[derive(Debug)]
    pub(crate) struct Silent;

    impl Reporter for Silent {
        fn note(&self, _: &str) {}

        fn warn(&self, _: &str) {}

        fn is_interactive(&self) -> bool {
            false
        }

        fn confirm(&self, question: &str, flag: &str) -> Result<bool> {
            Err(Error::usage(question).hint(flag))
        }

        fn confirm_alone(&self, question: &str, flag: &str) -> Result<bool> {
            self.confirm(question, flag)
        }

        fn ask_secret(&self, question: &str, instead: &str) -> Result<Secret> {
            Err(Error::usage(question).hint(instead))
        }

        fn plan(&self) -> Box<dyn apply::Reporter + '_> {
            Box::new(Silent)
        }

        fn work(&self, _: &str) -> Arc<dyn Work> {
            Arc::new(Silent)
        }
    }

    impl apply::Reporter for Silent {
        fn event(&self, _: apply::Event<'_>) {}
    }

    impl definitions::Reporter for Silent {
        fn activity(&self, _: definitions::Activity) {}
    }

    impl Work for Silent {
        fn update(&self, _: &str) {}

        fn finish(&self, _: &str) {}
    }
}
