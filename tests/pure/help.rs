//! `devenv help`: what its topics say of commands, settings and JSON is true and complete.

use std::collections::BTreeSet;
use std::process::Command as Process;

use clap::{Command, CommandFactory as _};
use devenv::cli::commands::Cli;
use devenv::cli::help::{TOPICS, Topic, pages, terminal};

use crate::support::shape::parse;
use crate::support::shapes::{DOCUMENTED, declaration};

fn text(topic: &str) -> String {
    terminal(&Topic::find(topic).unwrap().blocks(), 100, str::to_owned)
}

/// The commands that do something by themselves: `up`, `release build`.
fn commands() -> Vec<String> {
    fn below(command: &Command, path: &str, found: &mut Vec<String>) {
        for command in command.get_subcommands().filter(|it| !it.is_hide_set()) {
            let path = format!("{path} {}", command.get_name());
            below(command, &path, found);
            if !command.is_subcommand_required_set() {
                found.push(path.trim().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    below(&Cli::command(), "", &mut found);
    found
}

#[test]
fn the_output_of_every_command_is_documented() {
    // They print what the command in the container prints.
    let foreign = ["exec", "shell"];
    let documented = &DOCUMENTED.outputs;
    let commands = commands();
    for command in &commands {
        let is_foreign = foreign.contains(&command.as_str());
        assert_ne!(documented.contains_key(command), is_foreign, "{command}");
    }
    for name in documented.keys() {
        let of = |it: &&String| name == *it || name.starts_with(&format!("{it} "));
        assert!(commands.iter().any(|it| of(&it)), "no command is `{name}`");
    }
}

#[test]
fn an_output_is_found_by_its_options() {
    let of = |line: &str| {
        let words: Vec<String> = line.split(' ').map(ToOwned::to_owned).collect();
        declaration(&words)
    };
    assert_eq!(of("up billing --json"), Some("up"));
    assert_eq!(of("--json up --dry-run billing"), Some("up --dry-run"));
    assert_eq!(of("down billing --dry-run"), Some("down --dry-run"));
    assert_eq!(of("down billing"), Some("down NAME"));
    assert_eq!(of("release build b --version 1"), Some("release build"));
    assert_eq!(of("exec billing -- ls"), None);
}

#[test]
fn a_shape_refuses_what_it_does_not_say() {
    let none = std::collections::BTreeMap::new();
    let shape = parse("{ a: integer, b?: (\"x\" | null)[], c: { [key]: digest } }").unwrap();
    let fits = |value: &str| shape.fits(&serde_json::from_str(value).unwrap(), &none);
    assert_eq!(fits(r#"{"a":1,"b":["x",null],"c":{}}"#), Ok(()));
    for (value, wrong) in [
        (r#"{"a":1.5,"c":{}}"#, ".a is 1.5, not integer"),
        (r#"{"a":1}"#, ".c is missing"),
        (r#"{"a":1,"c":{},"d":2}"#, ".d is not documented"),
        (r#"{"a":1,"c":{"k":"sha256:1"}}"#, ".c .k is"),
        (r#"{"a":1,"b":["y"],"c":{}}"#, ".b [0] is"),
    ] {
        assert!(
            fits(value).unwrap_err().contains(wrong),
            "{value}: {:?}",
            fits(value)
        );
    }
    assert!(parse("{ a: }").is_err() && parse("string string").is_err());
}

/// Every name that a shape uses is declared, and every declared one is used.
#[test]
fn shapes_name_each_other() {
    fn names(shape: &crate::support::shape::Shape, found: &mut BTreeSet<String>) {
        use crate::support::shape::Shape;
        match shape {
            Shape::Name(name) => {
                found.insert(name.clone());
            }
            Shape::Word(_) => {}
            Shape::List(shape) | Shape::Map(shape) => names(shape, found),
            Shape::Object(fields) => fields.iter().for_each(|it| names(&it.shape, found)),
            Shape::Either(shapes) | Shape::Both(shapes) => {
                for shape in shapes {
                    names(shape, found);
                }
            }
        }
    }
    let mut used = BTreeSet::from(["Error".to_owned()]);
    let outputs = DOCUMENTED.outputs.values().map(|it| &it.shape);
    outputs
        .chain(DOCUMENTED.shapes.values())
        .for_each(|it| names(it, &mut used));
    for simple in [
        "string", "integer", "boolean", "null", "any", "time", "digest",
    ] {
        assert!(used.remove(simple), "{simple}");
    }
    let declared: BTreeSet<String> = DOCUMENTED.shapes.keys().cloned().collect();
    assert_eq!(used, declared);
}

#[test]
fn every_setting_is_documented() {
    let source = include_str!("../../src/home/settings/mod.rs");
    let file = source.split("struct File {").nth(1).unwrap();
    let fields = file.split("\n}").next().unwrap().lines();
    let names = fields.filter_map(|line| line.trim().split_once(": "));
    let names: Vec<&str> = names.map(|(name, _)| name).collect();
    assert!(names.len() > 10 && names.contains(&"extra_ca"), "{names:?}");
    for name in names {
        assert!(
            text("settings").contains(&format!("  {name}: "))
                || text("settings").contains(&format!("  {name} ")),
            "{name}"
        );
    }
}

#[test]
fn every_key_of_a_container_is_documented() {
    let source = include_str!("../../src/model/container.rs");
    let definition = source.split("pub struct Definition {").nth(1).unwrap();
    let fields = definition.split("\n}").next().unwrap().lines();
    let names = fields.filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(": "));
    let names: Vec<&str> = names.map(|(name, _)| name).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        assert!(text("files").contains(&format!("  {name}: ")), "{name}");
    }
}

/// Pages for all commands and topics, which `groff` formats without a warning where it is installed.
#[test]
fn pages_for_man_are_complete() {
    let folder = tempfile::tempdir().unwrap();
    let written = pages::write(Cli::command(), folder.path()).unwrap();
    let name = |path: &std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let names: BTreeSet<String> = written.iter().map(name).collect();
    for command in commands() {
        let page = format!("devenv-{}.1", command.replace(' ', "-"));
        assert!(names.contains(&page), "{page}");
    }
    for topic in TOPICS {
        assert!(names.contains(&format!("devenv-{}.7", topic.name)));
    }
    assert!(!names.contains("devenv-forward.1"), "it is not for users");
    for page in &written {
        let formatted = Process::new("groff")
            .args(["-k", "-man", "-Tutf8", "-ww", "-z"])
            .arg(page)
            .output();
        let Ok(formatted) = formatted else { return };
        let said = String::from_utf8_lossy(&formatted.stderr).into_owned();
        assert!(said.is_empty(), "{}: {said}", page.display());
    }
}

/// While `devenv help` is typed, commands and topics are offered.
#[test]
fn commands_and_topics_are_completed() {
    let typed = |words: &[&str]| {
        let home = tempfile::tempdir().unwrap();
        let output = Process::new(env!("CARGO_BIN_EXE_devenv"))
            .env("DEVENV_HOME", home.path())
            .env("DEVENV_COMPLETE", "fish")
            .args(["--", "devenv", "help"])
            .args(words)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(
        typed(&["ho"]),
        "hosts\tThe same URL on every engine: kinds of hosts, ports, shared folders\n"
    );
    assert_eq!(
        typed(&["trust"]).lines().count(),
        1,
        "once, though it is both"
    );
    assert!(typed(&["re"]).contains("resume"));
    assert!(!typed(&[""]).contains("forward"));
}
