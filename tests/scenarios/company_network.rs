//! A company's network: its proxy carries what goes out and nothing else, builds are told of it, its
//! certificate authority counts everywhere.

use std::collections::BTreeMap;
use std::process::Command;

use crate::doctoring::{platform_at, said, verdict};
use crate::support::company::Company;
use crate::support::forward_proxy::{ForwardProxy, Place};
use crate::support::synthetic::git;
use crate::support::tls_server::TlsServer;
use crate::support::workstation::{Ran, Workstation, docker, finished, free_port};

/// `doctor --json` with these variables and no other proxy's.
fn doctor(workstation: &Workstation, variables: &[(&str, &str)]) -> Ran {
    let mut command = workstation.command();
    command.args(["doctor", "--json"]);
    without_proxies(&mut command);
    finished(command_with(command, variables), "")
}

fn without_proxies(command: &mut Command) {
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
}

fn command_with(mut command: Command, variables: &[(&str, &str)]) -> Command {
    command.envs(variables.iter().copied());
    command
}

/// The registry through a company's proxy (upper and lower case), and `NO_PROXY` by name, wildcard
/// and port.
#[tokio::test(flavor = "multi_thread")]
async fn the_registry_is_reached_through_the_proxy_or_directly() {
    let server = TlsServer::start("DNS:registry.acme.invalid", 60);
    let host = format!("registry.acme.invalid:{}", server.port);
    let place = Place::Server(format!("127.0.0.1:{}", server.port));
    let proxy = ForwardProxy::start([(host.clone(), place)].into()).await;
    let platform = platform_at(&host);
    let workstation = Workstation::initialised(&platform.url());
    let settings = format!("extra_ca: {}\n", server.certificate().display());
    workstation.write("config/settings.yaml", &settings);

    for variable in ["HTTPS_PROXY", "https_proxy"] {
        let through = doctor(&workstation, &[(variable, &proxy.url())]);
        assert_eq!(
            verdict(&through, "registry"),
            "ok",
            "{}",
            said(&through, "registry")
        );
        assert_eq!(
            verdict(&through, "certificate"),
            "ok",
            "{}",
            said(&through, "certificate")
        );
        let proxies = said(&through, "proxies");
        assert!(
            proxies.contains("goes through http://127.0.0.1"),
            "{proxies}"
        );
        let asked = proxy.asked();
        let connect = format!("CONNECT {host} HTTP/1.1");
        assert!(asked.contains(&connect), "{asked:?}");
    }
    for except in ["acme.invalid", "*", &host] {
        let variables = [("HTTPS_PROXY", &*proxy.url()), ("NO_PROXY", except)];
        let direct = doctor(&workstation, &variables);
        assert_eq!(verdict(&direct, "registry"), "fail", "{except}");
        assert_eq!(proxy.asked(), Vec::<String>::new(), "{except}");
    }
}

/// Git over http through the proxy whichever spelling is set, and `NO_PROXY`.
#[tokio::test(flavor = "multi_thread")]
async fn git_over_http_goes_through_the_proxy_whichever_spelling() {
    let platform = platform_at("127.0.0.1:9");
    let bare = platform.folder.path().join("definitions.git");
    git(&bare, &["update-server-info"]);
    let place = Place::Folder(platform.folder.path().to_owned());
    let proxy = ForwardProxy::start(BTreeMap::from([("git.acme.invalid".to_owned(), place)])).await;
    let url = "http://git.acme.invalid/definitions.git";
    for variable in ["HTTP_PROXY", "http_proxy"] {
        let workstation = Workstation::empty();
        let mut init = workstation.command();
        init.args(["init", url, "--accept-keys"]);
        without_proxies(&mut init);
        init.env(variable, proxy.url());
        finished(init, "").ok();
        let asked = proxy.asked();
        let wanted = format!("GET {url}/");
        assert!(
            asked.iter().any(|line| line.starts_with(&wanted)),
            "{asked:?}"
        );
        let direct = [(variable, &*proxy.url()), ("NO_PROXY", "acme.invalid")];
        let direct = doctor(&workstation, &direct);
        assert_eq!(verdict(&direct, "git"), "fail", "{}", said(&direct, "git"));
        assert_eq!(proxy.asked(), Vec::<String>::new());
    }
}

/// A proxy variable that cannot be used is named, never its password, by whoever would go through
/// it; `doctor` says which proxy nobody answers at.
#[test]
fn a_proxy_of_no_use_is_named_by_its_variable() {
    let platform = platform_at("registry.acme.invalid");
    let workstation = Workstation::initialised(&platform.url());
    let mut up = workstation.command();
    up.args(["up", "billing"]);
    without_proxies(&mut up);
    up.env("HTTPS_PROXY", "http://anna:hunter2");
    let ran = finished(up, "")
        .code(8)
        .says("HTTPS_PROXY cannot be used: its port is no number")
        .says("http://HOST:PORT");
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    let clone = workstation
        .home
        .path()
        .join("data/platforms/acme/definitions.git");
    let url = "https://git.acme.invalid/definitions.git";
    git(&clone, &["remote", "set-url", "origin", url]);
    let wrong = doctor(&workstation, &[("HTTPS_PROXY", "foo bar")]);
    for name in ["registry", "git", "proxies"] {
        let said = said(&wrong, name);
        assert!(said.contains("HTTPS_PROXY cannot be used"), "{said}");
    }
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let silent = doctor(&workstation, &[("HTTPS_PROXY", &nowhere)]);
    assert_eq!(verdict(&silent, "proxies"), "fail");
    let said = said(&silent, "proxies");
    assert!(said.contains("HTTPS_PROXY is http://127.0.0.1"), "{said}");
    assert!(said.contains("no proxy answers"), "{said}");
}

