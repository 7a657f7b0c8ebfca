//! A developer's own change: edited, built and run among production's containers, marked as local.

use std::fs;
use std::path::PathBuf;

use crate::support::company::Company;
use crate::support::workstation::{Workstation, docker};

/// The digests of an image's layers.
fn layers(image: &str) -> String {
    docker(&["inspect", "--format", "{{json .RootFS.Layers}}", image])
}

/// A released platform, and a developer who begins a proposal about billing: its folder.
fn begun() -> (Company, Workstation, PathBuf) {
    let company = Company::new().with_reference();
    for environment in ["recette", "production"] {
        company
            .run(&["release", "promote", "1", "--to", environment, "--yes"])
            .ok();
    }
    let developer = Workstation::initialised(&company.url());
    let edited = developer.run(&["edit", "billing", "--print"]).ok();
    let folder = PathBuf::from(edited.stdout.trim());
    assert!(folder.join("container.yaml").is_file(), "{edited:?}");
    (company, developer, folder)
}

/// The engine's name of billing.
fn object(company: &Company, developer: &Workstation) -> String {
    format!("devenv-{}-{}-billing", company.platform, developer.instance)
}

fn image_of(company: &Company, developer: &Workstation) -> String {
    let object = object(company, developer);
    docker(&["inspect", "--format", "{{.Image}}", &object])
}

#[test]
fn a_proposal_runs_among_productions_containers_marked_as_local() {
    let (company, developer, folder) = begun();
    developer.run(&["up", "billing", "--no-proxy"]).ok();
    let released = image_of(&company, &developer);
    developer.run(&["diff", "billing"]).ok();

    let definition = folder.join("container.yaml");
    let text = fs::read_to_string(&definition).unwrap();
    fs::write(
        &definition,
        format!("{text}environment: {{ TRACE: \"1\" }}\n"),
    )
    .unwrap();
    fs::write(
        folder.join("configuration/recette/application.properties"),
        "name=changed\n",
    )
    .unwrap();
    let diff = developer.run(&["diff", "billing"]).code(1);
    assert!(
        diff.stdout.contains("~ containers/billing/container.yaml"),
        "{diff:?}"
    );
    assert!(diff.stdout.contains("TRACE: 1"), "{diff:?}");

    let built = developer.run(&["build", "billing"]).ok();
    let tag = built.stdout.trim().to_owned();
    assert!(tag.starts_with("localhost/devenv-local/billing:"), "{tag}");
    let again = developer.run(&["build", "billing", "--json"]).ok();
    assert_eq!(again.json()["unchanged"], true);

    let up = developer.run(&["up", "billing", "--local"]).ok();
    assert!(up.stdout.contains("LOCAL local-"), "{up:?}");
    up.says("signed by nobody");
    let running = docker(&["inspect", "--format", "{{.Id}}", &tag]);
    assert_eq!(image_of(&company, &developer), running);
    let status = developer.run(&["status", "--json"]).ok().json();
    let billing = &status["containers"][0];
    assert_eq!(billing["source"], "local");
    assert!(
        developer
            .run(&["status"])
            .ok()
            .stdout
            .contains("LOCAL local-")
    );
    assert!(
        developer
            .run(&["list"])
            .ok()
            .stdout
            .contains("LOCAL local-")
    );
    let object = object(&company, &developer);
    let variables = docker(&["inspect", "--format", "{{.Config.Env}}", &object]);
    assert!(variables.contains("TRACE=1"), "{variables}");
    // It is remembered, and nothing is done twice.
    developer.run(&["up"]).ok().says("nothing to do");

    // Nothing of it is a release.
    company
        .run(&["release", "verify", "billing:local-1"])
        .code(2)
        .says("is not published");
    developer
        .run(&["abandon", "billing", "--yes"])
        .code(2)
        .says("--release");
    developer.run(&["up", "billing", "--release"]).ok();
    assert_eq!(image_of(&company, &developer), released);
    developer.run(&["abandon", "billing"]).code(2).says("--yes");
    developer.run(&["abandon", "billing", "--yes"]).ok();
    assert!(!folder.exists());
    let listed = developer.run(&["proposals"]).ok();
    assert!(listed.stdout.contains("no proposals"), "{listed:?}");
}

#[test]
fn one_commit_built_both_ways_has_the_same_layers() {
    let (company, developer, folder) = begun();
    let signed = developer
        .run(&["trust", "verify", "billing:1.0", "--json"])
        .ok();
    let digest = signed.json()[0]["digest"].as_str().unwrap().to_owned();
    let published = format!("{}/billing@{digest}", company.prefix);
    docker(&["pull", "--quiet", &published]);
    let built = developer.run(&["build", "billing", "--no-cache"]).ok();
    assert_eq!(
        layers(built.stdout.trim()).matches("sha256:").count(),
        layers(&published).matches("sha256:").count()
    );
    // Copies carry the time of the build; what is in them is the same.
    for image in [built.stdout.trim(), &published] {
        let container = docker(&["create", image, "/probe"]);
        let path = format!("{container}:/etc/configuration");
        let copied = docker(&["cp", &path, folder.join(&container).to_str().unwrap()]);
        assert_eq!(copied, "");
        docker(&["rm", &container]);
    }
    let copies: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("recette").is_dir() && !path.ends_with("configuration"))
        .collect();
    let [one, other] = copies.as_slice() else {
        panic!("{copies:?}");
    };
    for environment in ["recette", "production"] {
        let read = |copy: &PathBuf| {
            fs::read(copy.join(environment).join("application.properties")).unwrap()
        };
        assert_eq!(read(one), read(other));
    }
}

#[test]
fn a_new_app_and_other_routes_make_the_proxy_local_too() {
    let (company, developer, _) = begun();
    let new = developer
        .run(&["edit", "--new", "audit", "--like", "billing", "--print"])
        .code(3)
        .says("/billing");
    let folder = PathBuf::from(new.stdout.trim());
    let definition = folder.join("container.yaml");
    let text = fs::read_to_string(&definition).unwrap();
    fs::write(&definition, text.replace("/billing", "/audit")).unwrap();
    developer.run(&["edit", "audit", "--print"]).ok();
    let port = crate::support::workstation::free_port();
    let port = format!("80={port}");
    let up = ["up", "audit", "--local", "--port", &port];
    developer.run(&up).ok().says("front is LOCAL too");
    let front = format!("devenv-{}-{}-front", company.platform, developer.instance);
    let copied = docker(&["cp", &format!("{front}:/etc/routes"), "-"]);
    assert!(copied.contains("/audit audit"), "{copied}");
    assert!(copied.contains("/billing billing"), "{copied}");
    developer.run(&["up"]).ok().says("nothing to do");
    developer.run(&["down", "--volumes", "--yes"]).ok();
}

#[test]
fn what_does_not_hold_together_is_refused_with_its_place() {
    let (_company, developer, folder) = begun();
    fs::write(folder.join("container.yaml"), "port: 8080\nrouts: []\n").unwrap();
    for command in [
        &["edit", "billing", "--print"][..],
        &["build", "billing"],
        &["diff", "billing"],
        &["up", "billing", "--local", "--no-proxy"],
    ] {
        developer
            .run(command)
            .code(3)
            .says("containers/billing/container.yaml:2");
    }
    #[cfg(unix)]
    {
        fs::write(folder.join("container.yaml"), "port: 8080\n").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.join("configuration/link")).unwrap();
        developer.run(&["build", "billing"]).code(3).says("link");
    }
    developer.run(&["edit", "nobody"]).code(2).says("--new");
    developer
        .run(&["build", "base"])
        .code(2)
        .says("no proposal");
}
