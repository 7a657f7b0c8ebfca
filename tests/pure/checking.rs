//! `devenv check` on clones of a definitions repository, as developers and CIs have them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::synthetic::git;
use crate::support::workstation::{Ran, Workstation, finished};

/// A server's repository with a sound platform on `main`, and a clone of it.
struct Clone {
    folder: tempfile::TempDir,
    home: Workstation,
}

const FILES: [(&str, &str); 10] = [
    (
        "platform.yaml",
        "schema: 1\nplatform: acme\nregistry: localhost:5000/acme\nproxy: front\n\
         environments: [recette, production]\nconfiguration_variable: ENVIRONMENT\n\
         workstation: { environment: production, configuration: recette }\n\
         defaults: { port: 8080 }\ncontainers: { base: \"1\", billing: \"1.0\" }\n",
    ),
    (
        "trust.yaml",
        include_str!("../fuzz/corpus/trust_file/one-key.yaml"),
    ),
    ("containers/base/container.yaml", "kind: base\n"),
    ("containers/base/Dockerfile", "FROM scratch\n"),
    (
        "containers/billing/container.yaml",
        "routes: [{ path: /billing }]\nmemory: 256MiB\n",
    ),
    (
        "containers/billing/Dockerfile",
        "ARG BASE_BASE\nFROM ${BASE_BASE}\n",
    ),
    (
        "containers/billing/configuration/recette/x.properties",
        "a=1\n",
    ),
    ("containers/front/container.yaml", "kind: proxy\n"),
    (
        "containers/front/Dockerfile",
        "ARG BASE_BASE\nFROM ${BASE_BASE}\n",
    ),
    (
        "containers/front/routes.j2",
        "{% for route in routes %}{{ route.path }}\n{% endfor %}",
    ),
];

impl Clone {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        git(
            at,
            &[
                "init",
                "--quiet",
                "--bare",
                "--initial-branch=main",
                "server",
            ],
        );
        let clone = Self {
            home: Workstation::empty(),
            folder,
        };
        git(clone.folder.path(), &["clone", "--quiet", "server", "work"]);
        git(&clone.work(), &["checkout", "--quiet", "-B", "main"]);
        for (path, text) in FILES {
            clone.write(path, text);
        }
        clone.commit("The platform");
        git(&clone.work(), &["push", "--quiet", "origin", "main"]);
        clone
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn commit(&self, message: &str) {
        git(&self.work(), &["add", "--all"]);
        git(&self.work(), &["commit", "--quiet", "--message", message]);
    }

    fn check_in(&self, folder: &Path, arguments: &[&str]) -> Ran {
        let mut command = self.home.command();
        command.current_dir(folder).arg("check").args(arguments);
        // Nothing listens there: neither engine nor registry is asked.
        command.env("DOCKER_HOST", "tcp://127.0.0.1:1");
        finished(command, "")
    }

    fn check(&self, arguments: &[&str]) -> Ran {
        self.check_in(&self.work(), arguments)
    }
}

fn texts(list: &Value, key: &str) -> Vec<String> {
    let items = list.as_array().unwrap().iter();
    items
        .map(|it| it[key].as_str().unwrap_or("-").to_owned())
        .collect()
}

/// A sound one has no faults, from any folder in it and from outside; a folder that is no clone is
/// refused.
#[test]
fn a_sound_repository_has_no_faults() {
    let clone = Clone::new();
    let said = clone.check(&[]).ok();
    assert_eq!(
        said.stdout,
        "a merge into main changes no file\nno faults\n"
    );
    clone.check_in(&clone.work().join("containers"), &[]).ok();
    // A clone as `git clone` makes it knows the server's own branch.
    let bare = clone.folder.path().join("server");
    git(&bare, &["branch", "--move", "main", "trunk"]);
    let fresh = clone.folder.path().join("fresh");
    git(
        clone.folder.path(),
        &["clone", "--quiet", "server", "fresh"],
    );
    git(&fresh, &["checkout", "--quiet", "--detach"]);
    let said = clone.check_in(&fresh, &[]).ok();
    assert!(said.stdout.contains("into trunk"), "{}", said.stdout);
    let work = clone.work();
    let outside = ["--definitions", work.to_str().unwrap()];
    clone.check_in(clone.home.home.path(), &outside).ok();
    clone
        .check_in(clone.home.home.path(), &[])
        .code(2)
        .says("is in no git clone");
    clone
        .check(&["--against", "nothing"])
        .code(2)
        .says("`nothing`");
    // The server's own repository, which has no work tree.
    let said = clone.check_in(&bare, &[]).ok();
    assert!(said.stderr.contains("not looked at"), "{}", said.stderr);
}

