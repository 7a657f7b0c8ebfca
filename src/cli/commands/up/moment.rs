//! Moments as people type them: `2026-11-17`, `2026-11-17 09:00`, `yesterday`, `3 days ago`, in local
//! time; or exact ones (RFC 3339).

use jiff::civil::DateTime;
use jiff::{Span, Timestamp, Zoned};

/// For clap: a moment, seen from now.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    seen_from(&Zoned::now(), text)
}

fn seen_from(now: &Zoned, text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    let wrong = || {
        format!(
            "`{}` is no moment, such as 2026-11-17, \"2026-11-17 09:00\", yesterday, \"3 days ago\" or 2026-11-17T09:00:00Z",
            text.escape_default()
        )
    };
    if let Ok(exact) = text.parse::<Timestamp>() {
        return Ok(exact);
    }
    let found = match text {
        "now" => Ok(now.clone()),
        "today" => now.start_of_day(),
        "yesterday" => now.yesterday().and_then(|it| it.start_of_day()),
        _ if text.ends_with(" ago") => {
            let span: Span = text.parse().map_err(|_| wrong())?;
            now.checked_add(span)
        }
        _ => {
            let time: DateTime = text.parse().map_err(|_| wrong())?;
            time.to_zoned(now.time_zone().clone())
        }
    };
    let found = found.map_err(|_| wrong())?.timestamp();
    if found > now.timestamp() {
        return Err(format!("`{text}` has not come yet"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_local_time() {
        let now: Zoned = "2026-11-17T09:30:00+01:00[Europe/Paris]".parse().unwrap();
        for (text, expected) in [
            ("2026-11-16", "2026-11-15T23:00:00Z"),
            ("2026-11-16 08:15", "2026-11-16T07:15:00Z"),
            ("2026-07-01 12:00", "2026-07-01T10:00:00Z"),
            ("today", "2026-11-16T23:00:00Z"),
            ("yesterday", "2026-11-15T23:00:00Z"),
            ("3 days ago", "2026-11-14T08:30:00Z"),
            ("2 hours ago", "2026-11-17T06:30:00Z"),
            ("1 month ago", "2026-10-17T07:30:00Z"),
            ("2026-11-16T00:00:00Z", "2026-11-16T00:00:00Z"),
        ] {
            let found = seen_from(&now, text).map(|it| it.to_string());
            assert_eq!(found.as_deref(), Ok(expected), "{text}");
        }
        for wrong in [
            "",
            "soon",
            "2026-13-01",
            "25:00",
            "tomorrow",
            "ago",
            "2026-11-18",
        ] {
            let error = seen_from(&now, wrong).unwrap_err();
            assert!(
                error.contains("moment") || error.contains("not come"),
                "{error}"
            );
        }
    }
}
