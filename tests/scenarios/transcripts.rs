//! What the commands say, as a user reads it: one release and one developer's day, held as transcripts.
//! `INSTA_UPDATE=always cargo test --test scenarios transcripts` writes them anew.

use std::path::Path;

use crate::proposing::trace;
use crate::support::company::Company;
use crate::support::workstation::{Ran, Workstation, free_port};

/// Commands and what they said.
struct Transcript {
    text: String,
    /// What differs from run to run, and how it is shown.
    names: Vec<(String, &'static str)>,
}

impl Transcript {
    fn of(company: &Company, workstation: &Workstation) -> Self {
        let folder = company.work().parent().unwrap().display().to_string();
        let home = workstation.home.path().display().to_string();
        Self {
            text: String::new(),
            names: vec![
                (company.prefix.clone(), "registry.example/acme"),
                (folder, "/company"),
                (home, "/home"),
                (company.platform.clone(), "acme"),
                (workstation.instance.clone(), "default"),
            ],
        }
    }

    /// What a command said; of the lines beside the data only those that begin with one of `aside`,
    /// as steps that run at the same time are told in any order.
    fn add(&mut self, arguments: &[&str], ran: &Ran, aside: &[&str]) {
        let command = format!("$ devenv {}\n", arguments.join(" "));
        let mut said = String::new();
        for line in ran.stderr.lines() {
            if aside.is_empty() || aside.iter().any(|it| line.starts_with(it)) {
                said.extend(["! ", line, "\n"]);
            }
        }
        let code = format!("[{}]\n\n", ran.code);
        for text in [&command, &said, &ran.stdout, &code] {
            self.text += &self.redacted(text);
        }
    }

    fn redacted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (from, to) in &self.names {
            text = text.replace(from, to);
        }
        let lines = text.lines().map(|line| {
            let words = line.split_inclusive(|it: char| !is_of_a_word(it));
            let line: String = words.map(steady).collect();
            spaced(&line) + "\n"
        });
        lines.collect()
    }
}

fn is_of_a_word(it: char) -> bool {
    it.is_ascii_alphanumeric() || ":-.".contains(it)
}

/// A word without what no two runs have in common: times, commits, digests, durations.
fn steady(word: &str) -> String {
    let end = word.find(|it| !is_of_a_word(it)).unwrap_or(word.len());
    let (word, rest) = word.split_at(end);
    let shape: String = word
        .chars()
        .map(|it| if it.is_ascii_digit() { '0' } else { it })
        .collect();
    let is_hex = |it: char| it.is_ascii_digit() || ('a'..='f').contains(&it);
    let bare = word.trim_end_matches(['.', ':']);
    let steady = match shape.trim_end_matches(['.', ':']) {
        "0000-00-00" => "DATE".to_owned(),
        "00:00" | "00:00:00" => "TIME".to_owned(),
        it if it.starts_with("0000-00-00T") => "MOMENT".to_owned(),
        "0.0" | "00.0" if rest == " " => return word.to_owned() + rest,
        _ if bare.len() >= 7 && bare.chars().all(is_hex) => "HEX".to_owned(),
        _ => match word.split_once(':') {
            Some(("sha256", hex)) if hex.chars().all(is_hex) => "sha256:HEX".to_owned(),
            Some(("local-", _)) => "local".to_owned(),
            _ => return word.to_owned() + rest,
        },
    };
    steady + &word[bare.len()..] + rest
}

/// Columns are as wide as their widest word, which may be of any length.
fn spaced(line: &str) -> String {
    let mut found = String::new();
    for it in line.chars() {
        if !(it == ' ' && found.ends_with("  ")) {
            found.push(it);
        }
    }
    found.trim_end().to_owned()
}

/// `release build`, `reference`, `promote`, `rollback`, `verify`: what an operator reads.
#[test]
fn a_release_is_told() {
    let company = Company::new();
    let mut transcript = Transcript::of(&company, &company.operator);
    let artifact = company.artifact();
    let artifact = artifact.to_str().unwrap();
    for arguments in [
        &[
            "release",
            "build",
            "base",
            "--version",
            "1",
            "--artifact",
            artifact,
        ][..],
        &["release", "build", "billing", "--version", "1.0"],
        &["release", "reference", "--yes"],
        &["release", "reference", "--yes"],
        &["release", "promote", "1", "--to", "recette", "--yes"],
        &["release", "promote", "1", "--to", "production", "--yes"],
        &["release", "verify", "billing:1.0"],
        &["release", "verify", "1"],
        &["release", "verify", "production"],
    ] {
        let ran = company.run(arguments).ok();
        transcript.add(arguments, &ran, &["warning", "hint", "  hint"]);
    }
    company.write(
        "containers/billing/configuration/production/application.properties",
        "name=changed\n",
    );
    company.push("Another name");
    for arguments in [
        &["release", "build", "billing", "--version", "1.1"][..],
        &["release", "reference", "--yes"],
        &["release", "promote", "2", "--to", "recette", "--yes"],
        &["release", "promote", "2", "--to", "production", "--yes"],
        &[
            "release",
            "rollback",
            "--in",
            "production",
            "--to",
            "1",
            "--yes",
            "--reason",
            "slow",
        ],
        &["history", "production"],
    ] {
        let ran = company.run(arguments);
        transcript.add(arguments, &ran, &["error", "warning", "hint", "  hint"]);
    }
    insta::assert_snapshot!(transcript.text);
}

/// `sync`, `list`, `up`, `status`, `diff`, `history`, `trust`, `down`: what a developer reads.
#[test]
fn a_day_is_told() {
    let company = Company::new().with_reference();
    for environment in ["recette", "production"] {
        let promote = ["release", "promote", "1", "--to", environment, "--yes"];
        company.run(&promote).ok();
    }
    let developer = Workstation::initialised(&company.url());
    let mut transcript = Transcript::of(&company, &developer);
    let port = free_port();
    transcript.names.push((port.to_string(), "PORT"));
    let chosen = format!("80={port}");
    let say = |transcript: &mut Transcript, arguments: &[&str], aside: &[&str]| {
        let ran = developer.run(arguments);
        transcript.add(arguments, &ran, aside);
    };
    let told = &["error", "warning", "  hint", "nothing"];
    say(&mut transcript, &["sync"], told);
    say(&mut transcript, &["list"], told);
    say(&mut transcript, &["list", "billing"], told);
    let up = ["up", "billing", "--port", &chosen];
    say(&mut transcript, &[&up[..], &["--dry-run"]].concat(), told);
    say(&mut transcript, &up, told);
    say(&mut transcript, &["up"], told);
    say(&mut transcript, &["status"], told);
    let tree = developer.run(&["edit", "billing", "--print"]).ok().stdout;
    trace(Path::new(tree.trim()));
    say(&mut transcript, &["diff", "billing"], told);
    say(&mut transcript, &["history", "production"], told);
    say(&mut transcript, &["trust", "show"], told);
    say(&mut transcript, &["trust", "verify"], told);
    say(&mut transcript, &["down"], told);
    say(&mut transcript, &["status"], told);
    say(&mut transcript, &["down", "--volumes", "--yes"], told);
    insta::assert_snapshot!(transcript.text);
}
