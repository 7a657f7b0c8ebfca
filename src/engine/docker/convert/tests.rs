use super::*;

const ROW: &str = r#"{"Id":"bc11","Names":["/other/link","/n-customers"],"Image":"t/customers",
    "ImageID":"sha256:1a263a27ea835d40ea72be3b9e75682f2d9952907b475b6fb01dca90cb7ee605",
    "Created":1795424668,"Ports":[
        {"IP":"127.0.0.1","PrivatePort":80,"PublicPort":8000,"Type":"tcp"},
        {"IP":"::1","PrivatePort":80,"PublicPort":8000,"Type":"tcp"},
        {"IP":"0.0.0.0","PrivatePort":53,"PublicPort":53,"Type":"udp"},
        {"PrivatePort":9,"Type":"tcp"}],
    "Labels":{"b":"2","a":"1"},"State":"running","Status":"Up 3 minutes (health: starting)",
    "HostConfig":{"NetworkMode":"tnet"},
    "NetworkSettings":{"Networks":{"tnet":{"Aliases":null,"NetworkID":"36c5","IPAddress":"172.18.0.2"}}},
    "Mounts":[{"Type":"volume","Name":"logs","Destination":"/var/log/tomcat"},
              {"Type":"bind","Source":"/x","Destination":"/y"}]}"#;

#[test]
fn a_listed_container() {
    let container = listed(serde_json::from_str(ROW).unwrap());
    assert_eq!(container.object, "n-customers");
    assert_eq!(container.image.unwrap().short(), "1a263a27ea83");
    assert_eq!(container.state, ContainerState::Running);
    assert_eq!(container.health, Some(Health::Starting));
    let addresses: Vec<String> = container
        .ports
        .iter()
        .map(|port| format!("{} {}", port.address, port.host))
        .collect();
    assert_eq!(addresses, ["127.0.0.1 8000", "::1 8000"]);
    assert_eq!(container.networks["tnet"].network, "36c5");
    assert_eq!(container.volumes["logs"], "/var/log/tomcat");
    assert_eq!(container.volumes["/x"], "/y");
}

#[test]
fn status_texts() {
    for (status, code) in [
        ("Exited (137) 3 seconds ago", Some(137)),
        ("Exited (0) About a minute ago", Some(0)),
        ("Up 3 minutes", None),
    ] {
        assert_eq!(exit_code_in(status), code, "{status}");
    }
    assert_eq!(health_in("Up 2 s (healthy)"), Some(Health::Healthy));
    assert_eq!(health_in("Up 2 s (unhealthy)"), Some(Health::Unhealthy));
    assert_eq!(health_in("Up 2 s (Paused)"), None);
}

#[test]
fn the_create_body_loses_nothing_on_the_way_to_bollard() {
    let text = r#"{"Cmd":["a"],"Entrypoint":[],"Env":["A=1"],"ExposedPorts":{"80/tcp":{}},
        "Healthcheck":{"Interval":500000000,"Retries":3,"StartInterval":7,"StartPeriod":0,"Test":["CMD","x"],"Timeout":1},
        "HostConfig":{"ExtraHosts":["a:1"],"Memory":7,"Mounts":[{"Source":"v","Target":"/t","Type":"volume"}],
        "NanoCpus":5,"NetworkMode":"n","PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"80"}]},
        "ReadonlyRootfs":true,"Tmpfs":{"/tmp":""},"Ulimits":[{"Hard":2,"Name":"nofile","Soft":1}]},
        "Hostname":"h","Image":"i","Labels":{"l":"1"},
        "NetworkingConfig":{"EndpointsConfig":{"n":{"Aliases":["x"]}}},
        "StopSignal":"SIGINT","StopTimeout":9,"User":"u"}"#;
    let body: CreateBody = serde_json::from_str(text).unwrap();
    let secrets = [("PASSWORD".to_owned(), Secret::new("hunter2"))];
    let sent = serde_json::to_value(create_body(&body, &secrets).unwrap()).unwrap();
    let mut wanted: serde_json::Value = serde_json::from_str(text).unwrap();
    wanted["Env"] = serde_json::json!(["A=1", "PASSWORD=hunter2"]);
    assert_eq!(sent, wanted);
}

#[test]
fn an_inspected_container() {
    let id = "bc1178e58f41599c";
    let text = r#"{"Id":"bc1178e58f41599c","Created":"2026-11-23T09:00:00Z",
        "Image":"sha256:1a263a27ea835d40ea72be3b9e75682f2d9952907b475b6fb01dca90cb7ee605",
        "State":{"Status":"exited","Running":false,"OOMKilled":true,"ExitCode":137,"Error":"a\u001b[1m",
            "StartedAt":"2026-11-23T09:00:01Z","Health":{"Status":"unhealthy","FailingStreak":2,"Log":[
                {"Start":"2026-11-23T09:00:02Z","End":"2026-11-23T09:00:03Z","ExitCode":1,"Output":"one\n\u001btwo\n"}]}},
        "HostConfig":{"Memory":536870912},
        "NetworkSettings":{"Networks":{"n":{"NetworkID":"36c5","Aliases":["billing","bc1178e58f41"],
            "IPAddress":"","GlobalIPv6Address":"fd00::2"}}}}"#;
    let details = inspected(serde_json::from_str(text).unwrap());
    assert_eq!(details.id, id);
    assert_eq!(details.state, ContainerState::Exited(Some(137)));
    assert!(details.out_of_memory);
    assert_eq!(details.error, "a\\u{1b}[1m");
    assert_eq!(details.memory, 512 << 20);
    assert_eq!(details.health, Some(Health::Unhealthy));
    assert_eq!(details.probes[0].output, "one\n\\u{1b}two");
    assert_eq!(details.started, "2026-11-23T09:00:01Z");
    let endpoint = &details.networks["n"];
    assert_eq!(endpoint.aliases, ["billing"]);
    assert_eq!(endpoint.address, "fd00::2".parse().ok());
}
