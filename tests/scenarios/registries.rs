//! Registries as companies have them: each rule of the proxy in front of the real registry, from
//! release to workstation.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use jiff::SignedDuration;

use crate::app;
use crate::support::company::Company;
use crate::support::registry::address;
use crate::support::registry_behaviour::{self, Immovable, Rule};
use crate::support::registry_proxy;
use crate::support::synthetic::{Synthetic, now};
use crate::support::workstation::{Ran, Workstation};

/// Looks, verifies and plans, and starts nothing.
const UP: [&str; 4] = ["up", "billing", "--no-proxy", "--dry-run"];

async fn run(workstation: Workstation, arguments: &'static [&'static str]) -> (Workstation, Ran) {
    let work = move || {
        let ran = workstation.run(arguments);
        (workstation, ran)
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// A workstation that reads through a mirror.
fn through(platform: &Synthetic, mirror: &str, more: &str) -> Workstation {
    let workstation = Workstation::initialised(&platform.url());
    mirrored(&workstation, mirror, more);
    workstation
}

fn mirrored(workstation: &Workstation, mirror: &str, more: &str) {
    let settings = format!(
        "registry_mirrors: {{ \"{}\": \"{mirror}\" }}\n{more}",
        address()
    );
    workstation.write("config/settings.yaml", &settings);
}

/// What is signed on a registry that differs from the specification is found and verified by a workstation.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_there_is_found_there() {
    for rule in [
        Rule::SubjectAtFallbackTag,
        Rule::PromisesReferrers,
        Rule::EmptyReferrers,
        Rule::RefusesReferrers(406),
        Rule::RefusesReferrers(401),
        Rule::RefusesReferrers(400),
        Rule::RefusesReferrers(403),
        Rule::HidesMissingTags(403),
        Rule::HidesMissingTags(401),
        Rule::ChallengesMissingTags,
        Rule::ImmovableTags(Immovable::Harbor),
    ] {
        let host = registry_proxy::behaving(rule).await;
        let platform = Synthetic::released_behind(&host, &[("billing", &app(""))]).await;
        let workstation = Workstation::initialised(&platform.url());
        let (_, ran) = run(workstation, &UP).await;
        assert_eq!(ran.code, 0, "{rule:?}: {ran:?}");
    }
}

/// Runs a command of production's: `release promote 1 --yes`.
#[track_caller]
fn production(company: &Company, command: &str) -> Ran {
    let words: Vec<&str> = command.split(' ').collect();
    company.run(&words)
}

/// A first release, a promotion and a renewal work there, and a workstation reads all of it.
#[tokio::test(flavor = "multi_thread")]
async fn production_releases_there() {
    let rules = [
        Rule::SubjectAtFallbackTag,
        Rule::PromisesReferrers,
        Rule::RefusesReferrers(406),
        Rule::HidesMissingTags(403),
        Rule::ChallengesMissingTags,
        Rule::RefusesEngines,
    ];
    let released = rules.map(|rule| async move {
        let host = registry_proxy::behaving(rule).await;
        let work = move || {
            let company = Company::behind(&host).with_reference();
            for command in [
                "release promote 1 --to recette --yes",
                "release renew recette --days 91 --yes",
            ] {
                production(&company, command).ok();
            }
            let developer = Workstation::initialised(&company.url());
            let up = [&UP[..], &["--environment", "recette"]].concat();
            developer.run(&up).ok();
            let history = developer.run(&["history", "recette", "--json"]).ok();
            assert_eq!(history.json()["sequence"], 2, "{rule:?}: {history:?}");
        };
        tokio::task::spawn_blocking(work).await.unwrap();
    });
    futures_util::future::join_all(released).await;
}

/// The same where tags never move, and all else that production does: a second reference, back to the
/// first, and bought software.
#[tokio::test(flavor = "multi_thread")]
async fn production_releases_where_tags_never_move() {
    let released =
        [Immovable::Harbor, Immovable::Ecr, Immovable::Artifactory].map(|kind| async move {
            let host = registry_proxy::behaving(Rule::ImmovableTags(kind)).await;
            let work = move || {
                let company = Company::behind(&host).with_reference();
                let text = "kind: service\ncommand: [/probe, sleep]\n";
                company.write("containers/vendor/container.yaml", text);
                company.push("Bought");
                let archive = company.saved("base", "1");
                let import = format!(
                    "release import vendor --version 7 --archive {}",
                    archive.display()
                );
                for command in [
                    "release promote 1 --to recette --yes",
                    "release build billing --version 1.1",
                    &import,
                    "release reference --yes",
                    "release promote 2 --to recette --yes",
                    "release rollback --in recette --to 1 --reason worse --yes",
                    "release renew recette --days 91 --yes",
                ] {
                    production(&company, command).ok();
                }
                let developer = Workstation::initialised(&company.url());
                let up = ["up", "billing", "--no-proxy", "--dry-run"];
                let up = [&up[..], &["--environment", "recette", "--json"]].concat();
                assert_eq!(developer.run(&up).ok().json()["reference"], 1, "{kind:?}");
                let second = [
                    "up",
                    "vendor",
                    "--no-proxy",
                    "--dry-run",
                    "--reference",
                    "2",
                ];
                developer.run(&second).ok();
            };
            tokio::task::spawn_blocking(work).await.unwrap();
        });
    futures_util::future::join_all(released).await;
}

/// A repository that is refused as a whole is never taken for one without signatures.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_repository_is_told_as_such() {
    let containers = [("billing", &*app("")), ("audit", &*app(""))];
    let platform = Synthetic::released(&containers).await;
    for (status, words) in [(403, "forbids access"), (401, "asks for a login")] {
        let host = registry_proxy::behaving(Rule::RefusesRepository(status)).await;
        let (_, ran) = run(through(&platform, &host, ""), &UP).await;
        ran.code(8).says(words).says(&format!("the mirror {host}"));
    }
    // Only one of its repositories is: what needs it is refused, and what does not runs.
    let host = registry_proxy::behaving(Rule::RefusesOne("billing")).await;
    let (workstation, ran) = run(through(&platform, &host, ""), &UP).await;
    ran.code(8).says("forbids access").says("/billing");
    let other: &[&str] = &["up", "audit", "--no-proxy", "--dry-run"];
    run(workstation, other).await.1.ok();
    let work = move || {
        let company = Company::behind(&host).with_base();
        let build = "release build billing --version 1.0";
        let refused = production(&company, build).code(8);
        refused.says("forbids access");
    };
    tokio::task::spawn_blocking(work).await.unwrap();
}

