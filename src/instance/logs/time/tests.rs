use proptest::prelude::{any, prop, proptest};

use super::{Clock, Stamp, find};
use jiff::{SignedDuration, Timestamp};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn read(line: &str) -> Option<String> {
    let clock = Clock::utc(at("2026-11-23T09:00:00Z"));
    let stamp = find(line.as_bytes())?;
    clock.instant(stamp).map(|it| it.to_string())
}

#[test]
fn the_usual_formats() {
    let same = [
        "2026-11-23T08:41:02Z INFO x",
        "2026-11-23T09:41:02+01:00 x",
        "2026-11-23 08:41:02 x",
        "2026-11-23 08:41:02 - x",
        "[2026-11-23 08:41:02] x",
        "2026/11/23 08:41:02 [error] x",
        "INFO  2026-11-23 08:41:02 x",
        "WARN [2026-11-23 08:41:02] x",
        "[ERROR] 2026-11-23 08:41:02 x",
        "{\"level\":\"info\",\"@timestamp\":\"2026-11-23T08:41:02Z\"}",
        "23-Nov-2026 08:41:02 INFO [main] org.apache.catalina.startup.Catalina.start",
        "172.17.0.1 - - [23/Nov/2026:09:41:02 +0100] \"GET /billing HTTP/1.1\" 200 5",
        "[Mon Nov 23 08:41:02 2026] [mpm_event:notice] x",
        "Nov 23 08:41:02 host daemon[1]: x",
        "Nov 23, 2026 8:41:02 AM org.apache.Something start",
    ];
    for line in same {
        assert_eq!(
            read(line).as_deref(),
            Some("2026-11-23T08:41:02Z"),
            "{line}"
        );
    }
}

#[test]
fn fractions_are_kept() {
    let fractions = [
        ("2026-11-23 08:41:02,123 x", "2026-11-23T08:41:02.123Z"),
        ("23-Nov-2026 08:41:02.123 x", "2026-11-23T08:41:02.123Z"),
        (
            "[Mon Nov 23 08:41:02.123456 2026] x",
            "2026-11-23T08:41:02.123456Z",
        ),
        ("Nov 23, 2026 8:41:02 PM x", "2026-11-23T20:41:02Z"),
    ];
    for (line, time) in fractions {
        assert_eq!(read(line).as_deref(), Some(time), "{line}");
    }
}

#[test]
fn lines_of_a_stack_trace_have_no_time() {
    let lines = [
        "\tat org.acme.Billing.pay(Billing.java:12)",
        "Caused by: java.lang.IllegalStateException: not before 2026-11-23T08:41:02Z",
        "java.lang.IllegalArgumentException: [2026-11-23 08:41:02]",
        "  2026-11-23 08:41:02 indented",
        "\t... 12 more",
        "",
        "2026-13-45 08:41:02",
    ];
    for line in lines {
        assert_eq!(find(line.as_bytes()), None, "{line}");
    }
}

#[test]
fn the_year_is_that_of_the_file() {
    let clock = Clock::utc(at("2026-01-01T00:10:00Z"));
    let stamp = find(b"Dec 31 23:59:00 host x").unwrap();
    assert_eq!(clock.instant(stamp), Some(at("2025-12-31T23:59:00Z")));
}

#[test]
fn the_time_zone_is_what_the_file_was_written_ahead() {
    let stamp = |line: &str| find(line.as_bytes());
    let modified = at("2026-11-23T08:41:09Z");
    let zone = |line| Clock::guess(modified, stamp(line)).offset;
    // Written 7 s after the line, which shows Paris' time.
    assert_eq!(
        zone("23-Nov-2026 09:41:02 x"),
        SignedDuration::from_hours(1)
    );
    assert_eq!(
        zone("23-Nov-2026 03:41:02 x"),
        SignedDuration::from_hours(-5)
    );
    assert_eq!(zone("23-Nov-2026 08:41:02 x"), SignedDuration::ZERO);
    // No time zone is 22 minutes ahead.
    assert_eq!(zone("23-Nov-2026 09:03:02 x"), SignedDuration::ZERO);
    assert_eq!(zone("2026-11-23T09:41:02Z x"), SignedDuration::ZERO);
    assert!(matches!(
        stamp("23-Nov-2026 09:41:02 x"),
        Some(Stamp::Local(_))
    ));
}

proptest! {
    #[test]
    fn no_line_is_too_odd(line in prop::collection::vec(any::<u8>(), 0..400)) {
        let clock = Clock::utc(Timestamp::UNIX_EPOCH);
        let _ = find(&line).and_then(|stamp| clock.instant(stamp));
    }
}
