//! What is in a volume without a name is not lost when its container is replaced.

use crate::service;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, docker};

/// A container as a devenv made it that left an image's `VOLUME` to the engine.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_volume_without_a_name_holds_is_carried_over() {
    let containers = [("billing", &*service(""))];
    let mut platform = Synthetic::define(&containers);
    platform.volumes = serde_json::json!({ "/srv/kept": {} });
    platform.release_all(&containers).await;
    let workstation = Workstation::initialised(&platform.url());
    let up = ["up", "billing", "--no-proxy"];
    workstation.run(&up).ok();
    let object = workstation.object("billing");
    let network = format!("devenv-acme-{}", workstation.instance);
    let image = docker(&["inspect", "--format", "{{.Image}}", &object]);
    let format = "{{range $name, $value := .Config.Labels}}--label={{$name}}={{$value}}\n{{end}}";
    let labels = docker(&["inspect", "--format", format, &object]);
    let labels = labels.lines().map(|it| match it.split_once(".spec=") {
        Some((name, _)) => format!("{name}.spec=old"),
        None => it.to_owned(),
    });
    let labels: Vec<String> = labels.filter(|it| !it.is_empty()).collect();
    docker(&[
        "exec",
        "--user",
        "0",
        &object,
        "/probe",
        "write",
        "/srv/kept/other",
        "mine",
    ]);
    docker(&["rm", "--force", &object]);
    let volume = docker(&[
        "volume",
        "ls",
        "--quiet",
        "--filter",
        &format!("name={object}"),
    ]);
    let mut run = vec![
        "run",
        "--detach",
        "--name",
        &object,
        "--network",
        &network,
        "--user",
        "7",
    ];
    run.extend(labels.iter().map(String::as_str));
    run.extend([image.as_str(), "/probe", "sleep"]);
    docker(&run);
    let write = [
        "exec",
        "--user",
        "0",
        &object,
        "/probe",
        "write",
        "/srv/kept/data",
        "precious",
    ];
    docker(&write);

    let plan = workstation.run(&["up", "--dry-run"]).ok().stdout;
    assert!(plan.contains("carry over /srv/kept of billing"), "{plan}");
    let refused = workstation.run(&up);
    assert_ne!(refused.code, 0);
    let hint = format!("docker volume rm {volume}");
    assert!(refused.stderr.contains(&hint), "{}", refused.stderr);
    assert_eq!(workstation.containers(), ["billing running"]);
    docker(&["volume", "rm", &volume]);
    workstation.run(&up).ok();
    let show = [
        "exec",
        "billing",
        "-T",
        "--",
        "/probe",
        "show",
        "/srv/kept/data",
    ];
    assert_eq!(workstation.run(&show).ok().stdout, "precious");
    assert!(workstation.run(&up).ok().stderr.contains("nothing to do"));
    docker(&["rm", "--force", "--volumes", &object]);
    workstation.run(&up).ok();
    assert_eq!(workstation.run(&show).ok().stdout, "precious");
}
