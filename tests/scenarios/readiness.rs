//! What counts as ready, and how its absence is explained.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::real_engine::tar;
use crate::support::registry::tests;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, free_port};
use crate::{HEALTHY, app, service};

/// Ready: healthy, answers, started.
#[tokio::test(flavor = "multi_thread")]
async fn the_table_says_how_readiness_is_known() {
    let platform = Synthetic::released(&[
        ("checked", &app("routes: [{ path: /checked }]\n")),
        (
            "routed",
            "port: 8080\ncommand: [/probe, listen, \"8080\"]\nroutes: [{ path: /routed }]\n",
        ),
        ("silent", &service("")),
    ])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    let up = workstation
        .run(&[
            "up",
            "checked",
            "routed",
            "silent",
            "--port",
            &format!("80={}", free_port()),
        ])
        .ok();
    let line = |name: &str| {
        up.stdout
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default()
            .to_owned()
    };
    assert!(line("checked").contains("healthy"), "{}", up.stdout);
    assert!(line("routed").contains("answers"), "{}", up.stdout);
    assert!(line("silent").contains("started"), "{}", up.stdout);
}

/// An exit is explained.
#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_exits_is_explained() {
    let platform = Synthetic::released(&[(
        "billing",
        "port: 8080\ncommand: [/probe, say, \"3\", \"9\"]\nroutes: [{ path: /billing }]\nhealth: { command: [/probe, check, /probe], interval: 1s }\n",
    )])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["up", "billing", "--no-proxy"])
        .code(7)
        .says("billing exited with code 9")
        .says("err 3")
        .says("devenv logs billing");
}

/// Killed for memory: exit 137 and the limit.
#[tokio::test(flavor = "multi_thread")]
async fn a_container_killed_for_memory_says_its_limit() {
    let platform = Synthetic::released(&[(
        "billing",
        "kind: service\ncommand: [/probe, eat]\nmemory: 8MiB\nhealth: { command: [/probe, check, /never], interval: 1s, start_period: 60s }\n",
    )])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["up", "billing", "--no-proxy"])
        .code(7)
        .says("killed")
        .says("exit code 137")
        .says("8MiB");
}

/// Never healthy: probes and `--timeout`.
#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_never_gets_healthy_shows_its_probes() {
    let platform = Synthetic::released(&[
        ("sick", &service("health: { command: [/probe, check, /never], interval: 200ms, timeout: 1s, start_period: 0s, retries: 2 }\n")),
        ("slow", &service("health: { command: [/probe, check, /never], interval: 300ms, start_period: 60s }\n")),
    ])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["up", "sick", "--no-proxy"])
        .code(7)
        .says("sick is unhealthy")
        .says("its last health probes")
        .says("exit 1");
    workstation.run(&["down"]).ok();
    let late = workstation
        .run(&["up", "slow", "--no-proxy", "--timeout", "2s"])
        .code(7);
    late.says("slow was not healthy after 2 s")
        .says("its last health probes");
}

/// A route's probe is asked through the proxy: another status than its own, or another page, is no answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_route_is_asked_as_its_probe_says() {
    let right = "routes: [{ path: /billing, probe: { path: /billing/health, status: 200 } }]\n";
    let wrong = "routes: [{ path: /customers, probe: { path: /customers/new, status: 204 } }]\n";
    let own = "routes: [{ path: /audit, probe: { contains: trance } }]\n";
    let anothers = "routes: [{ path: /invoices, probe: { status: 200, contains: Invoices } }]\n";
    let containers = [
        ("billing", app(right)),
        ("customers", app(wrong)),
        ("audit", app(own)),
        ("invoices", app(anothers)),
    ];
    let containers = containers.each_ref().map(|(name, it)| (*name, it.as_str()));
    let mut platform = Synthetic::define(&containers);
    // Every page that it answers is its own name.
    let front =
        "kind: proxy\npublish: [80]\nhostname: entrance\ncommand: [/probe, listen, \"80\"]\n";
    platform.write_container("front", front);
    platform.push("A proxy that says its name");
    platform.release_all(&containers).await;
    let workstation = Workstation::initialised(&platform.url());
    let port = format!("80={}", free_port());
    let names = ["up", "billing", "audit", "--port", &port];
    workstation.run(&names).ok();
    let page = "invoices is up, but its route /invoices answers 200 with a page without \"Invoices\" through front";
    let up = ["up", "invoices", "--timeout", "5s"];
    workstation.run(&up).code(7).says(page);
    workstation.run(&["down", "invoices"]).ok();
    let up = ["up", "customers", "--timeout", "5s"];
    let said = "customers is up, but its route /customers answers 200 through front when asked for /customers/new, not 204";
    workstation.run(&up).code(7).says(said);
    // Nothing is left to do, and still it does not answer.
    workstation.run(&up).code(7).says(said);
    let restart =
        |names: &[&str]| workstation.run(&[&["restart"], names, &["--timeout", "5s"]].concat());
    restart(&["customers"]).code(7).says(said);
    restart(&["front"]).code(7).says(said);
    workstation.run(&["restart", "billing"]).ok();
    workstation.run(&up).code(7).says(said);
    let right = "routes: [{ path: /customers, probe: { path: /customers/new, status: 200 } }]\n";
    platform.write_container("customers", &app(right));
    platform.push("Another probe");
    platform.release("customers", "1.1").await;
    platform.reference().await;
    platform.promote("production").await;
    workstation.run(&["up"]).ok();
    workstation.run(&["up"]).ok().says("nothing to do");
    workstation.run(&["restart", "customers"]).ok();
}

