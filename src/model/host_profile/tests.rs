use super::*;

fn pattern(text: &str) -> Pattern {
    serde_json::from_value(text.into()).unwrap()
}

#[test]
fn patterns_fit_the_whole_text() {
    for (text, fits, other) in [
        ("Boot2Docker *", "Boot2Docker 19.03", "My Boot2Docker 19.03"),
        ("*desktop*", "lima-rancher-desktop", "lima"),
        ("colima*", "colima", "a-colima"),
        ("a*b*c", "a1b2c", "a1c2b"),
        ("*-x", "6.1-x", "6.1-x-y"),
        ("", "", "a"),
    ] {
        assert!(pattern(text).fits(fits), "{text} {fits}");
        assert!(!pattern(text).fits(other), "{text} {other}");
    }
}

#[test]
fn every_profile_is_compiled_in_and_named_as_its_file() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/profiles");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let mut names: Vec<String> = reading::names().map(|it| format!("{it}.yaml")).collect();
    names.sort();
    assert_eq!(names, files);
    for name in reading::names() {
        let text = BUILT_IN
            .get_file(format!("{name}.yaml"))
            .unwrap()
            .contents();
        let file = std::fs::read(format!("{folder}/{name}.yaml")).unwrap();
        assert!(text == file, "{name} was changed since the build");
        assert_eq!(built_in(name).unwrap().unwrap().name, name);
    }
}

#[test]
fn every_profile_is_documented_and_says_where_it_is_from() {
    for profile in HostProfile::all(Vec::new()).unwrap() {
        let name = &profile.name;
        let file = BUILT_IN.get_file(format!("{name}.yaml")).unwrap();
        let text = file.contents_utf8().unwrap();
        assert!(text.starts_with("# "), "{name} begins with what it is");
        let comments = text.lines().filter(|line| line.starts_with('#'));
        assert!(comments.count() >= 5, "{name} teaches");
        let sources = &profile.evidence.sources;
        assert!(
            sources.iter().all(|it| it.starts_with("https://")),
            "{name}"
        );
        assert!(profile.evidence.tried || !sources.is_empty(), "{name}");
        assert!(!profile.recognise.is_empty(), "{name} is recognised");
    }
}

#[test]
fn the_fallback_fits_everything_and_is_last() {
    let all = HostProfile::all(Vec::new()).unwrap();
    let (found, why) = recognise(&all, &HostFacts::default()).unwrap();
    assert_eq!(found, &HostProfile::fallback().unwrap());
    assert_eq!(why, "nothing else fits");
    let precedences: std::collections::BTreeSet<_> = all.iter().map(|it| it.precedence).collect();
    assert_eq!(precedences.len(), all.len(), "no two are tried at once");
}

fn own(files: &[(&str, &str)]) -> Result<Vec<HostProfile>> {
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
        .collect();
    HostProfile::own(&files)
}

#[test]
fn an_own_profile_extends_and_replaces() {
    let mine = "name: mine\nextends: linux\nlowest_port: 1024\nrecognise: [{ name: build-* }]\n";
    let all = HostProfile::all(own(&[("/c/mine.yaml", mine)]).unwrap()).unwrap();
    let facts = HostFacts {
        name: "build-7".into(),
        ..HostFacts::default()
    };
    let (found, why) = recognise(&all, &facts).unwrap();
    assert_eq!((found.name.as_str(), found.lowest_port), ("mine", 1024));
    assert_eq!(why, "name `build-*`");
    let bare = "name: bare\nextends: colima\nhost_name: null\nmemory: null\n";
    let bare = own(&[("/c/bare.yaml", bare)]).unwrap().remove(0);
    assert_eq!((bare.host_name, bare.memory), (None, None), "null is said");
    let same = "name: same\nextends: colima\n";
    let same = own(&[("/c/same.yaml", same)]).unwrap().remove(0);
    assert!(same.host_name.is_some() && same.memory.is_some());
    let linux = "name: linux\nextends: linux\ndescription: Ours\nrecognise: [{}]\n";
    let all = HostProfile::all(own(&[("/c/linux.yaml", linux)]).unwrap()).unwrap();
    let (found, _) = recognise(&all, &HostFacts::default()).unwrap();
    assert_eq!(found.description, "Ours");
    let refused = |files: &[(&str, &str)]| own(files).unwrap_err().chain().join(": ");
    assert!(refused(&[("a.yaml", "name: a\n")]).contains("`description` is missing"));
    assert!(refused(&[("a.yaml", "name: a\nextends: none\n")]).contains("`none`"));
    assert!(refused(&[("a.yaml", "name: a\nextends: a\n")]).contains("extends itself"));
    assert!(refused(&[("a.yaml", "name: a\nnone: 1\n")]).contains("a.yaml:2:1"));
    let circle = [
        ("a.yaml", "name: a\nextends: b\n"),
        ("b.yaml", "name: b\nextends: a\n"),
    ];
    assert!(refused(&circle).contains("circle"));
}

