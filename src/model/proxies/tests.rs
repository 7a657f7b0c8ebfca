use super::*;

#[test]
fn exceptions() {
    let covered = [
        ("*", "any.example", None),
        ("acme.example", "registry.acme.example", None),
        (".acme.example", "registry.acme.example", Some(443)),
        ("*.acme.example", "registry.acme.example", None),
        ("a.example, 10.0.0.0/8", "10.1.2.3", Some(2376)),
        ("10.1.2.3", "10.1.2.3", None),
        (
            "registry.acme.example:5000",
            "registry.acme.example",
            Some(5000),
        ),
        ("fd00::/8", "fd00::1", None),
        ("Registry", "registry", None),
    ];
    for (except, host, port) in covered {
        assert!(covers(except, host, port), "{except} covers {host}");
    }
    let not = [
        ("", "a.example", None),
        ("acme.example", "notacme.example", None),
        ("10.0.0.0/8", "11.1.2.3", None),
        ("10.0.0.0/40", "10.1.2.3", None),
        (
            "registry.acme.example:5000",
            "registry.acme.example",
            Some(443),
        ),
        ("registry.acme.example:5000", "registry.acme.example", None),
        ("2.3", "10.1.2.3", None),
    ];
    for (except, host, port) in not {
        assert!(
            !covers(except, host, port),
            "{except} does not cover {host}"
        );
    }
}

#[test]
fn passwords_are_not_shown() {
    let proxy = Proxy::new("http://user:hunter2@proxy.acme.example:3128/");
    assert_eq!(proxy.shown(), "http://proxy.acme.example:3128");
    assert_eq!(proxy.problem(), None);
    let proxies = Proxies {
        http: Some(proxy),
        ..Proxies::default()
    };
    let shown = format!("{proxies:?} {:?}", proxies.arguments());
    assert!(!shown.contains("hunter2"), "{shown}");
    let exposed = proxies.arguments();
    let value = exposed["http_proxy"].expose();
    assert_eq!(value, "http://user:hunter2@proxy.acme.example:3128/");
}

#[test]
fn no_part_of_a_password_is_shown_whatever_is_in_it() {
    for password in ["hun/ter2", "hun?ter2", "hun#ter2", "hun@ter2", "hun://ter2"] {
        let written = format!("http://user:{password}@proxy.acme.example:3128/");
        let proxy = Proxy::new(written);
        assert_eq!(proxy.shown(), "http://proxy.acme.example:3128");
        assert_eq!(proxy.problem(), None);
    }
    for wrong in [
        "http://user:hun/ter2",
        "http://user:hunter2",
        "user:hun://ter2@proxy:3128",
        "http://user:p@hunter2:ter2",
        "http://hun ter2",
    ] {
        let proxy = Proxy::new(wrong);
        let said = format!("{} {}", proxy.shown(), proxy.problem().unwrap());
        assert!(!said.contains("hun") && !said.contains("ter2"), "{said}");
        let only = Proxies {
            https: Some(proxy),
            ..Proxies::default()
        };
        assert!(only.arguments().is_empty(), "{wrong} is handed to nobody");
    }
}

#[test]
fn addresses() {
    for good in ["proxy:3128", "http://[fd00::1]:3128", "https://proxy"] {
        assert_eq!(Proxy::new(good).problem(), None, "{good}");
    }
    for wrong in [
        "ftp://proxy",
        "http://",
        "http://proxy:port",
        "http://proxy:99999",
    ] {
        assert!(Proxy::new(wrong).problem().is_some(), "{wrong}");
    }
    let at = |text| {
        Proxy::new(text)
            .host_and_port()
            .map(|(host, port)| format!("{host} {port}"))
    };
    assert_eq!(at("http://u:p@proxy:3128/").as_deref(), Some("proxy 3128"));
    assert_eq!(at("https://[fd00::1]").as_deref(), Some("fd00::1 443"));
    assert_eq!(at("proxy").as_deref(), Some("proxy 80"));
    assert_eq!(at("foo bar"), None);
    let complaint = Proxy::of("HTTP_PROXY", "foo bar").complaint().unwrap();
    assert!(
        complaint.starts_with("HTTP_PROXY cannot be used: its host"),
        "{complaint}"
    );
    assert!(Proxy::new("socks5h://proxy:1080").is_of_others());
    assert!(Proxy::new("http://localhost:3128").is_loopback());
    assert!(Proxy::new("http://u:p@127.0.0.1:3128").is_loopback());
    assert!(!Proxy::new("http://proxy:3128").is_loopback());
}

#[test]
fn dockers_configuration_and_the_environment() {
    let config = br#"{"auths":{},"proxies":{
        "default":{"httpProxy":"http://d:1","noProxy":"a,b"},
        "tcp://h:2375":{"httpsProxy":"http://h:1"}}}"#;
    let default = Proxies::of_docker(config, "unix:///x").unwrap();
    assert_eq!(default.http, Some(Proxy::new("http://d:1")));
    assert_eq!(default.except.as_deref(), Some("a,b"));
    let own = Proxies::of_docker(config, "tcp://h:2375").unwrap();
    assert_eq!(
        (own.http, own.https),
        (None, Some(Proxy::new("http://h:1")))
    );
    assert!(Proxies::of_docker(b"[", "x").is_err());
    let flat = br#"{"proxies":{"default":"http://user:hunter2@proxy:3128"}}"#;
    let error = Proxies::of_docker(flat, "x").unwrap_err();
    assert!(!error.contains("hunter2"), "{error}");
    let variables = BTreeMap::from([("https_proxy", "low"), ("HTTPS_PROXY", "up")]);
    let get = |name: &str| variables.get(name).map(ToString::to_string);
    let both = default.or(Proxies::of_environment(get));
    let arguments = both.arguments();
    let names: Vec<&str> = arguments.keys().map(String::as_str).collect();
    let all = [
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    ];
    assert_eq!(names, all);
    assert_eq!(arguments["https_proxy"].expose(), "up");
    let get = |name: &str| (name == "all_proxy").then(|| "http://a:1".to_owned());
    let all = Proxies::of_environment(get);
    let variable = |proxy: Option<Proxy>| proxy.map(|it| it.source());
    assert_eq!(variable(all.http), Some("all_proxy"));
    assert_eq!(variable(all.https), Some("all_proxy"));
    // Exceptions without a proxy are nothing to hand on.
    let only = Proxies {
        except: Some("a".to_owned()),
        ..Proxies::default()
    };
    assert!(only.arguments().is_empty());
}

#[test]
fn who_is_carried() {
    let proxies = Proxies {
        http: Some(Proxy::new("http://localhost:1")),
        https: Some(Proxy::new("http://p:1")),
        except: Some("acme.example".to_owned()),
    };
    let carried = |is_tls, host| proxies.carrier(is_tls, host, None).map(Proxy::shown);
    assert_eq!(carried(true, "b.example").as_deref(), Some("http://p:1"));
    assert_eq!(carried(true, "git.acme.example"), None);
    assert_eq!(carried(true, "127.0.0.1"), None);
    let far = proxies.clone().beyond_loopback();
    assert_eq!((far.http, far.https.is_some()), (None, true));
}
