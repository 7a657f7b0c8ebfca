//! What a Dockerfile may hold, who builds it, and what its image says of itself.

#![allow(clippy::disallowed_methods, reason = "a test has no settings")]

use std::ffi::OsString;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use devenv::system::{KEY_PASSPHRASE, OWN_SECRETS};

use crate::support::company::Company;
use crate::support::registry::tests;
use crate::support::second_engine::{Kind, SecondEngine};
use crate::support::synthetic::git;
use crate::support::workstation::{Ran, Workstation, docker, finished};

const HEAD: &str = "ARG BASE_BASE\nFROM ${BASE_BASE}\nCOPY configuration /etc/configuration\n";
const BUILD: [&str; 5] = ["release", "build", "billing", "--version", "1.0"];

fn dockerfile(company: &Company, more: &str) {
    company.write("containers/billing/Dockerfile", &format!("{HEAD}{more}"));
    company.push("Another Dockerfile");
}

/// `PATH` with `docker buildx` in it.
pub(crate) fn path_to_buildx() -> OsString {
    let peers = Command::new(tests().join("peers")).output().unwrap();
    let bin = String::from_utf8(peers.stdout).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let folders = std::iter::once(PathBuf::from(bin.trim())).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).unwrap()
}

/// `release build` with `docker buildx` in reach, which gets no secret of devenv's own.
fn with_buildx(company: &Company, arguments: &[&str]) -> Ran {
    let own = tempfile::tempdir().unwrap();
    let (docker, seen) = (own.path().join("docker"), own.path().join("seen"));
    let tell = format!(
        "#!/bin/sh\nenv >> '{}'\nPATH=${{PATH#*:}} exec docker \"$@\"\n",
        seen.display()
    );
    std::fs::write(&docker, tell).unwrap();
    std::fs::set_permissions(&docker, Permissions::from_mode(0o755)).unwrap();
    let mut path = own.path().as_os_str().to_owned();
    path.push(":");
    path.push(path_to_buildx());
    let mut command = company.command(arguments);
    command.env("PATH", path);
    let tokens = OWN_SECRETS.into_iter().filter(|it| *it != KEY_PASSPHRASE);
    command.envs(tokens.map(|name| (name, "glpat-1")));
    let ran = finished(command, "");
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(!seen.contains("=glpat-1"), "{seen}");
    ran
}

