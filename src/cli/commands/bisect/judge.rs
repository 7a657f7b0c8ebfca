//! Who judges a candidate: a command of the user's, else the user.

use std::process::Stdio;

use crate::cli::ui::Ui;
use crate::engine::ChosenBy;
use crate::error::{Error, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::instance::bisect::{Answer, Trial};
use crate::model::bisection::Verdict;
use crate::model::visible::printable;
use crate::system::program;

/// The exit code that says that it cannot be told.
const SKIP: i32 = 125;

/// Exit codes from here on say nothing: the shell's for signals.
const STOPS: i32 = 128;

/// Without a command somebody has to be there.
pub(super) fn refuse_nobody(ui: &Ui, command: &[String]) -> Result<()> {
    use crate::home::reporter::Reporter as _;
    if !command.is_empty() || ui.is_interactive() {
        return Ok(());
    }
    Err(
        Error::usage("cannot ask without a terminal what is good and what is bad")
            .hint("`-- COMMAND` judges instead: exit code 0 is good, 125 skips, others are bad"),
    )
}

/// The verdict on what runs now, each time the same.
pub(super) async fn judge(
    ui: &Ui,
    session: &Session,
    open: &OpenPlatform,
    (command, repeat): (&[String], u32),
    trial: &Trial,
) -> Result<Answer> {
    let Some((first, rest)) = command.split_first() else {
        let (verdict, codes) = (ask(ui, trial)?, Vec::new());
        return Ok(Answer { verdict, codes });
    };
    let (_, choice) = session.engine()?;
    let said = session.home.settings.host.value.as_ref();
    let host = host_argument(&choice.chosen_by, said);
    let (mut codes, mut verdicts) = (Vec::new(), Vec::new());
    for _ in 0..repeat {
        let mut child = tokio::process::Command::from(program(first));
        child
            .args(rest)
            .env("DEVENV_PLATFORM", open.name.as_str())
            .env("DEVENV_INSTANCE", session.instance.as_str())
            .envs(host.map(|host| ("DEVENV_HOST", host)))
            .stdin(Stdio::null())
            // stdout is for the result.
            .stdout(std::io::stderr())
            .kill_on_drop(true);
        let shown = || printable(&command.join(" "));
        let ended = child
            .status()
            .await
            .map_err(|error| Error::usage(format!("cannot run `{}`", shown())).because(error))?;
        let code = ended.code().unwrap_or(STOPS);
        if !(0..STOPS).contains(&code) {
            let text = format!("the search stops: `{}` ended with {ended}", shown());
            return Err(Error::usage(text).hint("`devenv bisect` goes on"));
        }
        codes.push(code);
        verdicts.push(verdict(code));
    }
    let verdict = verdicts[0];
    if verdicts.iter().any(|it| *it != verdict) {
        return Err(unstable(trial, &verdicts, &codes));
    }
    Ok(Answer { verdict, codes })
}

/// What the command's devenv has to be told, where `--host` decided: all else it finds by itself.
fn host_argument<'a>(chosen_by: &ChosenBy, said: Option<&'a String>) -> Option<&'a String> {
    said.filter(|_| *chosen_by == ChosenBy::HostArgument)
}

fn verdict(code: i32) -> Verdict {
    match code {
        0 => Verdict::Good,
        SKIP => Verdict::Skip,
        _ => Verdict::Bad,
    }
}

fn unstable(trial: &Trial, verdicts: &[Verdict], codes: &[i32]) -> Error {
    let words: Vec<&str> = verdicts.iter().map(|it| it.as_str()).collect();
    let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
    let text = format!("{trial} is not the same each time: {}", words.join(", "));
    Error::undecided(text)
        .detail(format!("exit codes: {}", codes.join(" ")))
        .hint("a search needs a command that gives the same verdict each time; `devenv bisect` tries it again")
}

fn ask(ui: &Ui, trial: &Trial) -> Result<Verdict> {
    let choices = ["good", "bad", "skip", "stop here"];
    let question = format!("{trial} runs now. Is it good or bad?");
    match ui.ask_which(&question, &choices)? {
        0 => Ok(Verdict::Good),
        1 => Ok(Verdict::Bad),
        2 => Ok(Verdict::Skip),
        _ => Err(Error::interrupted().hint("`devenv bisect` goes on")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_gets_the_host_that_was_said() {
        let said = "ssh://there".to_owned();
        let told = |chosen_by| host_argument(&chosen_by, Some(&said));
        assert_eq!(told(ChosenBy::HostArgument), Some(&said));
        assert_eq!(told(ChosenBy::Setting("settings.yaml".into())), None);
        assert_eq!(told(ChosenBy::Default), None);
    }

    #[test]
    fn exit_codes_are_those_of_git() {
        let of = |code| verdict(code).as_str();
        assert_eq!(
            [0, 1, 124, 125, 126, 127].map(of),
            ["good", "bad", "bad", "skipped", "bad", "bad"]
        );
    }
}
