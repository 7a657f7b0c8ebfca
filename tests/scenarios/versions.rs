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

/// What `up --dry-run --json` and `status --json` tell of versions that are not the reference's.
fn mixed(value: &serde_json::Value) -> Vec<String> {
    let all = value["mixed"].as_array().into_iter().flatten();
    all.map(|it| {
        let word = |key: &str| it[key].as_str().unwrap_or("none").to_owned();
        ["container", "version", "reference"].map(word).join(" ")
    })
    .collect()
}

/// Billing 1.0, 2.0 and 3.0 in as many references; each says which definition it was built from.
async fn three_versions() -> Synthetic {
    let billing = |shown: &str| app(&format!("environment: {{ SHOWN: \"{shown}\" }}\n"));
    let containers = [("billing", &*billing("1.0")), ("customers", &app(""))];
    let mut platform = Synthetic::released(&containers).await;
    for version in ["2.0", "3.0"] {
        platform.write_container("billing", &billing(version));
        platform.push(version);
        platform.release("billing", version).await;
        platform.reference().await;
        platform.promote("production").await;
    }
    platform
}

/// One version of one container, with its own run specification, among the reference's others; it
/// stays, and is shown, until it is ended.
#[tokio::test(flavor = "multi_thread")]
async fn one_version_of_one_container_runs_among_the_references() {
    let mut platform = three_versions().await;
    let workstation = Workstation::initialised(&platform.url());
    let up = |arguments: &[&str]| workstation.run(&[&["up"], arguments].concat());
    let status = || workstation.run(&["status", "--json"]).ok().json();
    let shown = || {
        let exec = ["exec", "billing", "--", "/probe", "env", "SHOWN"];
        workstation.run(&exec).ok().stdout
    };
    up(&["billing", "customers", "--no-proxy"]).ok();
    assert_eq!(shown(), "3.0\n");

    let plan = up(&["billing:1.0", "--dry-run", "--json"]).ok().json();
    assert_eq!(mixed(&plan), ["billing 1.0 3.0"], "{plan}");
    let plan = up(&["billing:1.0", "--dry-run"]).ok();
    assert!(plan.stdout.contains("PINNED 1.0"), "{}", plan.stdout);
    assert_eq!(shown(), "3.0\n", "a plan changes nothing");
    let said = up(&["billing:1.0"]).ok();
    assert!(said.stdout.contains("PINNED 1.0"), "{}", said.stdout);
    let pin = "billing is pinned to 1.0; reference 3 has 3.0: a mix that never ran in production (`devenv up billing:reference` ends it)";
    said.says(pin);
    assert_eq!(shown(), "1.0\n", "its own definition");
    let now = status();
    assert_eq!(mixed(&now), ["billing 1.0 3.0"], "{now}");
    let billing = workstation.container("billing");
    assert_eq!(
        (&billing["source"], &billing["version"]),
        (&"pinned".into(), &"1.0".into())
    );
    assert_eq!(workstation.container("customers")["source"], "reference");
    for command in ["status", "list"] {
        let told = workstation.run(&[command]).ok().stdout;
        assert!(told.contains("PINNED 1.0") && told.contains(pin), "{told}");
    }
    let told = workstation.run(&["list", "billing"]).ok().stdout;
    assert!(told.contains("PINNED 1.0"), "{told}");

    // Neither a new reference nor the other container's start ends it, nor a network that is away.
    platform.release("customers", "2.0").await;
    platform.reference().await;
    platform.promote("production").await;
    up(&["customers"]).ok().says("reference 4 has 3.0");
    assert_eq!(workstation.container("customers")["version"], "2.0");
    up(&["billing", "--offline"]).ok().says("nothing to do");
    assert_eq!(shown(), "1.0\n");
    let clean = workstation.run(&["clean", "--dry-run"]).ok().stdout;
    assert!(!clean.contains("billing:1.0"), "{clean}");

    up(&["billing:reference"]).ok();
    assert_eq!(
        (shown().as_str(), mixed(&status())),
        ("3.0\n", Vec::new()),
        "the reference's again"
    );
    up(&["billing:1.0"]).ok();
    up(&["--environment", "production"]).ok();
    assert_eq!(mixed(&status()), Vec::<String>::new());
    let pinned = ["--reference", "3", "billing:2.0"];
    assert_eq!(
        mixed(&up(&[&pinned[..], &["--json"]].concat()).ok().json()),
        ["billing 2.0 3.0"]
    );
    workstation.run(&["down"]).ok();
    up(&["billing"]).ok();
    assert_eq!((shown().as_str(), mixed(&status())), ("3.0\n", Vec::new()));
}

