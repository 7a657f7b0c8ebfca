use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::*;

const SECRET: &str = "hunter2/é +&=\"x";

fn scrub() -> Scrub {
    Scrub::new([
        Secret::new(SECRET),
        Secret::new("abc"),
        Secret::new("4711815"),
    ])
}

fn request(url: &str, headers: &[(&str, &str)]) -> Recorded {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Recorded {
        session: "10.0.0.7".to_owned(),
        at: None,
        method: "GET".to_owned(),
        target: Target::parse(url).unwrap(),
        headers: headers.iter().map(pair).collect(),
        body: None,
        status: None,
        milliseconds: None,
    }
}

#[test]
fn a_known_value_is_found_however_it_is_written() {
    let scrub = scrub();
    let packed = |before: &str| {
        let whole = format!("{before}{SECRET}:after");
        [STANDARD.encode(&whole), URL_SAFE.encode(&whole)]
    };
    let mut written = vec![
        SECRET.to_owned(),
        utf8_percent_encode(SECRET, NON_ALPHANUMERIC).to_string(),
        "hunter2%2f%c3%a9+%2b%26%3d%22x".to_owned(),
        "hunter2/%C3%A9%20+&%3D\"x".to_owned(),
        "%68unter2/é +&=\"x".to_owned(),
        "hunter2/é +&=\\\"x".to_owned(),
    ];
    written.extend(["", "a", "ab", "abc"].into_iter().flat_map(packed));
    for text in written {
        let shown = scrub.text(&format!("before {text} after"));
        assert!(shown.contains(GONE), "{text}: {shown}");
        assert!(!shown.contains("unter2"), "{text}: {shown}");
    }
    assert_eq!(scrub.text("abc is too short"), "abc is too short");
}

#[test]
fn what_may_be_a_secret_by_its_place_is_gone() {
    let mut scrub = scrub();
    let from = request(
        "/a;jsessionid=hunter3;v=1/b?page=2&password=hunter3&Api_Key=hunter3&code=hunter3",
        &[
            ("Authorization", "Bearer hunter3"),
            ("X-Whatever", "hunter3"),
            ("Referer", "http://x.example/p?token=hunter3&b=1"),
            ("Accept", "text/html"),
        ],
    );
    let kept = scrub.request(from);
    assert_eq!(
        kept.target.line(),
        format!("/a;v=1/b?page=2&password={GONE}&Api_Key={GONE}&code={GONE}")
    );
    assert_eq!(kept.headers[2].1, format!("/p?token={GONE}&b=1"));
    assert_eq!(kept.headers[3].1, "text/html");
    assert_eq!(kept.session, "s1");
    assert!(!format!("{kept:?}").contains("hunter3"), "{kept:?}");
}

#[test]
fn what_is_left_of_a_path_is_read_again() {
    let kept = scrub().request(request("/a/..;jsessionid=x/b?sid=1", &[]));
    assert_eq!(kept.target.line(), format!("/b?sid={GONE}"));
}

#[test]
fn the_same_cookie_is_the_same_word() {
    let mut scrub = scrub();
    let mut cookies = |value: &str| {
        let kept = scrub.request(request("/", &[("Cookie", value)]));
        (kept.headers[0].1.clone(), kept.session)
    };
    let of = |text: &str, session: &str| (text.to_owned(), session.to_owned());
    assert_eq!(
        cookies("JSESSIONID=one; x=2"),
        of("JSESSIONID=v1; x=v2", "s1")
    );
    assert_eq!(cookies("JSESSIONID=two"), of("JSESSIONID=v3", "s2"));
    assert_eq!(
        cookies("x=2;JSESSIONID=one"),
        of("x=v2; JSESSIONID=v1", "s1")
    );
    assert_eq!(cookies("secret"), of("=v4", "s3"));
}

#[test]
fn a_session_in_a_log_is_the_word_that_it_is_in_a_request() {
    let mut scrub = scrub();
    let from = request(
        "/",
        &[
            ("Cookie", "JSESSIONID=one"),
            ("Authorization", "Basic YTpi"),
        ],
    );
    let kept = scrub.request(from);
    assert_eq!(kept.headers[0].1, "JSESSIONID=v1");
    assert_eq!(kept.headers[1].1, format!("{GONE} a1"));
    let gone = |text: &str| text.replace('#', GONE);
    for (line, shown) in [
        ("Cookie: JSESSIONID=one; b=2", "Cookie: JSESSIONID=v1; b=v2"),
        (
            r#"{"Set-Cookie": "JSESSIONID=one", "a": 1}"#,
            r#"{"Set-Cookie": "JSESSIONID=v1", "a": 1}"#,
        ),
        ("GET /a;jsessionid=one?x=1", "GET /a;jsessionid=v1?x=1"),
        ("authorization=Basic YTpi", "authorization=# a1"),
        (
            "sent 'Bearer eyJhbGciOiJ' twice",
            "sent 'Bearer # a2' twice",
        ),
        (
            "GET /p?password=x&page=1 HTTP/1.1",
            "GET /p?password=#&page=1 HTTP/1.1",
        ),
        (
            "cookie or not, basic or bearer",
            "cookie or not, basic or bearer",
        ),
        ("it took 4711815 ms", "it took # ms"),
    ] {
        assert_eq!(scrub.line(line), gone(shown));
    }
}

#[test]
fn bodies_are_searched_or_gone() {
    let scrub = scrub();
    let of = |media_type: &str, text: &str| {
        let (media_type, text) = (media_type.to_owned(), text.to_owned());
        scrub.body(&Body { media_type, text }).text
    };
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    assert_eq!(of(form, "a=1&pwd=x"), format!("a=1&pwd={GONE}"));
    assert_eq!(
        of(form, "a=hunter2%2F%C3%A9+%2B%26%3D%22x"),
        format!("a={GONE}")
    );
    let json = of(
        "application/json",
        r#"{"a":[4711815,1],"b":{"Token":["x"]}}"#,
    );
    assert_eq!(
        json,
        format!(r#"{{"a":["{GONE}",1],"b":{{"Token":"{GONE}"}}}}"#)
    );
    assert_eq!(
        of("application/json", r#"{"hunter2/é +&=\"x":{"4711815":1}}"#),
        format!(r#"{{"{GONE}":{{"{GONE}":1}}}}"#)
    );
    assert_eq!(of("application/json", "{hunter3"), GONE);
    assert_eq!(of("multipart/form-data", "hunter3"), GONE);
}

proptest::proptest! {
    /// Whatever stands around a secret, in a path, a query or a field: it is gone.
    #[test]
    fn no_known_value_is_kept(before in "[a-z%/=&;?]{0,12}", after in "[a-z%/=&;?]{0,12}") {
        let mut scrub = Scrub::new([Secret::new("s3cr3t-value")]);
        let text = format!("{before}s3cr3t-value{after}");
        if let Ok(target) = Target::parse(&format!("/{text}")) {
            let mut from = request("/", &[("Accept", &text), ("Cookie", &text), ("Referer", &text)]);
            from.target = target;
            let kept = format!("{:?}", scrub.request(from));
            proptest::prop_assert!(!kept.contains("s3cr3t"), "{}", kept);
        }
    }
}
