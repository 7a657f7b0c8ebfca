//! The registry: whether it answers, whether it proves to be the one, whether it lets us read.

use jiff::Timestamp;

use super::finding::Observation;
use super::world::World;
use crate::registry::certificate::ServerCertificate;
use crate::registry::{Fault, Greeting, Tag};

/// Days before a certificate ends that somebody should renew it.
pub(super) const SOON: i64 = 14;

/// Whether it answers.
pub(super) async fn reach(world: &World<'_>) -> Vec<Observation> {
    match world.greeting().await {
        Err(skipped) => vec![skipped],
        Ok(greeting) => vec![judge_reach(greeting.map(|(greeting, _)| greeting))],
    }
}

fn judge_reach(greeting: Result<&Greeting, &Fault>) -> Observation {
    match greeting {
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
            "{host} answers, but its certificate is not trusted"
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
pub(super) async fn certificate(world: &World<'_>) -> Vec<Observation> {
    let greeting = match world.greeting().await {
        Err(skipped) => return vec![skipped],
        Ok(greeting) => greeting,
    };
    let presented = world
        .ledgers()
        .ok()
        .and_then(|(registry, repository)| registry.presented(&repository));
    vec![judge_certificate(
        greeting.map(|(greeting, _)| greeting),
        presented.as_ref(),
        world.context.now(),
    )]
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
pub(super) async fn login(world: &World<'_>) -> Vec<Observation> {
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
    let answer = answer.unwrap_or_else(|_| Err(Fault::timed_out(&repository)));
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
    use super::super::finding::Verdict;
    use super::*;
    use crate::registry::Lost;
    use crate::tls::Doubt;

    fn greeting(status: u16, is_tls: bool) -> Greeting {
        Greeting {
            host: "r.example".to_owned(),
            is_tls,
            status,
            date: None,
        }
    }

    fn untrusted() -> Fault {
        Fault::Certificate {
            host: "r.example".to_owned(),
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
        assert_eq!(judge_reach(Err(&untrusted())).verdict, Verdict::Ok);
        let gone = Fault::Unreachable {
            host: "r.example".to_owned(),
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
    }

    #[test]
    fn logins() {
        assert_eq!(judge_login(true, Ok(true)).verdict, Verdict::Ok);
        assert_eq!(judge_login(false, Ok(false)).verdict, Verdict::Ok);
        let refused = Fault::Unauthorized {
            host: "r.example".to_owned(),
            stored: true,
            text: String::new(),
        };
        let seen = judge_login(true, Err(refused));
        assert_eq!(seen.verdict, Verdict::Fail);
        assert!(seen.advice[0].contains("docker login r.example"));
    }
}
