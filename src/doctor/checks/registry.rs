//! The registry: whether it answers, whether it proves to be the one, whether it lets us read.

use jiff::Timestamp;

use crate::doctor::finding::Observation;
use crate::doctor::world::World;
use crate::model::insecure_registries::InsecureRegistries;
use crate::network::tls::ServerCertificate;
use crate::registry::{Fault, Greeting, Tag};

/// Days before a certificate ends that somebody should renew it.
pub(in crate::doctor) const SOON: i64 = 14;

/// Whether it answers.
pub(in crate::doctor) async fn reach(world: &World<'_>) -> Vec<Observation> {
    match world.greeting().await {
        Err(skipped) => vec![skipped],
        Ok(greeting) => vec![judge_reach(greeting.map(|(greeting, _)| greeting))],
    }
}

fn judge_reach(greeting: Result<&Greeting, &Fault>) -> Observation {
    match greeting {
        Ok(greeting) if greeting.status == 429 => Observation::warn(format!(
            "{} answers, and has too much to do (429)",
            greeting.host
        ))
        .advise("run the same command again later"),
        Ok(greeting) if matches!(greeting.status, 200 | 401) => {
            Observation::ok(format!("{} answers", greeting.host))
        }
        Ok(greeting) => Observation::fail(format!(
            "{} answers {} to /v2/, as no registry does",
            greeting.host, greeting.status
        ))
        .advise("check `registry` in platform.yaml, and the proxy between"),
        // What is wrong with it is told by the check `certificate`.
        Err(Fault::Certificate { host, .. }) => Observation::ok(format!(
            "{} answers, but its certificate is not trusted",
            host.name
        )),
        Err(fault) => failed(fault),
    }
}

/// A fault with its advice; faults cannot be cloned, an error is made of one.
fn failed(fault: &Fault) -> Observation {
    let mut seen = Observation::fail(fault.to_string());
    seen.advice.extend(fault.hint());
    seen
}

/// Whether its certificate is trusted, and for how long.
pub(in crate::doctor) async fn certificate(world: &World<'_>) -> Vec<Observation> {
    let greeting = match world.greeting().await {
        Err(skipped) => return vec![skipped],
        Ok(greeting) => greeting,
    };
    let presented = world
        .ledgers()
        .ok()
        .and_then(|(registry, repository)| registry.presented(&repository));
    let mut seen = vec![judge_certificate(
        greeting.map(|(greeting, _)| greeting),
        presented.as_ref(),
        world.session.home.now(),
    )];
    if greeting.is_ok_and(|(greeting, _)| greeting.is_insecure) {
        seen.extend(of_engine(world).await);
    }
    seen
}

/// The engine pulls by itself, and has its own list of those that nothing proves.
async fn of_engine(world: &World<'_>) -> Option<Observation> {
    let open = world.open().ok()?;
    let mirrors = &world.session.home.settings.registry_mirrors.value;
    let place = mirrors.of(&open.platform.registry);
    let facts = world.info().await.ok()?;
    judge_engine(place.host(), &facts.info.insecure)
}

fn judge_engine(host: &str, engines: &InsecureRegistries) -> Option<Observation> {
    if engines.is_empty() {
        return None;
    }
    if engines.contains(host) {
        let text = format!("the engine's own `insecure-registries` name {host} too");
        return Some(Observation::ok(text));
    }
    let text = format!(
        "the engine's own `insecure-registries` ({engines}) do not name {host}: it pulls nothing from there"
    );
    let advice = format!(
        "add \"{host}\" to `insecure-registries` in the engine's daemon.json, and restart the engine"
    );
    Some(Observation::fail(text).advise(&advice))
}

fn judge_certificate(
    greeting: Result<&Greeting, &Fault>,
    presented: Option<&ServerCertificate>,
    now: Timestamp,
) -> Observation {
    let shown = presented.map_or_else(String::new, described);
    match (greeting, presented) {
        (Err(fault @ Fault::Certificate { .. }), _) => {
            let mut seen = failed(fault);
            seen.seen += &shown;
            seen
        }
        (Err(_), _) => Observation::skipped("the registry does not answer"),
        (Ok(greeting), _) if greeting.is_insecure => {
            let how = if greeting.is_tls {
                "its certificate is not checked"
            } else {
                "it speaks without TLS"
            };
            Observation::warn(format!(
                "`insecure_registries` names {}: {how}; images stay protected by their signatures, \
                 a login does not",
                greeting.host
            ))
            .advise("give the registry a certificate; `extra_ca` names the company's authority")
        }
        (Ok(greeting), _) if !greeting.is_tls => Observation::ok(format!(
            "{} is on this machine and speaks without TLS",
            greeting.host
        )),
        (Ok(_), None) => Observation::skipped("what it presented cannot be read"),
        (Ok(_), Some(certificate)) => {
            let days = (certificate.until.as_second() - now.as_second()) / 86_400;
            let text = format!("trusted, {days} days left{shown}");
            if days < SOON {
                let seen = Observation::warn(text);
                seen.advise("tell whoever runs the registry to renew its certificate")
            } else {
                Observation::ok(text)
            }
        }
    }
}

fn described(certificate: &ServerCertificate) -> String {
    let day = |time: Timestamp| time.strftime("%Y-%m-%d").to_string();
    format!(
        "; it is for `{}`, made by {}, valid from {} to {}",
        certificate.subject,
        if certificate.is_self_signed() {
            "itself".to_owned()
        } else {
            format!("`{}`", certificate.issuer)
        },
        day(certificate.from),
        day(certificate.until)
    )
}

