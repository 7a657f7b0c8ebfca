//! What `devenv help json` says of each command's output, and whether an output is like that.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use clap::{ArgMatches, Command, CommandFactory as _, parser::ValueSource};
use devenv::cli::commands::Cli;
use devenv::cli::help::{Block, Topic};
use serde_json::Value;

use super::shape::{Shape, parse};

/// The documented output of one command: `devenv up --dry-run`.
pub struct Output {
    /// One value a line, any number of them; else exactly one.
    pub lines: bool,
    pub shape: Shape,
}

/// All that is documented: named shapes, and outputs by command.
pub struct Documented {
    pub shapes: BTreeMap<String, Shape>,
    pub outputs: BTreeMap<String, Output>,
}

/// The topic's shapes.
pub static DOCUMENTED: LazyLock<Documented> = LazyLock::new(|| {
    let blocks = Topic::find("json").unwrap().blocks();
    let verbatim = blocks.into_iter().filter_map(|it| match it {
        Block::Verbatim(lines) => Some(lines),
        _ => None,
    });
    read(verbatim.flatten())
});

/// A declaration begins at a line that is not indented and has ` = `.
fn read(lines: impl Iterator<Item = String>) -> Documented {
    let mut declared: Vec<(String, String)> = Vec::new();
    for line in lines {
        let line = line.split("//").next().unwrap().trim_end();
        let begins = line.starts_with(|c: char| c.is_ascii_alphabetic());
        match line.split_once(" =").filter(|_| begins) {
            Some((name, rest)) => declared.push((name.to_owned(), rest.to_owned())),
            None => {
                if let Some((_, text)) = declared.last_mut() {
                    text.push('\n');
                    text.push_str(line);
                }
            }
        }
    }
    let mut documented = Documented {
        shapes: BTreeMap::new(),
        outputs: BTreeMap::new(),
    };
    for (name, text) in declared {
        let text = text.trim();
        let (lines, text) = match text.strip_prefix("lines of ") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let shape = parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let twice = match name.strip_prefix("devenv ") {
            Some(command) => documented
                .outputs
                .insert(command.to_owned(), Output { lines, shape })
                .is_some(),
            None => documented.shapes.insert(name.clone(), shape).is_some(),
        };
        assert!(!twice, "{name} is declared twice");
    }
    documented
}

/// The declaration that these arguments of devenv fall under: the command's, or that of the command
/// with the options that are among them. `None`: the output is not devenv's own.
pub fn declaration(arguments: &[String]) -> Option<&'static str> {
    let words = std::iter::once("devenv").chain(arguments.iter().map(String::as_str));
    // A key may come from a variable, which is not set here.
    let program = Cli::command().ignore_errors(true);
    let matches = program.clone().try_get_matches_from(words).ok()?;
    let (path, positional) = path(&program, &matches);
    let fits = |name: &str| {
        let mut rest = name.strip_prefix(&path)?.split_whitespace();
        rest.try_fold(0, |weight, word| match word {
            "NAME" if positional => Some(weight + 1),
            flag if flag.starts_with("--") && arguments.iter().any(|it| it == flag) => {
                Some(weight + 2)
            }
            _ => None,
        })
    };
    let outputs = DOCUMENTED.outputs.keys();
    let fitting = outputs.filter_map(|name| Some((fits(name)?, name)));
    Some(fitting.max_by_key(|(weight, _)| *weight)?.1)
}

/// The words of the command, and whether an argument without a name was given to it.
fn path(program: &Command, matches: &ArgMatches) -> (String, bool) {
    let (mut command, mut matches, mut path) = (program, matches, Vec::new());
    while let Some((name, below)) = matches.subcommand() {
        path.push(name);
        command = command.find_subcommand(name).unwrap();
        matches = below;
    }
    let given = command
        .get_positionals()
        .any(|it| matches.value_source(it.get_id().as_str()) == Some(ValueSource::CommandLine));
    (path.join(" "), given)
}

/// Panics where the output of `devenv ARGUMENTS` is not what is documented.
pub fn check(arguments: &[String], code: i32, stdout: &str) {
    let Some(name) = declaration(arguments) else {
        return;
    };
    let lines = DOCUMENTED.outputs[name].lines;
    let read = |line: &str| -> Value {
        serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("devenv {arguments:?}: {error}: {line}"))
    };
    let mut values: Vec<Value> = stdout.lines().map(read).collect();
    let failed = Shape::Name("Error".to_owned());
    let error = values.last().filter(|_| code != 0);
    if error.is_some_and(|it| failed.fits(it, &DOCUMENTED.shapes).is_ok()) {
        values.pop();
    } else {
        let count = values.len();
        assert!(
            lines || count == 1,
            "devenv {arguments:?} printed {count} lines: {stdout}"
        );
    }
    for value in &values {
        check_line(name, value);
    }
}

/// Panics where one value of a command's output is not what is documented.
pub fn check_line(name: &str, value: &Value) {
    let shape = &DOCUMENTED.outputs[name].shape;
    if let Err(wrong) = shape.fits(value, &DOCUMENTED.shapes) {
        panic!("`devenv help json` says otherwise of `devenv {name}`: {wrong}\n{value:#}");
    }
}