/// Every fault of every file at once, each with its place, committed or not.
#[test]
fn every_fault_is_told_at_once() {
    let clone = Clone::new();
    let platform = FILES[0].1.replace(
        "production, configuration: recette",
        "prod, configuration: recete",
    );
    clone.write(
        "platform.yaml",
        &(platform + "bundles: { all: [nobody] }\n"),
    );
    clone.write(
        "containers/billing/container.yaml",
        "needs: [custmers, front]\nhealth: {}\nroutes: [{ path: /a }, { path: /a }]\n",
    );
    clone.write("containers/audit/container.yaml", "rooutes: []\n");
    clone.write("containers/audit/Dockerfile", "FROM debian:12\n");
    clone.write(
        "containers/front/Dockerfile",
        "FROM debian:12 AS a\nCOPY --from=nginx:1 x y\nFROM a\nCOPPY a b\n",
    );
    clone.write("containers/billing/x.j2", "");
    let recipe = "ARG BASE_BASE\nFROM ${BASE_BASE}\nCOPY nothere configuration /z/\n";
    clone.write("containers/billing/Dockerfile", recipe);
    fs::remove_file(clone.work().join("trust.yaml")).unwrap();
    clone.write("policy.yaml", "schema: 1\nrules: { rot: warn }\n");
    std::os::unix::fs::symlink("/etc/passwd", clone.work().join("containers/base/link")).unwrap();

    let said = clone.check(&["--json"]).code(3).json();
    let places: Vec<String> = said["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            format!(
                "{}:{} {}",
                it["file"].as_str().unwrap(),
                it["line"],
                it["message"].as_str().unwrap()
            )
        })
        .collect();
    let wanted = [
        "containers/audit/container.yaml:1 unknown field `rooutes`",
        "containers/base/link:null `containers/base/link` is a symbolic link",
        "containers/billing/Dockerfile:3 there is no `nothere` beside it",
        "containers/billing/container.yaml:1 no container is called `custmers`",
        "containers/billing/container.yaml:1 `front` is a proxy",
        "containers/billing/container.yaml:2 a health check has either",
        "containers/billing/container.yaml:3 the route `/a` belongs to `billing` already",
        "containers/billing/x.j2:null only the proxy has templates",
        "containers/front/Dockerfile:1 `debian:12` is not pinned",
        "containers/front/Dockerfile:2 `--from=nginx:1` is neither",
        "containers/front/Dockerfile:4 `COPPY` is no instruction",
        "platform.yaml:7 `workstation.environment` is `prod`",
        "platform.yaml:7 no container has a configuration called `recete`; did you mean `recette`?",
        "platform.yaml:10 no container is called `nobody`",
        "policy.yaml:2 unknown field `rot`",
        "trust.yaml:null there is no such file",
    ];
    assert_eq!(places.len(), wanted.len(), "{places:#?}");
    for (place, wanted) in places.iter().zip(wanted) {
        assert!(place.starts_with(wanted), "{wanted}\n{places:#?}");
    }
    assert_eq!(said["merge"], Value::Null);
    let shown = clone.check(&[]).code(3).stdout;
    assert!(
        shown.contains("16 faults") && shown.contains("2 | rules: { rot"),
        "{shown}"
    );
}

/// A template that breaks with all routes there is a fault of its line.
#[test]
fn templates_are_rendered_with_the_whole_platform() {
    let clone = Clone::new();
    clone.write(
        "containers/front/routes.j2",
        "fine\n{{ routes[0].nothing.more }}\n",
    );
    let said = clone.check(&["--json"]).code(3).json();
    let fault = &said["faults"][0];
    assert_eq!(fault["file"], "containers/front/routes.j2", "{said}");
    assert_eq!(fault["line"], 2);
}

