//! `capsule`: an incident, saved in one home and opened in another.

mod bytes;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use self::bytes::{forms, has, opened};

use crate::HEALTHY;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, docker};

const PASSPHRASE: &str = "correct horse battery";

const SECRETS: [(&str, &str); 2] = [
    ("DB_PASSWORD", "hunter2/é+\"x& y"),
    ("API_KEY", "AKIA4711TOKEN"),
];

async fn platform() -> Synthetic {
    let billing = format!(
        "port: 8080\ncommand: [/probe, fault, \"8080\", PLATFORM_ENVIRONMENT, production, /srv/billing/rate, \"0\", page=7]\n\
         {HEALTHY}routes: [{{ path: /billing }}]\nsecrets: [DB_PASSWORD, API_KEY]\n\
         volumes: {{ data: /srv/billing, logs: /var/log/tomcat }}\n"
    );
    let containers = [("billing", billing.as_str())];
    let mut platform = Synthetic::define(&containers);
    let front = "kind: proxy\npublish: [80]\ncommand: [/probe, proxy, \"80\"]\nvolumes: { logs: /var/log/apache }\n";
    platform.write_container("front", front);
    platform.push("A proxy that hands requests on");
    platform.release_all(&containers).await;
    platform
}

fn workstation(platform: &Synthetic, suffix: &str) -> Workstation {
    let workstation = Workstation::initialised(&platform.url());
    let values = SECRETS.map(|(name, value)| {
        let value = serde_json::to_string(&format!("{value}{suffix}")).unwrap();
        format!("{name}: {value}")
    });
    let values = values.join(", ");
    workstation.write(
        "config/secrets/acme.yaml",
        &format!("production: {{ {values} }}\nrecette: {{ {values} }}\n"),
    );
    workstation
}

/// Runs the probe program in a container of the instance.
fn probe(workstation: &Workstation, container: &str, words: &[&str]) {
    let object = workstation.object(container);
    docker(&[&["exec", "--user", "0", &object, "/probe"], words].concat());
}