fn share(host: &str, engine: &str) -> Share {
    Share {
        host: host.into(),
        engine: engine.into(),
    }
}

#[test]
fn paths_are_translated_by_the_longest_share() {
    let profile = HostProfile {
        shares: vec![
            share("/tmp", "/private/tmp"),
            share("~", "~"),
            share("?:\\Users", "/?/Users"),
        ],
        ..HostProfile::fallback().unwrap()
    };
    let there = |path: &str| profile.translate(path, "/Users/a");
    assert_eq!(there("/tmp/x").as_deref(), Some("/private/tmp/x"));
    assert_eq!(there("/tmp").as_deref(), Some("/private/tmp"));
    assert_eq!(there("/tmpfs"), None);
    assert_eq!(there("/Users/a/b").as_deref(), Some("/Users/a/b"));
    assert_eq!(there("/Users/ab"), None);
    let drive = there("C:\\Users\\a\\logs");
    assert_eq!(drive.as_deref(), Some("/c/Users/a/logs"));
    assert_eq!(there("C:\\Windows"), None);
    let linux = HostProfile::fallback().unwrap();
    assert_eq!(
        linux.translate("/srv/a", "/root").as_deref(),
        Some("/srv/a")
    );
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table of hosts")]
fn where_ports_are_is_settled() {
    let host = |appears, address: &str, engine: Option<&str>, wanted: Option<&str>, forward| {
        let address = PublishAddress::try_from(address.to_owned()).unwrap();
        let profile = HostProfile {
            published: Published { appears, address },
            ..HostProfile::fallback().unwrap()
        };
        let parse = |text: Option<&str>| text.map(|it| it.parse().unwrap());
        let host = Host::new(
            profile,
            String::new(),
            parse(engine),
            parse(wanted),
            forward,
        );
        host.map(|it| (it.publish_address.to_string(), it.reached))
    };
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let vm = Some("192.168.59.103");
    let local = "127.0.0.1".to_owned();
    for (given, expected) in [
        (
            host(Appears::Loopback, "127.0.0.1", None, None, true),
            (local.clone(), Reached::Here),
        ),
        (
            host(Appears::Loopback, "127.0.0.1", None, Some("0.0.0.0"), true),
            ("0.0.0.0".into(), Reached::Here),
        ),
        (
            host(Appears::Engine, "{engine}", vm, None, true),
            (
                "192.168.59.103".into(),
                Reached::Forwarded(ip("192.168.59.103")),
            ),
        ),
        (
            host(Appears::Engine, "{engine}", vm, Some("0.0.0.0"), false),
            ("0.0.0.0".into(), Reached::At(ip("192.168.59.103"))),
        ),
        (
            host(Appears::Engine, "127.0.0.2", None, None, true),
            ("127.0.0.2".into(), Reached::Forwarded(ip("127.0.0.2"))),
        ),
        (
            host(Appears::Tunnel, "127.0.0.1", None, None, true),
            (local.clone(), Reached::Tunnelled(ip("127.0.0.1"))),
        ),
        (
            host(Appears::Tunnel, "127.0.0.1", None, None, false),
            (local.clone(), Reached::Elsewhere(ip("127.0.0.1"))),
        ),
        (
            host(Appears::Host, "127.0.0.1", vm, None, true),
            (local.clone(), Reached::Elsewhere(ip("127.0.0.1"))),
        ),
        (
            host(Appears::Host, "127.0.0.1", vm, Some("0.0.0.0"), true),
            ("0.0.0.0".into(), Reached::Forwarded(ip("192.168.59.103"))),
        ),
        // Over there, not here.
        (
            host(Appears::Engine, "{engine}", vm, Some("127.0.0.1"), true),
            (local, Reached::Elsewhere(ip("127.0.0.1"))),
        ),
    ] {
        assert_eq!(given.unwrap(), expected);
    }
    assert!(host(Appears::Engine, "{engine}", None, None, true).is_err());
}

#[test]
fn no_profile_lets_others_in() {
    for address in ["0.0.0.0", "::"] {
        let text = format!(
            "name: open\nextends: linux\npublished: {{ appears: loopback, address: \"{address}\" }}\n"
        );
        let error = HostProfile::parse("open.yaml", text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("settings.yaml"), "{error}");
        assert!(error.to_string().starts_with("open.yaml:3:"), "{error}");
    }
}
