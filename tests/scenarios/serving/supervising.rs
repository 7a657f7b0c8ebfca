//! What supervision is told, and by whom.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::certificates::Certificates;
use crate::support::real_engine::tar;
use crate::support::server::clients::Clients;
use crate::support::server::world::World;
use crate::support::server::{port, unpacked};
use crate::support::workstation::{docker, program};

/// One line for one cause, told only once it lasts; what was stopped by hand is started again.
#[tokio::test(flavor = "multi_thread")]
async fn one_cause_is_one_line_and_what_was_stopped_is_started_again() {
    let Some(world) = World::new().await else {
        return;
    };
    let check = || world.server.run(&["server", "check"]);
    let first = check().ok();
    assert!(
        first.stdout.starts_with("OK - not often enough"),
        "{}",
        first.stdout
    );
    world.server.apply().ok();
    for _ in 0..3 {
        let fine = check().ok();
        assert!(fine.stdout.starts_with("OK - "), "{}", fine.stdout);
    }
    assert!(
        check()
            .ok()
            .stdout
            .starts_with("OK - reference 1 serves | 'running'=3;")
    );
    docker(&["stop", "--time", "0", &world.server.object(1, "ledger-db")]);
    check().ok();
    let told = check().code(2);
    assert!(
        told.stdout
            .starts_with("CRITICAL - ledger-db has exited with"),
        "{}",
        told.stdout
    );
    world
        .server
        .apply()
        .ok()
        .says("ledger-db did not run and should: started again");
    let file = world.server.home.path().join("devenv.prom");
    world
        .server
        .run(&["server", "metrics", file.to_str().unwrap()])
        .ok();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("\ndevenv_level 0\n") && text.contains("\ndevenv_reference 1\n"),
        "{text}"
    );
}

/// A container and the kernel's rules that somebody changed: told, and made as they were.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_by_hand_is_told_and_made_again() {
    let Some(world) = World::new().await else {
        return;
    };
    world
        .server
        .change("check: { bad: 2, of: 3 }", "check: { bad: 1, of: 1 }");
    world.server.apply().ok();
    let check = || world.server.run(&["server", "check"]);
    check().ok();
    let net = Clients::new();
    let table = format!("devenv_{}", world.server.name);
    for chain in ["from_outside", "from_here"] {
        world
            .server
            .nft_says(&["flush", "chain", "ip", &table, chain]);
        let told = check().code(2).stdout;
        let text = format!(
            "CRITICAL - the kernel does not lead port {} ",
            world.server.port
        );
        assert!(told.starts_with(&text), "{told}");
        world.server.apply().ok();
        assert_eq!(net.get(world.server.port, "/billing"), "v1");
        check().ok();
    }

    let billing = world.server.object(1, "billing");
    docker(&[
        "update",
        "--memory",
        "300m",
        "--memory-swap",
        "300m",
        &billing,
    ]);
    let told = check().code(2).stdout;
    let text = "CRITICAL - billing was changed by hand: its memory limit is 300MiB, not none";
    assert!(told.starts_with(text), "{told}");
    world.server.run(&["server", "apply", "--retry"]).ok();
    let running = world.server.containers();
    assert!(
        running.contains(&"2 billing running".to_owned()),
        "{running:?}"
    );
    check().ok();
    let nothing = world.server.run(&["server", "apply", "--retry"]).ok();
    assert_eq!(nothing.stderr, "");
    assert_eq!(world.server.containers(), running);
}

