//! The real platform: Apache, Tomcat and PostgreSQL, released by devenv's own release commands.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use devenv::model::digest::Digest;

use crate::support::registry::{address, tests};
use crate::support::workstation::{Workstation, docker, free_port};

/// The folder of the released platform: once per content, for all runs and all tests.
fn platform() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let ground = tests().join("ground");
            let fingerprint = Command::new(&ground).arg("fingerprint").output().unwrap();
            let fingerprint = String::from_utf8(fingerprint.stdout).unwrap();
            let name = format!("p{}", &fingerprint[..12]);
            let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
            let output = Command::new(&ground)
                .arg("release")
                .args(["--folder", folder.to_str().unwrap()])
                .args(["--registry", &address()])
                .env("DEVENV", env!("CARGO_BIN_EXE_devenv"))
                .output()
                .unwrap();
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            let last: Vec<&str> = errors.lines().rev().take(40).collect();
            assert!(
                output.status.success(),
                "tests/ground release, last lines first:\n{}",
                last.join("\n")
            );
            folder
        })
        .clone()
}

fn developer() -> Workstation {
    let url = format!("file://{}", platform().join("definitions.git").display());
    let workstation = Workstation::initialised(&url);
    workstation.write(
        "config/secrets/acme.yaml",
        "recette: { DB_PASSWORD: an-example-only }\n",
    );
    workstation
}

/// Status, headers and body of a page.
fn get(port: u16, host: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer
        .get(9..12)
        .and_then(|code| code.parse().ok())
        .unwrap_or_default();
    (status, answer)
}

/// All that is looked at on it, side by side: as tests of their own they would wait for the release in
/// the places of others.
#[test]
fn the_real_platform() {
    platform();
    let looks: [fn(); 5] = [
        the_billing_page_is_served_through_productions_apache,
        the_ledgers_data_is_seeded_dumped_and_restored,
        after_a_recreate_no_request_reaches_another_application,
        cosign_accepts_what_release_signed,
        a_developers_build_of_productions_commit_has_productions_content,
    ];
    std::thread::scope(|scope| {
        for look in looks {
            scope.spawn(look);
        }
    });
}

/// The billing page through production's own Apache: version, configuration, a count by JDBC; an
/// absent route answers 503 at once; the cache says HIT; a host route; `exec`; log files in the
/// volume.
fn the_billing_page_is_served_through_productions_apache() {
    let workstation = developer();
    let port = free_port();
    workstation
        .run(&["up", "billing", "--port", &format!("80={port}")])
        .ok();
    let (status, page) = get(port, "localhost", "/billing/");
    assert_eq!(status, 200, "{page}");
    for wanted in [
        "<dd id=\"version\">1.4.2",
        "<dd id=\"configuration\">recette",
        "<b id=\"entries\">4</b>",
        "<span id=\"audit\">not running",
    ] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }

    let begun = Instant::now();
    let (status, page) = get(port, "localhost", "/catalogue/");
    assert_eq!(status, 503, "{page}");
    assert!(
        begun.elapsed() < Duration::from_millis(500),
        "an absent route answers at once: {:?}",
        begun.elapsed()
    );
    assert!(page.contains("catalogue"), "{page}");

    let front = workstation.run(&["exec", "billing", "--", "sh", "-c", "exit 3"]);
    front.code(3);
    let facts = workstation.run(&["facts", "billing", "--json"]).ok().json();
    let found = &facts["containers"]["billing"]["facets"];
    for part in ["version", "heap", "collector", "compiler-threads"] {
        let concluded = &found[format!("jvm/{part}")]["is"];
        assert!(concluded.is_string(), "{part}: {found:#}");
    }
    assert_eq!(found["absent-names"]["is"], "refused", "{found:#}");
    let files = workstation
        .run(&["logs", "billing", "--source", "files"])
        .ok();
    assert!(
        files.stdout.contains("/billing/"),
        "the access log is in the volume: {}",
        files.stdout
    );

    workstation.run(&["up", "catalogue"]).ok();
    let prices = |host: &str, path: &str| get(port, host, path);
    let (first, _) = prices("localhost", "/catalogue/prices.jsp");
    let (second, page) = prices("localhost", "/catalogue/prices.jsp");
    assert_eq!((first, second), (200, 200), "{page}");
    assert!(page.to_lowercase().contains("x-cache: hit"), "{page}");
    let (status, page) = prices("catalogue.acme.example.localhost", "/");
    assert!(status < 400, "{page}");
}

