//! Names that should lead somewhere (the git server) and names that must not.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::doctor::finding::Observation;
use crate::doctor::world::World;
use crate::error::Result;
use crate::home::state;

/// Longer than this for a name that does not exist is felt.
const SLOW: Duration = Duration::from_secs(2);

/// Whether the git server answers.
pub(in crate::doctor) async fn git(world: &World<'_>) -> Vec<Observation> {
    let open = match world.open() {
        Ok(open) => open,
        Err(skipped) => return vec![skipped],
    };
    if world.session.offline {
        return vec![Observation::skipped("--offline: no network is used")];
    }
    let answer = async {
        let definitions = world.session.definitions(&open.name)?;
        let (url, branch) = (definitions.url()?, definitions.default_branch().await?);
        Result::Ok(format!("{url} answers, its main branch is {branch}"))
    };
    vec![match tokio::time::timeout(world.patience(), answer).await {
        Ok(Ok(text)) => Observation::ok(text),
        Ok(Err(error)) => Observation::error(&error),
        Err(_) => {
            let text = format!("the git server says nothing within {:?}", world.patience());
            Observation::fail(text).advise("check the network, the VPN and the proxy")
        }
    }]
}

/// What became of asking for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    /// It exists.
    Address(SocketAddr),
    /// It does not; so long it took.
    None(Duration),
    /// Nothing came in time.
    Silence,
}

/// Whether names that do not exist do not.
pub(in crate::doctor) async fn absent(world: &World<'_>) -> Vec<Observation> {
    if world.session.offline {
        return vec![Observation::skipped("--offline: no network is used")];
    }
    let Ok(random) = state::random_hex(8) else {
        return vec![Observation::skipped("the system gives no random numbers")];
    };
    let names = [
        format!("devenv-{random}.invalid"),
        format!("devenv-{random}"),
    ];
    let mut seen = Vec::new();
    for (name, kind) in names.iter().zip(["a name below `invalid`", "a bare name"]) {
        seen.push(judge(kind, &ask(name, world.patience() / 2).await));
    }
    seen
}

async fn ask(name: &str, limit: Duration) -> Answer {
    let started = Instant::now();
    match tokio::time::timeout(limit, tokio::net::lookup_host((name, 80))).await {
        Err(_) => Answer::Silence,
        Ok(Ok(mut found)) => found
            .next()
            .map_or(Answer::None(started.elapsed()), Answer::Address),
        Ok(Err(_)) => Answer::None(started.elapsed()),
    }
}

fn judge(kind: &str, answer: &Answer) -> Observation {
    match answer {
        Answer::None(spent) if *spent < SLOW => {
            Observation::ok(format!("{kind} that does not exist is answered so at once"))
        }
        Answer::Address(address) => Observation::warn(format!(
            "{kind} that does not exist resolves to {}",
            address.ip()
        ))
        .advise(
            "this machine's DNS makes names up (a provider's search page, a wildcard in the search \
             domain): outside devenv's networks, a container that is not there may seem to be",
        ),
        Answer::None(_) | Answer::Silence => {
            Observation::warn(format!("{kind} that does not exist hangs"))
                .advise("check the DNS servers in /etc/resolv.conf, and the VPN")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    #[test]
    fn names_that_do_not_exist() {
        let quick = Answer::None(Duration::from_millis(3));
        assert_eq!(judge("a name", &quick).verdict, Verdict::Ok);
        let slow = Answer::None(Duration::from_secs(5));
        assert_eq!(judge("a name", &slow).verdict, Verdict::Warn);
        assert_eq!(judge("a name", &Answer::Silence).verdict, Verdict::Warn);
        let made_up = Answer::Address("192.0.2.7:80".parse().unwrap());
        let seen = judge("a name", &made_up);
        assert_eq!(seen.verdict, Verdict::Warn);
        assert!(seen.seen.contains("192.0.2.7"));
    }
}
