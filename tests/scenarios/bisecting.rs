//! `bisect`: from two references to the guilty container.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::service;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Ran, Workstation, finished, program, ran};

fn shows(word: &str) -> String {
    service(&format!("environment: {{ SHOWN: \"{word}\" }}\n"))
}

/// Releases these containers once more, with these definitions, and promotes the next reference.
async fn next(platform: &mut Synthetic, version: &str, containers: &[(&str, &str)]) {
    for (name, word) in containers {
        platform.write_container(name, &shows(word));
    }
    platform.push(version);
    for (name, _) in containers {
        platform.release(name, version).await;
    }
    platform.reference().await;
    platform.promote("production").await;
}

/// A shell script that fails where one of these containers shows `bad`.
fn bad_where_all_of(names: &[&str]) -> String {
    let of = |name: &&str| {
        let program = program().display();
        format!("{program} exec {name} -- /probe env SHOWN | grep -q bad")
    };
    let all: Vec<String> = names.iter().map(of).collect();
    format!("if {}; then exit 1; fi", all.join(" && "))
}

fn bisect(workstation: &Workstation, arguments: &[&str], script: &str) -> Ran {
    let all = [&["bisect"], arguments, &["--", "sh", "-c", script]].concat();
    workstation.run(&all)
}

/// What was tried, in order: `5 customers=5.0 bad`.
fn tried(said: &Ran) -> Vec<String> {
    let lines = said.stdout.lines();
    let values = lines.map(|it| serde_json::from_str::<Value>(it).unwrap());
    let tried = values.filter(|it| it["event"] == "tried");
    tried.map(|it| in_words(&it)).collect()
}

fn in_words(tried: &Value) -> String {
    let versions = tried["versions"].as_object().unwrap().iter();
    let versions = versions.map(|(name, it)| format!("{name}={} ", it.as_str().unwrap()));
    let versions: String = versions.collect();
    let verdict = tried["verdict"].as_str().unwrap();
    format!("{} {versions}{verdict}", tried["reference"])
}

