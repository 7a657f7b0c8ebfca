//! `--json`: every command prints what `devenv help json` says.

use std::collections::BTreeSet;
use std::fs;

use crate::desk::Desk;
use crate::service;
use crate::support::company::Company;
use crate::support::forge::{Server, Vendor};
use crate::support::shapes::{DOCUMENTED, declaration};
use crate::support::workstation::{Ran, Workstation};

/// What ran so far, by its declaration in `devenv help json`.
#[derive(Default)]
struct Seen(BTreeSet<&'static str>);

impl Seen {
    /// Runs a command with `--json`: whoever runs it compares what it prints with what is documented.
    fn run(&mut self, run: impl Fn(&[&str]) -> Ran, arguments: &str) -> Ran {
        let mut arguments: Vec<&str> = arguments.split_whitespace().collect();
        arguments.extend(["--json", "--yes"]);
        let owned: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let name = declaration(&owned);
        self.0.extend(name);
        assert!(name.is_some(), "{arguments:?} is not documented");
        run(&arguments)
    }
}

/// Production's side: from a key to a rollback.
fn releases(company: &Company, seen: &mut Seen) {
    let vendor = company.saved("base", "1");
    let vendor = vendor.display();
    let keys = tempfile::tempdir().unwrap();
    let folder = keys.path().display();
    let platform = &company.platform;
    for arguments in [
        format!("release key --name other --platform {platform} --directory {folder}"),
        "release build billing --version 1.0".to_owned(),
        "release build audit --version 1".to_owned(),
        format!("release import vendor --version 1 --archive {vendor}"),
        "release reference".to_owned(),
        "release reference".to_owned(),
        "release promote 1 --to recette".to_owned(),
        "release promote 1 --to production".to_owned(),
        "release promote 1 --to production".to_owned(),
        "release build billing --version 1.1".to_owned(),
        "release reference".to_owned(),
        "release promote 2 --to recette".to_owned(),
        "release promote 2 --to production".to_owned(),
        "release rollback --in production --to 1".to_owned(),
        "release renew production --days 91".to_owned(),
        "release sign production".to_owned(),
        "release verify production".to_owned(),
        "release verify billing:1.1".to_owned(),
    ] {
        seen.run(|it| company.run(it), &arguments).ok();
    }
}

/// A developer's commands on what runs, in an order in which each has something to do.
const RUNNING: &[&str] = &[
    "up billing --dry-run",
    "status",
    "up billing audit",
    "status",
    "open --print",
    "logs -n 1",
    "restart billing",
    "pause",
    "resume",
    "pull",
    "history",
    "history --packages",
    "sbom billing",
    "facts",
    "compare",
    "explain /billing",
    "list",
    "list billing",
    "sync",
    "trust show",
    "trust verify",
    "doctor",
    "config",
    "completions bash",
    "help",
    "help json",
    "help release build",
];

/// His proposal, from the folder to its end.
const PROPOSING: &[&str] = &[
    "edit billing --print",
    "build billing",
    "up billing --local",
    "propose billing -m Mend --dry-run",
    "propose billing -m Mend",
    "proposals",
    "up billing --release",
    "abandon billing",
    "diff",
];

/// And the end of all.
const ENDING: &[&str] = &[
    "trust update",
    "down --dry-run",
    "down audit --dry-run",
    "down audit",
    "down",
    "clean --dry-run",
    "clean",
];

/// Each command prints with `--json` what `devenv help json` documents, field by field: one value, or
/// one object a line. `up --watch` is held by the scenarios of watching.
#[test]
fn every_command_prints_its_documented_shape() {
    let company = Company::on(Server::start(Vendor::Plain)).with_base();
    company.write("containers/audit/container.yaml", &service(""));
    company.write("containers/vendor/container.yaml", &service(""));
    let policy = "schema: 1\nrules: { root: warn }\nwaivers: \
                  [{ rule: root, container: audit, until: 2999-01-01, name: Anna, reason: bought }]\n";
    company.write("policy.yaml", policy);
    let dockerfile = "ARG BASE_BASE\nFROM ${BASE_BASE}\n";
    company.write("containers/audit/Dockerfile", dockerfile);
    company.push("audit");
    let mut seen = Seen::default();
    releases(&company, &mut seen);
    let init = format!("init {} --accept-keys", company.url());
    seen.run(|it| Workstation::empty().run(it), &init).ok();

    let url = company.url();
    let desk = Desk::at(company, &url, Vec::new());
    let home = desk.developer.home.path().display().to_string();
    for arguments in RUNNING {
        seen.run(|it| desk.run(it), arguments).ok();
    }
    seen.run(|it| desk.run(it), &format!("logs billing --to {home}/logs"))
        .ok();
    seen.run(|it| desk.run(it), &format!("facts --output {home}/facts"))
        .ok();
    seen.run(|it| desk.run(it), &format!("help --man {home}/man"))
        .ok();
    let work = desk.company.work();
    let check = format!("check --definitions {}", work.display());
    seen.run(|it| desk.run(it), &check).ok();
    seen.run(|it| desk.run(it), "diff billing").code(1);
    for arguments in PROPOSING {
        seen.run(|it| desk.run(it), arguments).ok();
    }
    let trust = "release trust --threshold 1 --minimum-sequence production=1";
    seen.run(|it| desk.company.run(it), trust).ok();
    for arguments in ENDING {
        seen.run(|it| desk.run(it), arguments).ok();
    }
    let pinned = format!("{home}/config/trust/{}.yaml", desk.company.platform);
    assert!(fs::exists(&pinned).unwrap());
    seen.run(|it| desk.run(it), &format!("trust accept {pinned}"))
        .ok();
    let platform = &desk.company.platform;
    for options in ["--dry-run", ""] {
        seen.run(|it| desk.run(it), &format!("forget {platform} {options}"))
            .ok();
    }

    // A server's commands: `serving::json`; those of a search: `bisecting`; of requests: `replaying`;
    // of data: `data_snapshots`; of incidents: `capsules`.
    let begins = [
        "server ",
        "bisect",
        "replay",
        "requests",
        "snapshot ",
        "capsule ",
    ];
    let elsewhere = |it: &str| begins.iter().any(|begin| it.starts_with(begin));
    let names = DOCUMENTED.outputs.keys().map(String::as_str);
    let documented: BTreeSet<&str> = names.filter(|it| !elsewhere(it)).collect();
    let unseen: Vec<_> = documented.difference(&seen.0).collect();
    assert_eq!(
        unseen,
        [&"up --watch"],
        "these are documented and not tried"
    );
}