/// The seed fills PostgreSQL's new cluster before the migration runs on it; `pg_dump` saves it while requests
/// go on, `psql` restores it into another cluster, and `--fresh` begins with the seed again.
fn the_ledgers_data_is_seeded_dumped_and_restored() {
    let workstation = developer();
    let port = free_port();
    let publish = format!("80={port}");
    workstation.run(&["up", "billing", "--port", &publish]).ok();
    let entries = || {
        let (status, page) = get(port, "localhost", "/billing/");
        assert_eq!(status, 200, "{page}");
        let (_, after) = page.split_once("<b id=\"entries\">").unwrap();
        after.split_once('<').unwrap().0.to_owned()
    };
    let sql = |statement: &str| {
        let psql = ["exec", "ledger-db", "-T", "--", "psql", "--dbname=ledger"];
        workstation
            .run(&[&psql[..], &["--command", statement]].concat())
            .ok();
    };
    assert_eq!(
        entries(),
        "4",
        "three from the seed, one from the migration"
    );

    sql("INSERT INTO entry SELECT number, 'more', 1 FROM generate_series(5, 2000) AS number");
    let object = workstation.object("ledger-db");
    let started = [
        "inspect",
        "--format",
        "{{.Id}} {{.State.StartedAt}}",
        &object,
    ];
    let before = docker(&started);
    let saved = workstation
        .run(&["snapshot", "save", "more", "--json"])
        .ok()
        .json();
    assert_eq!(saved["dumps"][0]["container"], "ledger-db", "{saved}");
    assert_eq!(docker(&started), before, "it went on running");

    sql("DELETE FROM entry WHERE number > 1");
    assert_eq!(entries(), "1");
    workstation
        .run(&["snapshot", "restore", "more", "--yes"])
        .ok();
    assert_eq!(entries(), "2000");
    sql("INSERT INTO entry VALUES (2001, 'as the owner', 1)");
    assert_eq!(entries(), "2001");
    workstation
        .run(&["up", "--fresh", "ledger-db", "--yes"])
        .ok();
    assert_eq!(entries(), "4");
}

/// After a recreate no request reaches another application.
fn after_a_recreate_no_request_reaches_another_application() {
    let workstation = developer();
    let port = free_port();
    workstation
        .run(&[
            "up",
            "customers",
            "catalogue",
            "--port",
            &format!("80={port}"),
        ])
        .ok();
    // Tomcat compiles a page when it is first asked for.
    for page in ["/customers/", "/catalogue/"] {
        assert_eq!(get(port, "localhost", page).0, 200);
    }
    let network = format!("devenv-acme-{}", workstation.instance);
    let (customers, catalogue) = (
        workstation.object("customers"),
        workstation.object("catalogue"),
    );
    let address = |name: &str| {
        docker(&[
            "inspect",
            "--format",
            "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}",
            name,
        ])
    };
    let (before, other) = (address(&customers), address(&catalogue));
    for name in [&customers, &catalogue] {
        docker(&["network", "disconnect", &network, name]);
    }
    // The engine gives the lowest free address: whoever had the higher one gets the other's.
    let mut order = [
        ("catalogue", &catalogue, &other),
        ("customers", &customers, &before),
    ];
    order.sort_by_key(|(_, _, had)| std::cmp::Reverse((*had).clone()));
    for (name, object, _) in order {
        docker(&["network", "connect", "--alias", name, &network, object]);
    }
    assert_ne!(
        (address(&customers), address(&catalogue)),
        (before, other),
        "the addresses moved"
    );
    let begun = Instant::now();
    let mut right = None;
    while begun.elapsed() < Duration::from_secs(4) {
        let (status, page) = get(port, "localhost", "/customers/");
        assert!(
            !page.contains("<dd id=\"name\">catalogue"),
            "another application answered: {page}"
        );
        if status == 200 && page.contains("customers") {
            right.get_or_insert(begun.elapsed());
        }
    }
    assert!(
        right.is_some_and(|time| time < Duration::from_secs(2)),
        "{right:?}"
    );
}

