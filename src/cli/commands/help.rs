//! `devenv help`

use std::path::PathBuf;

use clap::{Args, Command, ValueHint};

use crate::cli::help::{Topic, pages, terminal};
use crate::cli::ui::Ui;
use crate::error::{Error, Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::model::nearest::nearest;

/// Show how a command is used, or explain a topic
///
/// Without a name it lists commands and topics. Where a command and a topic have the same name, the
/// command is shown first and the topic below it.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A command (`up`, `release build`) or a topic
    #[arg(value_name = "COMMAND|TOPIC")]
    subject: Vec<String>,
    /// Write pages for `man` into this folder: devenv.1, devenv-up.1, …, devenv-hosts.7, …
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "subject")]
    man: Option<PathBuf>,
}

/// Columns of a text at most: longer lines are hard to read.
const WIDEST: usize = 100;

/// Prints help, or writes pages. `program` is the whole command line of devenv.
pub fn run(ui: &Ui, program: Command, arguments: &Arguments) -> Result<Exit> {
    if let Some(folder) = &arguments.man {
        let written = pages::write(program, folder)?;
        ui.json(&serde_json::json!({ "folder": folder, "written": written }));
        ui.data(&format!("{}: {} pages", folder.display(), written.len()));
        ui.note(&format!(
            "`man --local-file {}` shows one",
            written[0].display()
        ));
        return Ok(Exit::Done);
    }
    let command = command(&program, &arguments.subject);
    let topic = match arguments.subject.as_slice() {
        [name] => Topic::find(name),
        _ => None,
    };
    if command.is_none() && topic.is_none() {
        return Err(unknown(&program, &arguments.subject.join(" ")));
    }
    let command = command.map(|mut it| it.render_long_help());
    let topic = topic.map(|topic| {
        let width = ui.width().unwrap_or(WIDEST).min(WIDEST);
        let heading: fn(&str) -> String = if ui.style().is_coloured() {
            |title| format!("\u{1b}[1;4m{title}\u{1b}[0m")
        } else {
            str::to_owned
        };
        let title = heading(&format!("{}: {}", topic.name, topic.about()));
        format!("{title}\n\n{}", terminal(&topic.blocks(), width, heading))
    });
    let text = |command: Option<String>| {
        let parts: Vec<String> = command.into_iter().chain(topic.clone()).collect();
        parts.join("\n")
    };
    let plain = command.as_ref().map(ToString::to_string);
    ui.json(
        &serde_json::json!({ "subject": arguments.subject.join(" "), "text": text(plain.clone()) }),
    );
    ui.data(&text(if ui.style().is_coloured() {
        command.map(|it| it.ansi().to_string())
    } else {
        plain
    }));
    Ok(Exit::Done)
}

/// The command at the end of these words; without any, the program itself.
fn command(program: &Command, words: &[String]) -> Option<Command> {
    let mut built = program.clone();
    built.build();
    let mut found = &built;
    for word in words {
        found = found.find_subcommand(word).filter(|it| !it.is_hide_set())?;
    }
    Some(found.clone())
}

fn unknown(program: &Command, subject: &str) -> Error {
    let error = Error::usage(format!(
        "no command or topic is called `{}`",
        subject.escape_default()
    ));
    let commands = program.get_subcommands().filter(|it| !it.is_hide_set());
    let topics = crate::cli::help::TOPICS.iter().map(|it| it.name);
    let names = commands.map(Command::get_name).chain(topics);
    match nearest(subject, names) {
        Some(near) => error.hint(format!("did you mean `devenv help {near}`?")),
        None => error.hint("`devenv help` lists commands and topics"),
    }
}