/// Whether the ledgers can be read with the login that is stored.
pub(in crate::doctor) async fn login(world: &World<'_>) -> Vec<Observation> {
    let (registry, repository) = match world.ledgers() {
        Ok(found) => found,
        Err(skipped) => return vec![skipped],
    };
    match world.greeting().await {
        Ok(Ok(_)) => {}
        Ok(Err(_)) => return vec![Observation::skipped("the registry does not answer")],
        Err(skipped) => return vec![skipped],
    }
    let stored = registry.credentials(repository.host()).await;
    let is_stored = stored.as_ref().is_ok_and(Option::is_some);
    if let Err(fault) = stored {
        return vec![failed(&fault)];
    }
    let environment = match world.open() {
        Ok(open) => world.environment(open).to_string(),
        Err(skipped) => return vec![skipped],
    };
    let Ok(tag) = Tag::new(environment) else {
        return vec![Observation::skipped("the environment is no tag")];
    };
    let limit = world.patience();
    let answer = tokio::time::timeout(limit, registry.resolve(&repository, &tag)).await;
    let answer = answer.unwrap_or_else(|_| Err(registry.timed_out(&repository, String::new())));
    vec![judge_login(is_stored, answer.map(|found| found.is_some()))]
}

fn judge_login(is_stored: bool, ledger: Result<bool, Fault>) -> Observation {
    let who = if is_stored {
        "the stored login"
    } else {
        "anybody, without a login,"
    };
    match ledger {
        Ok(true) => Observation::ok(format!("{who} may read the ledger")),
        Ok(false) => Observation::ok(format!("{who} may ask; nothing is promoted there yet")),
        Err(fault) => failed(&fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;
    use crate::network::tls::Doubt;
    use crate::registry::Lost;

    fn greeting(status: u16, is_tls: bool) -> Greeting {
        Greeting {
            host: "r.example".to_owned(),
            is_tls,
            is_insecure: false,
            status,
            date: None,
        }
    }

    fn untrusted() -> Fault {
        Fault::Certificate {
            host: "r.example".into(),
            doubt: Doubt::Issuer,
            text: "UnknownIssuer".to_owned(),
        }
    }

    fn certificate() -> ServerCertificate {
        ServerCertificate {
            subject: "r.example".to_owned(),
            issuer: "Acme CA".to_owned(),
            from: "2026-01-01T00:00:00Z".parse().unwrap(),
            until: "2026-03-01T00:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn answers() {
        assert_eq!(judge_reach(Ok(&greeting(401, true))).verdict, Verdict::Ok);
        assert_eq!(judge_reach(Ok(&greeting(404, true))).verdict, Verdict::Fail);
        assert_eq!(judge_reach(Ok(&greeting(429, true))).verdict, Verdict::Warn);
        assert_eq!(judge_reach(Err(&untrusted())).verdict, Verdict::Ok);
        let gone = Fault::Unreachable {
            host: "r.example".into(),
            lost: Lost::Lookup,
            text: String::new(),
        };
        let seen = judge_reach(Err(&gone));
        assert_eq!(seen.verdict, Verdict::Fail);
        assert!(seen.advice[0].contains("proxy"));
    }

    #[test]
    fn certificates() {
        let now = |text: &str| text.parse::<Timestamp>().unwrap();
        let certificate = certificate();
        let judged = |at: &str| {
            let greeting = greeting(200, true);
            judge_certificate(Ok(&greeting), Some(&certificate), now(at))
        };
        assert_eq!(judged("2026-01-10T00:00:00Z").verdict, Verdict::Ok);
        let soon = judged("2026-02-20T00:00:00Z");
        assert_eq!(soon.verdict, Verdict::Warn);
        assert!(soon.seen.contains("9 days left") && soon.seen.contains("Acme CA"));
        let start = now("2026-01-10T00:00:00Z");
        let wrong = judge_certificate(Err(&untrusted()), Some(&certificate), start);
        assert_eq!(wrong.verdict, Verdict::Fail);
        assert!(wrong.seen.contains("Acme CA") && wrong.advice[0].contains("extra_ca"));
        let plain = judge_certificate(Ok(&greeting(200, false)), None, start);
        assert_eq!(plain.verdict, Verdict::Ok);
        for is_tls in [true, false] {
            let mut insecure = greeting(200, is_tls);
            insecure.is_insecure = true;
            let seen = judge_certificate(Ok(&insecure), None, start);
            assert_eq!(seen.verdict, Verdict::Warn);
            assert!(seen.seen.contains("`insecure_registries`"), "{}", seen.seen);
        }
    }

    #[test]
    fn the_engine_has_a_list_of_its_own() {
        let list = |all: &[&str]| {
            let all = all.iter().map(ToString::to_string).collect();
            InsecureRegistries::new(all).unwrap()
        };
        let judged = |host: &str, engines: &[&str]| judge_engine(host, &list(engines));
        assert!(judged("r:5000", &[]).is_none(), "Podman does not tell");
        let seen = judged("r:5000", &["127.0.0.0/8"]).unwrap();
        assert_eq!(seen.verdict, Verdict::Fail);
        assert!(seen.advice[0].contains("daemon.json"));
        for (host, engines) in [("r:5000", "r:5000"), ("10.1.2.3:5000", "10.0.0.0/8")] {
            let seen = judged(host, &["127.0.0.0/8", engines]).unwrap();
            assert_eq!(seen.verdict, Verdict::Ok, "{host}");
        }
    }

    #[test]
    fn logins() {
        assert_eq!(judge_login(true, Ok(true)).verdict, Verdict::Ok);
        assert_eq!(judge_login(false, Ok(false)).verdict, Verdict::Ok);
        let refused = Fault::Unauthorized {
            host: "r.example".into(),
            stored: true,
            text: String::new(),
        };
        let seen = judge_login(true, Err(refused));
        assert_eq!(seen.verdict, Verdict::Fail);
        assert!(seen.advice[0].contains("docker login r.example"));
    }
}