/// What an image holds: each file with the digest of its content.
fn contents(host: &[&str], image: &str) -> Vec<String> {
    let container = docker(&[host, &["create", image, "/probe"]].concat());
    let script = format!(
        "docker {} export {container} | tar --extract --to-command='echo $TAR_FILENAME $(sha256sum)'",
        host.join(" ")
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    docker(&[host, &["rm", &container]].concat());
    let mut files: Vec<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    files.sort();
    files
}

/// A health check and a volume that only the image declares: waited for, and kept by a recreate.
#[test]
fn what_an_image_says_of_itself_counts() {
    let company = Company::new();
    let base = "FROM scratch\nADD probe.tar /\nVOLUME /kept\n\
                HEALTHCHECK --interval=1s --retries=1 CMD [\"/probe\", \"check\", \"/kept/ready\"]\n";
    company.write("containers/base/Dockerfile", base);
    company.write(
        "containers/billing/container.yaml",
        "port: 8080\ncommand: [/probe, listen, \"8080\"]\nroutes: [{ path: /billing }]\n",
    );
    company.write(
        "containers/report/container.yaml",
        "kind: service\nneeds: [billing]\ncommand: [/probe, sleep]\nhealth: { command: [/probe, check, /probe] }\n",
    );
    company.write(
        "containers/report/Dockerfile",
        "ARG BASE_BASE\nFROM ${BASE_BASE}\n",
    );
    dockerfile(&company, "VOLUME [\"/srv/own\"]\n");
    let company = company.with_base();
    company
        .run(&BUILD)
        .code(3)
        .says("containers/billing/Dockerfile:4: no `volumes:` names what `VOLUME /srv/own` holds")
        .says("volumes: { own: /srv/own }");
    let (base, artifact) = (
        ["release", "build", "base", "--version", "2"],
        company.artifact(),
    );
    let base = [&base[..], &["--artifact", artifact.to_str().unwrap()]].concat();
    company.run(&base).ok().says(
        "the definitions of other containers have faults, which `devenv check` shows: \
         containers/billing/Dockerfile:4: no `volumes:` names",
    );
    dockerfile(&company, "");
    company.run(&BUILD).ok();
    let report = ["release", "build", "report", "--version", "1.0"];
    company.run(&report).ok();
    company.run(&["release", "reference", "--yes"]).ok();
    for environment in ["recette", "production"] {
        let promote = ["release", "promote", "1", "--to", environment, "--yes"];
        company.run(&promote).ok();
    }
    let developer = Workstation::initialised(&company.url());
    let up = ["up", "report", "--no-proxy"];
    developer.run(&up).code(7).says("unhealthy");
    let waits = ["billing running", "report created"];
    assert_eq!(developer.containers(), waits);
    let ours = format!("label=devenv.platform={}", company.platform);
    let billing = ["--filter", "label=devenv.container=billing"];
    let find = ["ps", "--all", "--quiet", "--filter", &ours];
    let object = docker(&[&find[..], &billing].concat());
    docker(&["exec", &object, "/probe", "write", "/kept/ready", "yes"]);
    let health = ["inspect", "--format", "{{.State.Health.Status}}", &object];
    let healthy = || docker(&health).trim() == "healthy";
    assert!(
        (0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            healthy()
        }),
        "the engine asks the image's own check"
    );
    developer.run(&up).ok();
    assert_eq!(developer.container("report")["state"], "running");
    let container = developer.container("billing");
    assert_eq!(container["health"], "healthy");
    assert_eq!(container["volumes"][0]["path"], "/kept");
    docker(&["rm", "--force", &object]);
    developer.run(&up).ok();
    assert_eq!(developer.container("billing")["health"], "healthy");
    let object = docker(&[&find[..], &billing].concat());
    developer.run(&["restart", "billing"]).ok();
    docker(&["exec", &object, "/probe", "remove", "/kept/ready"]);
    let said = developer.run(&["restart", "billing"]).code(7);
    said.says("billing is unhealthy");
    // One that was stopped shows no check in lists.
    docker(&["stop", &object]);
    let said = developer.run(&["restart", "billing"]).code(7);
    said.says("billing is unhealthy");
    developer.run(&["down", "--volumes", "--yes"]).ok();
}

/// What only BuildKit builds is refused before anything is reserved; where it is, it builds, with
/// the architecture known and no secret in a layer.
#[test]
fn buildkit_builds_what_needs_it() {
    let company = Company::new().with_base();
    let secret = "hunter2-of-the-build";
    dockerfile(
        &company,
        // A secret is no part of what BuildKit's cache goes by: another run's result would do.
        &format!(
            "ARG TARGETARCH\nLABEL arch=$TARGETARCH\nCOPY --chmod=600 configuration /only\nENV OF={}\n\
             RUN --mount=type=secret,id=TOKEN [\"/probe\", \"check\", \"/run/secrets/TOKEN\"]\n",
            company.platform
        ),
    );
    company
        .run(&BUILD)
        .code(3)
        .says("containers/billing/Dockerfile:4: `ARG TARGETARCH` needs BuildKit");
    let tags = git(&company.bare(), &["tag", "--list"]);
    assert!(!tags.contains("release/billing"), "{tags}");
    with_buildx(&company, &BUILD)
        .code(2)
        .says("no value for the secret TOKEN");
    let path = format!("config/secrets/{}.yaml", company.platform);
    company
        .operator
        .write(&path, &format!("build: {{ TOKEN: \"{secret}\" }}\n"));
    let said = with_buildx(&company, &BUILD).ok();
    assert!(!said.stderr.contains(secret));
    let image = format!("localhost/devenv/{}/billing:1.0", company.platform);
    let labels = "{{.Architecture}} {{.Config.Labels.arch}}";
    let labels = docker(&["image", "inspect", "--format", labels, &image]);
    let (own, told) = labels.split_once(' ').unwrap();
    assert_eq!(own, told, "TARGETARCH is what the image is for");
    let history = docker(&["history", "--no-trunc", &image]);
    assert!(!history.contains(secret), "{history}");
    dockerfile(&company, "COPY --link configuration /linked\n");
    with_buildx(
        &company,
        &["release", "build", "billing", "--version", "1.1"],
    )
    .code(3)
    .says("Dockerfile:4: `COPY --link` needs the BuildKit of Docker 23 or later");
}

