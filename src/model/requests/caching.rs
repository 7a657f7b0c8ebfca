//! What an answer's headers say of a shared cache before it: whether it came from there, and whether it is
//! kept there. Pure.
//!
//! Source: RFC 9111, RFC 9211; Apache's `mod_cache` (`CacheHeader`, `CacheDetailHeader`).

use serde::Serialize;

/// Header fields in their order; names as they were sent.
pub type Headers = [(String, String)];

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cache {
    /// From the cache: nobody else was asked.
    Hit,
    /// From the container.
    Miss,
    /// From the cache, after the container said that it is still right.
    Revalidated,
    /// No header says.
    Unknown,
}

impl Cache {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "HIT",
            Self::Miss => "MISS",
            Self::Revalidated => "REVALIDATED",
            Self::Unknown => "unknown",
        }
    }
}

/// All values of a field, whatever the case of its name.
pub fn values<'h>(headers: &'h Headers, name: &str) -> impl Iterator<Item = &'h str> {
    let is_it = move |it: &&(String, String)| it.0.eq_ignore_ascii_case(name);
    headers.iter().filter(is_it).map(|it| it.1.as_str())
}

fn first<'h>(headers: &'h Headers, name: &str) -> Option<&'h str> {
    values(headers, name).next()
}

/// Where the answer came from, and the header that says so.
pub fn verdict(headers: &Headers) -> (Cache, Option<String>) {
    for name in ["X-Cache", "Cache-Status", "Age"] {
        let Some(value) = first(headers, name) else {
            continue;
        };
        let low = value.to_ascii_lowercase();
        let found = match name {
            "X-Cache" => of_word(low.split([' ', ',']).next().unwrap_or_default()),
            "Cache-Status" => of_status(&low),
            // Only a cache says how old an answer is.
            _ => Some(Cache::Hit),
        };
        if let Some(found) = found {
            return (found, Some(format!("{name}: {value}")));
        }
    }
    (Cache::Unknown, None)
}

fn of_word(word: &str) -> Option<Cache> {
    match word {
        "hit" => Some(Cache::Hit),
        "miss" | "invalidate" => Some(Cache::Miss),
        "revalidate" | "revalidated" => Some(Cache::Revalidated),
        _ => None,
    }
}

/// The cache nearest to the client is the last of the list.
fn of_status(value: &str) -> Option<Cache> {
    let last = value.rsplit(',').next()?;
    let mut said = last.split(';').skip(1).map(str::trim);
    said.find_map(|it| match it {
        "hit" => Some(Cache::Hit),
        "fwd=stale" => Some(Cache::Revalidated),
        _ if it.starts_with("fwd=") => Some(Cache::Miss),
        _ => None,
    })
}

/// Statuses that a shared cache keeps without being told to. Source: RFC 9110, 15.1.
const KEPT: [u16; 9] = [200, 203, 204, 300, 301, 308, 404, 410, 414];

/// What becomes of the answer in a shared cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is kept so many seconds.
    Kept(u64, String),
    /// It is not kept, or asked about each time; the reason.
    NotKept(String),
    /// The headers leave it to the cache's own settings.
    Open(String),
}

/// Whether a shared cache may keep the answer to a GET without a login, by its headers alone.
pub fn fate(status: u16, has_query: bool, headers: &Headers) -> Fate {
    let lines: Vec<&str> = values(headers, "Cache-Control").collect();
    let said = |line: &str| format!("Cache-Control: {line}");
    let directive = |wanted: &str| {
        lines.iter().find_map(|line| {
            let mut all = line.split(',').map(str::trim);
            let found = all.find(|it| {
                let name = it.split('=').next().unwrap_or_default().trim();
                name.eq_ignore_ascii_case(wanted)
            })?;
            let value = found.split_once('=').map_or("", |(_, value)| value);
            Some((*line, value.trim().trim_matches('"')))
        })
    };
    for word in ["no-store", "private", "no-cache"] {
        if let Some((line, _)) = directive(word) {
            return Fate::NotKept(said(line));
        }
    }
    let is_any = |it: &&str| it.split(',').any(|it| it.trim() == "*");
    if let Some(line) = values(headers, "Vary").find(is_any) {
        return Fate::NotKept(format!("Vary: {line}"));
    }
    for word in ["s-maxage", "max-age"] {
        if let Some((line, value)) = directive(word) {
            return match value.parse() {
                Ok(0) | Err(_) => Fate::NotKept(said(line)),
                Ok(seconds) => Fate::Kept(seconds, said(line)),
            };
        }
    }
    if !KEPT.contains(&status) {
        return Fate::NotKept(format!("status {status} without a lifetime"));
    }
    if let Some(expires) = first(headers, "Expires") {
        return match lifetime(expires, first(headers, "Date")) {
            Some(seconds) => Fate::Kept(seconds, format!("Expires: {expires}")),
            None => Fate::NotKept(format!("Expires: {expires}")),
        };
    }
    if has_query {
        return Fate::NotKept("a query, and no header gives a lifetime".to_owned());
    }
    match (first(headers, "Last-Modified"), first(headers, "ETag")) {
        (None, None) => Fate::NotKept(
            "no header gives a lifetime, and none (ETag, Last-Modified) lets it be asked about"
                .to_owned(),
        ),
        _ => Fate::Open("no header gives a lifetime: the proxy's settings decide".to_owned()),
    }
}

