//! Attacks on production's own builds: what is on its engine or in its registry beforehand.

use super::engines::evil_image;
use crate::support::company::Company;
use crate::support::workstation::docker;

/// The digests of an image's layers.
fn layers(image: &str) -> Vec<String> {
    let format = "{{range .RootFS.Layers}}{{.}}\n{{end}}";
    let found = docker(&["inspect", "--format", format, image]);
    found.lines().map(ToOwned::to_owned).collect()
}

/// What production published of billing, as an engine has it.
fn published(company: &Company, version: &str) -> String {
    let verified = company
        .run(&["release", "verify", &format!("billing:{version}"), "--json"])
        .ok();
    let digest = verified.json()["digest"].as_str().unwrap().to_owned();
    let image = format!("{}/billing@{digest}", company.prefix);
    docker(&["pull", "--quiet", &image]);
    image
}

/// Refused: a base replaced locally before a release.
#[test]
fn a_base_replaced_locally_before_a_release() {
    let company = Company::new().with_base();
    let evil = evil_image(&company.prefix);
    let local = format!("localhost/devenv/{}/base:1", company.platform);
    for name in [format!("{}/base:1", company.prefix), local] {
        docker(&["tag", &evil, &name]);
    }
    let build = ["release", "build", "billing", "--version", "1.0"];
    company.run(&build).ok();
    let built = layers(&published(&company, "1.0"));
    for layer in layers(&evil) {
        assert!(!built.contains(&layer), "{built:?}");
    }
    docker(&["rmi", "--force", &evil]);
}

/// Refused: a squatter's image under the next version.
#[test]
fn a_squatters_image_under_the_next_version() {
    let company = Company::new().with_base();
    let evil = evil_image(&company.prefix);
    let squatted = format!("{}/billing:1.0", company.prefix);
    docker(&["tag", &evil, &squatted]);
    docker(&["push", "--quiet", &squatted]);
    let verify = ["trust", "verify", "billing:1.0"];
    company
        .run(&verify)
        .code(5)
        .says("no signature is attached");
    let sign = ["release", "sign", "billing:1.0", "--yes"];
    company.run(&sign).code(5).says("no signature is attached");
    let build = ["release", "build", "billing", "--version", "1.0"];
    company
        .run(&build)
        .ok()
        .says("without a signature; it is replaced");
    company.run(&verify).ok();
    let built = layers(&published(&company, "1.0"));
    for layer in layers(&evil) {
        assert!(!built.contains(&layer), "{built:?}");
    }
    docker(&["rmi", "--force", &evil]);
}
