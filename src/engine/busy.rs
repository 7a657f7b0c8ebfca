//! Registries that have too much to do (429) for what an engine asks of them.

use std::time::Duration;

use super::{Fault, FaultKind};

/// The first pause; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);
/// How long nothing is said.
const QUIET: Duration = Duration::from_secs(2);
/// The most that is waited in all.
const LONGEST: Duration = Duration::from_secs(60);

/// Repeats what an engine asks of a registry as long as that has too much to do. For how long it
/// asks to wait is not known: engines keep that to themselves.
///
/// # Errors
/// What the engine says after 60 s, or of anything else.
pub async fn while_busy<T>(
    host: &str,
    tell: &(dyn Fn(&str) + Send + Sync),
    call: impl AsyncFn() -> Result<T, Fault>,
) -> Result<T, Fault> {
    let (mut waited, mut is_told) = (Duration::ZERO, false);
    for pause in pauses() {
        match call().await {
            Err(fault) if fault.kind == FaultKind::Busy => {}
            end => return end,
        }
        waited += pause;
        if !is_told && waited >= QUIET {
            tell(&format!("{host} has too much to do: waiting"));
            is_told = true;
        }
        tokio::time::sleep(pause).await;
    }
    call().await
}

/// Each twice as long as the one before, 60 s in all.
fn pauses() -> impl Iterator<Item = Duration> {
    let mut rest = LONGEST;
    let doubled = (0..).map(|count| FIRST * 2_u32.saturating_pow(count));
    doubled.map_while(move |pause| {
        let pause = pause.min(rest);
        rest -= pause;
        (!pause.is_zero()).then_some(pause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_engine_is_asked_again_for_a_minute() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let all: Duration = pauses().sum();
        assert_eq!(all, LONGEST);
        for (kind, wanted) in [(FaultKind::Busy, 2), (FaultKind::Failed, 1)] {
            let asked = AtomicU32::new(0);
            let end = while_busy("r", &|text| panic!("{text}"), async || {
                let is_first = asked.fetch_add(1, Ordering::Relaxed) == 0;
                let fault = Fault::new(kind, "slow down");
                (!is_first).then_some(()).ok_or(fault)
            });
            assert_eq!(end.await.is_ok(), kind == FaultKind::Busy);
            assert_eq!(asked.load(Ordering::Relaxed), wanted);
        }
    }
}