/// Where both can build it, the engine's own builder and BuildKit make the same files of one
/// content.
#[test]
fn two_builders_make_the_same_files() {
    let company = Company::new().with_base();
    let steps = "COPY --chown=7:8 configuration/recette /etc/own\nADD configuration /added/\n\
                 RUN [\"/probe\", \"write\", \"/made\", \"text\"]\nENV A=b\nUSER 7\nLABEL c=d\n";
    dockerfile(&company, steps);
    company.run(&BUILD).ok();
    dockerfile(&company, &format!("{steps}ARG TARGETOS\n"));
    with_buildx(
        &company,
        &["release", "build", "billing", "--version", "1.1"],
    )
    .ok();
    let listed = |version: &str| {
        let image = format!("localhost/devenv/{}/billing:{version}", company.platform);
        let container = docker(&["create", &image, "/probe"]);
        let listing = format!("docker export {container} | tar --list --verbose --numeric-owner");

        let output = Command::new("sh").args(["-c", &listing]).output().unwrap();
        docker(&["rm", &container]);
        let text = String::from_utf8(output.stdout).unwrap();
        // What the engine itself puts into every container has the time of its making.
        let words = |line: &str| -> Vec<String> {
            let mut words: Vec<&str> = line.split_whitespace().collect();
            words.drain(3..5);
            words.into_iter().map(str::to_owned).collect()
        };
        let files: Vec<Vec<String>> = text.lines().map(words).collect();
        let settings = "{{.Config.Env}} {{.Config.User}} {{.Config.Labels.c}} {{.Config.Entrypoint}} {{.Architecture}}";
        let settings = docker(&["image", "inspect", "--format", settings, &image]);
        (
            files,
            contents(&[], &image),
            settings,
            docker(&[
                "image",
                "inspect",
                "--format",
                "{{len .RootFS.Layers}}",
                &image,
            ]),
        )
    };
    let (one, other) = (listed("1.0"), listed("1.1"));
    assert!(
        one.0.iter().any(|file| file.last().unwrap() == "made"),
        "{one:?}"
    );
    assert!(
        one.1.iter().any(|file| file.starts_with("made ")),
        "{one:?}"
    );
    assert_eq!(one, other);
}

