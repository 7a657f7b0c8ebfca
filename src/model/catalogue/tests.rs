use super::*;
use crate::error::{Kind, Result};
use crate::model::platform::Defaults;
use crate::model::run_specification::RunSpecification;

const PLATFORM: &str = "schema: 1\nplatform: acme\nregistry: localhost:5000/acme\nproxy: front\n\
    environments: [recette, production]\nconfiguration_variable: ENVIRONMENT\n\
    workstation: { environment: production, configuration: recette }\n\
    defaults: { port: 8080, volumes: { logs: /var/log/tomcat } }\n\
    bundles: { finance: [billing] }\n";

fn load(platform: &str, containers: &[(&str, &str)]) -> Result<Catalogue> {
    let source = |path: String, text: &str| Source {
        path,
        text: text.as_bytes().to_vec(),
    };
    let containers = containers
        .iter()
        .map(|(name, text)| {
            (
                ContainerName::new(*name).unwrap(),
                source(format!("containers/{name}/container.yaml"), text),
            )
        })
        .collect();
    Catalogue::load(&source("platform.yaml".into(), platform), &containers)
}

const FRONT: (&str, &str) = ("front", "kind: proxy\npublish: [80]\n");

fn refused(billing: &str, others: &[(&str, &str)], wanted: &str) {
    let mut containers = vec![FRONT, ("billing", billing)];
    containers.extend_from_slice(others);
    let error = load(PLATFORM, &containers).unwrap_err();
    assert!(
        error.to_string().contains(wanted),
        "wanted {wanted:?}, got: {error}"
    );
    assert_eq!(error.kind(), Kind::Definitions);
}

#[test]
fn a_sound_platform_loads() {
    let customers = ("customers", "routes: [{ path: /customers }]\n");
    load(
        PLATFORM,
        &[
            FRONT,
            (
                "billing",
                "needs: [customers]\nroutes: [{ path: /billing }]\n",
            ),
            customers,
        ],
    )
    .unwrap();
}

#[test]
fn each_fault_is_refused_with_its_place() {
    let customers = ("customers", "routes: [{ path: /billing }]\n");
    refused(
        "needs:\n  - custmers\n",
        &[customers],
        "billing/container.yaml:2:5: no container is called `custmers`; did you mean `customers`?",
    );
    refused(
        "routes: [{ path: /billing }]\n",
        &[customers],
        "the route `/billing` belongs to `billing` already",
    );
    refused(
        "needs: [audit]\n",
        &[("audit", "needs: [billing]\n")],
        "`needs` go in a circle: audit → billing → audit",
    );
    refused(
        "needs: [front]\n",
        &[],
        "`front` is a proxy, which no container can need",
    );
    refused(
        "configurations: { prod: {} }\n",
        &[],
        "`prod` is no configuration; it is one of: recette, production, workstation",
    );
    refused(
        "volumes: { other: /var/log/tomcat }\n",
        &[],
        "both at /var/log/tomcat",
    );
    refused(
        "health: { path: /x, command: [a] }\n",
        &[],
        "either a `path` or a `command`",
    );
    refused(
        "kind: service\nroutes: [{ path: /x }]\n",
        &[],
        "a route needs a `port`",
    );
    refused(
        "kind: service\npublish: [80]\n",
        &[],
        "published by `billing` already",
    );
    refused(
        "publish: [81]\n",
        &[],
        "an app is reached through the proxy",
    );
    refused(
        "kind: base\n",
        &[("finance", "")],
        "`finance` is both a bundle and a container",
    );
}

#[test]
fn uses_may_go_in_a_circle() {
    load(
        PLATFORM,
        &[
            FRONT,
            ("billing", "uses: [audit]\n"),
            ("audit", "uses: [billing]\n"),
        ],
    )
    .unwrap();
}

#[test]
fn the_place_is_the_keys_own_not_its_first_mention() {
    refused(
        "description: a kind of base\nkind: base\nonce: true\n",
        &[],
        "billing/container.yaml:2:7: a base is never run",
    );
}

#[test]
fn secrets_that_are_files_have_folders_of_their_own() {
    let sound = "secrets: [A, { name: B, file: /run/secrets/b }, { name: C, file: /run/secrets/c }]\n\
        tmpfs: [/run]\n";
    let catalogue = load(PLATFORM, &[FRONT, ("billing", sound)]).unwrap();
    let billing = ContainerName::new("billing").unwrap();
    let run = RunSpecification::resolve(&catalogue.definitions[&billing], &Defaults::default());
    assert_eq!(run.secrets.len(), 1);
    assert_eq!(run.secret_files.len(), 2);
    assert_eq!(run.secret_names().count(), 3);
    for (text, wanted) in [
        (
            "secrets: [A, { name: A, file: /run/s/a }]\n",
            "`A` is there twice",
        ),
        (
            "secrets: [{ name: A, file: /a }]\n",
            "/a is no file in a folder",
        ),
        (
            "secrets: [{ name: A, file: /s/a }, { name: B, file: /s/a }]\n",
            "two secrets are in the file /s/a",
        ),
        (
            "secrets: [{ name: A, file: /var/log/tomcat/a }]\n",
            "/var/log/tomcat is in memory and for secrets alone",
        ),
        (
            "secrets: [{ name: A, file: /s/a }]\ntmpfs: [/s/b]\n",
            "but /s/b is",
        ),
        (
            "secrets: [{ name: A, path: /s/a }]\n",
            "unknown field `path`",
        ),
        (
            "secrets: [{ name: A, file: s/a }]\n",
            "not an absolute path",
        ),
    ] {
        refused(text, &[], wanted);
    }
}

#[test]
fn a_probe_is_below_its_route() {
    let text = "routes: [{ path: /billing, probe: { path: /other } }]\n";
    refused(
        text,
        &[],
        "the probe /other is not below the route /billing",
    );
}
