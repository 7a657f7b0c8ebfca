//! Builds of proposals: the same as production would make, and what differs.

use super::*;

/// The digests of an image's layers.
fn layers(image: &str) -> String {
    docker(&["inspect", "--format", "{{json .RootFS.Layers}}", image])
}

/// One commit built both ways has the same content.
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

/// A base is built, not run; its difference is to what is defined.
#[test]
fn a_base_is_edited_and_built_but_does_not_run() {
    let (_company, developer, _) = begun();
    let edited = developer.run(&["edit", "base", "--print"]).ok();
    edited.says("`devenv build base`");
    developer
        .run(&["up", "base", "--local"])
        .code(2)
        .says("`base` is a base");
    let difference = developer.run(&["diff", "base", "--json"]).ok().json();
    assert_eq!(difference[0]["run"], serde_json::json!([]), "{difference}");
}

/// What was built once is built without a network.
#[test]
fn what_was_built_once_is_built_without_a_network() {
    let (_company, developer, folder) = begun();
    let offline = ["build", "billing", "--offline"];
    developer.run(&offline).code(8).says("was never built with");
    developer.run(&["build", "billing"]).ok();
    fs::write(
        folder.join("configuration/recette/application.properties"),
        "name=changed\n",
    )
    .unwrap();
    let built = developer.run(&offline).ok();
    let tag = built.stdout.trim();
    let container = docker(&["create", tag, "/probe"]);
    let copied = docker(&["cp", &format!("{container}:/etc/configuration"), "-"]);
    docker(&["rm", &container]);
    docker(&["image", "rm", tag]);
    assert!(copied.contains("name=changed"), "{copied}");
}

/// `diff` tells fields, packages and what is risky.
#[test]
fn a_difference_tells_fields_packages_and_what_is_risky() {
    let company = Company::new();
    let recipe = company.work().join("containers/billing/Dockerfile");
    let recipe = fs::read_to_string(recipe).unwrap() + "COPY status /var/lib/dpkg/status\n";
    company.write("containers/billing/Dockerfile", &recipe);
    let status = |bash: &str, last: &str| {
        format!("Package: bash\nVersion: {bash}\n\nPackage: {last}\nVersion: 1\n")
    };
    company.write("containers/billing/status", &status("5.1", "curl"));
    company.push("Packages");
    let (_company, developer, folder) = begun_at(company);
    developer.run(&["up", "billing", "--no-proxy"]).ok();
    let none = developer.run(&["diff", "--json"]).ok();
    assert_eq!(none.json()[0]["run"], serde_json::json!([]), "{none:?}");

    fs::write(folder.join("status"), status("5.2", "wget")).unwrap();
    let definition = folder.join("container.yaml");
    let text = fs::read_to_string(&definition).unwrap();
    let text = text + "memory: 64MiB\nsecrets: [DB_PASSWORD]\nvolumes: { data: /srv }\n";
    fs::write(
        &definition,
        text.replace("port: 8080\n", "port: 8080\nuser: root\n"),
    )
    .unwrap();
    developer.run(&["build", "billing"]).ok();
    let diff = developer.run(&["diff", "billing"]).code(1);
    for line in [
        "~ containers/billing/container.yaml",
        "~ containers/billing/status",
        "run: memory: added 64MiB",
        "run: user: added root",
        "package: bash: 5.1 → 5.2",
        "package: curl: removed 1",
        "package: wget: added 1",
        "look twice: user: files that are in its volumes keep their owner",
        "look twice: secrets: production has to have a value of DB_PASSWORD",
        "look twice: memory: it is killed at 64MiB",
        "look twice: user: it runs as root",
    ] {
        assert!(diff.stdout.contains(line), "{line:?} in {}", diff.stdout);
    }
    assert!(diff.stdout.contains("image: "), "{diff:?}");
    let value = &developer.run(&["diff", "--json"]).code(1).json()[0];
    assert_eq!(value["container"], "billing");
    assert_eq!(value["image"]["packages"][0]["after"], "5.2");
    assert_eq!(value["risks"][0]["path"], "secrets");
    let left = docker(&["ps", "--all", "--filter", "name=devenv-diff-", "--quiet"]);
    assert_eq!(left, "", "nothing that was looked into stays");
}

/// `clean` finds local images and half proposals.
#[test]
fn what_proposals_left_behind_is_cleaned_up() {
    let (company, developer, folder) = begun();
    let first = developer.run(&["build", "billing"]).ok().stdout;
    let properties = folder.join("configuration/recette/application.properties");
    fs::write(properties, "name=changed\n").unwrap();
    let second = developer.run(&["build", "billing"]).ok().stdout;
    let (first, second) = (first.trim(), second.trim());
    // Its record is lost: half a proposal.
    developer.run(&["edit", "front", "--print"]).ok();
    let records = format!("state/proposals/{}", company.platform);
    let records = developer.home.path().join(records);
    fs::remove_file(records.join("front.json")).unwrap();
    let shown = developer.run(&["clean", "--dry-run"]).ok().stdout;
    assert!(shown.contains(first) && !shown.contains(second), "{shown}");
    let half = format!("{}/front", company.platform);
    assert!(shown.contains(&half), "{shown}");
    developer.run(&["clean"]).code(2).says("--yes");
    developer.run(&["clean", "--yes"]).ok();
    let format = "{{.Repository}}:{{.Tag}}";
    let images = docker(&["image", "ls", "--format", format]);
    assert!(
        !images.contains(first) && images.contains(second),
        "{images}"
    );
    assert!(folder.is_dir());
    let trees = folder.ancestors().nth(3).unwrap();
    assert!(trees.join("billing").is_dir() && !trees.join("front").exists());
    developer.run(&["edit", "front", "--print"]).ok();
    let again = developer.run(&["clean", "--dry-run"]).ok().stdout;
    assert!(!again.contains(&half), "{again}");
    // Dropping a proposal takes what was built of it before as well.
    let properties = folder.join("configuration/recette/application.properties");
    fs::write(properties, "name=again\n").unwrap();
    let third = developer.run(&["build", "billing"]).ok().stdout;
    developer.run(&["abandon", "billing", "--yes"]).ok();
    let images = docker(&["image", "ls", "--format", format]);
    let third = third.trim();
    assert!(
        !images.contains(second) && !images.contains(third),
        "{images}"
    );
}

/// A proposal that only BuildKit builds is built by it, by `build` and by `up --local`.
#[test]
fn a_proposal_that_needs_buildkit_is_built_by_it() {
    let (company, developer, folder) = begun();
    let dockerfile = folder.join("Dockerfile");
    let text = fs::read_to_string(&dockerfile).unwrap();
    let more = "ARG TARGETARCH\nLABEL arch=$TARGETARCH\n\
                RUN --mount=type=cache,target=/cache [\"/probe\", \"check\", \"/probe\"]\n";
    fs::write(&dockerfile, format!("{text}{more}")).unwrap();
    for command in [&["build", "billing"][..], &["up", "billing", "--local"]] {
        developer
            .run(command)
            .code(3)
            .says("`ARG TARGETARCH` needs BuildKit");
    }
    let mut up = developer.command();
    up.args(["up", "billing", "--local", "--no-proxy"]);
    up.env("PATH", crate::building::path_to_buildx());
    finished(up, "").ok();
    let object = object(&company, &developer);
    let format = "{{.Config.Labels.arch}} {{.State.Running}}";
    let seen = docker(&["inspect", "--format", format, &object]);
    let architecture = crate::support::synthetic::architecture();
    assert_eq!(seen, format!("{architecture} true"));
}
