//! What decides whose versions run, and how it is shown.

use crate::app;
use crate::support::registry::address;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, finished};

/// A pin is shown with what runs meanwhile, from the first `up` on; `down` ends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_pin_is_shown_with_what_production_runs() {
    let mut platform = Synthetic::released(&[("billing", &app(""))]).await;
    platform.release("billing", "2.0").await;
    platform.reference().await;
    platform.promote("recette").await;
    let workstation = Workstation::initialised(&platform.url());
    let overrides = "containers: { billing: { environment: { A: b } } }\n";
    workstation.write("config/overrides/acme.yaml", overrides);
    let pinned = ["up", "billing", "--no-proxy", "--reference", "2"];
    let plan = [&pinned[..], &["--dry-run", "--json"]].concat();
    let plan = workstation.run(&plan).ok().json();
    assert_eq!(plan["pinned"]["current"], 1, "{plan}");
    assert_eq!(plan["overrides"]["billing"][0], "environment", "{plan}");
    workstation
        .run(&pinned)
        .ok()
        .says("pinned to reference 2; production runs 1: `devenv up --environment production`");
    platform.promote("production").await;
    let up = ["up", "--no-proxy"];
    let said = workstation.run(&up).ok().says("nothing to do");
    said.says("pinned to reference 2; production runs the same");
    let status = workstation.run(&["status", "--json"]).ok().json();
    assert_eq!(status["pinned"]["current"], 2, "{status}");

    let first = [&up[..], &["--environment", "recette", "--reference", "1"]].concat();
    let said = workstation.run(&first).ok();
    said.says("pinned to reference 1; recette runs 2, production runs 2");
    // It runs whatever becomes of the registry, and says how old is what it tells.
    let settings = format!(
        "registry_mirrors: {{ \"{}\": \"127.0.0.1:1\" }}\n",
        address()
    );
    workstation.write("config/settings.yaml", &settings);
    let said = workstation.run(&up).ok().says("could not be looked at");
    said.says("pinned to reference 1; recette runs 2, production runs 2");
    workstation.write("config/settings.yaml", "{}\n");
    let status = workstation.run(&["status", "--json"]).ok().json();
    assert_eq!(status["pinned"]["production"]["current"], 2, "{status}");
    workstation.run(&["down"]).ok();
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    let status = workstation.run(&["status", "--json"]).ok().json();
    assert_eq!(status["pinned"], serde_json::Value::Null, "{status}");
    assert_eq!(workstation.container("billing")["version"], "2.0");
}

/// A moment as people type it is shown in full, in the time of this machine.
#[tokio::test(flavor = "multi_thread")]
async fn a_moment_is_shown_in_full() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let workstation = Workstation::initialised(&platform.url());
    let up = |moment: &str| {
        let mut command = workstation.command();
        command.args([
            "up",
            "billing",
            "--no-proxy",
            "--dry-run",
            "--as-of",
            moment,
        ]);
        command.env("TZ", "Asia/Kolkata");
        finished(command, "")
    };
    let said = up("1 second ago").ok().says("production ran reference 1");
    said.says(":").says(" +05:30 (");
    let said = up("yesterday").code(2).says("production ran nothing at ");
    said.says(" 00:00 +05:30 (").says("T18:30:00Z)");
    up("soon").code(2).says("is no moment");
    up("2999-01-01").code(2).says("has not come yet");
}
