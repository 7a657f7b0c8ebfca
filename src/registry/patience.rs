//! What is asked again, and after which pause: answers that a moment may change, and registries
//! that have too much to do (429, or 503 with `Retry-After`: RFC 9110 §10.2.3, RFC 6585 §4).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::Response;
use reqwest::header::RETRY_AFTER;

use super::fault::{Fault, Lost};
use super::host::{Host, authority};

/// Pauses before a request is repeated that failed by accident.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];
/// The first pause for a busy registry that does not say how long; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);
/// How long nothing is said while a busy registry is waited for.
const QUIET: Duration = Duration::from_secs(2);

/// How long a busy registry is waited for, and who is told.
#[derive(Clone)]
pub struct Patience {
    /// The most that one request waits in all.
    pub busy: Duration,
    /// Told once a host, after 2 s.
    pub tell: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            busy: Duration::from_secs(60),
            tell: Arc::new(|_| {}),
        }
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patience")
            .field("busy", &self.busy)
            .finish_non_exhaustive()
    }
}

/// Hosts for which somebody was told that they are waited for.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<BTreeSet<String>>);

impl Told {
    fn is_new(&self, host: &Host) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(host.name.clone())
    }
}

/// How often and how long one request has been repeated.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    accidents: usize,
    busy: u32,
    waited: Duration,
}

impl Repeats {
    /// Waits before the request is sent again, or gives the fault back.
    pub(super) async fn pause(
        &mut self,
        fault: Fault,
        patience: &Patience,
        told: &Told,
    ) -> Result<(), Fault> {
        if let Fault::Unreachable {
            host,
            lost: Lost::Busy(wait),
            ..
        } = &fault
        {
            // Who asks for no pause gets a growing one: the wait has an end whatever is asked for.
            let grown = FIRST.saturating_mul(2_u32.saturating_pow(self.busy));
            let pause = wait.filter(|it| !it.is_zero()).unwrap_or(grown);
            if self.waited.saturating_add(pause) > patience.busy {
                return Err(fault);
            }
            self.busy += 1;
            self.wait(host, pause, patience, told).await;
            return Ok(());
        }
        match PAUSES.get(self.accidents) {
            Some(pause) if fault.is_transient() => {
                self.accidents += 1;
                tokio::time::sleep(*pause).await;
                Ok(())
            }
            _ => Err(fault),
        }
    }

    async fn wait(&mut self, host: &Host, pause: Duration, patience: &Patience, told: &Told) {
        let quiet = QUIET.saturating_sub(self.waited).min(pause);
        tokio::time::sleep(quiet).await;
        let rest = pause.saturating_sub(quiet);
        if !rest.is_zero() {
            if told.is_new(host) {
                (patience.tell)(&format!(
                    "{host} has too much to do and asks to wait {} s: waiting",
                    pause.as_secs().max(1)
                ));
            }
            tokio::time::sleep(rest).await;
        }
        self.waited += pause;
    }
}

/// That the server has too much to do, where it says so.
pub(super) fn busy(response: &Response) -> Option<Fault> {
    let wait = response.headers().get(RETRY_AFTER);
    let wait = wait.and_then(|wait| seconds(wait.to_str().ok()?, Timestamp::now()));
    match response.status().as_u16() {
        429 => {}
        503 if wait.is_some() => {}
        _ => return None,
    }
    let status = response.status();
    let text = match wait {
        Some(wait) => format!("{status}, ask again after {} s", wait.as_secs()),
        None => status.to_string(),
    };
    Some(Fault::Unreachable {
        host: authority(response.url()).as_str().into(),
        lost: Lost::Busy(wait),
        text,
    })
}

/// `Retry-After`: seconds, or a date.
fn seconds(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTimeParser::new().parse_timestamp(text).ok()?;
    let seconds = date.as_second().saturating_sub(now.as_second()).max(0);
    Some(Duration::from_secs(seconds.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(wait: u64) -> Fault {
        Fault::Unreachable {
            host: "registry.example".into(),
            lost: Lost::Busy(Some(Duration::from_secs(wait))),
            text: String::new(),
        }
    }

    /// Who asks for no pause at all is not asked again for ever, and no number is too large.
    #[tokio::test]
    async fn patience_ends_whatever_is_asked_for() {
        let patience = Patience {
            busy: Duration::from_secs(1),
            ..Patience::default()
        };
        let (mut repeats, told) = (Repeats::default(), Told::default());
        assert!(repeats.pause(busy(0), &patience, &told).await.is_ok());
        for wait in [0, u64::MAX] {
            assert!(repeats.pause(busy(wait), &patience, &told).await.is_err());
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "1994-11-06T08:49:30Z".parse().unwrap();
        let read = |text| seconds(text, now).map(|it| it.as_secs());
        assert_eq!(read("120"), Some(120));
        // Source: RFC 9110, section 5.6.7.
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(7));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:00 GMT"), Some(0));
        assert_eq!(read("soon"), None);
        assert_eq!(read("-1"), None);
    }
}
