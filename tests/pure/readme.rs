//! The README and the topics of `devenv help` say nothing that the program does not know.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::CommandFactory as _;
use clap::error::ErrorKind;
use devenv::cli::commands::Cli;
use devenv::cli::help::{Block, TOPICS, Topic};

/// Lines of the README: what is reference is in the topics of `devenv help`.
const LONGEST: usize = 250;

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The README's code, and that of all topics.
fn all_code() -> Vec<String> {
    let blocks = TOPICS.iter().flat_map(Topic::blocks);
    let of_topics = blocks.flat_map(|block| match block {
        Block::Heading(text) | Block::Paragraph(text) | Block::Item(text) => code(&text),
        Block::Row(term, text) => [vec![term], code(&text)].concat(),
        Block::Verbatim(lines) => {
            let commands = lines.iter().filter_map(|it| it.strip_prefix("$ "));
            commands.map(ToOwned::to_owned).collect()
        }
    });
    code(&readme()).into_iter().chain(of_topics).collect()
}

#[test]
fn the_readme_is_short() {
    let lines = readme().lines().count();
    assert!(
        lines <= LONGEST,
        "{lines} lines: move reference to src/cli/help"
    );
}

/// What stands between backticks, and the lines of blocks that begin with `$`.
fn code(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block = false;
    for line in text.lines() {
        if line.starts_with("```") {
            block = !block;
        } else if block {
            found.extend(line.strip_prefix("$ ").map(ToOwned::to_owned));
        } else {
            let pieces = line.split('`').skip(1).step_by(2);
            found.extend(pieces.map(ToOwned::to_owned));
        }
    }
    found
}

/// As a shell would, as far as the README goes: quotes, and comments left out.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, piece) in line.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(piece.to_owned());
        } else {
            words.extend(piece.split_whitespace().map(ToOwned::to_owned));
        }
    }
    let comment = words.iter().position(|word| word == "#");
    words.truncate(comment.unwrap_or(words.len()));
    words
}

#[test]
fn every_command_that_is_shown_is_one() {
    let mut seen = 0;
    for line in all_code() {
        let words = words(&line);
        let is_command = words.first().is_some_and(|word| word == "devenv");
        if !is_command || words.len() == 1 {
            continue;
        }
        seen += 1;
        let parsed = Cli::command().try_get_matches_from(&words);
        if let Err(error) = parsed {
            let fine = [
                ErrorKind::MissingRequiredArgument,
                ErrorKind::DisplayHelp,
                ErrorKind::DisplayVersion,
            ];
            let placeholder = words
                .iter()
                .any(|word| word.chars().all(char::is_uppercase));
            assert!(
                fine.contains(&error.kind()) || placeholder,
                "`{line}`: {error}"
            );
        }
    }
    assert!(seen > 100, "only {seen} commands were found");
}

#[test]
fn every_command_is_shown() {
    let code: BTreeSet<String> = all_code().into_iter().collect();
    let mut untold = Vec::new();
    let mut told = |path: &str| {
        let begins = |line: &String| line == path || line.starts_with(&format!("{path} "));
        if !code.iter().any(begins) {
            untold.push(path.to_owned());
        }
    };
    for command in Cli::command()
        .get_subcommands()
        .filter(|it| !it.is_hide_set())
    {
        let name = command.get_name();
        if command.has_subcommands() {
            for below in command.get_subcommands().filter(|it| !it.is_hide_set()) {
                told(&format!("devenv {name} {}", below.get_name()));
            }
        } else {
            told(&format!("devenv {name}"));
        }
    }
    assert!(
        untold.is_empty(),
        "neither the README nor a topic shows {untold:?}"
    );
}

#[test]
fn every_path_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for piece in all_code() {
        let path = piece.split_whitespace().next().unwrap_or_default();
        let ours = ["tests/", "src/", "profiles/", "completions/", ".ci/"];
        if ours.iter().any(|folder| path.starts_with(folder)) {
            assert!(root.join(path).exists(), "`{path}` is not there");
        }
    }
}
