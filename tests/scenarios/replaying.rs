//! `requests` and `replay`: what two references answer differently.

use std::fs;
use std::process::Command;

use crate::HEALTHY;
use crate::support::second_engine::installed;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, docker};

/// What stands in the access log of production's proxy.
const LOG: &str = r#"10.0.0.7 - anna [01/Mar/2026:13:55:36 +0100] "GET /billing/1 HTTP/1.1" 200 23 "-" "Mozilla"
10.0.0.7 - anna [01/Mar/2026:13:55:37 +0100] "GET /billing/2?password=hunter2 HTTP/1.1" 200 23 "http://a/?q=db%2Dsecret" "Mozilla"
10.0.0.8 - - [01/Mar/2026:13:55:38 +0100] "POST /billing HTTP/1.1" 200 23 "-" "Mozilla"
10.0.0.8 - - [01/Mar/2026:13:55:38 +0100] "DELETE /billing HTTP/1.1" 200 23 "-" "Mozilla"
127.0.0.1 - - [01/Mar/2026:13:55:38 +0100] "GET /.health HTTP/1.1" 200 23 "-" "curl"
10.0.0.9 - - [01/Mar/2026:13:55:39 +0100] "-" 408 - "-" "-"
"#;

fn billing(price: u32) -> String {
    format!(
        "port: 8080\ncommand: [/probe, serve, \"8080\", '{{\"price\":{price},\"currency\":\"EUR\"}}']\n{HEALTHY}\
         routes: [{{ path: /billing }}]\nvolumes: {{ data: /data }}\n"
    )
}

/// What the engine has of an instance.
fn left(instance: &str) -> String {
    let filter = format!("label=devenv.instance={instance}");
    let of = |list: &[&str]| docker(&[list, &["--quiet", "--filter", &filter]].concat());
    [&["ps", "--all"][..], &["volume", "ls"], &["network", "ls"]]
        .map(of)
        .concat()
}