/// 429 is waited for as the registry asks, aloud; what is cached and verified runs without it.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_registry_is_waited_for_and_then_does_not_answer() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let busy = |requests, retry_after| Rule::Busy {
        requests,
        retry_after,
    };
    let host = registry_proxy::behaving(busy(2, Some("3"))).await;
    let workstation = through(&platform, &host, "");
    let (workstation, ran) = run(workstation, &UP).await;
    ran.ok().says("has too much to do and asks to wait 3 s");

    // Everything is cached and verified: it runs, and says how old the ledger is.
    for retry_after in [Some("30"), Some("3600"), None] {
        let host = registry_proxy::behaving(busy(usize::MAX, retry_after)).await;
        mirrored(&workstation, &host, "");
        let began = Instant::now();
        let cached = Workstation {
            home: tempfile::tempdir().unwrap(),
            instance: workstation.instance.clone(),
        };
        copy(workstation.home.path(), cached.home.path());
        let (_, ran) = run(cached, &UP).await;
        ran.ok().says("could not be looked at");
        assert!(began.elapsed() < Duration::from_secs(10));
    }
    let host = registry_proxy::behaving(busy(usize::MAX, Some("3600"))).await;
    let (_, ran) = run(through(&platform, &host, ""), &UP).await;
    ran.code(8).says("ask again after 3600 s");
}