/// What a merge would change: files, the platform, and how containers run, with what to look at
/// twice. Two sides that are sound alone can clash.
#[test]
fn a_merge_is_shown_before_it_is_made() {
    let clone = Clone::new();
    let work = clone.work();
    git(&work, &["checkout", "--quiet", "-b", "change"]);
    clone.write(
        "containers/billing/container.yaml",
        "routes: [{ path: /bills }]\nmemory: 1GiB\nuser: root\n",
    );
    clone.write(
        "platform.yaml",
        &FILES[0].1.replace("billing: \"1.0\"", "billing: \"1.1\""),
    );
    clone.commit("More memory");
    let said = clone.check(&["--json", "--against", "main"]).ok().json();
    let merge = &said["merge"];
    assert_eq!(merge["target"], "main");
    assert_eq!(
        texts(&merge["files"], "path"),
        ["containers/billing/container.yaml", "platform.yaml"]
    );
    assert_eq!(
        texts(&merge["platform"], "path"),
        ["platform.yaml.containers.billing"]
    );
    let billing = &merge["containers"][0];
    assert_eq!(billing["container"], "billing");
    assert_eq!(
        texts(&billing["run"], "path"),
        ["memory", "routes", "routes", "user"]
    );
    assert!(!billing["risks"].as_array().unwrap().is_empty(), "{said}");
    let shown = clone.check(&[]).ok().stdout;
    assert!(
        shown.contains("memory: 256MiB → 1GiB") && shown.contains("look twice"),
        "{shown}"
    );

    // Meanwhile another container takes the route.
    git(&work, &["checkout", "--quiet", "main"]);
    clone.write(
        "containers/audit/container.yaml",
        "routes: [{ path: /bills }]\n",
    );
    clone.commit("Audit");
    git(&work, &["push", "--quiet", "origin", "main"]);
    git(&work, &["checkout", "--quiet", "change"]);
    let said = clone.check(&["--json", "--against", "main"]).code(3).json();
    let message = said["faults"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("merged into main") && message.contains("/bills"),
        "{said}"
    );
    git(&work, &["checkout", "--quiet", "-b", "other", "main~1"]);
    clone.write("containers/billing/container.yaml", "memory: 512MiB\n");
    clone.commit("Other memory");
    let said = clone.check(&["--against", "change"]).code(3);
    assert!(
        said.stdout.contains("both sides changed"),
        "{}",
        said.stdout
    );
}

/// The policy judges what definitions show: refused, warned, waived until a day with a name; bases by
/// the tags of releases.
#[test]
fn the_policy_judges_definitions() {
    let clone = Clone::new();
    let policy = "schema: 1\nrules: { root: warn, configuration: refuse, secrets: refuse, setuid: refuse, \
                  base: { level: warn, oldest_days: 1 } }\n";
    clone.write("policy.yaml", policy);
    clone.write(
        "containers/billing/configuration/recette/x.properties",
        "a=1\ndb.password=s3cret\n",
    );
    clone.write("containers/billing/container.yaml", "user: root\n");
    let said = clone.check(&["--json"]).code(3);
    assert!(!said.stdout.contains("s3cret"), "{}", said.stdout);
    let said = said.json();
    let judged: Vec<String> = said["policy"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            format!(
                "{} {} {}:{}",
                it["ruling"].as_str().unwrap(),
                it["rule"].as_str().unwrap(),
                it["file"].as_str().unwrap(),
                it["line"]
            )
        })
        .collect();
    assert_eq!(
        judged,
        [
            "warned root containers/billing/container.yaml:null",
            "refused configuration containers/billing/configuration:null",
            "refused secrets containers/billing/configuration/recette/x.properties:2",
        ]
    );
    let open = said["not_looked_at"].to_string();
    assert!(open.contains("bases of 2 released versions"), "{open}");
    assert!(
        open.contains("root, setuid: `release build` judges these"),
        "{open}"
    );

    let waivers = "waivers:\n- { rule: secrets, container: billing, until: 2999-01-01, name: Anna, reason: a test's }\n\
                   - { rule: configuration, until: 2999-01-01, name: Anna, reason: none yet }\n\
                   - { rule: root, until: 2001-01-01, name: Anna, reason: over }\n";
    clone.write("policy.yaml", &format!("{policy}{waivers}"));
    let said = clone.check(&[]).ok().stdout;
    let waived = "waived until 2999-01-01 by Anna: a test's";
    assert!(said.contains(waived), "{said}");
    let ended =
        "this waiver lets nothing pass: root: waived until 2001-01-01 by Anna: over (it has ended)";
    assert!(said.contains(ended), "{said}");

    // Releases of long ago on a base that has a successor.
    let work = clone.work();
    git(&work, &["stash", "--quiet", "--include-untracked"]);
    let long_ago = [
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@x",
        "tag",
        "-a",
        "-m",
        "x",
    ];
    for tag in ["release/base/1", "release/billing/1.0"] {
        let mut arguments = long_ago.to_vec();
        arguments.push(tag);
        let mut command = std::process::Command::new("git");
        let status = command
            .current_dir(&work)
            .env("GIT_COMMITTER_DATE", "2001-01-01T00:00:00Z")
            .args(arguments)
            .status();
        assert!(status.unwrap().success());
    }
    git(&work, &["stash", "pop", "--quiet"]);
    clone.write(
        "platform.yaml",
        &FILES[0].1.replace("base: \"1\"", "base: \"2\""),
    );
    let said = clone.check(&[]).ok().stdout;
    assert!(
        said.contains("1.0 stands on base 1; 2 is released (base)"),
        "{said}"
    );
    assert!(said.contains("days old (base)"), "{said}");
}
