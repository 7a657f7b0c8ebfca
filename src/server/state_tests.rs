use super::*;
use crate::model::digest::Digest;

fn generation(stage: Stage, since: i64, containers: &[(&str, u64)]) -> Generation {
    let place = |(name, origin): &(&str, u64)| {
        let place = Place {
            origin: *origin,
            spec: String::new(),
            reaches: BTreeSet::new(),
            aliases: BTreeSet::new(),
            once: false,
            single: false,
            filled: false,
            checked: false,
            made: None,
        };
        (ContainerName::new(*name).unwrap(), place)
    };
    Generation {
        reference: ReferenceRecord {
            number: 1,
            digest: Digest::of(b"x"),
        },
        proxy: ContainerName::new("front").unwrap(),
        begun: Timestamp::UNIX_EPOCH,
        since: Some(Timestamp::from_second(since).unwrap()),
        stage,
        containers: containers.iter().map(place).collect(),
        ports: Vec::new(),
        stopped: BTreeSet::new(),
        routes: Vec::new(),
        inputs: String::new(),
        drains: None,
        ends_hold: false,
    }
}

fn state() -> State {
    State {
        last: 3,
        serving: Some(3),
        generations: BTreeMap::from([
            (1, generation(Stage::Stopped, 1, &[("db", 1), ("app", 1)])),
            (
                2,
                generation(
                    Stage::Paused(Timestamp::UNIX_EPOCH),
                    2,
                    &[("db", 1), ("app", 2)],
                ),
            ),
            (3, generation(Stage::Serving, 3, &[("db", 1), ("app", 3)])),
        ]),
        ..State::default()
    }
}

#[test]
fn what_is_shared_is_nobodys_own() {
    let state = state();
    let own: Vec<_> = state
        .own(2, &[3])
        .into_keys()
        .map(ToString::to_string)
        .collect();
    assert_eq!(own, ["app"]);
    assert_eq!(state.own(3, &[]).len(), 2);
    assert_eq!(state.kept(), [2, 1]);
}

#[test]
fn a_network_stays_while_a_container_of_it_does() {
    let mut state = state();
    state.generations.remove(&1);
    assert!(state.needs_network(1), "db is of generation 1");
    state.generations.retain(|number, _| *number == 2);
    state
        .generations
        .get_mut(&2)
        .unwrap()
        .containers
        .retain(|name, _| name.as_str() == "app");
    assert!(!state.needs_network(1));
    assert!(state.needs_network(2));
}

#[test]
fn a_free_network_is_nobodys() {
    let text = "schema: 1\nplatform: acme\nregistry: r:1/a\nenvironment: production\naddresses: 10.9.0.0/20\n";
    let file = ServerFile::parse("server.yaml", text.as_bytes()).unwrap();
    let mut state = state();
    assert_eq!(
        state.free_network(&file).unwrap().to_string(),
        "10.9.3.0/24"
    );
    state.networks = file
        .networks()
        .skip(3)
        .zip(3..)
        .map(|(net, n)| (n, net))
        .collect();
    assert_eq!(
        state.free_network(&file).unwrap().to_string(),
        "10.9.0.0/24"
    );
    state.networks = file.networks().zip(0..).map(|(net, n)| (n, net)).collect();
    assert_eq!(state.free_network(&file), None);
}

#[test]
fn what_is_written_is_read() {
    let mut state = state();
    state.generations.get_mut(&2).unwrap().stage = Stage::Paused(Timestamp::UNIX_EPOCH);
    let text = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
}

/// Each of them would be another server beside the one that runs.
#[test]
fn another_name_is_refused_while_the_old_one_runs() {
    let text = "schema: 1\nplatform: acme\nregistry: r:1/a\nenvironment: production\nname: a\n\
                addresses: 10.9.0.0/20\n";
    let file = |was: &str, is: &str| {
        let text = text.replace(was, is);
        ServerFile::parse("server.yaml", text.as_bytes()).unwrap()
    };
    let of = |file: &ServerFile| Of {
        platform: file.platform.clone(),
        name: file.name.clone(),
    };
    let own = file("", "");
    let state = State {
        of: Some(of(&own)),
        networks: BTreeMap::from([(3, "10.9.3.0/24".parse().unwrap())]),
        ..state()
    };
    assert!(State::default().refuse_another(&own).is_ok());
    for fine in [
        own,
        file("10.9.0.0/20", "10.9.0.0/16"),
        file("production", "recette"),
    ] {
        assert!(state.refuse_another(&fine).is_ok(), "{fine:?}");
    }
    for (was, is, wanted) in [
        (
            "name: a",
            "name: b",
            "platform: acme, name: a, and server.yaml says platform: acme, name: b",
        ),
        ("acme", "other", "and server.yaml says platform: other"),
        (
            "10.9.0.0/20",
            "10.8.0.0/20",
            "`addresses` with 10.9.3.0/24 in them",
        ),
    ] {
        let error = state.refuse_another(&file(was, is)).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    }
}