/// What Debian's browser makes of a page where there is no network at all.
fn in_a_browser(page: &str) -> String {
    installed("chromium", "chromium");
    let own = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .args([
            "--net",
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", own.path().display()))
        .arg(format!("file://{page}"))
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// From an access log to requests without secrets, and from them to the one field that the newer reference
/// answers differently; two references of the same versions do not differ. Nothing stays, and the user's own
/// instance is not touched.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_newer_reference_answers_differently_is_told() {
    let old = billing(1);
    let containers = [("billing", old.as_str())];
    let mut platform = Synthetic::define(&containers);
    let front = "kind: proxy\npublish: [80]\ncommand: [/probe, proxy, \"80\"]\n";
    platform.write_container("front", front);
    platform.push("A proxy that hands requests on");
    platform.release_all(&containers).await;
    platform.write_container("billing", &billing(2));
    platform.push("2.0");
    platform.release("billing", "2.0").await;
    platform.reference().await;
    platform.reference().await;

    let workstation = Workstation::initialised(&platform.url());
    workstation.write(
        "config/secrets/acme.yaml",
        "recette: { DB_PASSWORD: db-secret }\n",
    );
    let path = |name: &str| workstation.home.path().join(name).display().to_string();
    let (log, kept, report) = (path("access.log"), path("kept.har"), path("report.html"));
    fs::write(&log, LOG).unwrap();
    let said = workstation
        .run(&["requests", &log, "--output", &kept, "--json"])
        .ok()
        .json();
    assert_eq!(
        (&said["requests"], &said["sessions"]),
        (&3.into(), &2.into()),
        "{said}"
    );
    assert_eq!(said["skipped"].as_object().unwrap().len(), 3, "{said}");
    let text = fs::read_to_string(&kept).unwrap();
    for secret in ["hunter2", "secret", "10.0.0", "anna"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    fs::write(path("bad.log"), format!("{LOG}what\n")).unwrap();
    let bad = workstation.run(&["requests", &path("bad.log")]);
    bad.code(2)
        .says("bad.log:7: it is no line of an access log");

    let replay = |against: &str, more: &[&str]| {
        workstation.run(&[&["replay", &kept, "--against", against, "--json"], more].concat())
    };
    let differs = replay("1,2", &["--report", &report, "--repeat", "2"])
        .code(1)
        .json();
    assert_eq!(differs["requests"], 4, "{differs:#}");
    let of = |field: &str| -> Vec<String> {
        let all = differs[field].as_array().unwrap().iter();
        all.map(ToString::to_string).collect()
    };
    let found = &differs["differences"][0];
    assert_eq!(of("differences").len(), 1, "{differs:#}");
    let shown = ["endpoint", "place", "old", "new"].map(|it| found[it].as_str().unwrap());
    assert_eq!(shown, ["GET /billing/*", "json /price", "1", "2"]);
    assert_eq!((&found["differs"], &found["of"]), (&4.into(), &4.into()));
    assert_eq!((of("mask").len(), of("logs").len()), (0, 0), "{differs:#}");
    let unsent = "methods other than GET and HEAD, which may change data";
    assert_eq!(differs["skipped"][unsent], 1, "{differs:#}");
    let page = fs::read_to_string(&report).unwrap();
    assert!(
        page.contains("<td>json /price</td>") && !page.contains("<script"),
        "{page}"
    );

    let shown = in_a_browser(&report);
    for part in [
        "<td>json /price</td>",
        "<td class=\"old\">1</td><td class=\"new\">2</td>",
        "Something differs beyond the noise.</p>",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }

    let same = replay("2,3", &[]).ok().json();
    assert_eq!(same["differences"].as_array().unwrap().len(), 0, "{same:#}");
    for ending in ["old", "again", "new"] {
        let name = format!("{}_{ending}", workstation.instance);
        assert_eq!(left(&name), "", "{name}");
    }
    assert_eq!(left(&workstation.instance), "");
    replay("1,9", &[]).code(2).says("there is no reference 9");
    let nowhere = LOG.replace("/billing", "/nowhere");
    fs::write(&log, nowhere).unwrap();
    let nowhere = workstation.run(&["replay", &log, "--against", "1,2"]);
    nowhere
        .code(2)
        .says("no request takes a route of reference 1 or 2");
}

/// What changes data is sent where each instance has a snapshot's data for itself: its body arrives, each reference
/// makes of it what it makes of it, and neither the snapshot nor the user's own data is touched.
#[tokio::test(flavor = "multi_thread")]
async fn what_changes_data_is_replayed_on_a_snapshot() {
    let booking = |times: u32| {
        format!(
            "port: 8080\ncommand: [/probe, book, \"8080\", /data/book, \"{times}\"]\n{HEALTHY}\
             routes: [{{ path: /billing }}]\nvolumes: {{ data: /data }}\n"
        )
    };
    let once = booking(1);
    let containers = [("billing", once.as_str())];
    let mut platform = Synthetic::define(&containers);
    let front = "kind: proxy\npublish: [80]\ncommand: [/probe, proxy, \"80\"]\n";
    platform.write_container("front", front);
    platform.push("A proxy that hands requests on");
    platform.release_all(&containers).await;
    platform.write_container("billing", &booking(2));
    platform.push("2.0");
    platform.release("billing", "2.0").await;
    platform.reference().await;

    let workstation = Workstation::initialised(&platform.url());
    let up = [
        "up",
        "billing",
        "--no-proxy",
        "--reference",
        "1",
        "--unpromoted",
    ];
    workstation.run(&up).ok();
    let write = |text: &str| {
        let write = [
            "exec",
            "billing",
            "-T",
            "--",
            "/probe",
            "write",
            "/data/book",
            text,
        ];
        workstation.run(&write).ok();
    };
    write("before;");
    workstation.run(&["snapshot", "save", "before"]).ok();
    write("mine");

    let har = workstation
        .home
        .path()
        .join("kept.har")
        .display()
        .to_string();
    let entry = |method: &str, body: &str| {
        format!(
            r#"{{"startedDateTime":"2026-03-01T12:00:00Z","request":{{"method":"{method}","url":"http://localhost/billing","headers":[]{body}}},"response":{{"status":200}}}}"#
        )
    };
    let sold = r#","postData":{"mimeType":"application/x-www-form-urlencoded","text":"sold=1;"}"#;
    let entries = [entry("POST", sold), entry("GET", "")].join(",");
    fs::write(&har, format!(r#"{{"log":{{"entries":[{entries}]}}}}"#)).unwrap();
    let replay = ["replay", &har, "--against", "1,2", "--json"];
    let replay = |more: &[&str]| workstation.run(&[&replay[..], more].concat());
    let told = replay(&["--snapshot", "before"]).code(1).json();
    assert_eq!(
        (&told["requests"], &told["skipped"]),
        (&2.into(), &serde_json::json!({}))
    );
    let found = told["differences"].as_array().unwrap().iter();
    let found: Vec<_> = found
        .map(|it| {
            let size = |side: &str| it[side].as_str().unwrap().split(',').next().unwrap();
            (it["endpoint"].as_str().unwrap(), size("old"), size("new"))
        })
        .collect();
    // `before;sold=1;`, and the second once more.
    let wanted = ["POST /billing", "GET /billing"].map(|it| (it, "14 bytes", "21 bytes"));
    assert!(
        found.len() == 2 && wanted.iter().all(|it| found.contains(it)),
        "{told:#}"
    );
    let show = [
        "exec",
        "billing",
        "-T",
        "--",
        "/probe",
        "show",
        "/data/book",
    ];
    assert_eq!(workstation.run(&show).ok().stdout, "mine");
    workstation
        .run(&["snapshot", "restore", "before", "--yes"])
        .ok();
    assert_eq!(workstation.run(&show).ok().stdout, "before;");

    let told = replay(&[]).ok().json();
    assert_eq!(told["requests"], 1, "{told:#}");
    replay(&["--snapshot", "befor"]).code(2).says("before");
}
