use super::*;
use crate::model::catalogue::Source;
use crate::model::reference::tests::{container, reference};

const PLATFORM: &str = "schema: 1\nplatform: acme\nregistry: localhost:5000/acme\nproxy: front\n\
    environments: [recette, production]\nconfiguration_variable: ENVIRONMENT\n\
    workstation: { environment: production, configuration: recette }\n\
    defaults: { port: 8080 }\nbundles: { finance: [billing] }\n\
    containers: { billing: 1.4.2 }\n";

fn catalogue() -> Catalogue {
    let source = |path: &str, text: &str| Source {
        path: path.to_owned(),
        text: text.as_bytes().to_vec(),
    };
    let containers = [
        ("front", "kind: proxy\npublish: [80]\n"),
        ("base", "kind: base\n"),
        (
            "billing",
            "description: Invoices\nneeds: [ledger-db]\nroutes: [{ path: /billing }]\n",
        ),
        ("ledger-db", "kind: service\nhealth: { command: [x] }\n"),
    ];
    let containers = containers
        .iter()
        .map(|(name, text)| (ContainerName::new(*name).unwrap(), source(name, text)))
        .collect();
    Catalogue::load(&source("platform.yaml", PLATFORM), &containers).unwrap()
}

fn list(environments: &[(&str, Environment)], status: Option<&Status>) -> Listing {
    let environments: Vec<_> = environments
        .iter()
        .map(|(name, it)| (EnvironmentName::new(*name).unwrap(), it.clone()))
        .collect();
    listing(&Inputs {
        catalogue: &catalogue(),
        commit: "c".repeat(40),
        environments: &environments,
        instance: "default".to_owned(),
        status,
    })
}

fn find<'a>(listing: &'a Listing, name: &str) -> &'a Entry {
    let found = listing
        .containers
        .iter()
        .find(|it| it.name.as_str() == name);
    found.unwrap()
}

#[test]
fn before_the_first_promotion_there_is_the_catalogue() {
    let listing = list(
        &[
            ("recette", Environment::Nothing),
            ("production", Environment::Unknown("no route".to_owned())),
        ],
        None,
    );
    let names: Vec<_> = listing
        .containers
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(names, ["base", "billing", "front", "ledger-db"]);
    let billing = find(&listing, "billing");
    assert_eq!(billing.released.as_deref(), Some("1.4.2"));
    assert!(billing.versions.is_empty());
    assert_eq!(billing.needs[0].until.as_str(), "healthy");
    assert_eq!(billing.bundles[0].as_str(), "finance");
    assert_eq!(find(&listing, "ledger-db").needed_by[0].as_str(), "billing");
    assert_eq!(listing.environments[0].error, None);
    assert_eq!(listing.environments[1].error.as_deref(), Some("no route"));
}

#[test]
fn versions_come_from_each_environments_reference() {
    let production = reference(&[
        container("billing", &["audit"], &[]),
        container("audit", &[], &[]),
    ]);
    let mut recette = production.clone();
    recette.number = 8;
    recette.containers.get_mut("billing").unwrap().version =
        Some(crate::model::name::Version::new("1.5").unwrap());
    recette.containers.remove("audit");
    let listing = list(
        &[
            ("recette", Environment::Runs(Box::new(recette))),
            ("production", Environment::Runs(Box::new(production))),
        ],
        None,
    );
    let billing = find(&listing, "billing");
    assert_eq!(billing.versions["recette"], "1.5");
    assert_eq!(billing.versions["production"], "1.0");
    assert_eq!(find(&listing, "front").versions["recette"], "8");
    let audit = find(&listing, "audit");
    assert!(!audit.defined, "only production still has it");
    assert_eq!(audit.versions.len(), 1);
}

#[test]
fn what_runs_here_is_shown() {
    let status: Status = Status {
        mixed: vec![],
        platform: "acme".to_owned(),
        instance: "default".to_owned(),
        environment: None,
        configuration: None,
        pinned: None,
        reference: None,
        engine: crate::instance::status::EngineStatus {
            profile: "linux".to_owned(),
            version: "20".to_owned(),
            forwarder: None,
        },
        logs_to: None,
        containers: vec![ContainerStatus {
            overrides: Vec::new(),
            name: "billing".to_owned(),
            of: "billing".to_owned(),
            kind: "app",
            source: "reference".to_owned(),
            version: "1.4.1".to_owned(),
            digest: None,
            state: "running",
            exit_code: None,
            health: None,
            urls: vec!["http://localhost/billing".to_owned()],
            ports: vec![],
            volumes: vec![],
        }],
    };
    let listing = list(&[("recette", Environment::Nothing)], Some(&status));
    let running = find(&listing, "billing").running.clone().unwrap();
    assert_eq!(
        (running.version.as_str(), running.state),
        ("1.4.1", "running")
    );
    assert!(find(&listing, "front").running.is_none());
}
