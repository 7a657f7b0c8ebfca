//! How long deciding takes: `cargo bench --bench pure`. 1,000 containers, from parsed values in
//! memory: select, desired with its hashes, difference. At most 15 ms each way. And how long it
//! takes to verify 30 cached images again: at most 6 ms with one key, 10 ms with two.
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]
#![allow(clippy::print_stdout, reason = "the figures")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use devenv::converge::desired::ports::Ports;
use devenv::converge::desired::{Desired, Image, Inputs, Placement, Secrets, Source, desired};
use devenv::converge::plan::difference::difference;
use devenv::converge::plan::{Observed, Plan};
use devenv::converge::select::{Request, select};
use devenv::model::digest::Digest;
use devenv::model::host_profile::Host;
use devenv::model::identity::Identity;
use devenv::model::name::ContainerName;
use devenv::model::observed::{
    ContainerState, Endpoint, Health, ObservedContainer, ObservedNetwork,
};
use devenv::model::overrides::Overrides;
use devenv::model::predicate::BuildPredicate;
use devenv::model::reference::Reference;
use devenv::model::secret::Secret;
use devenv::model::statement::{Statement, Subject, SubjectName};
use devenv::model::trust_file::{Revoked, TrustFile, TrustedKey};
use devenv::verify::trust::bundle::sign_statement;
use devenv::verify::trust::keys::SigningKey;
use devenv::verify::trust::policy::{ExpectedBuild, Policy};

const CONTAINERS: usize = 1000;
const ROUNDS: usize = 15;
const LIMIT: Duration = Duration::from_millis(15);

fn main() -> ExitCode {
    let world = World::new();
    let cold = Observed::default();
    let (_, wanted, _) = world.decide(&cold);
    let running = running(&wanted);
    let mut within = true;
    for (what, observed) in [("cold", &cold), ("nothing to do", &running)] {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let (plan, _, spent) = world.decide(observed);
            times.push(spent);
            assert_eq!(plan.is_empty(), what == "nothing to do");
        }
        times.sort_unstable_by_key(|it| it.iter().sum::<Duration>());
        let [least, median, most] = [0, ROUNDS / 2, ROUNDS - 1].map(|at| times[at]);
        let total = |it: [Duration; 3]| it.iter().sum::<Duration>();
        println!(
            "{what:<14} {CONTAINERS} containers: median {:.1?} ({:.1?} to {:.1?}); select {:.1?}, desired {:.1?}, difference {:.1?}",
            total(median),
            total(least),
            total(most),
            median[0],
            median[1],
            median[2],
        );
        within &= total(median) <= LIMIT;
    }
    within &= verifying();
    ExitCode::from(u8::from(!within))
}

const IMAGES: usize = 30;

/// Parses and verifies the bundles of so many images, as every `up` does.
fn verifying() -> bool {
    let mut within = true;
    for (threshold, limit) in [(1, 6), (2, 10)] {
        let random = ring::rand::SystemRandom::new();
        let keys: Vec<SigningKey> = (0..threshold)
            .map(|_| SigningKey::generate(&random).unwrap())
            .collect();
        let trust = trust(&keys);
        let images: Vec<(Statement<BuildPredicate>, Vec<Vec<u8>>)> = (0..IMAGES)
            .map(|number| {
                let statement = built(number);
                let bundle = |key| sign_statement(&statement, key).unwrap();
                let bundles = keys.iter().map(bundle).collect();
                (statement, bundles)
            })
            .collect();
        let policy = Policy {
            trust: &trust,
            now: jiff::Timestamp::now(),
        };
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let start = Instant::now();
            for (statement, bundles) in &images {
                let expected = ExpectedBuild {
                    container: &statement.predicate.container,
                    version: Some(&statement.predicate.version),
                    digest: statement.subject.digest,
                };
                policy.verify_build(&expected, bundles).result.unwrap();
            }
            times.push(start.elapsed());
        }
        times.sort_unstable();
        println!(
            "verify {IMAGES} cached images, threshold {threshold}: median {:.1?} ({:.1?} to {:.1?}), at most {limit} ms",
            times[ROUNDS / 2],
            times[0],
            times[ROUNDS - 1],
        );
        within &= times[ROUNDS / 2] <= Duration::from_millis(limit);
    }
    within
}

fn trust(keys: &[SigningKey]) -> TrustFile {
    let trusted = |(number, key): (usize, &SigningKey)| TrustedKey {
        name: format!("key{number}"),
        key: key.public(),
        from: None,
        until: None,
    };
    TrustFile {
        schema: 1,
        platform: "acme".parse().unwrap(),
        root_version: 1,
        threshold: keys.len(),
        keys: keys.iter().enumerate().map(trusted).collect(),
        servers: BTreeMap::new(),
        minimum_sequences: BTreeMap::new(),
        revoked: Revoked::default(),
    }
}

fn built(number: usize) -> Statement<BuildPredicate> {
    let container: ContainerName = name(number).parse().unwrap();
    let platform = "acme".parse().unwrap();
    Statement {
        subject: Subject {
            name: SubjectName::container(&platform, &container),
            digest: Digest::of(&number.to_be_bytes()),
        },
        predicate: BuildPredicate {
            platform,
            container,
            version: "1.0".parse().unwrap(),
            commit: "c".repeat(40).parse().unwrap(),
            artifacts: BTreeMap::new(),
            built: "2026-01-01T00:00:00Z".parse().unwrap(),
            base: None,
            imported: None,
            sbom: None,
            policy: None,
        },
    }
}

