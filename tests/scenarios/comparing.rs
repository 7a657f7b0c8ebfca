//! What a container here is compared with: a record, and what the reference asks for.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::app;
use crate::support::real_engine::tar;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Ran, Workstation, docker};

/// The facets of a container with a verdict.
fn facets(ran: &Ran, verdict: &str) -> BTreeSet<String> {
    let found = ran.json()["facets"].as_array().unwrap().clone();
    let found = found.iter().filter(|it| it["verdict"] == verdict);
    found
        .map(|it| it["facet"].as_str().unwrap().to_owned())
        .collect()
}

/// Why a facet of a container has its verdict.
fn because(ran: &Ran, facet: &str) -> String {
    let found = ran.json()["facets"].as_array().unwrap().clone();
    let found = found.iter().find(|it| it["facet"] == facet).unwrap();
    format!(
        "{}: {}",
        found["verdict"].as_str().unwrap(),
        found["because"].as_str().unwrap_or_default()
    )
}

const BILLING: &str = "memory: 64MiB\nenvironment: { TRACE: \"1\", KEPT: same }\nsecrets: [DB_PASSWORD]\n\
    configurations: { recette: { environment: { TRACE: \"2\" } } }\n";

async fn running(containers: &[(&str, &str)]) -> (Synthetic, Workstation) {
    let platform = Synthetic::released(containers).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.write(
        "config/secrets/acme.yaml",
        "recette: { DB_PASSWORD: hunter2 }\n",
    );
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    (platform, workstation)
}

/// The file with a record of what runs.
fn written(workstation: &Workstation) -> String {
    let record = workstation.home.path().join("record.json");
    let record = record.display().to_string();
    workstation.run(&["facts", "--output", &record]).ok();
    record
}

/// A record of an instance tells none of its secrets, and the instance is equal to it; an override is
/// declared, and what somebody changed by hand is different.
#[tokio::test(flavor = "multi_thread")]
async fn overrides_are_declared_and_what_was_changed_by_hand_is_different() {
    let billing = app(BILLING);
    let (_platform, workstation) = running(&[("billing", &*billing)]).await;
    let record = written(&workstation);
    let text = fs::read_to_string(&record).unwrap();
    for told in ["hunter2", "same", "recette\"\n}"] {
        assert!(!text.contains(told), "{told}: {text}");
    }
    let with = ["compare", "--with", &record, "--json"];
    let same = workstation.run(&with).ok();
    for verdict in ["different", "declared"] {
        assert_eq!(facets(&same, verdict), BTreeSet::new(), "{}", same.stdout);
    }
    let equal = facets(&same, "equal");
    for facet in [
        "image",
        "environment/KEPT",
        "environment/TRACE",
        "memory",
        "kernel",
        "storage",
    ] {
        assert!(equal.contains(facet), "{facet}: {}", same.stdout);
    }
    assert_eq!(
        because(&same, "limits"),
        "unknown: there is no shell inside (here)"
    );
    assert!(because(&same, "environment/DB_PASSWORD").starts_with("unknown"));

    let asked = workstation.run(&["compare", "--json"]).ok();
    let configuration = "declared: the configuration recette, not production";
    assert_eq!(because(&asked, "environment/TRACE"), configuration);
    assert_eq!(
        because(&asked, "environment/PLATFORM_ENVIRONMENT"),
        configuration
    );
    let secret = "declared: the secret DB_PASSWORD of the configuration recette";
    assert_eq!(because(&asked, "environment/DB_PASSWORD"), secret);
    assert_eq!(
        because(&asked, "kernel"),
        "unknown: the reference does not say"
    );
    assert!(facets(&asked, "equal").contains("memory"));

    workstation.write(
        "config/overrides/acme.yaml",
        "containers: { billing: { memory: 96MiB, environment: { MINE: own } } }\n",
    );
    workstation.run(&["up", "--no-proxy"]).ok();
    for arguments in [&with[..], &["compare", "--json"]] {
        let declared = workstation.run(arguments).ok();
        assert_eq!(
            because(&declared, "memory"),
            "declared: your override `memory`"
        );
        let mine = "declared: your override `environment`";
        assert_eq!(because(&declared, "environment/MINE"), mine);
    }
    let quiet = workstation.run(&["compare"]).ok();
    assert!(
        quiet
            .stdout
            .contains("declared: your override `memory`: memory, memory-swap of billing"),
        "{}",
        quiet.stdout
    );

    docker(&[
        "update",
        "--memory",
        "80MiB",
        &workstation.object("billing"),
    ]);
    for arguments in [&with[..], &["compare", "--json"]] {
        let different = workstation.run(arguments).code(1);
        assert_eq!(
            facets(&different, "different"),
            BTreeSet::from(["memory".to_owned()])
        );
    }
    let told = workstation.run(&["compare", "billing"]).code(1);
    let line = told
        .stdout
        .lines()
        .find(|it| it.starts_with("billing"))
        .unwrap();
    assert!(line.contains("80MiB") && line.contains("64MiB"), "{line}");
    assert!(line.contains("`memory` in your overrides"), "{line}");
}