/// Builds get the proxy variables (environment, docker's config.json), image and history do not
/// tell of them.
#[test]
fn builds_are_told_of_the_proxy_and_the_image_does_not_tell_on() {
    let company = Company::new().with_base();
    company.write(
        "containers/billing/Dockerfile",
        "ARG BASE_BASE\nFROM ${BASE_BASE}\nCOPY configuration /etc/configuration\n\
         RUN [\"/probe\", \"keep\", \"/https\", \"https_proxy\"]\n\
         RUN [\"/probe\", \"keep\", \"/except\", \"NO_PROXY\"]\n",
    );
    company.push("It looks at its environment");
    let build = |version: &str, configuration: Option<&str>| {
        let mut build = company.command(&["release", "build", "billing", "--version", version]);
        without_proxies(&mut build);
        let folder = tempfile::tempdir().unwrap();
        if let Some(text) = configuration {
            std::fs::write(folder.path().join("config.json"), text).unwrap();
            build.env("DOCKER_CONFIG", folder.path());
        } else {
            build
                .env("DOCKER_CONFIG", folder.path())
                .env("HTTP_PROXY", "http://anna:hunter2@proxy.acme.invalid:3128")
                .env("HTTPS_PROXY", "http://secure.acme.invalid:3128")
                .env("no_proxy", "acme.example");
        }
        let ran = finished(build, "").ok();
        assert!(!(ran.stdout + &ran.stderr).contains("hunter2"));
        format!("{}/billing:{version}", company.prefix)
    };
    let image = build("1.0", None);
    assert_eq!(file(&image, "/https"), "http://secure.acme.invalid:3128");
    assert_eq!(file(&image, "/except"), "acme.example");
    let told = docker(&["history", "--no-trunc", &image]) + &docker(&["inspect", &image]);
    for secret in ["hunter2", "acme.invalid", "acme.example"] {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
    // The builder's cache does not know of them either: nothing new is built for another proxy.
    let configured = r#"{"proxies":{"default":{"httpsProxy":"http://docker.acme.invalid:1"}}}"#;
    let again = build("1.1", Some(configured));
    assert_eq!(file(&again, "/https"), "http://secure.acme.invalid:3128");
    company.write("containers/billing/configuration/recette/more", "x\n");
    company.push("Something else");
    let other = build("1.2", Some(configured));
    assert_eq!(file(&other, "/https"), "http://docker.acme.invalid:1");
    assert_eq!(file(&other, "/except"), "(none)");
}

/// A file of an image.
fn file(image: &str, path: &str) -> String {
    let id = docker(&["create", image, "x"]);
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("file");
    let copied = Command::new("docker")
        .args(["cp", &format!("{id}:{path}")])
        .arg(&here)
        .output()
        .unwrap();
    docker(&["rm", &id]);
    assert!(copied.status.success(), "{copied:?}");
    std::fs::read_to_string(here).unwrap()
}

/// `extra_ca` counts for git over https, through a proxy.
#[tokio::test(flavor = "multi_thread")]
async fn the_companys_authority_counts_for_git() {
    let server = TlsServer::start("DNS:git.acme.invalid", 60);
    let host = format!("git.acme.invalid:{}", server.port);
    let place = Place::Server(format!("127.0.0.1:{}", server.port));
    let proxy = ForwardProxy::start([(host.clone(), place)].into()).await;
    let platform = platform_at("127.0.0.1:9");
    let workstation = Workstation::initialised(&platform.url());
    let clone = workstation
        .home
        .path()
        .join("data/platforms/acme/definitions.git");
    let url = format!("https://{host}/definitions.git");
    git(&clone, &["remote", "set-url", "origin", &url]);
    let variables = [("HTTPS_PROXY", &*proxy.url())];
    let unknown = said(&doctor(&workstation, &variables), "git");
    assert!(unknown.contains("certificate"), "{unknown}");
    let settings = format!("extra_ca: {}\n", server.certificate().display());
    workstation.write("config/settings.yaml", &settings);
    // It is a server that nobody doubts any more, but none of git's.
    let known = said(&doctor(&workstation, &variables), "git");
    assert!(known.contains("\"fail\""), "{known}");
    assert!(!known.contains("certificate"), "{known}");
    assert!(proxy.asked().contains(&format!("CONNECT {host} HTTP/1.1")));
}
