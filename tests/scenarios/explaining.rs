//! `explain`: who answers a URL, behind Debian's own Apache.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::support::real_engine::tar;
use crate::support::server::apache::apache_layers;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Ran, Workstation, free_port};
use crate::{HEALTHY, app};

/// The proxy's rules; where it has them is what `explain` reads.
const RULES: &str = "LogFormat \"%h %l %u %t \\\"%r\\\" %>s %b \\\"%{Referer}i\\\" \\\"%{User-Agent}i\\\"\" combined
CustomLog /proc/self/fd/1 combined
CacheEnable disk /
CacheRoot /var/cache
CacheHeader on
Header set Cache-Control max-age=60
ProxyPass /audit http://audit:8080/audit connectiontimeout=1
ProxyPass /billing http://billing:8080/billing secret=hunter2
";

async fn behind_apache() -> Synthetic {
    let containers = [
        ("audit", app("routes: [{ path: /audit }]\n")),
        (
            "billing",
            app("routes: [{ path: /billing }]\nhostname: inside\n"),
        ),
    ];
    let containers = containers.each_ref().map(|(name, it)| (*name, it.as_str()));
    let mut platform = Synthetic::define(&containers);
    let front = format!(
        "kind: proxy\npublish: [80]\ntmpfs: [/var/cache]\nenvironment: {{ LC_ALL: C }}\ncommand: [/probe, hosts, \
         \"127.0.0.1 audit billing\\n\", /usr/sbin/apache2, -DFOREGROUND, -f, /etc/apache.conf]\n{HEALTHY}"
    );
    platform.write_container("front", &front);
    platform.push("A proxy that hands requests on");
    platform.proxy_layers = apache_layers("80", "Include /etc/apache2/apache2.conf\n");
    let rules = tar(&[("etc/apache2/apache2.conf", 0o644, RULES.as_bytes())]);
    platform.proxy_layers.push(rules);
    platform.release_all(&containers).await;
    platform
}

fn texts<'v>(list: &'v Value, field: &str) -> Vec<&'v str> {
    let all = list.as_array().unwrap().iter();
    all.filter_map(|it| it[field].as_str().or(it.as_str()))
        .collect()
}

/// A request of a browser on this machine.
fn get(port: u16, path: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = format!(
        "GET {path} HTTP/1.0\r\nHost: localhost\r\nUser-Agent: Mozilla\r\nCookie: SID=hunter2\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
}

/// The container behind a URL with its version; MISS, then HIT, with the rules of the proxy that say so and
/// the request in its log; a container that does not run, a path that nobody has, a proxy that is gone.
/// What a browser asked is in `requests`, without its secrets.
#[tokio::test(flavor = "multi_thread")]
async fn who_answers_a_url_is_told() {
    let platform = behind_apache().await;
    let workstation = Workstation::initialised(&platform.url());
    let explain = |url: &str| -> Ran { workstation.run(&["explain", url, "--json"]) };
    explain("/billing").code(2).says("nothing runs");
    let port = free_port();
    let up = ["up", "billing", "--port", &format!("80={port}")];
    workstation.run(&up).ok();

    let told = explain("https://www.acme.example/billing/x").ok().json();
    let url = format!("http://localhost:{port}/billing/x");
    assert_eq!(told["url"], url.as_str());
    assert_eq!(told["route"], "/billing");
    let who = &told["containers"][0];
    let shown = ["name", "version", "source", "state"].map(|it| who[it].as_str().unwrap());
    assert_eq!(shown, ["billing", "1.0", "reference", "running"]);
    assert_eq!(told["proxy"]["version"], "1");
    let answer = &told["answer"];
    assert_eq!(
        (&answer["status"], &answer["cache"], &answer["kept"]),
        (&200.into(), &"miss".into(), &60.into()),
        "{told:#}"
    );
    assert_eq!(answer["because"], "Cache-Control: max-age=60");
    let rules = texts(&told["rules"], "text");
    for rule in [
        "CacheEnable disk /",
        "Header set Cache-Control max-age=60",
        "ProxyPass /billing http://billing:8080/billing secret=…",
    ] {
        assert!(rules.contains(&rule), "{rule}: {rules:?}");
    }
    assert!(!rules.iter().any(|it| it.contains("audit")), "{rules:?}");
    let at = &told["rules"][0];
    assert_eq!(
        (&at["file"], &at["line"]),
        (&"/etc/apache2/apache2.conf".into(), &3.into())
    );
    let log = &told["logs"][0];
    assert_eq!(
        (&log["container"], &log["found_by"]),
        (&"front".into(), &"mark".into()),
        "{told:#}"
    );
    assert!(log["line"].as_str().unwrap().contains("GET /billing/x "));
    let unlogged = "the logs of billing do not show the request";
    assert!(texts(&told["notes"], "").contains(&unlogged), "{told:#}");

    let again = explain("/billing/x").ok().json();
    assert_eq!(again["answer"]["cache"], "hit", "{again:#}");
    assert!(!texts(&again["notes"], "").contains(&unlogged), "{again:#}");
    let people = workstation.run(&["explain", "/billing/x"]).ok().stdout;
    for line in [
        "cache      HIT (",
        "container  billing 1.0 (running, healthy)",
    ] {
        assert!(people.contains(line), "{line}: {people}");
    }

    let absent = explain("/audit").ok().json();
    assert_eq!(absent["containers"][0]["state"], Value::Null);
    assert_eq!(absent["answer"]["status"], 503);
    let start = "audit does not run here: `devenv up audit` starts it";
    assert!(texts(&absent["notes"], "").contains(&start), "{absent:#}");
    assert_eq!(explain("/none").ok().json()["route"], Value::Null);
    let login = workstation.run(&["explain", "http://anna:hunter2@localhost/"]);
    assert!(!login.stderr.contains("hunter2"), "{}", login.stderr);
    login.code(2).says("login");

    get(port, "/billing/y?token=hunter2&page=2");
    let asked = workstation.run(&["requests", "--json"]).ok();
    let entry = asked.json();
    assert_eq!(asked.stdout.lines().count(), 1, "{}", asked.stdout);
    assert_eq!(
        entry["request"]["url"],
        "http://localhost/billing/y?token=REDACTED&page=2"
    );
    assert!(!asked.stdout.contains("hunter2"), "{}", asked.stdout);

    workstation.run(&["up", "--no-proxy"]).ok();
    let without = explain("/billing").ok().json();
    assert_eq!(without["answer"], Value::Null);
    assert!(texts(&without["notes"], "")[0].contains("nothing was asked"));
}
