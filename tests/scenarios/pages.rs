//! A page behind the proxy, as a browser on this machine gets it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::app;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, free_port};

/// Status and body of a path at `127.0.0.1:PORT`; `None` where nobody answers.
fn page(port: u16, path: &str) -> Option<(u16, String)> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).ok()?;
    connection
        .set_read_timeout(Some(Duration::from_secs(10)))
        .ok()?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    connection.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// The page behind the proxy at the same `localhost` address on every host; an absent name answers
/// 503 at once; nothing to do; one more app; down and up again.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_address_leads_to_the_page_on_every_host() {
    let containers = [
        (
            "audit",
            app("routes: [{ path: /audit }]\nhostname: audit-inside\n"),
        ),
        (
            "billing",
            app("uses: [audit]\nroutes: [{ path: /billing }]\nhostname: billing-inside\n"),
        ),
    ];
    let containers = containers.each_ref().map(|(name, it)| (*name, it.as_str()));
    let mut platform = Synthetic::define(&containers);
    let front = "kind: proxy\npublish: [80]\ncommand: [/probe, proxy, \"80\"]\n";
    platform.write_container("front", front);
    platform.push("A proxy that hands requests on");
    platform.release_all(&containers).await;
    let workstation = Workstation::initialised(&platform.url());
    let port = free_port();
    let up = workstation.run(&["up", "billing", "--port", &format!("80={port}")]);
    let url = format!("http://localhost:{port}/billing");
    let up = up.ok();
    assert!(up.stdout.contains(&url), "{}", up.stdout);
    let found = |name: &str| Some((200, format!("{name}-inside")));
    assert_eq!(page(port, "/billing"), found("billing"));

    let begun = Instant::now();
    assert_eq!(page(port, "/audit"), Some((503, String::new())));
    let refused = begun.elapsed();
    assert!(refused < Duration::from_secs(2), "refused at {refused:?}");

    workstation.run(&["up"]).ok().says("nothing to do");
    workstation.run(&["up", "audit"]).ok();
    assert_eq!(page(port, "/audit"), found("audit"));
    assert_eq!(workstation.container("billing")["urls"][0], url.as_str());

    workstation.run(&["down"]).ok();
    assert_eq!(page(port, "/billing"), None);
    let up = ["up", "billing", "--port", &format!("80={port}")];
    workstation.run(&up).ok();
    assert_eq!(page(port, "/billing"), found("billing"));
}