/// What the application answers behind the proxy.
fn sum(urls: &serde_json::Value, page: u32) -> String {
    let url = urls[0].as_str().unwrap();
    let host = url
        .strip_prefix("http://")
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    let address = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut stream = TcpStream::connect(address).unwrap();
    // In one piece: the tests' proxy reads no more than one.
    let request = format!(
        "GET /billing?page={page} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.rsplit("\r\n").next().unwrap().to_owned()
}

/// Secrets where programs write them, in all forms, and an access log.
fn leak(workstation: &Workstation) {
    for (name, value) in SECRETS {
        for form in forms(value) {
            let line = format!("{name} is {form}, they say\n");
            probe(
                workstation,
                "billing",
                &["append", "/var/log/tomcat/app.log", &line],
            );
        }
    }
    let (now, secret) = (jiff::Timestamp::now(), &forms(SECRETS[0].1)[3]);
    let now = now.strftime("%d/%b/%Y:%H:%M:%S +0000");
    let line = format!(
        "10.0.0.7 - - [{now}] \"GET /billing?page=7&note={secret} HTTP/1.1\" 200 5 \"-\" \"agent {}\"\n",
        SECRETS[1].1
    );
    probe(
        workstation,
        "front",
        &["append", "/var/log/apache/access.log", &line],
    );
}

/// A fault that needs production's configuration, certain data and one request shows in another home once its
/// capsule was opened there; no secret is in the capsule, in any form; a capsule that is cut off, changed or of
/// nobody is not simply opened, and one instance is not taken for another.
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_travels_and_no_secret_does() {
    let platform = platform().await;
    let here = workstation(&platform, "");
    here.run(&["up", "billing"]).ok();
    probe(&here, "billing", &["write", "/srv/billing/rate", "0"]);
    let urls = |it: &Workstation| it.container("billing")["urls"].clone();
    assert_eq!(sum(&urls(&here), 7), "right", "it needs the configuration");
    here.run(&["up", "billing", "--configuration", "production", "--yes"])
        .ok();
    assert_eq!(sum(&urls(&here), 1), "right", "it needs the request");
    assert_eq!(sum(&urls(&here), 7), "wrong");
    leak(&here);

    let path = |it: &Workstation, name: &str| it.home.path().join(name).display().to_string();
    here.write("passphrase", PASSPHRASE);
    here.write("production.key", platform.key.to_pem().unwrap().expose());
    let (passphrase, key) = (path(&here, "passphrase"), path(&here, "production.key"));
    let file = path(&here, "sum.capsule");
    let save = [
        "capsule",
        "save",
        &file,
        "--passphrase-file",
        &passphrase,
        "--key",
        &key,
        "--reason",
        "AKIA4711TOKEN sums wrongly",
        "--with",
        "facts,logs,requests,snapshot",
        "--json",
    ];
    let saved = here.run(&save).ok().json();
    assert_eq!(saved["signed"]["name"], "production", "{saved:#}");
    let removed = &saved["manifest"]["removed"];
    for (name, value) in SECRETS {
        assert!(
            removed[name].as_u64() >= Some(forms(value).len() as u64),
            "{removed}"
        );
    }
    here.run(&save).code(2).says("is there already");
    assert_eq!(sum(&urls(&here), 7), "wrong", "it runs on");
    assert_eq!(
        here.run(&["snapshot", "list", "--json"]).ok().json(),
        serde_json::json!([])
    );

    let all = opened(Path::new(&file));
    for part in [
        "DB_PASSWORD is «secret:DB_PASSWORD», they say",
        "asked GET /billing?page=7",
        "./rate",
    ] {
        assert!(has(&all, part), "{part}");
    }
    for form in SECRETS.iter().flat_map(|(_, value)| forms(value)) {
        assert!(!has(&all, &form), "{form} is in the capsule");
    }

    let there = workstation(&platform, "-there");
    let unlock = ["--passphrase-file", &passphrase, "--json"];
    let on = |verb: &str, file: &str, more: &[&str]| {
        there.run(&[&["capsule", verb, file], &unlock[..], more].concat())
    };
    let shown = on("show", &file, &["--events", "200"]).ok().json();
    let events = shown["timeline"]["events"].as_array().unwrap();
    for (kind, text) in [
        ("line", "asked GET /billing?page=7 HTTP/1.1"),
        (
            "request",
            "s1 GET /billing?page=7&note=%C2%ABsecret:DB_PASSWORD%C2%BB 200",
        ),
        ("start", "1.0 started"),
    ] {
        let is_it = |it: &&serde_json::Value| it["kind"] == kind && it["text"] == text;
        assert!(events.iter().any(|it| is_it(&it)), "{text}: {shown:#}");
    }
    assert_eq!(
        there.containers(),
        Vec::<String>::new(),
        "nothing was started"
    );

    let whole = std::fs::read(&file).unwrap();
    let bad = path(&there, "bad.capsule");
    let refused = |bytes: &[u8], why: &str| {
        std::fs::write(&bad, bytes).unwrap();
        on("open", &bad, &["--yes"]).code(2).says(why);
    };
    refused(&whole[..whole.len() - 100], "cannot be read to its end");
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    refused(&changed, "cannot be read to its end");
    refused(b"no capsule", "it is no age file");
    there.write("wrong", "wrong horse battery");
    let wrong = path(&there, "wrong");
    let wrong = ["capsule", "open", &file, "--passphrase-file", &wrong];
    there
        .run(&wrong)
        .code(2)
        .says("the passphrase does not open it");
    assert_eq!(
        there.containers(),
        Vec::<String>::new(),
        "nothing was started"
    );

    on("open", &file, &[])
        .code(2)
        .says("configuration `production`");
    let result = on("open", &file, &["--yes"]).ok().json();
    let there_now = &result["opened"];
    assert_eq!(there_now["instance"], there.instance.as_str(), "{result:#}");
    assert_eq!(sum(&there_now["urls"]["billing"], 7), "wrong", "{result:#}");
    assert_eq!(sum(&there_now["urls"]["billing"], 1), "right");
    let told = there_now["not_reproduced"].to_string();
    assert!(
        told.contains("DB_PASSWORD") && !told.contains("the capsule has none"),
        "{told}"
    );
    let requests = there_now["requests"].as_str().unwrap();
    let listed = there.run(&["requests", requests]).ok().stdout;
    assert!(listed.contains("GET /billing?page=7"), "{listed}");
    let facts = there_now["facts"].as_str().unwrap();
    let compared = there.run(&["compare", "--with", facts, "--json"]);
    assert_eq!(compared.json()["with"]["reference"]["number"], 1);

    // The data is there as often as it is wanted; without a network as well.
    probe(&there, "billing", &["write", "/srv/billing/rate", "1"]);
    assert_eq!(
        sum(&there_now["urls"]["billing"], 7),
        "right",
        "it needs the data"
    );
    let again = ["--offline", "--yes"];
    let result = on("open", &file, &again).ok().json();
    assert_eq!(sum(&result["opened"]["urls"]["billing"], 7), "wrong");

    let unsigned = path(&here, "unsigned.capsule");
    here.run(&[
        "capsule",
        "save",
        &unsigned,
        "--passphrase-file",
        &passphrase,
    ])
    .ok();
    let asked = ["--instance", "of_nobody"];
    on("open", &unsigned, &asked)
        .code(2)
        .says("nobody signed the capsule");
    on("open", &unsigned, &["--yes"])
        .code(2)
        .says("is there already, and is not of this capsule");
    let stranger = path(&here, "stranger.key");
    let other = devenv::verify::trust::keys::SigningKey::generate(&ring::rand::SystemRandom::new());
    here.write("stranger.key", other.unwrap().to_pem().unwrap().expose());
    let unlisted = path(&here, "unlisted.capsule");
    let save = [
        "capsule",
        "save",
        &unlisted,
        "--passphrase-file",
        &passphrase,
        "--key",
        &stranger,
    ];
    here.run(&save)
        .code(5)
        .says("nobody could verify the capsule");
}

/// Data that holds a secret, and a secret that is in every text, are told and asked about; an age recipient
/// opens without a passphrase.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_out_is_asked_about() {
    let platform = platform().await;
    let here = workstation(&platform, "");
    here.run(&["up", "billing"]).ok();
    probe(
        &here,
        "billing",
        &["write", "/srv/billing/rate", SECRETS[1].1],
    );
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let file = here.home.path().join("data.capsule").display().to_string();
    let save = [
        "capsule",
        "save",
        &file,
        "--recipient",
        &recipient,
        "--with",
        "snapshot",
        "--json",
    ];
    let asked = here.run(&save).code(2);
    asked
        .says("the data of billing holds the value of the secret API_KEY 1 times")
        .says("save the capsule with these secrets in its data?");
    assert!(!Path::new(&file).exists());
    let saved = here.run(&[&save[..], &["--yes"]].concat()).ok().json();
    assert_eq!(saved["manifest"]["in_data"]["API_KEY"], 1, "{saved:#}");

    here.write(
        "identity",
        age::secrecy::ExposeSecret::expose_secret(&identity.to_string()),
    );
    let own = here.home.path().join("identity").display().to_string();
    here.run(&["capsule", "show", &file])
        .code(2)
        .says("`--identity FILE`");
    let shown = here.run(&["capsule", "show", &file, "--identity", &own, "--json"]);
    assert_eq!(shown.ok().json()["signed"]["by"], "nobody");

    let short = "recette: { DB_PASSWORD: \"abc\", API_KEY: \"AKIA4711TOKEN\" }\n";
    here.write("config/secrets/acme.yaml", short);
    std::fs::remove_file(&file).unwrap();
    let save = [
        "capsule",
        "save",
        &file,
        "--recipient",
        &recipient,
        "--json",
    ];
    let asked = here.run(&save).code(2);
    asked.says("shorter than 4 characters").says("DB_PASSWORD");
    let saved = here.run(&[&save[..], &["--yes"]].concat()).ok().json();
    let named = serde_json::json!(["DB_PASSWORD"]);
    assert_eq!(saved["manifest"]["too_short"], named, "{saved:#}");
}