/// One container of one reference among many is found, in as many starts as halves take; what differs
/// in it is shown, and the instance is what it was before.
#[tokio::test(flavor = "multi_thread")]
async fn the_guilty_container_is_found_by_halves() {
    let names = ["audit", "billing", "customers", "stock"];
    let good = shows("good");
    let first = names.map(|name| (name, good.as_str()));
    let mut platform = Synthetic::released(&first).await;
    for number in 2..=8 {
        let version = format!("{number}.0");
        let all = [
            ("audit", "good"),
            ("billing", "good"),
            ("stock", "good"),
            ("customers", "bad"),
        ];
        let changed = if number == 5 { &all[..] } else { &all[..1] };
        next(&mut platform, &version, changed).await;
    }
    let workstation = Workstation::initialised(&platform.url());
    let ends = ["--good", "1", "--bad", "8", "--json"];
    let script = bad_where_all_of(&["customers"]);
    let said = bisect(&workstation, &[&ends[..], &names].concat(), &script).ok();
    assert_eq!(
        tried(&said),
        [
            "1 good",
            "8 bad",
            "4 good",
            "6 bad",
            "5 bad",
            "4 audit=5.0 billing=5.0 good",
            "4 audit=5.0 billing=5.0 customers=5.0 bad",
            "4 customers=5.0 bad",
        ]
    );
    let result = said.json();
    assert_eq!((&result["good"], &result["bad"]), (&4.into(), &5.into()));
    assert_eq!(result["promoted"]["by"], "a test", "{result}");
    let guilty = result["guilty"].as_array().unwrap();
    assert_eq!(
        (guilty.len(), &guilty[0]["container"]),
        (1, &"customers".into())
    );
    let differences = guilty[0]["differences"].as_array().unwrap();
    let differences: Vec<&str> = differences
        .iter()
        .map(|it| it["path"].as_str().unwrap())
        .collect();
    for path in ["version", "digest", "commit", "run.environment.SHOWN"] {
        assert!(differences.contains(&path), "{path}: {differences:?}");
    }

    // Its end is known without another start, and shown for people.
    let begun = Instant::now();
    let said = workstation.run(&["bisect"]).ok();
    assert!(
        !said.stderr.contains("step "),
        "{said:?} {:?}",
        begun.elapsed()
    );
    let told = "reference 4 is good; what makes reference 5 bad: customers 1.0 → 5.0\ncustomers:\n";
    assert!(said.stdout.starts_with(told), "{}", said.stdout);
    assert!(
        said.stdout
            .contains("  run.environment.SHOWN: good → bad\n"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout
            .contains("reference 5 was promoted to production at ")
    );
    let log = workstation.run(&["bisect", "log", "--json"]).ok().json();
    assert_eq!(log["tried"].as_array().unwrap().len(), 8);
    assert_eq!(log["next"], "found between reference 4 and 5");
    let other = bisect(
        &workstation,
        &["--good", "2", "--bad", "8", "audit"],
        &script,
    );
    other.code(2).says("another search goes on");
    let reset = workstation.run(&["bisect", "reset", "--json"]).ok().json();
    assert_eq!(reset["tried"], 8);
    assert_eq!(workstation.containers(), Vec::<String>::new());
    for gone in [&["bisect", "log"][..], &["bisect", "reset"], &["bisect"]] {
        workstation.run(gone).code(2).says("no search goes on");
    }
}

/// Two changes that are bad only together are both found.
#[tokio::test(flavor = "multi_thread")]
async fn two_changes_that_are_bad_together_are_found() {
    let names = ["audit", "billing", "customers"];
    let good = shows("good");
    let mut platform = Synthetic::released(&names.map(|name| (name, good.as_str()))).await;
    next(&mut platform, "2.0", &names.map(|name| (name, "bad"))).await;
    let workstation = Workstation::initialised(&platform.url());
    let ends = ["--good", "1", "--bad", "2", "--json"];
    let script = bad_where_all_of(&["audit", "customers"]);
    let said = bisect(&workstation, &[&ends[..], &names].concat(), &script).ok();
    let result = said.json();
    let guilty = result["guilty"].as_array().unwrap().iter();
    let guilty: Vec<&str> = guilty.map(|it| it["container"].as_str().unwrap()).collect();
    assert_eq!(guilty, ["audit", "customers"], "{:?}", tried(&said));
}

/// An interrupted search goes on where it was; at its end the instance runs what it ran before.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_search_goes_on() {
    let mut platform = Synthetic::released(&[("billing", &shows("good"))]).await;
    for version in ["2.0", "3.0"] {
        next(&mut platform, version, &[("billing", "bad")]).await;
    }
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["up", "billing", "--no-proxy", "--reference", "2"])
        .ok();
    let before = workstation.run(&["status", "--json"]).ok().json();
    let go = workstation.home.path().join("go");
    let waits = workstation.home.path().join("waits");
    let script = format!(
        "if {program} exec billing -- /probe env SHOWN | grep -q bad; then \
         test -e {go} || {{ touch {waits}; exec sleep 60; }}; exit 1; fi",
        program = program().display(),
        go = go.display(),
        waits = waits.display(),
    );
    let mut command = workstation.command();
    command.args([
        "bisect", "--good", "1", "--bad", "3", "--", "sh", "-c", &script,
    ]);
    let pipe = std::process::Stdio::piped;
    let child = command.stdout(pipe()).stderr(pipe()).spawn().unwrap();
    let begun = Instant::now();
    while !waits.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for second in [&["bisect"][..], &["bisect", "reset"]] {
        let second = workstation.run(second).code(2);
        second.says("another `devenv bisect` is at work on the instance");
    }
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    ran(&child.wait_with_output().unwrap()).code(130);
    let log = workstation.run(&["bisect", "log"]).ok().stdout;
    assert!(
        log.contains("reference 1: good (exit code 0)\nnext: reference 3\n"),
        "{log}"
    );
    std::fs::write(&go, "").unwrap();
    let said = workstation.run(&["bisect", "--json"]).ok();
    // Without the proxy the one change needs no more starts.
    assert_eq!(tried(&said), ["3 bad", "2 bad"]);
    assert_eq!(said.json()["guilty"][0]["container"], "billing");
    assert_eq!(workstation.container("billing")["version"], "2.0");
    workstation.run(&["up", "billing:1.0"]).ok();
    workstation.run(&["bisect", "reset"]).ok();
    let after = workstation.run(&["status", "--json"]).ok().json();
    assert_eq!(after["reference"], before["reference"]);
    assert_eq!(
        (&after["pinned"], &after["mixed"]),
        (&before["pinned"], &Value::Null)
    );
    assert_eq!(workstation.containers(), ["billing running"]);
}

/// What cannot be searched is said, each in its own words.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_searched_is_said() {
    let mut platform = Synthetic::released(&[("billing", &shows("good"))]).await;
    next(&mut platform, "2.0", &[("billing", "good")]).await;
    let workstation = Workstation::initialised(&platform.url());
    let search = |ends: [&str; 2], script: &str| {
        let all = ["--good", ends[0], "--bad", ends[1], "billing"];
        let said = bisect(&workstation, &all, script);
        workstation.run(&["bisect", "reset"]);
        said
    };
    let help = workstation.run(&["bisect", "--help"]).ok().stdout;
    assert!(
        help.contains("Data is not restored between steps"),
        "{help}"
    );
    workstation
        .run(&["bisect", "--good", "1", "--bad", "2", "billing"])
        .code(2)
        .says("cannot ask without a terminal");
    let nothing = bisect(&workstation, &["--good", "1", "--bad", "2"], "true");
    nothing
        .code(2)
        .says("name the containers that show the fault");
    // A name that is wrong leaves no search behind.
    let typo = ["--good", "1", "--bad", "2", "biling"];
    let said = bisect(&workstation, &typo, "true").code(2);
    said.says("did you mean `billing`?");
    let log = workstation.run(&["bisect", "log"]);
    log.code(2).says("no search goes on");
    search(["1", "1"], "true")
        .code(2)
        .says("cannot be both good and bad");
    search(["2", "1"], "true")
        .code(2)
        .says("production did not run reference 1 after");
    search(["1", "9"], "true")
        .code(2)
        .says("there is no reference 9");
    let said = search(["1", "2"], "true").code(1);
    said.says("reference 2 is said to be bad, and is good")
        .says("reference 2: good (exit code 0)");
    search(["1", "2"], "exit 3")
        .code(1)
        .says("reference 1 is said to be good, and is bad");
    search(["1", "2"], "exit 125")
        .code(1)
        .says("cannot be tried");
    search(["1", "2"], "exit 200")
        .code(2)
        .says("the search stops: `sh -c exit 200` ended with");
    let changes = format!("{} up --no-proxy billing:2.0", program().display());
    search(["1", "2"], &changes)
        .code(2)
        .says("the verdict on reference 1 does not count: the instance")
        .says("was changed while it was judged");
    let file = workstation.home.path().join("file");
    let file = file.display();
    let turns = format!("if test -e {file}; then rm {file}; exit 1; else touch {file}; fi");
    let all = ["--good", "1", "--bad", "2", "--repeat", "3", "billing"];
    bisect(&workstation, &all, &turns)
        .code(1)
        .says("reference 1 is not the same each time: good, bad, good")
        .says("exit codes: 0 1 0");
    workstation.run(&["bisect", "reset"]).ok();
    workstation.run(&["up", "--no-proxy", "billing:1.0"]).ok();
    search(["1", "2"], "true")
        .code(2)
        .says("runs something else than its reference: billing");
}

