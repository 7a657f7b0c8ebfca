//! Images that somebody put on the engine under names that ours have.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::{evil, released};
use crate::support::real_engine::{probe_program, tar};
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, docker};

/// The Id of an image that would do harm, with a label that has it removed after the test.
pub(super) fn evil_image(prefix: &str) -> String {
    let layer = tar(&[("probe", 0o755, &probe_program()), ("evil", 0o644, b"")]);
    let label = format!("LABEL devenv-test.prefix={prefix}");
    let mut import = Command::new("docker")
        .args(["import", "--change", &label, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    import.stdin.take().unwrap().write_all(&layer).unwrap();
    let output = import.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What runs as billing, by the image's Id.
fn running(workstation: &Workstation) -> String {
    docker(&[
        "inspect",
        "--format",
        "{{.Image}}",
        &workstation.object("billing"),
    ])
}

/// The honest image runs, whatever has its names.
async fn runs_the_signed_one(platform: &Synthetic, evil: &str) {
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    let signed = super::tagged(platform, "billing", "1.0").await;
    let Ok(devenv::registry::Content::Image(manifest)) = signed.content() else {
        panic!("no image");
    };
    let id = running(&workstation);
    assert_ne!(id, evil);
    let accepted = [manifest.config.digest, signed.digest].map(|it| it.to_string());
    assert!(accepted.contains(&id), "{id} is none of {accepted:?}");
}

/// Refused: an image tagged locally as ours.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_tagged_locally_as_ours() {
    let platform = released().await;
    let evil = evil_image(&platform.prefix);
    let published = platform.repository("billing").tagged("1.0");
    docker(&["tag", &evil, &published]);
    docker(&["tag", &evil, "localhost/devenv/acme/billing:1.0"]);
    runs_the_signed_one(&platform, &evil).await;
    docker(&["rmi", "--force", &published]);
}

/// Refused: an image loaded under the wanted name.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_loaded_under_the_wanted_name() {
    let platform = released().await;
    let evil = evil_image(&platform.prefix);
    let published = platform.repository("billing").tagged("1.0");
    docker(&["tag", &evil, &published]);
    let file = platform.folder.path().join("evil.tar");
    docker(&["save", "--output", file.to_str().unwrap(), &published]);
    docker(&["rmi", &published]);
    docker(&["load", "--input", file.to_str().unwrap()]);
    runs_the_signed_one(&platform, &evil).await;
    docker(&["rmi", "--force", &published]);
}

/// Refused: a container exchanged for one of another image.
#[tokio::test(flavor = "multi_thread")]
async fn a_container_exchanged_for_one_of_another_image() {
    let platform = released().await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    let evil = evil_image(&platform.prefix);
    let object = workstation.object("billing");
    let labels = docker(&[
        "inspect",
        "--format",
        "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}}\n{{end}}",
        &object,
    ]);
    docker(&["rm", "--force", &object]);
    let mut create = vec!["create", "--name", &object];
    for label in labels.lines().filter(|line| line.starts_with("devenv.")) {
        create.extend(["--label", label]);
    }
    let network = format!("devenv-acme-{}", workstation.instance);
    create.extend(["--network", &network, &evil, "/probe", "sleep"]);
    docker(&create);
    docker(&["start", &object]);
    assert_eq!(running(&workstation), evil);
    let plan = workstation.run(&["up", "--dry-run"]).ok();
    assert!(
        plan.stdout.contains("its image is not the verified one"),
        "{}",
        plan.stdout
    );
    workstation.run(&["up"]).ok();
    assert_ne!(running(&workstation), evil);
}

/// Refused: an image that is lost is told from one that does not verify.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_lost_is_told_from_one_that_does_not_verify() {
    let mut platform = released().await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["pull", "billing"]).ok();
    let up = ["up", "billing", "--no-proxy", "--offline"];
    let signed = super::tagged(&platform, "billing", "1.0").await;
    let Ok(devenv::registry::Content::Image(manifest)) = signed.content() else {
        panic!("no image");
    };
    docker(&["rmi", "--force", &manifest.config.digest.to_string()]);
    workstation
        .run(&up)
        .code(4)
        .says("the engine has lost the images of: billing");
    workstation.run(&["pull", "billing"]).ok();
    workstation.run(&up).ok();
    // Never fetched is another matter.
    let image = evil(&platform, "billing").await;
    super::pin(&mut platform, image.digest).await;
    let other = Workstation::initialised(&platform.url());
    other
        .run(&up)
        .code(5)
        .says("was never fetched on this machine");
}