/// Seconds from the answer's own date; `None` where that is over or cannot be read.
fn lifetime(expires: &str, date: Option<&str>) -> Option<u64> {
    let time = |text: &str| jiff::fmt::rfc2822::parse(text).ok();
    let seconds = time(expires)?.timestamp().as_second() - time(date?)?.timestamp().as_second();
    u64::try_from(seconds).ok().filter(|it| *it > 0)
}

/// The fields that decide about caches, cookies and redirects, for people. Values of cookies are left out.
pub fn deciding(headers: &Headers) -> Vec<(String, String)> {
    const NAMES: [&str; 16] = [
        "age",
        "cache-control",
        "cache-status",
        "content-type",
        "etag",
        "expires",
        "last-modified",
        "location",
        "pragma",
        "retry-after",
        "set-cookie",
        "vary",
        "via",
        "warning",
        "x-cache",
        "x-cache-detail",
    ];
    let decides = |it: &&(String, String)| NAMES.contains(&it.0.to_ascii_lowercase().as_str());
    let shown = |(name, value): &(String, String)| {
        let is_cookie = name.eq_ignore_ascii_case("set-cookie");
        let value = if is_cookie {
            without_value(value)
        } else {
            value.clone()
        };
        (name.clone(), value)
    };
    headers.iter().filter(decides).map(shown).collect()
}

/// A `Set-Cookie` without what it sets: `JSESSIONID=…; Path=/`.
pub fn without_value(cookie: &str) -> String {
    let (pair, rest) = cookie.split_at(cookie.find(';').unwrap_or(cookie.len()));
    match pair.split_once('=') {
        Some((name, _)) => format!("{name}=…{rest}"),
        None => format!("…{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> Vec<(String, String)> {
        let pair = |line: &&str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_owned(), value.to_owned())
        };
        lines.iter().map(pair).collect()
    }

    #[test]
    fn a_header_says_where_the_answer_came_from() {
        for (line, wanted) in [
            ("X-Cache: HIT from front", Cache::Hit),
            ("x-cache: MISS from front", Cache::Miss),
            ("X-Cache: REVALIDATE from front", Cache::Revalidated),
            ("Cache-Status: a; fwd=miss, b; hit", Cache::Hit),
            ("Cache-Status: a; hit, b; fwd=uri-miss", Cache::Miss),
            ("Age: 7", Cache::Hit),
            ("X-Other: HIT", Cache::Unknown),
            ("X-Cache: what", Cache::Unknown),
        ] {
            assert_eq!(verdict(&headers(&[line])).0, wanted, "{line}");
        }
    }

    #[test]
    fn headers_decide_whether_it_is_kept() {
        let of = |status, query, lines: &[&str]| match fate(status, query, &headers(lines)) {
            Fate::Kept(seconds, _) => seconds.to_string(),
            Fate::NotKept(why) => format!("no: {why}"),
            Fate::Open(_) => "open".to_owned(),
        };
        assert_eq!(of(200, false, &["Cache-Control: public, max-age=60"]), "60");
        assert_eq!(
            of(200, true, &["cache-control: max-age=60, S-MaxAge=\"5\""]),
            "5"
        );
        for line in [
            "Cache-Control: no-store",
            "Cache-Control: max-age=60, private",
            "Cache-Control: max-age=0",
            "Cache-Control: max-age=x",
            "Vary: accept, *",
        ] {
            assert_eq!(of(200, false, &[line]), format!("no: {line}"));
        }
        let dated = [
            "Date: Sun, 01 Mar 2026 12:00:00 GMT",
            "Expires: Sun, 01 Mar 2026 12:01:00 GMT",
        ];
        assert_eq!(of(200, false, &dated), "60");
        assert_eq!(of(200, false, &["Expires: 0"]), "no: Expires: 0");
        assert_eq!(of(200, false, &["ETag: \"x\""]), "open");
        assert!(of(200, true, &["ETag: \"x\""]).starts_with("no: a query"));
        assert!(of(500, false, &["ETag: \"x\""]).starts_with("no: status 500"));
        assert!(of(200, false, &[]).starts_with("no: no header"));
    }

    #[test]
    fn no_cookie_is_shown() {
        let all = headers(&["Set-Cookie: SID=hunter2; Path=/; HttpOnly", "X-Other: y"]);
        let shown = deciding(&all);
        assert_eq!(
            shown,
            headers(&["Set-Cookie: SID=…; Path=/; HttpOnly"]),
            "{shown:?}"
        );
        assert_eq!(without_value("hunter2"), "…");
    }
}
