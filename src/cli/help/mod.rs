//! The topics of `devenv help`: each is one text in this folder, shown on the terminal and made a page
//! for `man`. Tables that the program has (exit codes, variables, kinds of hosts) are put in from there.

pub mod pages;
mod text;

pub use text::{Block, terminal};

use include_dir::File;

use crate::error::Exit;
use crate::home::settings::variables::VARIABLES;
use crate::model::facets::facet::Source;
use crate::model::facets::table::FACETS;
use crate::model::host_profile::BUILT_IN;

/// One topic: its name as it is typed, and its text.
#[derive(Debug)]
pub struct Topic {
    /// What follows `devenv help`, and `man 7 devenv-`.
    pub name: &'static str,
    source: &'static str,
}

macro_rules! topics {
    ($($name:literal),*) => {
        &[$(Topic { name: $name, source: include_str!(concat!($name, ".md")) }),*]
    };
}

/// All topics, in the order in which they are listed.
pub const TOPICS: &[Topic] = topics![
    "files",
    "settings",
    "variables",
    "hosts",
    "network",
    "versions",
    "proposals",
    "trust",
    "policy",
    "server",
    "facets",
    "requests",
    "data",
    "capsules",
    "json",
    "exit-codes"
];

impl Topic {
    /// The topic of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        TOPICS.iter().find(|it| it.name == name)
    }

    /// What it is about, in one line: the title of its text.
    pub fn about(&self) -> &'static str {
        let title = self.source.lines().next().unwrap_or_default();
        title.trim_start_matches("# ")
    }

    /// Its text below the title, with the program's own tables.
    pub fn blocks(&self) -> Vec<Block> {
        let body = self.source.split_once('\n').map_or("", |(_, body)| body);
        let mut text = body.to_owned();
        for (mark, table) in [
            ("{exit codes}", exit_codes as fn() -> String),
            ("{variables}", variables),
            ("{kinds of hosts}", hosts),
            ("{facets}", facets),
        ] {
            if text.contains(mark) {
                text = text.replace(mark, &table());
            }
        }
        text::blocks(&text)
    }
}

/// A list of all topics, for the end of `devenv --help`.
pub fn list() -> String {
    let names = TOPICS.iter().map(|it| it.name.len()).max();
    let width = names.unwrap_or_default();
    let lines = TOPICS
        .iter()
        .map(|it| format!("  {:width$}  {}", it.name, it.about()));
    let lines: Vec<String> = lines.collect();
    format!(
        "Topics, shown by `devenv help TOPIC`:\n{}",
        lines.join("\n")
    )
}

fn row(first: impl std::fmt::Display, second: &str) -> String {
    format!("| {first} | {second} |\n")
}

fn exit_codes() -> String {
    let rows = Exit::TABLE.iter();
    rows.map(|(exit, meaning)| row(exit.code(), meaning))
        .collect()
}

fn variables() -> String {
    let rows = VARIABLES.iter();
    rows.map(|it| row(it.name, it.meaning)).collect()
}

fn facets() -> String {
    let of = |source: Source| {
        let rows = FACETS.iter().filter(move |it| it.source == source);
        rows.map(|it| row(it.name, &format!("{} ({})", it.why, it.compared.as_str())))
    };
    let table = |source: Source| {
        let rows: String = of(source).collect();
        format!("## Read from {}\n\n{rows}\n", source.as_str())
    };
    [Source::Asked, Source::Engine, Source::Inside]
        .map(table)
        .concat()
}

/// The comment at the beginning of each profile is that host's page.
fn hosts() -> String {
    let page = |file: &File<'_>| {
        let name = file.path().file_stem().unwrap_or_default();
        let source = file.contents_utf8().unwrap_or_default();
        let comments = source.lines().map_while(|it| it.strip_prefix('#'));
        let page: Vec<&str> = comments.map(str::trim_start).collect();
        format!("## {}\n\n{}\n\n", name.to_string_lossy(), page.join("\n"))
    };
    BUILT_IN.files().map(page).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_has_a_title_and_no_open_mark() {
        for topic in TOPICS {
            assert!(topic.source.starts_with("# "), "{}", topic.name);
            let text = terminal(&topic.blocks(), 80, str::to_owned);
            assert!(!text.contains("{exit codes}") && !text.contains("{variables}"));
            assert!(text.len() > 200, "{} says something", topic.name);
        }
    }

    #[test]
    fn tables_of_the_program_are_in_the_topics() {
        let text = |name| terminal(&Topic::find(name).unwrap().blocks(), 80, str::to_owned);
        for (exit, meaning) in Exit::TABLE {
            assert!(text("exit-codes").contains(&exit.code().to_string()));
            assert!(text("exit-codes").contains(meaning));
        }
        for variable in VARIABLES {
            assert!(text("variables").contains(variable.name));
        }
        assert!(text("hosts").contains("vboxsf"));
        for facet in FACETS {
            assert!(text("facets").contains(facet.name), "{}", facet.name);
        }
    }
}
