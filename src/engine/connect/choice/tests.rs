use std::fs;

use super::*;
use crate::error::Kind;
use crate::model::digest::Digest;

#[expect(clippy::unnecessary_wraps, reason = "a field's value")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn chosen(environment: &EngineEnvironment, current: Option<&str>) -> Selection {
    let file = PathBuf::from("/c/config.json");
    select(environment, || {
        Ok(current.map(|name| (name.to_owned(), file)))
    })
    .unwrap()
}

#[test]
fn the_rule_in_its_order() {
    let mut environment = EngineEnvironment {
        host_argument: some("tcp://a"),
        docker_host: some("tcp://b"),
        docker_context: some("c"),
        ..EngineEnvironment::default()
    };
    let host = |text: &str, by| Selection::Host(text.to_owned(), by);
    let context = |text: &str, by| Selection::Context(text.to_owned(), by);
    assert_eq!(
        chosen(&environment, Some("d")),
        host("tcp://a", ChosenBy::HostArgument)
    );
    environment.host_argument = some("");
    assert_eq!(
        chosen(&environment, Some("d")),
        host("tcp://b", ChosenBy::DockerHost)
    );
    environment.docker_host = some("");
    assert_eq!(
        chosen(&environment, Some("d")),
        context("c", ChosenBy::DockerContext("c".to_owned()))
    );
    // The settings file: after what the environment says, before docker's own file.
    let mut set = environment.clone();
    (set.host_argument, set.host_file) = (some("tcp://s"), Some("/s.yaml".into()));
    assert_eq!(
        chosen(&set, Some("d")),
        context("c", ChosenBy::DockerContext("c".to_owned()))
    );
    set.docker_context = None;
    assert_eq!(
        chosen(&set, Some("d")),
        host("tcp://s", ChosenBy::Setting("/s.yaml".into()))
    );
    environment.docker_context = None;
    let by = ChosenBy::CurrentContext("d".to_owned(), PathBuf::from("/c/config.json"));
    assert_eq!(chosen(&environment, Some("d")), context("d", by));
    assert_eq!(
        chosen(&environment, None),
        Selection::Default(ChosenBy::Default)
    );
    environment.docker_context = some("default");
    assert_eq!(
        chosen(&environment, Some("d")),
        Selection::Default(ChosenBy::DockerContext("default".to_owned()))
    );
}

#[test]
fn addresses() {
    for (text, shown) in [
        ("unix:///run/x.sock", "unix:///run/x.sock"),
        ("unix://", "unix:///var/run/docker.sock"),
        ("tcp://host", "tcp://host:2375"),
        (" tcp://host:1234/path ", "tcp://host:1234"),
        ("host:1234", "tcp://host:1234"),
        ("tcp://[::1]:1234", "tcp://[::1]:1234"),
        ("tcp://:1234", "tcp://localhost:1234"),
        ("ssh://me@host:2222", "ssh://me@host:2222"),
        ("ssh://host/run/x.sock", "ssh://host/run/x.sock"),
        ("npipe:////./pipe/x", "npipe:////./pipe/x"),
    ] {
        assert_eq!(parse_host(text, None).unwrap().to_string(), shown, "{text}");
    }
    for bad in [
        "http://x",
        "tcp://host:port",
        "ssh://",
        "ssh://-oProxyCommand=x",
        "tcp://[::1",
    ] {
        let error = parse_host(bad, None).unwrap_err();
        assert_eq!(error.kind(), Kind::Engine, "{bad}");
    }
}

#[test]
fn an_empty_tls_switch_is_off_and_material_is_found_beside_the_configuration() {
    let mut environment = EngineEnvironment {
        docker_host: some("tcp://h:2376"),
        docker_tls_verify: some(""),
        home: Some(PathBuf::from("/home/me")),
        ..EngineEnvironment::default()
    };
    assert!(matches!(
        choose(&environment).unwrap().endpoint,
        Endpoint::Tcp { .. }
    ));
    environment.docker_tls_verify = some("0");
    let Endpoint::Tls { material, .. } = choose(&environment).unwrap().endpoint else {
        panic!("TLS expected");
    };
    assert!(!material.skip_verify);
    assert_eq!(material.ca, Some(PathBuf::from("/home/me/.docker/ca.pem")));
}

/// A configuration folder that holds one context.
fn folder(config: &str, name: &str, meta: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), config).unwrap();
    let id = Digest::of(name.as_bytes()).hex();
    let place = folder.path().join("contexts/meta").join(id);
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("meta.json"), meta).unwrap();
    folder
}

fn in_folder(folder: &tempfile::TempDir) -> EngineEnvironment {
    EngineEnvironment {
        docker_config: Some(folder.path().to_owned()),
        ..EngineEnvironment::default()
    }
}

#[test]
fn the_current_context_with_its_tls_material() {
    let folder = folder(
        r#"{"auths":{},"currentContext":"vm"}"#,
        "vm",
        r#"{"Name":"vm","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://10.0.0.1:2376","SkipTLSVerify":false}}}"#,
    );
    let choice = choose(&in_folder(&folder)).unwrap();
    assert_eq!(choice.endpoint.to_string(), "tcp://10.0.0.1:2376");
    assert!(choice.chosen_by.to_string().contains("currentContext vm"));

    let tls = folder
        .path()
        .join("contexts/tls")
        .join(Digest::of(b"vm").hex())
        .join("docker");
    fs::create_dir_all(&tls).unwrap();
    fs::write(tls.join("ca.pem"), "x").unwrap();
    let Endpoint::Tls { material, .. } = choose(&in_folder(&folder)).unwrap().endpoint else {
        panic!("TLS expected");
    };
    assert_eq!(material.ca, Some(tls.join("ca.pem")));
    assert_eq!(material.key, None);
}

#[test]
fn a_missing_or_broken_context_is_an_error() {
    let folder = folder("{}", "vm", r#"{"Name":"vm","Endpoints":{}}"#);
    let mut environment = in_folder(&folder);
    assert_eq!(choose(&environment).unwrap().chosen_by, ChosenBy::Default);
    for (name, says) in [
        ("other", "no such context"),
        ("vm", "has no docker endpoint"),
    ] {
        environment.docker_context = some(name);
        let error = choose(&environment).unwrap_err();
        assert!(
            error.chain().join(": ").contains(says),
            "{:?}",
            error.chain()
        );
    }
    environment.docker_context = None;
    fs::write(folder.path().join("config.json"), "{").unwrap();
    assert_eq!(choose(&environment).unwrap().chosen_by, ChosenBy::Default);
    let other = r#"{"currentContext":[]}"#;
    fs::write(folder.path().join("config.json"), other).unwrap();
    let error = choose(&environment).unwrap_err();
    assert!(error.chain().join(": ").contains("config.json"));
}