/// This machine's own shell, with what it needs, as a layer.
fn shell() -> Vec<u8> {
    let mut files = BTreeSet::new();
    for program in ["sh", "cat", "date", "sha256sum"] {
        let path = format!("/bin/{program}");
        let found = std::process::Command::new("ldd")
            .arg(&path)
            .output()
            .unwrap();
        let found = String::from_utf8(found.stdout).unwrap();
        let libraries = found.split_whitespace().filter(|it| it.starts_with('/'));
        files.extend(libraries.map(ToOwned::to_owned));
        files.insert(path);
    }
    let mut files: Vec<_> = files
        .into_iter()
        .map(|it| (it[1..].to_owned(), fs::read(&it).unwrap()))
        .collect();
    // No JVM, but it runs under the name of one.
    files.push(("jdk/bin/java".to_owned(), fs::read("/bin/cat").unwrap()));
    let files: Vec<_> = files
        .iter()
        .map(|(path, bytes)| (path.as_str(), 0o755, bytes.as_slice()))
        .collect();
    tar(&files)
}

/// With a shell inside, what the kernel really does is a facet too: equal in two runs of one thing, as
/// the reference asks, and found where it was changed.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_effective_inside_is_compared() {
    let billing = app("memory: 64MiB\ncpus: 0.5\nulimits: { nofile: 4096 }\n");
    let mut platform = Synthetic::define(&[("billing", &*billing)]);
    platform.environment = vec!["PATH=/bin".to_owned(), "LANG=C.UTF-8".to_owned()];
    let repository = platform.repository("billing");
    let layers = [shell()];
    let made = platform.publish_image(&repository, "billing", &["/probe", "sleep"], &layers);
    let made = made.await;
    platform.sign_build("billing", "1.0", &made).await;
    platform.reference().await;
    for environment in ["recette", "production"] {
        platform.promote(environment).await;
    }
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    let record = written(&workstation);
    let read: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    let found = &read["containers"]["billing"]["facets"];
    for (facet, value) in [
        ("effective-memory", "64MiB"),
        ("effective-cpus", "0.5"),
        ("limits/nofile", "4096 4096"),
        ("locale", "C.UTF-8"),
        ("clock", "0"),
        ("effective-memory-swap", "128"),
        ("time-zone", "TZ not set, /etc/localtime none"),
        ("emulation", "none"),
        ("java", "none"),
    ] {
        assert_eq!(found[facet]["is"], value, "{facet}: {found:#}");
    }
    let with = ["compare", "--with", &record, "--json"];
    let same = workstation.run(&with).ok();
    assert_eq!(facets(&same, "different"), BTreeSet::new());
    workstation.run(&["down", "--yes"]).ok();
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    let again = workstation.run(&with).ok();
    assert_eq!(facets(&again, "different"), BTreeSet::new());
    assert_eq!(facets(&again, "equal"), facets(&same, "equal"));
    let asked = workstation.run(&["compare", "--json"]).ok();
    for facet in [
        "effective-memory",
        "effective-cpus",
        "limits/nofile",
        "emulation",
    ] {
        for ran in [&same, &asked] {
            assert!(
                facets(ran, "equal").contains(facet),
                "{facet}: {}",
                ran.stdout
            );
        }
    }
    docker(&[
        "update",
        "--memory",
        "80MiB",
        &workstation.object("billing"),
    ]);
    let different = workstation.run(&with).code(1);
    let changed = ["effective-memory", "memory"].map(ToOwned::to_owned);
    assert_eq!(facets(&different, "different"), BTreeSet::from(changed));

    let object = workstation.object("billing");
    let swap = ["--memory", "64MiB", "--memory-swap", "96MiB"];
    docker(&[&["update"][..], &swap, &[&object]].concat());
    for arguments in [&with[..], &["compare", "--json"]] {
        let different = workstation.run(arguments).code(1);
        let changed = ["effective-memory-swap", "memory-swap"].map(ToOwned::to_owned);
        assert_eq!(facets(&different, "different"), BTreeSet::from(changed));
    }
    let clock = "unknown: each side was measured by its own clock";
    assert_eq!(because(&workstation.run(&with).code(1), "clock"), clock);
    docker(&["exec", "--detach", &object, "/jdk/bin/java", "/dev/zero"]);
    let java = because(&workstation.run(&with).code(1), "java");
    assert_eq!(
        java,
        "unknown: there is nothing inside to read it with (here)"
    );
}

