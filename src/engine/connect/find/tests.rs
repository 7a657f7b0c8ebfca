use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;

use super::*;

fn none(_: &str) -> Option<String> {
    None
}

/// Answers every request on a socket, until the process ends.
fn engine_at(socket: &Path) {
    fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut bytes = [0; 1000];
            let _ = stream.read(&mut bytes);
            let answer = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK";
            let _ = stream.write_all(answer);
        }
    });
}

fn home(folder: &tempfile::TempDir) -> EngineEnvironment {
    EngineEnvironment {
        home: Some(folder.path().to_owned()),
        ..EngineEnvironment::default()
    }
}

fn place(what: &str, reach: &str) -> Place {
    Place {
        what: what.to_owned(),
        reach: reach.to_owned(),
    }
}

/// As [`find`], with another default than this machine's, at which nobody listens.
fn look(environment: &EngineEnvironment, places: Vec<Place>) -> Result<Choice> {
    let nowhere = Endpoint::Unix(PathBuf::from("/nowhere/docker.sock"));
    among(nowhere, environment, &none, places)
}

#[test]
fn the_first_in_order_that_answers_wins() {
    let folder = tempfile::tempdir().unwrap();
    let environment = home(&folder);
    let places = || {
        vec![
            place("gone", "unix://~/gone.sock"),
            place("mute", "unix://~/mute.sock"),
            place("one", "unix://~/.one/docker.sock"),
            place("two", "unix://~/.two/docker.sock"),
        ]
    };
    let _mute = UnixListener::bind(folder.path().join("mute.sock")).unwrap();
    engine_at(&folder.path().join(".two/docker.sock"));
    let choice = look(&environment, places()).unwrap();
    assert_eq!(choice.chosen_by, ChosenBy::Probed("two".to_owned()));
    engine_at(&folder.path().join(".one/docker.sock"));
    let choice = look(&environment, places()).unwrap();
    assert_eq!(choice.chosen_by, ChosenBy::Probed("one".to_owned()));
    let socket = folder.path().join(".one/docker.sock");
    assert_eq!(choice.endpoint, Endpoint::Unix(socket));
}

#[test]
fn no_engine_anywhere_lists_what_was_asked_and_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let _mute = UnixListener::bind(folder.path().join("mute.sock")).unwrap();
    let places = vec![
        place("gone", "unix://~/gone.sock"),
        place("mute", "unix://~/mute.sock"),
        place("elsewhere", "npipe:////./pipe/engine"),
    ];
    let begun = std::time::Instant::now();
    let error = look(&home(&folder), places).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(5));
    let list = error.details().join("\n");
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 4, "no pipes are looked for here: {list}");
    assert!(
        lines[1].contains("/nowhere/docker.sock (the default): No such file"),
        "{list}"
    );
    assert!(
        lines[2].contains("gone.sock (gone): No such file"),
        "{list}"
    );
    assert!(
        lines[3].contains("mute.sock (mute): the engine did not answer within 300ms"),
        "{list}"
    );
}

#[test]
fn a_default_that_takes_no_more_connections_is_an_engine_and_nobody_waits_for_it() {
    use socket2::{Domain, SockAddr, Socket, Type};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("full");
    let address = SockAddr::unix(&path).unwrap();
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    listener.bind(&address).unwrap();
    listener.listen(0).unwrap();
    let mut waiting = Vec::new();
    loop {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        if socket.connect(&address).is_err() {
            break;
        }
        waiting.push(socket);
    }
    let (told, answer) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let default = Choice {
            endpoint: Endpoint::Unix(path),
            chosen_by: ChosenBy::Default,
        };
        let places = || -> Result<Vec<Place>> { panic!("nobody else is asked") };
        let environment = EngineEnvironment::default();
        let _ = told.send(default_or_among(default, &environment, &none, places));
    });
    let choice = answer.recv_timeout(Duration::from_secs(5));
    let choice = choice.expect("an answer without waiting").unwrap();
    assert_eq!(choice.chosen_by, ChosenBy::Default);
    drop(waiting);
}

#[test]
fn home_stands_at_the_beginning_only() {
    let home = Some(Path::new("/home/me"));
    for (text, expanded) in [
        ("unix://~/a~b", "unix:///home/me/a~b"),
        ("~/certs/~", "/home/me/certs/~"),
        ("~", "/home/me"),
        ("/x/~/y", "/x/~/y"),
        ("unix:///run/~me", "unix:///run/~me"),
        ("/run/$X/y", "/run/7/y"),
    ] {
        let variable = |name: &str| (name == "X").then(|| "7".to_owned());
        assert_eq!(expand(text, home, &variable).as_deref(), Some(expanded));
    }
    assert_eq!(expand("~/x", None, &none), None);
    assert_eq!(expand("/$X", home, &none), None);
}

#[test]
fn what_is_configured_is_never_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    engine_at(&folder.path().join("s"));
    let environment = EngineEnvironment {
        docker_host: Some("unix:///nowhere/docker.sock".to_owned()),
        ..home(&folder)
    };
    let places = || -> Result<Vec<Place>> { panic!("nobody may ask") };
    let choice = find(&environment, &none, places).unwrap();
    assert_eq!(choice.chosen_by, ChosenBy::DockerHost);
}

#[test]
fn places_with_variables_certificates_and_machines() {
    let folder = tempfile::tempdir().unwrap();
    let environment = home(&folder);
    let shown = |reach: &str, variable: &dyn Fn(&str) -> Option<String>| -> Vec<String> {
        let found = endpoints(reach, &environment, variable);
        found.iter().map(ToString::to_string).collect()
    };
    let run = |name: &str| (name == "XDG_RUNTIME_DIR").then(|| "/run/user/7".to_owned());
    let reach = "unix://$XDG_RUNTIME_DIR/docker.sock";
    assert_eq!(shown(reach, &run), ["unix:///run/user/7/docker.sock"]);
    assert_eq!(shown(reach, &none), [""; 0]);

    let reach = "tcp://192.168.59.103:2376 ~/certs";
    assert_eq!(shown(reach, &none), [""; 0]);
    fs::create_dir(folder.path().join("certs")).unwrap();
    let [Endpoint::Tls { host, material, .. }] = &endpoints(reach, &environment, &none)[..] else {
        panic!("TLS expected");
    };
    assert_eq!(host, "192.168.59.103");
    assert_eq!(material.ca, Some(folder.path().join("certs/ca.pem")));

    // As docker-machine's virtualbox driver writes it, shortened:
    // https://github.com/docker/machine/blob/master/libmachine/host/host_test.go and migrate_v2_v3.go
    for (name, text) in [
        (
            "b",
            r#"{"ConfigVersion":3,"Driver":{"IPAddress":"192.168.99.101","MachineName":"b"},"DriverName":"virtualbox"}"#,
        ),
        (
            "a",
            r#"{"ConfigVersion":3,"Driver":{"IPAddress":"192.168.99.100","MachineName":"a"}}"#,
        ),
        (
            "stopped",
            r#"{"ConfigVersion":3,"Driver":{"IPAddress":""}}"#,
        ),
        ("broken", "{"),
    ] {
        let machine = folder.path().join("machines").join(name);
        fs::create_dir_all(&machine).unwrap();
        fs::write(machine.join("config.json"), text).unwrap();
    }
    assert_eq!(
        shown("tcp://*:2376 ~/machines/*", &none),
        [
            "tcp://192.168.99.100:2376 (TLS)",
            "tcp://192.168.99.101:2376 (TLS)"
        ]
    );
}