/// An engine that pulls or pushes does not wait by itself: it is asked again, aloud.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_meets_a_busy_registry_is_asked_again() {
    let host = registry_proxy::behaving(Rule::BusyToEngines(3)).await;
    let platform = Synthetic::released_behind(&host, &[("billing", &app(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let up: &[&str] = &["up", "billing", "--no-proxy"];
    let (workstation, ran) = run(workstation, up).await;
    let said = format!("{host} has too much to do: waiting");
    ran.ok().says(&said);
    // Nothing is to be done, and the registry says nothing but this.
    let busy = Rule::Busy {
        requests: usize::MAX,
        retry_after: Some("30"),
    };
    let always = registry_proxy::behaving(busy).await;
    let settings = format!("registry_mirrors: {{ \"{host}\": \"{always}\" }}\n");
    workstation.write("config/settings.yaml", &settings);
    let (_, ran) = run(workstation, up).await;
    ran.ok()
        .says("could not be looked at")
        .says("nothing to do");

    let host = registry_proxy::behaving(Rule::BusyToEngines(6)).await;
    let work = move || {
        let company = Company::behind(&host);
        let artifact = company.artifact();
        let build = ["release", "build", "base", "--version", "1.0", "--artifact"];
        let build = [&build[..], &[artifact.to_str().unwrap(), "--json"]].concat();
        let said = format!("{host} has too much to do: waiting");
        let built = company.run(&build).ok().says(&said);
        (company, built.json())
    };
    let (company, built) = tokio::task::spawn_blocking(work).await.unwrap();

    // The builder itself, at what a Dockerfile names.
    let vendor = registry_proxy::behaving(Rule::BusyToEngines(4)).await;
    let work = move || {
        let repository = company.prefix.split_once('/').unwrap().1;
        let digest = built["digest"].as_str().unwrap();
        company.write(
            "containers/base/Dockerfile",
            &format!("FROM {vendor}/{repository}/base@{digest}\n"),
        );
        company.push("A base from elsewhere");
        let artifact = company.artifact();
        let build = ["release", "build", "base", "--version", "1.1", "--artifact"];
        let build = [&build[..], &[artifact.to_str().unwrap()]].concat();
        company.run(&build).ok().says("has too much to do: waiting");
    };
    tokio::task::spawn_blocking(work).await.unwrap();
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .arg(format!("{}/.", from.display()))
        .arg(to)
        .status();
    assert!(copied.unwrap().success());
}

/// A mirror that sends a byte every 3 s holds nobody for longer than a minute, and is named.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_never_ends_is_ended_and_the_mirror_named() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let host = registry_proxy::behaving(Rule::Trickles(Duration::from_secs(3))).await;
    let began = Instant::now();
    let (_, ran) = run(through(&platform, &host, ""), &UP).await;
    ran.code(8).says(&format!("the mirror {host}"));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(50), "{took:?}");
}

/// A ledger from the cache is held against its age as one from the registry is.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_registry_the_ledgers_age_counts_as_with_one() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let mut ledger = platform.ledger("production");
    ledger.sequence += 1;
    ledger.entries[0].at = now() - SignedDuration::from_hours(24 * 40);
    ledger.issued = ledger.entries[0].at;
    ledger.expires = now() - SignedDuration::from_hours(24 * 10);
    let digest = ledger.current().unwrap().digest;
    let statement = platform.statement("front", digest, ledger.clone());
    let tags = ["production-2".to_owned(), "production".to_owned()];
    let bundles = platform.bundles(&statement);
    platform
        .publish_document("environments", &tags, bundles)
        .await;
    let workstation = Workstation::initialised(&platform.url());
    let (workstation, ran) = run(workstation, &UP).await;
    ran.ok().says("expired 10 days ago");
    let offline: &[&str] = &["up", "billing", "--no-proxy", "--dry-run", "--offline"];
    mirrored(&workstation, "127.0.0.1:1", "ledger_grace_days: 5\n");
    // What was verified here before still says what runs.
    let (workstation, ran) = run(workstation, &UP).await;
    ran.ok().says("could not be looked at");
    std::fs::remove_dir_all(workstation.home.path().join("state")).unwrap();
    let (workstation, ran) = run(workstation, &UP).await;
    ran.code(5).says("this machine has not verified it before");
    let (_, ran) = run(workstation, offline).await;
    ran.code(5).says("this machine has not verified it before");
}

/// An address of this machine that is not the loopback one.
fn own_address() -> String {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent: the address is of a network for documentation (RFC 5737).
    socket.connect("192.0.2.1:9").unwrap();
    socket.local_addr().unwrap().ip().to_string()
}

/// `insecure_registries` allows plain HTTP, which `init` and `doctor` warn of.
#[tokio::test(flavor = "multi_thread")]
async fn plain_http_under_another_name_where_the_settings_allow_it() {
    let own = own_address();
    let host = registry_behaviour::listening(&own, address(), Rule::EmptyReferrers).await;
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let (_, ran) = run(through(&platform, &host, ""), &UP).await;
    ran.code(8).says("`insecure_registries` of the settings");
    for allowed in [host.clone(), format!("{own}/32")] {
        let workstation = Workstation::empty();
        let settings = format!("insecure_registries: [\"{allowed}\"]\n");
        mirrored(&workstation, &host, &settings);
        let url = platform.url();
        let init = workstation.run(&["init", &url, "--accept-keys"]).ok();
        init.says("warning: `insecure_registries` names");
        let (workstation, ran) = run(workstation, &UP).await;
        ran.ok();
        let (_, doctor) = run(workstation, &["doctor"]).await;
        let shown = format!("{}{}", doctor.stdout, doctor.stderr);
        assert!(shown.contains("it speaks without TLS"), "{shown}");
        let engines = "to `insecure-registries` in the engine's daemon.json";
        assert!(shown.contains(engines), "{shown}");
    }
    // What devenv reads there, the engine does not pull.
    let platform = Synthetic::released_behind(&host, &[("billing", &app(""))]).await;
    let workstation = Workstation::empty();
    let settings = format!("insecure_registries: [\"{host}\"]\n");
    workstation.write("config/settings.yaml", &settings);
    let init = workstation.run(&["init", &platform.url(), "--accept-keys"]);
    init.ok().says("`insecure-registries` in its daemon.json");
    let (_, ran) = run(workstation, &["up", "billing", "--no-proxy"]).await;
    let ran = ran.code(8).says("HTTP response to HTTPS client");
    ran.says("`insecure-registries` in its daemon.json");
    let workstation = Workstation::empty();
    workstation.write(
        "config/settings.yaml",
        "insecure_registries: [\"http://x\"]\n",
    );
    let wrong = workstation.run(&["config"]).code(2);
    wrong.says("is neither host[:port] nor a network");
}