/// A passing check says nothing of the way to a container: its routes are asked until they have
/// answered, by whichever command comes next.
#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_answers_5xx_is_not_up() {
    let fails = format!(
        "port: 8080\ncommand: [/probe, listen, \"8080\", \"500\"]\n{HEALTHY}routes: [{{ path: /customers }}]\n"
    );
    let elsewhere = format!(
        "port: 8080\ncommand: [/probe, listen, \"8081\"]\n{HEALTHY}routes: [{{ path: /elsewhere }}]\n"
    );
    let containers = [
        ("billing", app("routes: [{ path: /billing }]\n")),
        ("customers", fails),
        ("elsewhere", elsewhere),
    ];
    let containers = containers.each_ref().map(|(name, it)| (*name, it.as_str()));
    let mut platform = Synthetic::define(&containers);
    let front = "kind: proxy\npublish: [80]\ncommand: [/probe, proxy, \"80\"]\n";
    platform.write_container("front", front);
    platform.push("A proxy that hands requests on");
    platform.release_all(&containers).await;
    let workstation = Workstation::initialised(&platform.url());
    let port = format!("80={}", free_port());
    let up = |names: &[&str]| workstation.run(&[&["up", "--timeout", "5s"], names].concat());
    up(&["billing", "--port", &port]).ok();
    let broken = "customers is up, but its route /customers answers 500 through front";
    up(&["customers"]).code(7).says(broken);
    up(&[]).code(7).says(broken);
    workstation.run(&["down", "customers"]).ok();
    up(&[]).ok().says("nothing to do");

    // What nobody waited for is asked by the next.
    let nowhere = "elsewhere is up, but its route /elsewhere answers 503 through front";
    up(&["elsewhere", "--no-wait"]).ok();
    up(&["--no-wait"]).ok();
    up(&[]).code(7).says(nowhere);
    workstation.run(&["down"]).ok();
    up(&["elsewhere", "--no-proxy"]).ok();
    up(&["--proxy"]).code(7).says(nowhere);
    workstation.run(&["pause", "elsewhere"]).ok();
    workstation.run(&["down", "elsewhere"]).ok();
    up(&["billing"]).ok();
    workstation.run(&["restart", "--no-wait"]).ok();
    up(&[]).ok();
    for change in ["pause", "resume"] {
        workstation.run(&[change]).ok();
    }
    up(&[]).ok();
}

/// A file of this machine for an image, and the libraries that it needs.
fn program(path: &Path) -> Vec<(String, Vec<u8>)> {
    let read = |path: &str| (path.to_owned(), std::fs::read(path).unwrap());
    let listed = Command::new("ldd").arg(path).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let libraries = listed.split_whitespace().filter(|it| it.starts_with('/'));
    libraries.map(read).collect()
}

/// A health check by path asks the container itself, whatever proxy its environment names.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_by_path_asks_without_a_proxy() {
    let ground = tests().join("ground");
    let busybox = Command::new(ground)
        .args(["program", "busybox", "busybox"])
        .output();
    assert!(busybox.unwrap().status.success());
    let places = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from);
    let busybox = &places.into_iter().find(|it| it.is_file()).unwrap();
    let mut files = program(busybox);
    for name in ["sh", "wget", "timeout", "true", "nc"] {
        files.push((format!("/bin/{name}"), std::fs::read(busybox).unwrap()));
    }
    let files: Vec<(&str, u32, &[u8])> = files
        .iter()
        .map(|(path, bytes)| (path.trim_start_matches('/'), 0o755, bytes.as_slice()))
        .collect();
    let proxy = "http://127.0.0.1:1";
    let billing = format!(
        "port: 8080\ncommand: [/probe, serve, \"8080\", hello]\n\
         environment: {{ PATH: /bin, http_proxy: \"{proxy}\", HTTP_PROXY: \"{proxy}\" }}\n\
         health: {{ path: /ready, interval: 300ms, timeout: 5s, retries: 3 }}\n"
    );
    let mut platform = Synthetic::define(&[("billing", &billing)]);
    let repository = platform.repository("billing");
    let layers = [tar(&files)];
    let command = ["/probe", "sleep"];
    let image = platform.publish_image(&repository, "billing", &command, &layers);
    let image = image.await;
    platform.sign_build("billing", "1.0", &image).await;
    platform.reference().await;
    platform.promote("production").await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    assert_eq!(workstation.container("billing")["health"], "healthy");
}
