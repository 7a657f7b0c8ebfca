//! Images for other machines: emulated with a warning where the engine can, refused clearly where not.

use crate::support::real_engine::probe_program;
use crate::support::synthetic::{Synthetic, architecture};
use crate::support::workstation::Workstation;
use crate::{app, service};

const COMMAND: [&str; 3] = ["/probe", "listen", "8080"];

/// Another architecture than this machine's.
fn other() -> &'static str {
    if architecture() == "arm64" {
        "amd64"
    } else {
        "arm64"
    }
}

/// The probe program marked as one for a machine that nobody emulates. Source: elf(5), `e_machine`.
fn foreign_program() -> Vec<u8> {
    let mut program = probe_program();
    program[18..20].copy_from_slice(&[0xfe, 0x7f]);
    program
}

/// A platform whose only application is yet to be released.
fn platform(definition: &str) -> Synthetic {
    Synthetic::define(&[("billing", definition)])
}

async fn promoted(mut platform: Synthetic) -> (Synthetic, Workstation) {
    platform.reference().await;
    platform.promote("production").await;
    let workstation = Workstation::initialised(&platform.url());
    (platform, workstation)
}

/// An image of another architecture is emulated with a warning.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_for_another_machine_runs_emulated_with_a_warning() {
    // What is called another architecture runs here, as if the engine emulated it.
    let mut platform = platform(&app(""));
    let repository = platform.repository("billing");
    let made = (other(), probe_program());
    let image = platform
        .publish_made(&repository, "other", &COMMAND, &[], made)
        .await;
    platform.sign_build("billing", "1.0", &image).await;
    let (_platform, workstation) = promoted(platform).await;
    workstation
        .run(&["up", "billing", "--no-proxy"])
        .ok()
        .says(&format!("billing is built for {}", other()));
    let again = workstation.run(&["up", "billing", "--no-proxy"]).ok();
    assert!(!again.stderr.contains("is built for"), "{}", again.stderr);
}

/// What cannot be emulated is refused clearly.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_the_engine_cannot_emulate_is_refused_clearly() {
    let mut platform = platform(&service(""));
    let repository = platform.repository("billing");
    let made = (other(), foreign_program());
    let image = platform
        .publish_made(&repository, "foreign", &["/probe", "sleep"], &[], made)
        .await;
    platform.sign_build("billing", "1.0", &image).await;
    let (_platform, workstation) = promoted(platform).await;
    workstation
        .run(&["up", "billing", "--no-proxy"])
        .code(7)
        .says(&format!("its program is for {} machines", other()));
}

/// An index: the engine's own image.
#[tokio::test(flavor = "multi_thread")]
async fn of_an_index_the_engines_own_image_runs() {
    let mut platform = platform(&app(""));
    let repository = platform.repository("billing");
    let foreign = (other(), foreign_program());
    let foreign = platform
        .publish_made(&repository, "foreign", &COMMAND, &[], foreign)
        .await;
    let own = platform
        .publish_image(&repository, "own", &COMMAND, &[])
        .await;
    let index = platform
        .publish_index(&repository, &[(other(), foreign), (architecture(), own)])
        .await;
    platform.sign_build("billing", "1.0", &index).await;
    let (_platform, workstation) = promoted(platform).await;
    let ran = workstation.run(&["up", "billing", "--no-proxy"]).ok();
    assert!(!ran.stderr.contains("is built for"), "{}", ran.stderr);
    assert_eq!(workstation.container("billing")["state"], "running");
}

/// An index without the engine's own.
#[tokio::test(flavor = "multi_thread")]
async fn of_an_index_for_other_machines_the_first_runs_emulated() {
    let mut platform = platform(&app(""));
    let repository = platform.repository("billing");
    let made = (other(), probe_program());
    let image = platform
        .publish_made(&repository, "other", &COMMAND, &[], made)
        .await;
    let index = platform
        .publish_index(&repository, &[(other(), image)])
        .await;
    platform.sign_build("billing", "1.0", &index).await;
    let (_platform, workstation) = promoted(platform).await;
    workstation
        .run(&["up", "billing", "--no-proxy"])
        .ok()
        .says(&format!("billing is built for {}", other()));
}
