//! Faults of what devenv stands on: a full disk, a certificate that proves nothing.

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::support::real_engine::tar;
use crate::support::second_engine::{Kind, SecondEngine};
use crate::support::synthetic::Synthetic;
use crate::support::tls_server::{TlsServer, bridge_address};
use crate::support::workstation::{Workstation, finished};
use crate::{app, service};

/// A full disk, on a second engine.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_the_next_up_completes() {
    let Some(engine) = SecondEngine::start(Kind::Own, 60) else {
        return;
    };
    let mut platform = Synthetic::define(&[("billing", &service(""))]);
    let repository = platform.repository("billing");
    let mut noise = vec![0; 64 << 20];
    SystemRandom::new().fill(&mut noise).unwrap();
    let layer = tar(&[("noise", 0o644, &noise)]);
    let image = platform
        .publish_image(&repository, "large", &["/probe", "sleep"], &[layer])
        .await;
    platform.sign_build("billing", "1.0", &image).await;
    platform.reference().await;
    platform.promote("production").await;
    let workstation = Workstation::initialised(&platform.url());
    let up = || {
        let mut up = workstation.command();
        up.args(["up", "billing", "--no-proxy"]);
        up.env("DOCKER_HOST", engine.host());
        finished(up, "")
    };
    up().code(4).says("no space left on device");
    engine.resize(400);
    up().ok();
}

/// A wrong certificate is no missing image; `registry_ca`.
#[test]
fn a_wrong_certificate_is_no_missing_image() {
    let address = bridge_address();
    let server = TlsServer::start(&format!("IP:{address}"), 2);
    let port = server.port;
    let mut platform = Synthetic::define(&[("billing", &app(""))]);
    let path = platform.work().join("platform.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        text.replace(&platform.prefix, &format!("{address}:{port}/acme")),
    )
    .unwrap();
    platform.push("A registry with a certificate of its own");
    let workstation = Workstation::initialised(&platform.url());
    let refused = workstation.run(&["up", "billing", "--no-proxy"]).code(8);
    assert!(
        !refused.stderr.contains("not in the registry"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("certificate"), "{}", refused.stderr);
    refused.says("extra_ca");

    let settings = format!("registry_ca: {}\n", server.certificate().display());
    workstation.write("config/settings.yaml", &settings);
    let known = workstation.run(&["up", "billing", "--no-proxy"]);
    assert!(!known.stderr.contains("certificate"), "{}", known.stderr);
}
