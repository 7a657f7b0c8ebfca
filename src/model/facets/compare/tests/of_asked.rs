//! What is asked of engines: each of it is one facet, whoever says it.

use std::collections::BTreeMap;

use super::*;
use crate::model::create_body::{CreateBody, HealthcheckBody, UlimitBody};
use crate::model::facets::asked::{Asked, Defaults, ImageSettings, effective};
use crate::model::facets::value::Hiding;

fn asked() -> Asked {
    Asked {
        image: "sha256:1".into(),
        environment: vec!["A=b".into()],
        mounts: BTreeMap::from([("/data".into(), "volume data".into())]),
        defaults: Some(Defaults::default()),
        ..Asked::default()
    }
}

type Change = (&'static str, fn(&mut Asked));

const CHANGES: &[Change] = &[
    ("image", |it| it.image.push('2')),
    ("environment/A", |it| it.environment[0].push('c')),
    ("environment/B", |it| it.environment.push("B=c".into())),
    ("command", |it| it.command.push("x y".into())),
    ("entry-point", |it| it.entrypoint.push("x".into())),
    ("user", |it| it.user.push('u')),
    ("working-folder", |it| it.folder.push_str("/w")),
    ("health", |it| {
        let test = vec!["CMD".into(), "x".into()];
        it.health = Some(HealthcheckBody {
            test,
            ..HealthcheckBody::default()
        });
    }),
    ("stop-signal", |it| it.stop_signal.push_str("SIGINT")),
    ("stop-grace", |it| it.stop_grace = Some(11)),
    ("mounts/data", |it| {
        it.mounts.extend([("/data".into(), "volume x".into())]);
    }),
    ("aliases", |it| it.aliases.extend(["a".into()])),
    ("extra-hosts", |it| it.extra_hosts.extend(["a:1".into()])),
    ("published", |it| it.published.extend(["p".into()])),
    ("memory", |it| {
        it.memory = 1;
        it.rest.swap = Some(-1);
    }),
    ("memory-swap", |it| it.rest.swap = Some(1)),
    ("swappiness", |it| it.rest.swappiness = Some(1)),
    ("hostname", |it| it.hostname.push('h')),
    ("network-mode", |it| it.network.push_str("host")),
    ("pid-mode", |it| it.rest.processes_of.push_str("host")),
    ("ipc-mode", |it| {
        it.defaults.as_mut().unwrap().shared_with.push_str("host");
    }),
    ("devices", |it| it.rest.devices.extend(["d".into()])),
    ("group-add", |it| it.rest.groups.extend(["g".into()])),
    ("init", |it| it.rest.init = true),
    ("cpus", |it| it.nano_cpus = 1),
    ("cpu-shares", |it| it.rest.cpu_shares = 1),
    ("cpu-set", |it| it.rest.cpu_set.push('1')),
    ("processes", |it| it.rest.processes = 1),
    ("ulimits/nofile", |it| {
        it.ulimits.extend([("nofile".into(), (1, 2))]);
    }),
    ("shared-memory", |it| {
        it.defaults.as_mut().unwrap().shared_memory = 1;
    }),
    ("capabilities", |it| {
        it.rest.capabilities.extend(["+X".into()]);
    }),
    ("privileged", |it| it.rest.privileged = true),
    ("security-options", |it| {
        it.rest.security_options.extend(["x".into()]);
    }),
    ("sysctls/a.b", |it| {
        it.rest.sysctls.extend([("a.b".into(), "1".into())]);
    }),
    ("dns", |it| it.rest.dns.push("x".into())),
    ("log-driver", |it| {
        it.defaults.as_mut().unwrap().log_driver.push('x');
    }),
    ("read-only", |it| it.read_only = true),
    ("runtime", |it| {
        it.defaults.as_mut().unwrap().runtime.push_str("crun");
    }),
];

/// Every field of what is asked of an engine shows in its own facet, and in no other.
#[test]
fn each_thing_asked_of_an_engine_is_one_facet() {
    let hiding = Hiding::new(b"key");
    let facts = |it: &Asked| it.facts(&hiding);
    let mut seen = BTreeSet::new();
    for (key, change) in CHANGES {
        let mut here = asked();
        change(&mut here);
        let found = compare(
            &[Source::Asked],
            Side {
                found: &facts(&here),
                declared: &Facts::new(),
            },
            Side {
                found: &facts(&asked()),
                declared: &Facts::new(),
            },
            &Nobody,
        );
        let found: Vec<String> = unequal(found).into_iter().map(|(key, _)| key).collect();
        assert_eq!(found, [*key]);
        seen.insert(Facet::of(key).unwrap().name);
    }
    let all = FACETS.iter().filter(|it| it.source == Source::Asked);
    assert_eq!(seen, all.map(|it| it.name).collect());
}

/// What a body asks for and what an inspect of its container says are the same facets.
#[test]
fn a_body_takes_from_its_image_what_it_does_not_say() {
    let settings = ImageSettings {
        environment: vec!["PATH=/bin".into(), "A=1".into(), "B=1".into()],
        command: vec!["run".into()],
        entrypoint: vec!["/start".into()],
        ..ImageSettings::default()
    };
    let mut body = CreateBody {
        env: vec!["A=2".into(), "B".into()],
        ..CreateBody::default()
    };
    let asked = Asked::of(&body, "sha256:1", &settings);
    assert_eq!(asked.environment, ["PATH=/bin", "A=2"]);
    assert_eq!(
        (&asked.command[..], &asked.entrypoint[..]),
        (&["run".to_owned()][..], &["/start".to_owned()][..])
    );
    body.entrypoint = Some(vec!["/other".into()]);
    let asked = Asked::of(&body, "sha256:1", &settings);
    assert!(
        asked.command.is_empty(),
        "an engine drops it with another entry point"
    );
    body.host_config.memory = (256 << 20) + 1;
    body.host_config.nano_cpus = 333_333_333;
    assert_eq!(effective(&body)["effective-memory"], Value::is("256MiB"));
    assert_eq!(effective(&body)["effective-cpus"], Value::is("0.33333"));
}

/// A limit that the engine added is not known to be anybody's; one that is asked for is compared.
#[test]
fn limits_that_nobody_asks_for_are_unknown() {
    let mut body = CreateBody::default();
    let limit = |name: &str| UlimitBody {
        hard: 1,
        name: name.to_owned(),
        soft: 1,
    };
    body.host_config.ulimits = vec![limit("nofile")];
    let hiding = Hiding::new(b"key");
    let reference = Asked::of(&body, "", &ImageSettings::default()).facts(&hiding);
    let mut here = asked();
    here.ulimits = BTreeMap::from([("nofile".into(), (1, 1)), ("core".into(), (0, 0))]);
    let verdict = |here: &Asked, key: &str| {
        let here = here.facts(&hiding);
        let found = rows(&here, &reference);
        found.into_iter().find(|it| it.key == key).unwrap().verdict
    };
    assert_eq!(verdict(&here, "ulimits/nofile"), Verdict::Equal);
    let core = verdict(&here, "ulimits/core");
    assert!(matches!(core, Verdict::Unknown(why) if why.contains("default-ulimits")));
    here.ulimits.clear();
    let nofile = verdict(&here, "ulimits/nofile");
    assert!(matches!(nofile, Verdict::Different(_)));
}