/// A record of a mix says so: what its own version asks for is nobody's change by hand.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_of_its_own_there_is_no_change_by_hand() {
    let version = |memory: &str, shown: &str| {
        app(&format!(
            "memory: {memory}\nenvironment: {{ SHOWN: \"{shown}\" }}\n"
        ))
    };
    let (old, new) = (version("32MiB", "1"), version("64MiB", "2"));
    let mut platform = Synthetic::released(&[("billing", &*old)]).await;
    platform.write_container("billing", &new);
    platform.push("2.0");
    platform.release("billing", "2.0").await;
    platform.reference().await;
    platform.promote("production").await;
    let workstation = Workstation::initialised(&platform.url());
    let up = |name: &str| workstation.run(&["up", name, "--no-proxy"]).ok();
    up("billing:1.0");
    let record = written(&workstation);
    let read: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    assert_eq!(read["containers"]["billing"]["runs"], "pinned");
    let with = ["compare", "--with", &record, "--json"];
    let same = workstation.run(&with).ok();
    assert_eq!(facets(&same, "different"), BTreeSet::new());
    up("billing:reference");
    let mixed = workstation.run(&with).code(1);
    let own = "different: there it runs a version of its own, not the reference's";
    for facet in ["image", "memory", "memory-swap"] {
        assert_eq!(because(&mixed, facet), own);
    }
    assert!(!mixed.stdout.contains("somebody"), "{}", mixed.stdout);
}

/// A record is anybody's word: what no devenv writes is refused, and nothing in it reaches the terminal
/// as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_record_is_refused_or_harmless() {
    let billing = app(BILLING);
    let (_platform, workstation) = running(&[("billing", &*billing)]).await;
    let record = written(&workstation);
    let with = ["compare", "--with", &record];
    let text = fs::read_to_string(&record).unwrap();
    for (from, to, why) in [
        ("\"schema\": 1", "\"schema\": 2", "its schema is 2, not 1"),
        (
            "\"platform\": \"acme\"",
            "\"platform\": \"other\"",
            "is of the platform other, not acme",
        ),
        ("\"memory\"", "\"no-facet\"", "`no-facet` is no facet"),
        ("\"memory\"", "\"user\"", "twice"),
        ("\"key\"", "\"more\": 1, \"key\"", "unknown field"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        fs::write(&record, changed).unwrap();
        workstation.run(&with).code(2).says(why);
    }
    let larger = ["compare", "--with", "/dev/zero"];
    workstation.run(&larger).code(2).says("larger than");
    workstation
        .run(&["compare", "--with", "/not/there"])
        .code(2)
        .says("/not/there");

    let mut changed: Value = serde_json::from_str(&text).unwrap();
    let evil = "\u{1b}[2J\u{202e}";
    let facts = &mut changed["containers"]["billing"]["facets"];
    facts["user"]["is"] = evil.into();
    facts["seccomp"] = serde_json::json!({ "unknown": evil });
    facts[format!("environment/{evil}")] = serde_json::json!({ "withheld": "unsaid" });
    fs::write(&record, changed.to_string()).unwrap();
    let told = workstation.run(&with).code(1);
    assert!(
        told.stdout.contains("\\u{1b}[2J\\u{202e}"),
        "{}",
        told.stdout
    );
    let all = format!("{}{}", told.stdout, told.stderr);
    assert!(
        !all.contains('\u{1b}') && !all.contains('\u{202e}'),
        "{all:?}"
    );
}

/// Two instances of one machine are compared without a file, and one that was never there is none.
#[tokio::test(flavor = "multi_thread")]
async fn another_instance_is_compared_by_its_name() {
    let billing = app(BILLING);
    let (_platform, workstation) = running(&[("billing", &*billing)]).await;
    let overrides = "containers: { billing: { memory: 96MiB } }\n";
    workstation.write("config/overrides/acme.yaml", overrides);
    let name = format!("{}b", workstation.instance);
    let other = ["--instance", &name];
    let up = ["up", "billing", "--no-proxy"];
    workstation.run(&[&up[..], &other].concat()).ok();
    let with = |name| ["compare", "--with", name, "--json"];
    let compared = workstation.run(&with(&name));
    let compared = compared.code(1);
    assert_eq!(compared.json()["with"]["instance"], name);
    assert!(facets(&compared, "different").contains("memory"));
    assert!(facets(&compared, "equal").contains("image"));
    workstation
        .run(&with("third"))
        .code(2)
        .says("it is neither a file nor an instance");
}

/// `up` says how the host differs from that of the record that was compared with last.
#[tokio::test(flavor = "multi_thread")]
async fn up_says_how_the_host_differs_from_the_last_record() {
    let billing = app(BILLING);
    let (_platform, workstation) = running(&[("billing", &*billing)]).await;
    let record = written(&workstation);
    let mut other: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    other["engine"]["host-processors"] = serde_json::json!({ "is": "512" });
    fs::write(&record, other.to_string()).unwrap();
    let again = |workstation: &Workstation| {
        docker(&["rm", "-f", &workstation.object("billing")]);
        workstation.run(&["up", "--no-proxy"]).ok()
    };
    let line = "this host is not like the workstation of the record of";
    let before = again(&workstation);
    assert!(!before.stderr.contains(line), "{before:?}");
    workstation.run(&["compare", "--with", &record]).code(1);
    again(&workstation)
        .says(line)
        .says("(there 512) · `devenv compare --with FILE`");
    let nothing = workstation.run(&["up", "--no-proxy"]).ok();
    assert!(!nothing.stderr.contains(line), "{nothing:?}");
}