/// What is no version that can run is refused, each in its own words.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_cannot_run_is_refused() {
    let mut platform = three_versions().await;
    let repository = platform.repository("billing");
    let forged = platform.publish_image(&repository, "forged", &["/probe", "sleep"], &[]);
    let forged = forged.await;
    platform.tag(&repository, &forged, "6.6").await;
    platform.write_container("customers", &app("needs: [audit]\n"));
    platform.write_container("audit", &app(""));
    platform.write_container("tomcat", "kind: base\n");
    platform.push("A need");
    platform.release("customers", "9.0").await;
    platform.release("tomcat", "1.0").await;
    let workstation = Workstation::initialised(&platform.url());
    let up = |arguments: &[&str]| {
        let all = [&["up", "--no-proxy", "--dry-run"], arguments].concat();
        workstation.run(&all)
    };
    platform.push("Not fetched");
    platform.release("billing", "4.0").await;
    up(&["billing:4.0"])
        .code(6)
        .says("cannot read the definition that it was built from")
        .says("`devenv sync` fetches");
    let said = up(&["billing:1.1"])
        .code(2)
        .says("billing 1.1 is not published");
    said.says("did you mean `1.0`?")
        .says("published are: 1.0, 2.0, 3.0, 4.0, 6.6");
    up(&["biling:1.0"]).code(2).says("did you mean `billing`?");
    up(&["billing:"]).code(2).says("a version");
    up(&["front:1"]).code(2).says("`devenv up --reference N`");
    up(&["tomcat:1.0"]).code(2).says("`tomcat` is a base");
    up(&["everything:1.0"])
        .code(2)
        .says("`everything` is a bundle");
    up(&["billing:6.6"])
        .code(5)
        .says("billing 6.6 cannot run here");
    up(&["customers:9.0"])
        .code(3)
        .says("it needs audit, which is not in reference 3");
    up(&["billing:1.0", "--offline"])
        .code(2)
        .says("not offline");
    up(&["billing:1.0", "--local"])
        .code(2)
        .says("both say where billing comes from");
    up(&["billing:1.0", "--release"])
        .code(2)
        .says("both say where billing comes from");

    workstation.run(&["up", "--no-proxy", "billing:1.0"]).ok();
    let both = "billing cannot run from your proposal and as a version of its own";
    up(&["billing", "--local"]).code(2).says(both);
    let record = format!("state/instances/acme/{}.json", workstation.instance);
    let path = workstation.home.path().join(&record);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value["local"] = serde_json::json!(["billing"]);
    value["versions"] = serde_json::json!({});
    workstation.write(&record, &value.to_string());
    up(&["billing:1.0"]).code(2).says(both);
}

/// The proxy is the reference's own: what it does not know of another version is said.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_proxy_does_not_know_of_a_version_is_said() {
    let old = "port: 9090\nroutes: [{ path: /old }, { path: /billing }]\n";
    let mut platform = Synthetic::released(&[("billing", old)]).await;
    platform.write_container("billing", &app("routes: [{ path: /billing }]\n"));
    platform.push("2.0");
    platform.release("billing", "2.0").await;
    platform.reference().await;
    platform.promote("production").await;
    let workstation = Workstation::initialised(&platform.url());
    let said = workstation.run(&["up", "billing:1.0", "--dry-run"]).ok();
    said.says("the proxy of reference 2 does not have the routes of billing 1.0: /old\n")
        .says("the proxy of reference 2 asks billing on port 8080, and 1.0 listens on 9090");
}

/// A version that does not verify any more says how it is ended, and is not in the way of that.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_cannot_run_any_more_can_be_ended() {
    let platform = three_versions().await;
    let workstation = Workstation::initialised(&platform.url());
    let up = ["up", "--no-proxy", "billing:1.0", "customers"];
    workstation.run(&up).ok();
    let record = format!("state/instances/acme/{}.json", workstation.instance);
    let path = workstation.home.path().join(&record);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value["versions"]["billing"]["digest"] = format!("sha256:{}", "0".repeat(64)).into();
    workstation.write(&record, &value.to_string());
    let said = workstation.run(&["up"]).code(5);
    said.says("billing 1.0 cannot run here")
        .says("`devenv up billing:reference` runs the reference's version again");
    workstation.run(&["down", "billing"]).ok();
    assert_eq!(workstation.containers(), ["customers running"]);
    workstation.run(&["up", "billing"]).ok();
    assert_eq!(workstation.container("billing")["version"], "3.0");
}
