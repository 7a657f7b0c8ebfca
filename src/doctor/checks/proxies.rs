//! The proxy variables: whether they are set, valid and of one mind, and whom they carry.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpStream;

use crate::doctor::finding::Observation;
use crate::doctor::world::World;
use crate::engine::Endpoint;
use crate::model::proxies::{ALL, Proxies, Proxy, SHAPE, VARIABLES, covers, host_and_port};

/// What the environment says.
#[derive(Debug, Clone, Default)]
struct Facts {
    /// By variable: upper case, lower case.
    variables: Vec<(&'static str, Option<String>, Option<String>)>,
    /// Host and port of an engine over TCP.
    engine: Option<(String, u16)>,
    /// Host and port of the registry.
    registry: Option<(String, Option<u16>)>,
    /// What builds get.
    builds: Proxies,
    /// The variables whose proxy takes no connection, and why.
    silent: Vec<(&'static str, String)>,
}

/// Looks.
pub(in crate::doctor) async fn look(world: &World<'_>) -> Vec<Observation> {
    let environment = &world.session.home.environment;
    let get = |name: &str| environment.get(name).map(ToOwned::to_owned);
    let builds = match world.session.build_proxies() {
        Ok(builds) => builds,
        Err(error) => return vec![Observation::error(&error)],
    };
    let facts = Facts {
        variables: VARIABLES
            .into_iter()
            .chain([ALL])
            .map(|(upper, lower)| (upper, get(upper), get(lower)))
            .collect(),
        engine: world
            .engine
            .as_ref()
            .ok()
            .and_then(|(_, choice)| tcp(&choice.endpoint)),
        registry: world
            .ledgers()
            .ok()
            .map(|(_, repository)| split(repository.host())),
        builds,
        silent: Vec::new(),
    };
    let silent = if world.session.offline {
        Vec::new()
    } else {
        silent(&facts, world.patience()).await
    };
    judge(&Facts { silent, ..facts })
}

/// Connects to each, for so long.
async fn silent(facts: &Facts, limit: Duration) -> Vec<(&'static str, String)> {
    let asked = facts.named().into_iter().map(|proxy| async move {
        let connecting = TcpStream::connect(proxy.host_and_port()?);
        let why = match tokio::time::timeout(limit, connecting).await {
            Ok(Ok(_)) => return None,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {limit:?}"),
        };
        Some((proxy.source(), why))
    });
    join_all(asked).await.into_iter().flatten().collect()
}

impl Facts {
    /// A variable's value, whichever spelling it has; upper case wins.
    fn get(&self, name: &str) -> Option<String> {
        let found = self.variables.iter().find(|it| it.0 == name);
        found.and_then(|(_, upper, lower)| upper.clone().or_else(|| lower.clone()))
    }

    /// The proxies, each by its variable.
    fn named(&self) -> Vec<Proxy> {
        let names = ["HTTP_PROXY", "HTTPS_PROXY", ALL.0].into_iter();
        names
            .filter_map(|name| Some(Proxy::of(name, self.get(name)?)))
            .collect()
    }
}

fn tcp(endpoint: &Endpoint) -> Option<(String, u16)> {
    match endpoint {
        Endpoint::Tcp { host, port } | Endpoint::Tls { host, port, .. } => {
            Some((host.clone(), *port))
        }
        _ => None,
    }
}

fn split(host: &str) -> (String, Option<u16>) {
    let (name, port) = host_and_port(host);
    (name.to_owned(), port.and_then(|it| it.parse().ok()))
}

fn judge(facts: &Facts) -> Vec<Observation> {
    let proxies = Proxies::of_environment(|name| facts.get(name));
    let mut seen: Vec<Observation> = facts
        .named()
        .iter()
        .map(|proxy| address(proxy, &facts.silent))
        .collect();
    seen.extend(facts.variables.iter().filter_map(disagreement));
    if proxies.is_empty() {
        seen.push(Observation::ok("none is set"));
    } else {
        seen.extend(reach(facts, &proxies));
    }
    if !facts.builds.is_empty() {
        seen.push(handed_on(&facts.builds));
    }
    seen
}

/// What builds get; what cannot be used they do not.
fn handed_on(builds: &Proxies) -> Observation {
    let all = [&builds.http, &builds.https];
    let (wrong, right): (Vec<&Proxy>, Vec<&Proxy>) = all
        .into_iter()
        .flatten()
        .partition(|it| it.problem().is_some());
    let mut shown: Vec<String> = right.into_iter().map(Proxy::shown).collect();
    shown.dedup();
    let text = match shown.as_slice() {
        [] => "builds get no proxy".to_owned(),
        shown => format!("builds get {}", shown.join(" and ")),
    };
    match wrong.iter().find_map(|it| it.problem()) {
        Some(problem) => Observation::warn(format!(
            "{text}: one of theirs, of the environment or docker's config.json, cannot be used: {problem}"
        ))
        .advise(SHAPE),
        None => Observation::ok(text),
    }
}

fn address(proxy: &Proxy, silent: &[(&'static str, String)]) -> Observation {
    if let Some(complaint) = proxy.complaint() {
        return Observation::fail(complaint).advise(SHAPE);
    }
    let text = format!("{} is {}", proxy.source(), proxy.shown());
    match silent.iter().find(|(name, _)| *name == proxy.source()) {
        Some((_, why)) => Observation::fail(format!("{text}, where no proxy answers: {why}"))
            .advise("check the address, the network and the VPN; unset it where none is needed"),
        None => Observation::ok(text),
    }
}

fn disagreement(
    (name, upper, lower): &(&'static str, Option<String>, Option<String>),
) -> Option<Observation> {
    let differ = matches!((upper, lower), (Some(upper), Some(lower)) if upper != lower);
    let lower_name = name.to_ascii_lowercase();
    differ.then(|| {
        Observation::warn(format!(
            "{name} and {lower_name} are set to different values"
        ))
        .advise("make them equal: devenv and Go's programs take the first, curl and git the second")
    })
}

/// Who goes through them although it should perhaps not.
fn reach(facts: &Facts, proxies: &Proxies) -> Vec<Observation> {
    let mut seen = Vec::new();
    let except = proxies.except.as_deref().unwrap_or_default();
    if let Some((host, port)) = &facts.engine
        && !covers(except, host, Some(*port))
    {
        let text = format!(
            "NO_PROXY does not name the engine {host}: devenv reaches it directly, the docker client does not"
        );
        seen.push(Observation::warn(text).advise(format!("add {host} to NO_PROXY")));
    }
    if let Some((host, port)) = &facts.registry {
        seen.push(match proxies.carrier(true, host, port.or(Some(443))) {
            Some(proxy) if !host.contains('.') => {
                let text = format!(
                    "{host}, a name of the inner network, goes through {}",
                    proxy.shown()
                );
                Observation::warn(text).advise(format!("add {host} to NO_PROXY"))
            }
            Some(proxy) => Observation::ok(format!(
                "the registry {host} goes through {}",
                proxy.shown()
            )),
            None => Observation::ok(format!("the registry {host} is reached directly")),
        });
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    fn set(
        name: &'static str,
        upper: &str,
        lower: &str,
    ) -> (&'static str, Option<String>, Option<String>) {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (name, some(upper), some(lower))
    }

    fn verdicts(facts: &Facts) -> Vec<Verdict> {
        judge(facts).iter().map(|it| it.verdict).collect()
    }

    #[test]
    fn none_is_fine() {
        assert_eq!(verdicts(&Facts::default()), [Verdict::Ok]);
    }

    #[test]
    fn spellings_that_disagree_and_addresses_that_are_none() {
        let facts = Facts {
            variables: vec![set("HTTPS_PROXY", "http://a:hunter2@p:1", "http://b:1")],
            ..Facts::default()
        };
        assert_eq!(verdicts(&facts), [Verdict::Ok, Verdict::Warn]);
        let text = format!("{:?}", judge(&facts));
        assert!(!text.contains("hunter2"), "{text}");
        let facts = Facts {
            variables: vec![set("HTTP_PROXY", "", "http://p:none")],
            ..Facts::default()
        };
        assert_eq!(verdicts(&facts), [Verdict::Fail]);
    }

    #[test]
    fn one_that_does_not_answer_is_named() {
        let facts = Facts {
            variables: vec![set("HTTPS_PROXY", "http://a:hunter2@p:1", "")],
            silent: vec![("HTTPS_PROXY", "refused".to_owned())],
            ..Facts::default()
        };
        let seen = judge(&facts);
        assert_eq!(seen[0].verdict, Verdict::Fail);
        let wanted = "HTTPS_PROXY is http://p:1, where no proxy answers: refused";
        assert_eq!(seen[0].seen, wanted);
    }

    #[test]
    fn each_is_named_as_it_was_set() {
        let facts = Facts {
            variables: vec![set("ALL_PROXY", "socks5://a:1", "")],
            ..Facts::default()
        };
        let seen = judge(&facts);
        assert_eq!(seen[0].verdict, Verdict::Fail);
        assert!(seen[0].seen.starts_with("ALL_PROXY "), "{}", seen[0].seen);
        assert!(!format!("{seen:?}").contains("HTTP_PROXY"), "{seen:?}");
        let builds = Proxies::of_environment(|name| {
            (name == "HTTP_PROXY").then(|| "socks5://hunter2:1".to_owned())
        });
        let seen = handed_on(&builds);
        assert_eq!(seen.verdict, Verdict::Warn);
        assert!(!seen.seen.contains("hunter2"), "{}", seen.seen);
    }

    #[test]
    fn hosts_and_ports() {
        assert_eq!(split("[fd00::1]:5000"), ("fd00::1".into(), Some(5000)));
        assert_eq!(split("r.example:443"), ("r.example".into(), Some(443)));
        assert_eq!(split("r.example"), ("r.example".into(), None));
    }

    #[test]
    fn who_must_be_reached_directly() {
        let facts = |except: &str, registry: &str| Facts {
            variables: vec![
                set("HTTPS_PROXY", "http://p:1", ""),
                set("NO_PROXY", except, ""),
            ],
            engine: Some(("192.168.59.103".to_owned(), 2376)),
            registry: Some((registry.to_owned(), Some(5000))),
            ..Facts::default()
        };
        let far = "registry.acme.example";
        assert_eq!(
            verdicts(&facts("", far)),
            [Verdict::Ok, Verdict::Warn, Verdict::Ok]
        );
        assert_eq!(
            verdicts(&facts("192.168.59.103", far)),
            [Verdict::Ok, Verdict::Ok]
        );
        let near = facts("192.168.0.0/16", "registry");
        assert_eq!(verdicts(&near), [Verdict::Ok, Verdict::Warn]);
        let named = facts("192.168.0.0/16,registry", "registry");
        assert_eq!(verdicts(&named), [Verdict::Ok, Verdict::Ok]);
    }
}
