//! HAR 1.2: what browsers write down, and, one entry a line, how devenv keeps requests. Pure.
//!
//! Source: "HTTP Archive (HAR) format", W3C web performance group; names that begin with `_` are everybody's own.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::recorded::{Body, Reading, Recorded, skipped};
use super::target::Target;

/// Bytes of the body of one request.
const LONGEST: usize = 1 << 20;

/// Fields of one request.
const MOST: usize = 500;

#[derive(Deserialize)]
struct File {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    started_date_time: Option<String>,
    time: Option<f64>,
    request: Request,
    response: Option<Response>,
    #[serde(rename = "_session")]
    session: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Field>,
    post_data: Option<PostData>,
}

#[derive(Deserialize)]
struct Field {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostData {
    #[serde(default)]
    mime_type: String,
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct Response {
    status: i64,
}

/// Where it is wrong, from 1, and in which way.
pub type Wrong = (usize, String);

/// Reads a file of a browser: the requests to the site of the first one, and to these hosts.
///
/// # Errors
/// What is no HAR.
pub fn read(text: &str, sites: &[String]) -> Result<Reading, Wrong> {
    let file: File = serde_json::from_str(text).map_err(|error| wrong(&error, 0))?;
    let mut sites: BTreeSet<String> = sites.iter().map(|it| it.to_ascii_lowercase()).collect();
    sites.extend(file.log.entries.first().map(|it| site(&it.request.url)));
    let mut reading = Reading::default();
    for entry in file.log.entries {
        if !sites.contains(&site(&entry.request.url)) {
            reading.skip(skipped::ELSEWHERE);
        } else if let Some(request) = recorded(entry) {
            reading.add(request);
        } else {
            reading.skip(skipped::NO_REQUEST);
        }
    }
    Ok(reading)
}

/// Reads what [`line`] wrote.
///
/// # Errors
/// A line that is no entry.
pub fn read_lines(text: &str) -> Result<Reading, Wrong> {
    let mut reading = Reading::default();
    for (index, text) in text.lines().enumerate().filter(|(_, it)| !it.is_empty()) {
        let entry: Entry = serde_json::from_str(text).map_err(|error| wrong(&error, index))?;
        let fault = || (index + 1, "it is no request to a proxy".to_owned());
        reading.add(recorded(entry).ok_or_else(fault)?);
    }
    Ok(reading)
}

/// Without the text that was read: it may hold a secret.
fn wrong(error: &serde_json::Error, before: usize) -> Wrong {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Syntax => "it is no JSON",
        Category::Eof => "it ends too early",
        Category::Data | Category::Io => "it is no HAR 1.2",
    };
    let column = error.column();
    (before + error.line(), format!("{what} (column {column})"))
}

fn site(url: &str) -> String {
    let parsed = url::Url::parse(url).ok();
    let host = parsed.and_then(|it| it.host_str().map(ToOwned::to_owned));
    host.unwrap_or_default()
}

fn recorded(entry: Entry) -> Option<Recorded> {
    let request = entry.request;
    let target = Target::parse(&without_login(&request.url)?).ok()?;
    let method = request.method.to_ascii_uppercase();
    let is_method =
        (1..=16).contains(&method.len()) && method.bytes().all(|it| it.is_ascii_uppercase());
    if !is_method || request.headers.len() > MOST {
        return None;
    }
    let is_field = |it: &Field| !it.name.starts_with(':');
    let headers = request.headers.into_iter().filter(is_field);
    let body = request.post_data.filter(|it| it.text.len() <= LONGEST);
    let status = entry.response.and_then(|it| u16::try_from(it.status).ok());
    let milliseconds = entry.time.filter(|it| it.is_finite() && *it >= 0.0);
    Some(Recorded {
        session: entry.session.unwrap_or_default(),
        at: entry.started_date_time.and_then(|it| it.parse().ok()),
        method,
        target,
        headers: headers.map(|it| (it.name, it.value)).collect(),
        body: body.map(|it| Body {
            media_type: it.mime_type,
            text: it.text,
        }),
        // Browsers write 0 where no answer came.
        status: status.filter(|it| (100..600).contains(it)),
        milliseconds,
    })
}

/// A login in a URL is no part of the request.
fn without_login(url: &str) -> Option<String> {
    let mut url = url::Url::parse(url).ok()?;
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(url.into())
}

/// One entry, on one line. What the answer held is not kept.
pub fn line(request: &Recorded) -> Value {
    let host = request.target.host.as_ref();
    let host = host.map_or("localhost", |it| it.as_str());
    let pairs = |all: &[(String, String)]| -> Vec<Value> {
        let pair = |(name, value): &(String, String)| json!({ "name": name, "value": value });
        all.iter().map(pair).collect()
    };
    let query = request.target.query.as_deref().unwrap_or_default();
    let query: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let time = request.milliseconds.unwrap_or(0.0);
    let mut asked = json!({
        "method": request.method, "url": format!("http://{host}{}", request.target.line()),
        "httpVersion": "HTTP/1.1", "cookies": [], "headers": pairs(&request.headers),
        "queryString": pairs(&query), "headersSize": -1, "bodySize": -1,
    });
    if let Some(body) = &request.body {
        asked["postData"] = json!({ "mimeType": body.media_type, "text": body.text });
    }
    json!({
        "startedDateTime": request.at.unwrap_or(Timestamp::UNIX_EPOCH).to_string(), "time": time,
        "request": asked,
        "response": {
            "status": request.status.unwrap_or(0), "statusText": "", "httpVersion": "HTTP/1.1",
            "cookies": [], "headers": [], "content": { "size": -1, "mimeType": "" },
            "redirectURL": "", "headersSize": -1, "bodySize": -1,
        },
        "cache": {}, "timings": { "send": 0, "wait": time, "receive": 0 },
        "_session": request.session,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(method: &str, url: &str) -> Value {
        json!({
            "startedDateTime": "2026-03-01T12:00:00.5Z", "time": 12.5, "more": [1],
            "request": {
                "method": method, "url": url, "httpVersion": "h2",
                "headers": [
                    { "name": ":authority", "value": "x" }, { "name": "Cookie", "value": "SID=1" }
                ],
                "postData": { "mimeType": "application/json", "text": "{}" }
            },
            "response": { "status": 200, "content": { "text": "private" } }
        })
    }

    #[test]
    fn a_browsers_file_is_read_and_what_is_kept_reads_the_same() {
        let entries = [
            entry("get", "https://anna:x@www.acme.example/billing?a=1"),
            entry("POST", "https://www.acme.example/billing"),
            entry("GET", "https://cdn.example/x.js"),
            entry("GET", "https://shop.acme.example/"),
            entry("G T", "https://www.acme.example/"),
        ];
        let text = json!({ "log": { "version": "1.2", "entries": entries } }).to_string();
        let reading = read(&text, &["Shop.acme.example".to_owned()]).unwrap();
        assert_eq!(reading.requests.len(), 3);
        assert_eq!(reading.skipped[skipped::ELSEWHERE], 1);
        assert_eq!(reading.skipped[skipped::NO_REQUEST], 1);
        let first = &reading.requests[0];
        assert_eq!((first.method.as_str(), first.status), ("GET", Some(200)));
        assert_eq!(first.headers, [("Cookie".to_owned(), "SID=1".to_owned())]);
        let lines: Vec<String> = reading
            .requests
            .iter()
            .map(|it| line(it).to_string())
            .collect();
        let kept = lines.join("\n");
        assert!(
            !kept.contains("private") && !kept.contains("anna"),
            "{kept}"
        );
        assert_eq!(read_lines(&kept).unwrap().requests, reading.requests);
    }

    #[test]
    fn what_is_no_har_is_refused_with_its_place_and_without_its_text() {
        for (text, place) in [
            ("{", "it ends too early (column 1)"),
            ("{}", "it is no HAR 1.2 (column 2)"),
            ("[hunter2]", "it is no JSON (column 2)"),
        ] {
            let (line, why) = read(text, &[]).unwrap_err();
            assert_eq!((line, why.as_str()), (1, place), "{text}");
        }
        let good = entry("GET", "http://a.example/").to_string();
        let bad = good.replace("http://", "ftp://");
        assert_eq!(read_lines(&format!("{good}\n{bad}")).unwrap_err().0, 2);
        assert_eq!(read_lines(&format!("{good}\n\n{{")).unwrap_err().0, 3);
    }

    proptest::proptest! {
        /// Whatever a file holds: it is read or refused.
        #[test]
        fn any_text_is_judged(text in "[{}\\[\\]\",:a-z0-9 ]{0,200}") {
            let _ = read(&text, &[]);
            let _ = read_lines(&text);
        }
    }
}