/// A stage for the builder's own machine, a cache, a mount of another stage and a secret that a command
/// prints: all of it is built, and only what is copied stays.
#[test]
fn stages_caches_and_mounts_are_built() {
    let company = Company::new().with_base();
    let dockerfile = "ARG BASE_BASE\n\
        FROM --platform=$BUILDPLATFORM ${BASE_BASE} AS stage\n\
        RUN [\"/probe\", \"write\", \"/made\", \"text\"]\n\
        FROM ${BASE_BASE}\n\
        COPY configuration /etc/configuration\n\
        RUN --mount=type=cache,target=/cache [\"/probe\", \"write\", \"/cache/kept\", \"text\"]\n\
        RUN --mount=type=bind,from=stage,source=/made,target=/seen [\"/probe\", \"check\", \"/seen\"]\n\
        ENV OF=PLATFORM\n\
        RUN --mount=type=secret,id=TOKEN [\"/probe\", \"check\", \"/run/secrets/TOKEN\"]\n\
        COPY --from=stage /made /copied\n";
    // A secret is no part of what BuildKit's cache goes by: another run's result would do.
    let dockerfile = dockerfile.replace("=PLATFORM", &format!("={}", company.platform));
    company.write("containers/billing/Dockerfile", &dockerfile);
    company.push("Stages");
    company
        .run(&BUILD)
        .code(3)
        .says("containers/billing/Dockerfile:2: `FROM --platform` needs BuildKit");
    let command = format!(
        "secrets: {{ {}: {{ build: {{ TOKEN: {{ command: [printf, 'hunter2\\nand more'] }} }} }} }}\n",
        company.platform
    );
    company.operator.write("config/settings.yaml", &command);
    let said = with_buildx(&company, &BUILD).ok();
    assert!(!said.stderr.contains("hunter2"), "{said:?}");
    let image = format!("localhost/devenv/{}/billing:1.0", company.platform);
    let files = contents(&[], &image).join("\n");
    assert!(files.contains("copied "), "{files}");
    for gone in ["kept", "seen ", "made ", "TOKEN"] {
        assert!(!files.contains(gone), "{gone}: {files}");
    }
}

/// What the BuildKit of Docker 23 has brought is built where the engine has it.
#[test]
fn here_documents_and_links_are_built_by_a_current_engine() {
    let Some(engine) = SecondEngine::start(Kind::Current, 1500) else {
        return;
    };
    let company = Company::new().with_base();
    dockerfile(
        &company,
        "COPY <<END /words\nhello\nEND\nCOPY --link configuration /linked\n",
    );
    with_buildx(&company, &BUILD)
        .code(3)
        .says("`a here-document` needs the BuildKit of Docker 23 or later");
    let on_it = |arguments: &[&str]| {
        let mut command = company.command(arguments);
        command.env("PATH", path_to_buildx());
        command.env("DOCKER_HOST", engine.host());
        finished(command, "").ok();
    };
    on_it(&BUILD);
    // Its own builder makes the rest.
    let artifact = company.artifact();
    let base = ["release", "build", "base", "--version", "2"];
    on_it(&[&base[..], &["--artifact", artifact.to_str().unwrap()]].concat());
    let image = format!("localhost/devenv/{}/billing:1.0", company.platform);
    let files = contents(&["--host", &engine.host()], &image).join("\n");
    // That of "hello" with its line break.
    let hello = devenv::model::digest::Digest::of(b"hello\n").hex();
    assert!(files.contains(&format!("words {hello}")), "{files}");
    assert!(
        files.contains("linked/recette/application.properties "),
        "{files}"
    );
}

/// A git-LFS pointer is refused where its content is needed: with its path, before anything is
/// reserved, as an artifact too.
#[test]
fn a_git_lfs_pointer_is_refused() {
    let company = Company::new().with_base();
    let oid = "a".repeat(64);
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12345\n");
    let logo = "containers/billing/configuration/recette/logo.png";
    company.write(logo, &pointer);
    company.push("A logo");
    let refused = company.run(&BUILD).code(3);
    refused
        .says(&format!("{logo}: a git-LFS pointer"))
        .says("git lfs");
    let tags = git(&company.bare(), &["tag", "--list"]);
    assert!(!tags.contains("release/billing"), "{tags}");
    let artifact = company.operator.home.path().join("probe.tar");
    std::fs::write(&artifact, &pointer).unwrap();
    let artifact = artifact.to_str().unwrap();
    let build = ["release", "build", "base", "--version", "2"];
    company
        .run(&[&build[..], &["--artifact", artifact]].concat())
        .code(2)
        .says("a git-LFS pointer");
    company.write(logo, "its content");
    company.push("A real logo");
    company.run(&BUILD).ok();
}
