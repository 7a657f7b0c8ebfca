//! Clocks: this machine's against the engine's and the registry's, and what would fail of it.

use jiff::Timestamp;

use crate::doctor::finding::Observation;
use crate::doctor::world::{Clock, World};

/// Milliseconds that clocks may differ.
const TOLERANCE: i64 = 2000;

/// A time within which something is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Window {
    what: String,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Window {
    fn holds(&self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= time) && self.until.is_none_or(|until| time < until)
    }
}

/// Compares.
pub(in crate::doctor) async fn look(world: &World<'_>) -> Vec<Observation> {
    let now = world.session.home.now();
    let windows = windows(world).await;
    let mut seen = Vec::new();
    match world.engine_facts().await {
        Ok(facts) => seen.push(facts.clock.map_or_else(
            || Observation::skipped("the engine does not tell its time"),
            |clock| judge("the engine", clock, now, &windows),
        )),
        Err(skipped) => seen.push(skipped),
    }
    if let Ok(Ok((greeting, clock))) = world.greeting().await {
        let name = format!("the registry {}", greeting.host);
        seen.extend(clock.map(|clock| judge(&name, clock, now, &windows)));
    }
    seen
}

/// What is valid for a time only, as far as it is known.
async fn windows(world: &World<'_>) -> Vec<Window> {
    let mut windows = Vec::new();
    if let Ok((registry, repository)) = world.ledgers()
        && world.greeting().await.is_ok()
        && let Some(certificate) = registry.presented(&repository)
    {
        windows.push(Window {
            what: format!("the certificate of {}", repository.host()),
            from: Some(certificate.from),
            until: Some(certificate.until),
        });
    }
    if let Ok(Ok(Some(look))) = world.ledger().await {
        let ledger = &look.ledger.predicate;
        windows.push(Window {
            what: format!("the ledger of {}", ledger.environment),
            from: None,
            until: Some(ledger.expires),
        });
    }
    if let Ok(open) = world.open() {
        windows.extend(open.trust.keys.iter().map(|key| Window {
            what: format!("the key {}", key.name),
            from: key.from,
            until: key.until,
        }));
    }
    windows
}

fn judge(name: &str, clock: Clock, now: Timestamp, windows: &[Window]) -> Observation {
    let milliseconds = clock.ahead.abs();
    if milliseconds <= TOLERANCE {
        return Observation::ok(format!("{name} and this machine agree"));
    }
    let side = if clock.ahead > 0 {
        "ahead of"
    } else {
        "behind"
    };
    let text = format!(
        "the clock of {name} is {}.{} s {side} this machine's",
        milliseconds / 1000,
        milliseconds % 1000 / 100
    );
    let theirs = now + jiff::SignedDuration::from_millis(clock.ahead);
    let torn: Vec<&str> = windows
        .iter()
        .filter(|window| window.holds(now) != window.holds(theirs))
        .map(|window| window.what.as_str())
        .collect();
    let seen = if torn.is_empty() {
        Observation::warn(text)
    } else {
        Observation::fail(format!(
            "{text}: only one of them takes {} for valid",
            torn.join(", ")
        ))
    };
    seen.advise("set both by a time server (NTP); a virtual machine that slept needs a restart")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn judged(ahead: i64, windows: &[Window]) -> Observation {
        let now = at("2026-03-01T12:00:00Z");
        judge("the engine", Clock { shows: now, ahead }, now, windows)
    }

    #[test]
    fn two_seconds_are_tolerated() {
        assert_eq!(judged(2000, &[]).verdict, Verdict::Ok);
        assert_eq!(judged(-2000, &[]).verdict, Verdict::Ok);
        let late = judged(-2100, &[]);
        assert_eq!(late.verdict, Verdict::Warn);
        assert!(late.seen.contains("2.1 s behind"), "{}", late.seen);
        assert!(!late.advice.is_empty());
    }

    #[test]
    fn what_would_fail_of_it_fails() {
        let window = |from: &str, until: &str| Window {
            what: "the ledger".to_owned(),
            from: Some(at(from)),
            until: Some(at(until)),
        };
        let wide = window("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
        assert_eq!(judged(3_600_000, &[wide]).verdict, Verdict::Warn);
        let soon = window("2026-01-01T00:00:00Z", "2026-03-01T12:30:00Z");
        let torn = judged(3_600_000, std::slice::from_ref(&soon));
        assert_eq!(torn.verdict, Verdict::Fail);
        assert!(torn.seen.contains("the ledger"));
        assert_eq!(judged(-3_600_000, &[soon]).verdict, Verdict::Warn);
        let young = window("2026-03-01T11:59:00Z", "2027-01-01T00:00:00Z");
        assert_eq!(judged(-3_600_000, &[young]).verdict, Verdict::Fail);
    }
}