/// A program of a test, which ends with it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a program prints, once it ends as it should; it is tried for a while.
fn once(code: i32, command: &mut Command) -> String {
    let begun = Instant::now();
    loop {
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.code() == Some(code) {
            return text;
        }
        let late = begun.elapsed() > Duration::from_secs(20);
        assert!(!late, "{command:?}: {} {text}", output.status);
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

/// The real NRPE runs `server check` and hands it on whole, with its exit code; the real node exporter
/// shows what `server metrics` writes. A certificate that expires soon is told.
#[tokio::test(flavor = "multi_thread")]
async fn nrpe_and_the_node_exporter_take_what_they_are_given() {
    let Some(mut world) = World::new().await else {
        return;
    };
    let home = world.server.home.path().to_owned();
    let certificates = Certificates::make(&home.join("tls"), "subjectAltName=DNS:localhost\n", "5");
    let pem = |name: &str| fs::read(certificates.path(name)).unwrap();
    world.certificate = Some(tar(&[
        ("etc/tls.pem", 0o644, &pem("server.pem")),
        ("etc/tls.key", 0o644, &pem("serverkey.pem")),
    ]));
    let tls = port();
    world.more = Some(tls);
    world
        .server
        .change("check: { bad: 2, of: 3 }", "check: { bad: 1, of: 1 }");
    world.release(0).await;
    world.server.apply().ok();
    let net = Clients::new();
    assert_eq!(net.get(world.server.port, "/billing"), "v2");

    let plugin = unpacked("nagios-nrpe-plugin").join("usr/lib/nagios/plugins/check_nrpe");
    let daemon = unpacked("nagios-nrpe-server").join("usr/sbin/nrpe");
    let libraries =
        unpacked("libwrap0").join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH));
    let (nrpe, file) = (port(), home.join("nrpe.cfg"));
    let mut text =
        format!("server_address=127.0.0.1\nserver_port={nrpe}\nallowed_hosts=127.0.0.1\n");
    text.push_str("nrpe_user=nobody\nnrpe_group=nogroup\ncommand_timeout=60\n");
    // NRPE refuses to be root: what stands in for sudo is a program that may become it.
    let sudo = home.join("sudo");
    fs::copy("/usr/bin/setpriv", &sudo).unwrap();
    fs::set_permissions(&sudo, fs::Permissions::from_mode(0o4755)).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o711)).unwrap();
    let sudo = format!("{} --reuid=0 --regid=0 --clear-groups", sudo.display());
    let (home_text, devenv) = (home.display(), program().display());
    let check = format!("{sudo} /usr/bin/env DEVENV_HOME={home_text} {devenv} server check");
    let _ = writeln!(text, "command[devenv]={check}");
    fs::write(&file, text).unwrap();
    let mut server = Command::new(daemon);
    server.args(["-n", "-f", "-c"]).arg(&file);
    server
        .env("LD_LIBRARY_PATH", &libraries)
        .stdin(Stdio::null());
    let _nrpe = Running(server.spawn().unwrap());
    let mut ask = Command::new(plugin);
    ask.args(["-n", "-H", "127.0.0.1", "-t", "30", "-c", "devenv", "-p"]);
    ask.arg(nrpe.to_string());
    let told = once(1, &mut ask);
    let words =
        format!("WARNING - the certificate of port {tls} expires in 4 days | 'running'=3;3:");
    assert!(told.starts_with(&words), "{told}");
    assert!(
        told.contains(" 'certificate_days'=4;14:;0: 'logs'="),
        "{told}"
    );
    assert!(told.len() <= 1024, "{told}");
    docker(&["stop", "--time", "0", &world.server.object(1, "ledger-db")]);
    let told = once(2, &mut ask);
    assert!(
        told.starts_with("CRITICAL - ledger-db has exited with"),
        "{told}"
    );
    world.server.apply().ok();

    let collected = home.join("collected");
    fs::create_dir(&collected).unwrap();
    let metrics = collected.join("devenv.prom");
    let metrics = metrics.to_str().unwrap();
    world.server.run(&["server", "metrics", metrics]).ok();
    let listens = format!("127.0.0.1:{}", port());
    let exporter = unpacked("prometheus-node-exporter").join("usr/bin/prometheus-node-exporter");
    let exporter = Command::new(exporter)
        .arg("--collector.disable-defaults")
        .arg("--collector.textfile")
        .arg(format!(
            "--collector.textfile.directory={}",
            collected.display()
        ))
        .arg(format!("--web.listen-address={listens}"))
        .stderr(Stdio::null())
        .spawn();
    let _exporter = Running(exporter.unwrap());
    let mut ask = Command::new("curl");
    let shown = once(
        0,
        ask.args(["--silent", "--fail", &format!("http://{listens}/metrics")]),
    );
    for line in [
        "node_textfile_scrape_error 0",
        "# TYPE devenv_containers_running gauge",
        "devenv_containers_running 3",
        "devenv_level 1",
        "devenv_reference 2",
    ] {
        assert!(shown.contains(&format!("\n{line}\n")), "{line}: {shown}");
    }
    assert!(
        shown.contains("node_textfile_mtime_seconds{file="),
        "{shown}"
    );
}

/// What is stopped, removed, added or taken off its network by hand: told and left where `drift` is
/// `tell`, made as it was where it is `mend`.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_by_hand_is_told_or_mended() {
    let Some(world) = World::new().await else {
        return;
    };
    let server = &world.server;
    server.change("check: { bad: 2, of: 3 }", "check: { bad: 1, of: 1 }");
    server.change("drift: mend", "drift: tell");
    server.apply().ok();
    let net = Clients::new();
    let billing = server.object(1, "billing");
    let network = format!("devenv-acme-{}_1", server.name);
    let starts = |text: &str| {
        let check = server.run(&["server", "check"]).code(2);
        assert!(check.stdout.starts_with(text), "{}", check.stdout);
    };

    let image = docker(&["inspect", "--format", "{{.Image}}", &billing]);
    let guest = format!("{billing}-guest");
    docker(&[
        "run",
        "--detach",
        "--name",
        &guest,
        "--network",
        &network,
        &image,
        "/probe",
        "sleep",
    ]);
    let _guest = Guest(guest.clone());
    server.apply().ok();
    starts(&format!(
        "CRITICAL - put into this server's network by hand: {guest} |"
    ));
    docker(&["stop", "--time", "0", &billing]);
    server.apply().ok();
    starts("CRITICAL - billing has exited with");
    docker(&["rm", "--force", &billing]);
    server
        .apply()
        .ok()
        .says("billing was removed or changed by hand");
    starts("CRITICAL - billing is not there");
    server.run(&["server", "apply", "--retry"]).ok();
    assert_eq!(net.get(server.port, "/billing"), "v1");

    server.change("drift: tell", "drift: mend");
    let said = format!("{guest} was put into this server's network: it is out of it again");
    server.apply().ok().says(&said);
    server.run(&["server", "check"]).ok();
    let (billing, network) = (
        server.object(2, "billing"),
        format!("devenv-acme-{}_2", server.name),
    );
    docker(&["network", "disconnect", &network, &billing]);
    starts("CRITICAL - billing was taken off its network |");
    server
        .apply()
        .ok()
        .says("billing was off its network: it is on it again");
    assert_eq!(net.get(server.port, "/billing"), "v1");
    server.run(&["server", "check"]).ok();
    let events = fs::read_to_string(server.home.path().join("log/events.jsonl")).unwrap();
    assert_eq!(events.matches("\"what\":\"drift\"").count(), 3, "{events}");
}

/// A container that somebody starts by hand.
struct Guest(String);

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = Command::new("docker")
            .args(["rm", "--force", &self.0])
            .output();
    }
}
