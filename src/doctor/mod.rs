//! Checks of everything that devenv stands on: all at once, each bounded in time, none stops
//! another. Probes are apart from judgement, which takes facts and gives observations.

mod checks;
pub mod clean;
mod finding;
pub mod forget;
mod mending;
mod world;

use std::cell::RefCell;

use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, join_all, ready};

use crate::error::Kind;
use crate::home::session::Session;

use checks::{
    architecture, authority, clock, engine, forwarders, host, leftovers, names, ports, proxies,
    registry, resources, trust,
};
pub use finding::{Finding, Observation, Verdict};
pub use mending::{Mended, Mending, mend};
pub use world::Options;
use world::World;

type Look = for<'w, 'c> fn(&'w World<'c>) -> LocalBoxFuture<'w, Vec<Observation>>;

/// One check.
struct Check {
    name: &'static str,
    /// Why it matters.
    why: &'static str,
    /// Which family a failure belongs to.
    kind: Kind,
    look: Look,
}

/// All of them, in the order in which they are shown.
const CHECKS: [Check; 19] = [
    Check {
        name: "engine",
        why: "every container runs on it",
        kind: Kind::Engine,
        look: |world| engine::reach(world).boxed_local(),
    },
    Check {
        name: "engine-version",
        why: "API and image store decide what the engine can do, and how fast",
        kind: Kind::Engine,
        look: |world| engine::version(world).boxed_local(),
    },
    Check {
        name: "host",
        why: "it decides where published ports appear and what containers can see of this machine",
        kind: Kind::Engine,
        look: |world| host::kind(world).boxed_local(),
    },
    Check {
        name: "clock",
        why: "certificates, signatures and ledgers are valid for a time only",
        kind: Kind::Trust,
        look: |world| clock::look(world).boxed_local(),
    },
    Check {
        name: "resources",
        why: "an engine without memory kills processes without a word (exit code 137)",
        kind: Kind::Engine,
        look: |world| resources::look(world).boxed_local(),
    },
    Check {
        name: "architecture",
        why: "images of another processor run emulated and slowly, and JVMs crash in it",
        kind: Kind::Engine,
        look: |world| architecture::look(world).boxed_local(),
    },
    Check {
        name: "ports",
        why: "the page is reached by them; a taken one moves to another number",
        kind: Kind::Engine,
        look: |world| ports::look(world).boxed_local(),
    },
    Check {
        name: "forwarder",
        why: "where ports appear elsewhere, every page is reached through it alone",
        kind: Kind::Engine,
        look: |world| ready(forwarders::look(world)).boxed_local(),
    },
    Check {
        name: "shares",
        why: "logs are mirrored into a folder of yours only where the engine sees it",
        kind: Kind::Engine,
        look: |world| host::shares(world).boxed_local(),
    },
    Check {
        name: "registry",
        why: "ledgers, signatures and images come from it",
        kind: Kind::Registry,
        look: |world| registry::reach(world).boxed_local(),
    },
    Check {
        name: "certificate",
        why: "without it nobody knows that this is the registry",
        kind: Kind::Registry,
        look: |world| registry::certificate(world).boxed_local(),
    },
    Check {
        name: "login",
        why: "what cannot be read cannot be verified",
        kind: Kind::Registry,
        look: |world| registry::login(world).boxed_local(),
    },
    Check {
        name: "git",
        why: "definitions are fetched from it, and proposals go there",
        kind: Kind::Git,
        look: |world| names::git(world).boxed_local(),
    },
    Check {
        name: "keys",
        why: "a release counts only when enough valid keys signed it",
        kind: Kind::Trust,
        look: |world| ready(trust::keys(world)).boxed_local(),
    },
    Check {
        name: "ledger",
        why: "it says what production runs now, for as long as it vouches for it",
        kind: Kind::Trust,
        look: |world| trust::ledger(world).boxed_local(),
    },
    Check {
        name: "dns",
        why: "names that do not exist must not lead to a real server, nor hang",
        kind: Kind::Engine,
        look: |world| names::absent(world).boxed_local(),
    },
    Check {
        name: "authority",
        why: "a company's own certificate authority is trusted by its file alone",
        kind: Kind::Usage,
        look: |world| ready(authority::look(world)).boxed_local(),
    },
    Check {
        name: "proxies",
        why: "a company's proxy must carry what goes out, and nothing else",
        kind: Kind::Usage,
        look: |world| proxies::look(world).boxed_local(),
    },
    Check {
        name: "leftovers",
        why: "they hold ports, memory and disk that nobody uses",
        kind: Kind::Usage,
        look: |world| leftovers::look(world).boxed_local(),
    },
];

/// Runs all checks; `pending` hears the names of those that are still at it.
pub async fn examine(
    session: &Session,
    options: Options,
    pending: &dyn Fn(&[&'static str]),
) -> Vec<Finding> {
    let world = World::new(session, options);
    let left = RefCell::new(CHECKS.iter().map(|it| it.name).collect::<Vec<_>>());
    pending(&left.borrow());
    let checks = CHECKS.iter().map(|check| {
        let (world, left) = (&world, &left);
        async move {
            let seen = tokio::time::timeout(options.limit, (check.look)(world)).await;
            left.borrow_mut().retain(|it| *it != check.name);
            pending(&left.borrow());
            let seen = seen.unwrap_or_else(|_| {
                let text = format!("no answer within {:?}", options.limit);
                vec![Observation::fail(text).advise("something hangs: see the checks above")]
            });
            Finding::new(check.name, check.why, check.kind, seen)
        }
    });
    join_all(checks).await
}

/// The family of the first failure, if there is any: it decides the exit code.
pub fn failed(findings: &[Finding]) -> Option<Kind> {
    let mut failed = findings.iter().filter(|it| it.verdict == Verdict::Fail);
    failed.next().map(|it| it.kind)
}
