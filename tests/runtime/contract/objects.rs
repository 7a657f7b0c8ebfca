//! Names, ports, networks, volumes and images.

use super::*;

contract!(
    what_is_absent,
    a_name_is_taken,
    ports_are_taken,
    networks_and_their_names,
    a_network_of_two_same_names_is_ambiguous,
    volumes_outlive_containers,
    images_by_id,
);

async fn what_is_absent(harness: &impl Harness) {
    let engine = harness.engine();
    let absent = harness.named("absent");
    assert_eq!(kind(engine.inspect(&absent).await), FaultKind::NotFound);
    assert_eq!(kind(engine.start(&absent).await), FaultKind::NotFound);
    assert_eq!(kind(engine.stop(&absent, None).await), FaultKind::NotFound);
    assert_eq!(kind(engine.pause(&absent).await), FaultKind::NotFound);
    assert_eq!(
        kind(engine.remove_volume(&absent).await),
        FaultKind::NotFound
    );
    assert_eq!(
        kind(engine.remove_network(&absent).await),
        FaultKind::NotFound
    );
    let mut body = harness.body(&["sleep"]);
    body.image = Digest::of(b"no such image").to_string();
    let create = engine.create(&absent, &body, &[]).await;
    assert_eq!(kind(create), FaultKind::NotFound);
    // A network that is gone is noticed by the start, and the container stays to be started again.
    body = harness.body(&["sleep"]);
    body.host_config.network_mode = absent;
    let id = harness.create("a", &body).await;
    assert_eq!(kind(engine.start(&id).await), FaultKind::NotFound);
    assert_eq!(harness.find(&id).await.state, ContainerState::Created);
}

async fn a_name_is_taken(harness: &impl Harness) {
    let body = harness.body(&["sleep"]);
    harness.create("a", &body).await;
    let name = harness.named("a");
    let again = harness.engine().create(&name, &body, &[]).await;
    assert_eq!(kind(again), FaultKind::Conflict);
}

async fn ports_are_taken(harness: &impl Harness) {
    let engine = harness.engine();
    let network = harness.named("net");
    engine
        .create_network(&network, &harness.labels(), NetworkKind::Open)
        .await
        .unwrap();
    let (port, holder) = harness.occupy();
    let mut body = harness.body(&["sleep"]);
    body.host_config.network_mode = network;
    published(&mut body, port);
    let id = harness.create("a", &body).await;
    assert_eq!(kind(engine.start(&id).await), FaultKind::PortTaken);
    assert_eq!(harness.find(&id).await.state, ContainerState::Created);

    drop(holder);
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    published(&mut body, port);
    let first = harness.create("b", &body).await;
    engine.start(&first).await.unwrap();
    let row = harness.find(&first).await;
    let ports: Vec<_> = row
        .ports
        .iter()
        .map(|port| (port.container, port.host, port.address.to_string()))
        .collect();
    assert_eq!(ports, [(80, port, "127.0.0.1".to_owned())]);
    let second = harness.create("c", &body).await;
    assert_eq!(kind(engine.start(&second).await), FaultKind::PortTaken);
}

