//! A server of thirty containers: nothing to do, a look of supervision, going back while the registry is
//! stopped.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::measure::Times;
use crate::program;
use crate::report::Report;
use crate::sections::{MOST, trivial};
use crate::support::registry::tests;
use crate::support::server::{TestServer, port, possible};
use crate::support::synthetic::Synthetic;
use crate::support::tls_server::bridge_address;

/// A registry that nobody else needs, so that it can be stopped.
const REGISTRY: &str = "devenv-bench-registry";

struct OwnRegistry;

impl Drop for OwnRegistry {
    fn drop(&mut self) {
        let _ = Command::new(tests().join("ground"))
            .args(["remove", "--name", REGISTRY])
            .output();
    }
}

/// Measures with so many rounds.
pub async fn server(rounds: usize, report: &mut Report) {
    if !possible() {
        report.note("server: this machine cannot be one");
        return;
    }
    let made = Command::new(tests().join("ground"))
        .args([
            "registry",
            "--name",
            REGISTRY,
            "--port",
            &port().to_string(),
        ])
        .output()
        .unwrap();
    let registry = OwnRegistry;
    let host = String::from_utf8(made.stdout).unwrap();
    let names = trivial(MOST - 1);
    let containers: Vec<(&str, &str)> = names
        .iter()
        .map(|it| (it.as_str(), "command: [/probe, sleep]\n"))
        .collect();
    let mut platform = Synthetic::released_behind(host.trim(), &containers).await;
    let port = port();
    version(&mut platform, port, "v1").await;
    let server = TestServer::new(&platform, port);
    server.apply().ok();

    let times = |words: &[&str], count: usize| {
        let once = |_| program::time(server.command().args(words));
        Times((0..count).map(once).collect())
    };
    let idle = times(&["server", "apply"], rounds * 3);
    let milliseconds = |times: &Times| times.median().as_secs_f64() * 1000.0;
    let what = "server apply with nothing to do, 30 containers";
    report.at_most(what, milliseconds(&idle), 30.0, " ms", &idle.to_string());
    let check = times(&["server", "check"], rounds * 3);
    report.note(&format!("server check, 30 containers: {check}"));

    version(&mut platform, port, "v2").await;
    server.apply().ok();
    let _ = Command::new("docker")
        .args(["stop", "--time", "0", REGISTRY])
        .output();
    let back = times_back(&server, port, rounds.max(10)).await;
    let what = "server rollback to the first old answer, registry stopped";
    report.at_most(what, milliseconds(&back), 1000.0, " ms", &back.to_string());
    drop(registry);
}

/// From a rollback's command to the first old answer, so often.
async fn times_back(server: &TestServer, port: u16, rounds: usize) -> Times {
    let (mut back, address) = (Times::default(), bridge_address());
    for _ in 0..rounds {
        server.run(&["server", "apply", "--again"]).ok();
        assert!(until(&address, port, "v2"));
        tokio::time::sleep(Duration::from_millis(300)).await;
        let begun = Instant::now();
        let mut command = server.command();
        command.args(["server", "rollback", "--yes"]);
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        let answered = until(&address, port, "v1");
        back.0.push(begun.elapsed());
        let said = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&said.stderr);
        assert!(answered && said.status.success(), "{text}");
    }
    back
}

/// The next reference, whose proxy answers this.
async fn version(platform: &mut Synthetic, port: u16, says: &str) {
    let front = format!(
        "kind: proxy\npublish: [{{ host: {port}, container: 80 }}]\ncommand: [/probe, serve, \"80\", {says}, \"0\"]\n"
    );
    platform.write_container("front", &front);
    platform.push(says);
    platform.reference().await;
    platform.promote("production").await;
}

/// Whether the answer is this in time.
fn until(address: &str, port: u16, says: &str) -> bool {
    let begun = Instant::now();
    while answer(address, port).as_deref() != Some(says) {
        if begun.elapsed() > Duration::from_secs(30) {
            return false;
        }
    }
    true
}

fn answer(address: &str, port: u16) -> Option<String> {
    let mut stream = TcpStream::connect((address, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text.split_once("\r\n\r\n")?.1.to_owned())
}