/// What does not become ready is skipped, or counts as bad where that is wanted.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_become_ready_is_skipped() {
    let broken = "health: { command: [/probe, check, /none], interval: 200ms, timeout: 1s, start_period: 0s, retries: 2 }\n";
    let mut platform = Synthetic::released(&[("billing", &shows("good"))]).await;
    platform.write_container("billing", &format!("{}{broken}", shows("good")));
    platform.push("Broken");
    platform.release("billing", "2.0").await;
    platform.reference().await;
    platform.promote("production").await;
    next(&mut platform, "3.0", &[("billing", "bad")]).await;
    let workstation = Workstation::initialised(&platform.url());
    let script = bad_where_all_of(&["billing"]);
    let ends = ["--good", "1", "--bad", "3", "billing"];
    let said = bisect(&workstation, &ends, &script).code(1);
    said.says("reference 1 is good; which of these is the first bad one cannot be told")
        .says("skipped: 2, 3");
    let log = workstation.run(&["bisect", "log"]).ok().stdout;
    assert!(log.contains("reference 2: skipped: "), "{log}");
    workstation.run(&["bisect", "reset"]).ok();
    let said = bisect(
        &workstation,
        &[&ends[..], &["--unready-is-bad", "--json"]].concat(),
        &script,
    );
    // The mix with the proxy of the good one is skipped: it may not become ready for another reason.
    let result = said.code(1).json();
    assert_eq!(
        (&result["bad"], &result["complete"]),
        (&2.into(), &false.into()),
        "{result}"
    );
    assert_eq!(result["skipped"][0]["versions"]["billing"], "2.0");
    assert_eq!(result["guilty"][0]["container"], "billing");
    let said = workstation.run(&["bisect"]).code(1);
    assert!(
        said.stdout.contains("cannot be narrowed further"),
        "{said:?}"
    );
    assert!(!said.stdout.contains("together"), "{said:?}");
}

/// Without a command the user is asked on the terminal.
#[tokio::test(flavor = "multi_thread")]
async fn the_user_judges_on_a_terminal() {
    let mut platform = Synthetic::released(&[("billing", &shows("good"))]).await;
    next(&mut platform, "2.0", &[("billing", "bad")]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    let line = format!("{} bisect --good 1 --bad 2", program().display());
    let of_devenv = workstation.command();
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    command.envs(
        of_devenv
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    // Good; then one down: bad.
    let said = finished(command, "\r\u{1b}[B\r").ok();
    assert!(
        said.stdout.contains("what makes reference 2 bad: "),
        "{}",
        said.stdout
    );
    let log = workstation.run(&["bisect", "log"]).ok().stdout;
    assert!(
        log.contains("reference 1: good\n  reference 2: bad\n"),
        "{log}"
    );
}

/// What ran before comes back, although its environment runs another reference meanwhile; it is
/// followed from the next `up` on, as before.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_brings_back_what_ran() {
    let mut platform = Synthetic::released(&[("billing", &shows("good"))]).await;
    next(&mut platform, "2.0", &[("billing", "bad")]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    let script = bad_where_all_of(&["billing"]);
    bisect(&workstation, &["--good", "1", "--bad", "2"], &script).ok();
    next(&mut platform, "3.0", &[("billing", "good")]).await;
    workstation.run(&["bisect", "reset"]).ok();
    let after = workstation.run(&["status", "--json"]).ok().json();
    assert_eq!(
        (&after["reference"]["number"], &after["pinned"]),
        (&2.into(), &Value::Null)
    );
    assert_eq!(workstation.container("billing")["version"], "2.0");
    workstation.run(&["up"]).ok();
    assert_eq!(workstation.container("billing")["version"], "3.0");
}