/// The real cosign accepts what `release` signed.
fn cosign_accepts_what_release_signed() {
    let peers = Command::new(tests().join("peers")).output().unwrap();
    assert!(
        peers.status.success(),
        "{}",
        String::from_utf8_lossy(&peers.stderr)
    );
    let bin = PathBuf::from(String::from_utf8(peers.stdout).unwrap().trim());
    let folder = platform();
    let repositories = std::fs::read_to_string(folder.join("repositories")).unwrap();
    let repositories = repositories.trim();
    for (container, tag, kind) in [("billing", "1.4.2", "build"), ("front", "1", "reference")] {
        let output = Command::new(bin.join("cosign"))
            .args([
                "verify-attestation",
                "--insecure-ignore-tlog=true",
                "--allow-http-registry=true",
            ])
            .args(["--key", folder.join("keys/acme-2026.pub").to_str().unwrap()])
            .args(["--type", &format!("urn:devenv:{kind}:1")])
            .arg(format!("{repositories}/acme/{container}:{tag}"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Path, kind, mode, owner and content of everything in a layer, without the times.
fn contents(layer: &[u8]) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(layer);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let header = entry.header();
        let told = format!(
            "{:?} {:o} {}:{} {:?}",
            header.entry_type(),
            header.mode().unwrap(),
            header.uid().unwrap(),
            header.gid().unwrap(),
            entry.link_name().unwrap()
        );
        let path = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (path, format!("{told} {}", Digest::of(&bytes)))
    });
    entries.collect()
}

/// The layers of an image, first to last.
fn layers(image: &str) -> Vec<BTreeMap<String, String>> {
    let output = Command::new("docker")
        .args(["save", image])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(output.stdout.as_slice())
        .entries()
        .unwrap()
    {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(path, bytes);
    }
    let manifest: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    let names = manifest[0]["Layers"].as_array().unwrap().iter();
    names
        .map(|name| contents(&files[name.as_str().unwrap()]))
        .collect()
}

/// `build` of production's commit gives production's layers: every path, mode, owner and content.
fn a_developers_build_of_productions_commit_has_productions_content() {
    let workstation = developer();
    let verified = workstation
        .run(&["trust", "verify", "billing:1.4.2", "--json"])
        .ok();
    let digest = verified.json()[0]["digest"].as_str().unwrap().to_owned();
    let repositories = std::fs::read_to_string(platform().join("repositories")).unwrap();
    let published = format!("{}/acme/billing@{digest}", repositories.trim());
    docker(&["pull", "--quiet", &published]);
    workstation.run(&["edit", "billing", "--print"]).ok();
    let built = workstation.run(&["build", "billing", "--no-cache"]).ok();
    let (ours, theirs) = (layers(built.stdout.trim()), layers(&published));
    assert!(theirs.len() > 4, "{} layers", theirs.len());
    assert!(theirs.iter().any(|layer| {
        layer
            .keys()
            .any(|path| path.ends_with("webapps/billing.war"))
    }));
    assert_eq!(ours, theirs);
    workstation.run(&["abandon", "billing", "--yes"]).ok();
}