struct World {
    reference: Reference,
    images: BTreeMap<ContainerName, Image>,
    identity: Identity,
    host: Host,
    secrets: Secrets,
}

impl World {
    fn new() -> Self {
        let mut containers = serde_json::Map::new();
        for number in 0..CONTAINERS {
            containers.insert(name(number), container(number));
        }
        let proxy = serde_json::json!({
            "repository": "localhost:5000/acme/front",
            "run": { "kind": "proxy", "publish": [80] },
        });
        containers.insert("front".to_owned(), proxy);
        let reference: Reference = serde_json::from_value(serde_json::json!({
            "schema": 1,
            "platform": "acme",
            "number": 7,
            "created": "2026-01-01T00:00:00Z",
            "commit": "c".repeat(40),
            "environments": ["production"],
            "configuration_variable": "PLATFORM_ENVIRONMENT",
            "proxy": "front",
            "containers": containers,
        }))
        .unwrap();
        let images = reference.containers.iter().map(|(name, entry)| {
            let digest = entry.digest.unwrap_or_else(|| Digest::of(b"front"));
            let image = Image {
                repository: entry.repository.clone(),
                digest,
                accepted: vec![digest],
                architectures: Vec::new(),
                version: "1.0".to_owned(),
                source: Source::Reference,
                defaults: devenv::model::image_configuration::ImageDefaults::default(),
            };
            (name.clone(), image)
        });
        Self {
            images: images.collect(),
            reference,
            identity: Identity {
                owner: "me".to_owned(),
                platform: "acme".parse().unwrap(),
                instance: "default".parse().unwrap(),
            },
            host: Host::unknown().unwrap(),
            secrets: Secrets {
                values: BTreeMap::from([("DB_PASSWORD".to_owned(), Secret::new("hunter2"))]),
                key: Secret::new("key"),
            },
        }
    }

    /// The plan, and what select, desired and difference took.
    fn decide(&self, observed: &Observed) -> (Plan, Desired, [Duration; 3]) {
        let request = Request {
            all: true,
            proxy: true,
            ..Request::default()
        };
        let start = Instant::now();
        let selection = select(&self.reference, &request).unwrap();
        let selected = Instant::now();
        let desired = desired(&Inputs {
            reference: &self.reference,
            selection: &selection,
            images: &self.images,
            identity: &self.identity,
            configuration: &"recette".parse().unwrap(),
            host: &self.host,
            overrides: &Overrides::default(),
            ports: &Ports::default(),
            secrets: &self.secrets,
            placement: &Placement::Published,
            fillings: &BTreeMap::new(),
        });
        let compiled = Instant::now();
        let plan = difference(&desired, observed);
        let spent = [selected - start, compiled - selected, compiled.elapsed()];
        (plan, desired, spent)
    }
}

/// An app of a chain of ten; a hundred share a database.
fn container(number: usize) -> serde_json::Value {
    let mut needs = Vec::new();
    if !number.is_multiple_of(10) {
        let container = name(number - 1);
        needs.push(serde_json::json!({ "container": container, "until": "healthy" }));
    }
    if number % 100 > 1 {
        let container = name(number / 100 * 100);
        needs.push(serde_json::json!({ "container": container, "until": "started" }));
    }
    serde_json::json!({
        "version": "1.0",
        "repository": format!("localhost:5000/acme/{}", name(number)),
        "digest": Digest::of(&number.to_be_bytes()),
        "needs": needs,
        "uses": [name((number + 50) % CONTAINERS)],
        "routes": [{ "path": format!("/{}", name(number)) }],
        "run": {
            "kind": "app",
            "port": 8080,
            "volumes": { "logs": "/var/log/tomcat" },
            "environment": { "JAVA_OPTS": "-Xmx256m", "TZ": "Europe/Paris" },
            "configurations": { "recette": { "environment": { "TRACE": "1" } } },
            "secrets": ["DB_PASSWORD"],
            "health": { "path": "/health" },
            "memory": "512MiB",
            "stop_grace": "10s",
        },
    })
}

fn name(number: usize) -> String {
    format!("app-{number:05}")
}

/// All that is desired, up and healthy.
fn running(desired: &Desired) -> Observed {
    let network = ObservedNetwork {
        id: "n1".to_owned(),
        name: desired.network.clone(),
        labels: desired.labels.clone(),
    };
    let endpoint = Endpoint {
        network: network.id.clone(),
        address: None,
        aliases: Vec::new(),
    };
    let containers = desired.containers.iter().enumerate().map(|(at, wanted)| {
        let container = ObservedContainer {
            id: format!("c{at}"),
            object: wanted.object.clone(),
            labels: (wanted.body.labels.iter())
                .map(|(name, value)| (name.to_string(), value.clone()))
                .collect(),
            image: Some(wanted.image.accepted[0]),
            state: ContainerState::Running,
            health: wanted.has_health.then_some(Health::Healthy),
            ports: Vec::new(),
            networks: BTreeMap::from([(desired.network.clone(), endpoint.clone())]),
            volumes: BTreeMap::new(),
            created: 0,
            status: String::new(),
        };
        (wanted.name.clone(), vec![container])
    });
    Observed {
        containers: containers.collect(),
        networks: vec![network],
        volumes: desired.volumes.iter().cloned().collect(),
        ..Observed::default()
    }
}