async fn networks_and_their_names(harness: &impl Harness) {
    let engine = harness.engine();
    let (one, two) = (harness.named("one"), harness.named("two"));
    let one_id = engine
        .create_network(&one, &harness.labels(), NetworkKind::Open)
        .await
        .unwrap();
    let two_id = engine
        .create_network(&two, &harness.labels(), NetworkKind::Internal)
        .await
        .unwrap();
    let mut listed = engine.networks(&harness.label()).await.unwrap();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    let names: Vec<_> = listed.iter().map(|network| &network.name).collect();
    assert_eq!(names, [&one, &two]);
    assert_eq!(listed[0].id, one_id);

    let mut body = harness.body(&["sleep"]);
    body.host_config.network_mode.clone_from(&one);
    let endpoint = EndpointBody {
        aliases: vec!["billing".to_owned()],
        address: None,
    };
    body.networking_config
        .endpoints_config
        .insert(one.clone(), endpoint);
    let id = harness.create("a", &body).await;
    assert!(harness.find(&id).await.networks.contains_key(&one));
    let aliases = ["absent-one".to_owned(), "absent-two".to_owned()];
    engine.connect(&two_id, &id, &aliases).await.unwrap();
    engine.start(&id).await.unwrap();
    let row = harness.find(&id).await;
    assert_eq!(row.networks[&one].network, one_id);
    assert!(row.networks[&one].address.is_some());
    let details = engine.inspect(&id).await.unwrap();
    assert_eq!(details.networks[&one].aliases, ["billing"]);
    assert_eq!(details.networks[&two].aliases, aliases);

    let again = engine.connect(&two_id, &id, &aliases).await;
    assert_eq!(kind(again), FaultKind::Conflict);
    let used = engine.remove_network(&two_id).await;
    assert_eq!(kind(used), FaultKind::Conflict);
    engine.disconnect(&two_id, &id).await.unwrap();
    let again = engine.disconnect(&two_id, &id).await;
    assert_eq!(kind(again), FaultKind::NotFound);
    engine.remove_network(&two_id).await.unwrap();
    let row = harness.find(&id).await;
    assert_eq!(row.networks.keys().collect::<Vec<_>>(), [&one]);

    // A stopped container does not hold a network.
    engine.stop(&id, Some(0)).await.unwrap();
    engine.remove_network(&one_id).await.unwrap();
    assert_eq!(kind(engine.start(&id).await), FaultKind::NotFound);
}

/// Engines before 25 make a second one, and then starts by name fail: the executor uses Ids.
async fn a_network_of_two_same_names_is_ambiguous(harness: &impl Harness) {
    let engine = harness.engine();
    let name = harness.named("net");
    let labels = harness.labels();
    let first = engine
        .create_network(&name, &labels, NetworkKind::Open)
        .await
        .unwrap();
    let second = match engine
        .create_network(&name, &labels, NetworkKind::Open)
        .await
    {
        Ok(second) => second,
        Err(fault) => return assert_eq!(fault.kind, FaultKind::Conflict, "{fault}"),
    };
    assert_ne!(first, second);
    let mut body = harness.body(&["sleep"]);
    body.host_config.network_mode = name;
    let id = harness.create("a", &body).await;
    assert_eq!(kind(engine.start(&id).await), FaultKind::Conflict);
    engine.remove_network(&second).await.unwrap();
    engine.start(&id).await.unwrap();
}

async fn volumes_outlive_containers(harness: &impl Harness) {
    let engine = harness.engine();
    let name = harness.named("logs");
    engine
        .create_volume(&name, &harness.labels())
        .await
        .unwrap();
    let other = Labels::from([("other".to_owned(), "1".to_owned())]);
    engine.create_volume(&name, &other).await.unwrap();
    let listed = engine.volumes(&harness.label()).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].labels, harness.labels());

    let mut body = harness.body(&["sleep"]);
    body.host_config.mounts = vec![MountBody::new(
        "volume",
        name.clone(),
        "/var/log/tomcat".to_owned(),
    )];
    let id = harness.create("a", &body).await;
    assert_eq!(harness.find(&id).await.volumes[&name], "/var/log/tomcat");
    let used = engine.remove_volume(&name).await;
    assert_eq!(kind(used), FaultKind::Conflict);
    engine.remove(&id).await.unwrap();
    assert_eq!(engine.volumes(&harness.label()).await.unwrap().len(), 1);
    engine.remove_volume(&name).await.unwrap();
    assert_eq!(engine.volumes(&harness.label()).await.unwrap(), []);
}

async fn images_by_id(harness: &impl Harness) {
    let engine = harness.engine();
    let image = engine.image(&harness.image()).await.unwrap().unwrap();
    assert_eq!(image.id, harness.image());
    assert_eq!(image.os, "linux");
    assert_eq!(image.layers.len(), 1);
    let absent = Digest::of(b"no such image");
    assert_eq!(engine.image(&absent).await.unwrap(), None);
    let repository = format!("localhost/{}/billing", harness.owner());
    let tagged = engine.tag(&absent, &repository, "1").await;
    assert_eq!(kind(tagged), FaultKind::NotFound);
    let place = repository.parse().unwrap();
    let pulled = engine.pull(&place, &absent, None, None, &|_| {}).await;
    assert_eq!(kind(pulled), FaultKind::Internal);
}
