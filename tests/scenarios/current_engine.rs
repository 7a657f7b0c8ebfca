//! The same on a current engine with the containerd image store, where an image's Id is the digest
//! of its manifest or index.

use devenv::model::digest::Digest;
use devenv::model::image::Repository;

use crate::app;
use crate::support::real_engine::{probe_program, tar};
use crate::support::second_engine::{Kind, SecondEngine};
use crate::support::synthetic::{Synthetic, architecture};
use crate::support::workstation::{Ran, Workstation, docker, finished};

/// Enough for a few small images and containers.
const MEGABYTES: u32 = 1500;

fn run(workstation: &Workstation, engine: &SecondEngine, arguments: &[&str]) -> Ran {
    let mut command = workstation.command();
    command.args(arguments).env("DOCKER_HOST", engine.host());
    finished(command, "")
}

/// The Id of the image that runs as billing.
fn running(workstation: &Workstation, engine: &SecondEngine) -> String {
    let object = workstation.object("billing");
    docker(&[
        "--host",
        &engine.host(),
        "inspect",
        "--format",
        "{{.Image}}",
        &object,
    ])
}

/// An archive for `docker load`: an evil image that says it was pulled as `repository@digest`.
fn forged(repository: &Repository, digest: &Digest) -> Vec<u8> {
    let layer = tar(&[("probe", 0o755, &probe_program()), ("evil", 0o644, b"")]);
    let config = serde_json::json!({
        "architecture": architecture(), "os": "linux",
        "config": { "Cmd": ["/probe", "exit", "66"] },
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer)] },
    });
    let config = serde_json::to_vec(&config).unwrap();
    let described = |kind: &str, bytes: &[u8]| {
        serde_json::json!({
            "mediaType": format!("application/vnd.oci.image.{kind}"),
            "digest": Digest::of(bytes), "size": bytes.len(),
        })
    };
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": described("config.v1+json", &config),
        "layers": [described("layer.v1.tar", &layer)],
    });
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let mut entry = described("manifest.v1+json", &manifest);
    entry["annotations"] = serde_json::json!({
        "io.containerd.image.name": repository.at(digest),
    });
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [entry] });
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", Digest::of(bytes).hex());
    tar(&[
        ("oci-layout", 0o644, b"{\"imageLayoutVersion\":\"1.0.0\"}"),
        ("index.json", 0o644, index.to_string().as_bytes()),
        (&blob(&layer), 0o644, &layer),
        (&blob(&config), 0o644, &config),
        (&blob(&manifest), 0o644, &manifest),
    ])
}

/// The current engine with the containerd image store, an index, forged `RepoDigests`.
#[tokio::test(flavor = "multi_thread")]
async fn on_the_containerd_store_what_runs_is_what_was_signed() {
    let Some(engine) = SecondEngine::start(Kind::Current, MEGABYTES) else {
        return;
    };
    let mut platform = Synthetic::released(&[("billing", &app(""))]).await;
    let repository = platform.repository("billing");
    let signed = platform.published("billing").unwrap();
    let archive = platform.folder.path().join("forged.tar");
    std::fs::write(&archive, forged(&repository, &signed)).unwrap();
    let archive = archive.display().to_string();
    docker(&["--host", &engine.host(), "load", "--input", &archive]);
    let name = repository.at(&signed);
    let on_engine = |arguments: &[&str]| docker(&[&["--host", &engine.host()], arguments].concat());
    let evil = on_engine(&["images", "--quiet", "--no-trunc"]);
    let format = "{{.RepoDigests}}";
    let claimed = on_engine(&["image", "inspect", "--format", format, &evil]);
    assert!(claimed.contains(&name), "no forgery in place: {claimed}");
    assert_ne!(evil, signed.to_string());

    let workstation = Workstation::initialised(&platform.url());
    run(&workstation, &engine, &["up", "billing", "--no-proxy"]).ok();
    assert_eq!(running(&workstation, &engine), signed.to_string());
    // Else it would wait 5 s for the first probe.
    let format = "{{json .Config.Healthcheck.StartInterval}}";
    let object = workstation.object("billing");
    assert_eq!(
        on_engine(&["inspect", "--format", format, &object]),
        "200000000"
    );
    let again = run(&workstation, &engine, &["up"]).ok();
    assert!(again.stderr.contains("nothing to do"), "{again:?}");
    run(&workstation, &engine, &["up", "--offline"]).ok();

    // An index with several architectures runs by its own digest.
    let native = platform
        .publish_image(&repository, "native", &["/probe", "listen", "8080"], &[])
        .await;
    let foreign = platform
        .publish_made(
            &repository,
            "foreign",
            &["/probe", "sleep"],
            &[],
            ("riscv64", b"no program".to_vec()),
        )
        .await;
    let index = platform
        .publish_index(
            &repository,
            &[("riscv64", foreign), (architecture(), native)],
        )
        .await;
    platform.sign_build("billing", "1.1", &index).await;
    platform.reference().await;
    platform.promote("production").await;
    run(&workstation, &engine, &["up"]).ok();
    assert_eq!(running(&workstation, &engine), index.digest.to_string());
    let status = run(&workstation, &engine, &["status", "--json"]).ok();
    assert_eq!(status.json()["containers"][0]["version"], "1.1");
    run(&workstation, &engine, &["logs", "billing"]).ok();
    run(&workstation, &engine, &["down", "--volumes", "--yes"]).ok();
}
