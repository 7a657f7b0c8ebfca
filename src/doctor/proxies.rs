//! The proxy variables: whether they are set, valid and of one mind, and whom they carry.

use super::finding::Observation;
use super::world::World;
use crate::engine::Endpoint;
use crate::model::proxies::{Proxies, Proxy, VARIABLES, covers};

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
}

/// Looks.
pub(super) fn look(world: &World<'_>) -> Vec<Observation> {
    let environment = &world.context.environment;
    let get = |name: &str| environment.get(name).map(ToOwned::to_owned);
    let builds = match world.context.build_proxies() {
        Ok(builds) => builds,
        Err(error) => return vec![Observation::error(&error)],
    };
    let facts = Facts {
        variables: VARIABLES
            .map(|(upper, lower)| (upper, get(upper), get(lower)))
            .into(),
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
    };
    judge(&facts)
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
    match host.rsplit_once(':') {
        Some((name, port)) => (name.to_owned(), port.parse().ok()),
        None => (host.to_owned(), None),
    }
}

fn judge(facts: &Facts) -> Vec<Observation> {
    let get = |name: &str| {
        let found = facts.variables.iter().find(|it| it.0 == name);
        found.and_then(|(_, upper, lower)| upper.clone().or_else(|| lower.clone()))
    };
    let proxies = Proxies::of_environment(get);
    let mut seen = Vec::new();
    for (name, proxy) in [
        ("HTTP_PROXY", &proxies.http),
        ("HTTPS_PROXY", &proxies.https),
    ] {
        seen.extend(proxy.as_ref().map(|proxy| address(name, proxy)));
    }
    seen.extend(facts.variables.iter().filter_map(disagreement));
    if proxies.is_empty() {
        seen.push(Observation::ok("none is set"));
    } else {
        seen.extend(reach(facts, &proxies));
    }
    if !facts.builds.is_empty() {
        let shown: Vec<String> = [&facts.builds.http, &facts.builds.https]
            .into_iter()
            .flatten()
            .map(Proxy::shown)
            .collect();
        seen.push(Observation::ok(format!(
            "builds get {}",
            shown.join(" and ")
        )));
    }
    seen
}

fn address(name: &str, proxy: &Proxy) -> Observation {
    match proxy.problem() {
        Some(problem) => Observation::fail(format!("{name} cannot be used: {problem}"))
            .advise("write it as http://HOST:PORT"),
        None if proxy.is_loopback() => Observation::ok(format!(
            "{name} is {}, on this machine: builds do not get it, because it is another's there",
            proxy.shown()
        )),
        None => Observation::ok(format!("{name} is {}", proxy.shown())),
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
    use super::super::finding::Verdict;
    use super::*;

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
