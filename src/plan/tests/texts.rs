//! The plan for each thing that can have changed, as its text.

use insta::assert_snapshot;

use super::world::{Engine, World, identity, name};
use crate::desired;
use crate::model::digest::Digest;
use crate::model::identity::SPEC;
use crate::model::name::ConfigurationName;
use crate::model::observed::ContainerState;
use crate::model::secret::Secret;
use crate::plan::{Plan, Step, removal};

/// `billing` with what it needs and the proxy, running.
fn running() -> (World, Engine) {
    let (world, mut engine) = (World::asking_for(&["billing"]), Engine::default());
    world.up(&mut engine);
    (world, engine)
}

#[test]
fn cold() {
    assert_snapshot!(World::asking_for(&["customers"]).plan(&Engine::default()), @r"
     1. create network                                    it is not there
     2. create network for absent names                   it is not there
     3. create volume devenv-acme-default-customers.logs  it is not there
     4. pull customers                                    its image is not on this engine
     5. bind customers                                    it is about to be created  (after 4)
     6. create customers                                  it is not there  (after 1, 3, 5)
     7. pull front                                        its image is not on this engine
     8. bind front                                        it is about to be created  (after 7)
     9. create front                                      it is not there  (after 1, 8)
    10. connect front                                     it is not there  (after 2, 9)
    11. start customers                                   it is not there  (after 6)
    12. start front                                       it is not there  (after 10)
    ");
    assert_snapshot!(World::asking_for(&["billing"]).plan(&Engine::default()), @r"
     1. create network                                    it is not there
     2. create network for absent names                   it is not there
     3. create volume devenv-acme-default-customers.logs  it is not there
     4. create volume devenv-acme-default-ledger-db.data  it is not there
     5. create volume devenv-acme-default-billing.logs    it is not there
     6. pull customers                                    its image is not on this engine
     7. bind customers                                    it is about to be created  (after 6)
     8. create customers                                  it is not there  (after 1, 3, 7)
     9. pull ledger-db                                    its image is not on this engine
    10. bind ledger-db                                    it is about to be created  (after 9)
    11. create ledger-db                                  it is not there  (after 1, 4, 10)
    12. pull migration                                    its image is not on this engine
    13. bind migration                                    it is about to be created  (after 12)
    14. create migration                                  it is not there  (after 1, 13)
    15. pull billing                                      its image is not on this engine
    16. bind billing                                      it is about to be created  (after 15)
    17. create billing                                    it is not there  (after 1, 5, 16)
    18. connect billing                                   it is not there  (after 2, 17)
    19. pull front                                        its image is not on this engine
    20. bind front                                        it is about to be created  (after 19)
    21. create front                                      it is not there  (after 1, 20)
    22. connect front                                     it is not there  (after 2, 21)
    23. start customers                                   it is not there  (after 8)
    24. start ledger-db                                   it is not there  (after 11)
    25. wait for ledger-db healthy                        migration needs it  (after 24)
    26. start migration                                   it is not there  (after 14, 25)
    27. wait for migration completed                      billing needs it  (after 26)
    28. start billing                                     it is not there  (after 18, 23, 25, 27)
    29. start front                                       it is not there  (after 22)
    ");
}

#[test]
fn nothing_to_do() {
    let (world, engine) = running();
    assert_snapshot!(world.plan(&engine), @"");
}

#[test]
fn images_that_are_there_are_not_pulled() {
    let (world, engine) = running();
    let mut empty = Engine::default();
    empty.observed.images = engine.observed.images;
    let plan = world.plan(&empty);
    assert!(
        !plan
            .nodes
            .iter()
            .any(|node| matches!(node.step, Step::Pull(_)))
    );
}

#[test]
fn one_app_more_leaves_the_others_alone() {
    let (mut world, engine) = running();
    world.request.names.push("invoices".to_owned());
    assert_snapshot!(world.plan(&engine), @r"
    1. create volume devenv-acme-default-invoices.logs  it is not there
    2. pull invoices                                    its image is not on this engine
    3. bind invoices                                    it is about to be created  (after 2)
    4. create invoices                                  it is not there  (after 1, 3)
    5. disconnect front                                 the absent names changed
    6. connect front                                    the absent names changed  (after 5)
    7. start invoices                                   it is not there  (after 4)
    ");
}

#[test]
fn an_app_that_another_uses_comes() {
    let (mut world, engine) = running();
    world.request.names.push("audit".to_owned());
    assert_snapshot!(world.plan(&engine), @r"
    1. create volume devenv-acme-default-audit.logs  it is not there
    2. pull audit                                    its image is not on this engine
    3. bind audit                                    it is about to be created  (after 2)
    4. create audit                                  it is not there  (after 1, 3)
    5. disconnect billing                            the absent names changed
    6. disconnect front                              the absent names changed
    7. connect front                                 the absent names changed  (after 6)
    8. start audit                                   it is not there  (after 4)
    ");
}

#[test]
fn one_app_less() {
    let (mut world, mut engine) = running();
    world.request.names.push("invoices".to_owned());
    world.up(&mut engine);
    world.request.names = vec!["customers".to_owned()];
    assert_snapshot!(world.plan(&engine), @r"
    1. disconnect front  the absent names changed
    2. connect front     the absent names changed  (after 1)
    3. stop invoices     it is not part of the subset
    4. remove invoices   it is not part of the subset  (after 3)
    5. stop billing      it is not part of the subset  (after 3)
    6. remove billing    it is not part of the subset  (after 5)
    7. remove migration  it is not part of the subset
    8. stop ledger-db    it is not part of the subset  (after 5)
    9. remove ledger-db  it is not part of the subset  (after 8)
    ");
}

#[test]
fn a_new_version_replaces_only_its_container() {
    let (mut world, engine) = running();
    world.release("billing", "1.5");
    assert_snapshot!(world.plan(&engine), @r"
     1. set aside billing  1.4 → 1.5
     2. stop billing       1.4 → 1.5
     3. pull billing       its image is not on this engine
     4. bind billing       it is about to be created  (after 3)
     5. create billing     1.4 → 1.5  (after 1, 4)
     6. connect billing    1.4 → 1.5  (after 5)
     7. set aside front    7 → 8
     8. stop front         7 → 8
     9. pull front         its image is not on this engine
    10. bind front         it is about to be created  (after 9)
    11. create front       7 → 8  (after 7, 10)
    12. connect front      7 → 8  (after 11)
    13. start billing      1.4 → 1.5  (after 2, 6)
    14. remove billing     1.4 → 1.5  (after 1, 2)
    15. start front        7 → 8  (after 8, 12)
    16. remove front       7 → 8  (after 7, 8)
    ");
}

#[test]
fn another_configuration_changes_whom_it_tells() {
    let (mut world, engine) = running();
    world.request.names = vec!["customers".to_owned()];
    world.request.proxy = false;
    world.configuration = ConfigurationName::new("recette").unwrap();
    assert_snapshot!(world.plan(&engine), @r"
     1. set aside customers  its specification changed
     2. stop customers       its specification changed
     3. bind customers       it is about to be created
     4. create customers     its specification changed  (after 1, 3)
     5. stop billing         it is not part of the subset
     6. remove billing       it is not part of the subset  (after 5)
     7. stop front           it is not part of the subset
     8. remove front         it is not part of the subset  (after 7)
     9. remove migration     it is not part of the subset
    10. stop ledger-db       it is not part of the subset  (after 5)
    11. remove ledger-db     it is not part of the subset  (after 10)
    12. start customers      its specification changed  (after 2, 4)
    13. remove customers     its specification changed  (after 1, 2)
    ");
}

#[test]
fn another_password_replaces_those_that_know_it() {
    let (mut world, engine) = running();
    world
        .secrets
        .values
        .insert("DB_PASSWORD".to_owned(), Secret::new("new"));
    let plan = world.plan(&engine);
    assert_eq!(created(&plan), ["ledger-db", "billing"]);
    assert_snapshot!(plan, @r"
     1. set aside ledger-db         its specification changed
     2. stop ledger-db              its specification changed
     3. bind ledger-db              it is about to be created
     4. create ledger-db            its specification changed  (after 1, 3)
     5. set aside billing           its specification changed
     6. stop billing                its specification changed
     7. bind billing                it is about to be created
     8. create billing              its specification changed  (after 5, 7)
     9. connect billing             its specification changed  (after 8)
    10. start ledger-db             its specification changed  (after 2, 4)
    11. remove ledger-db            its specification changed  (after 1, 2)
    12. wait for ledger-db healthy  billing needs it  (after 10)
    13. start billing               its specification changed  (after 6, 9, 12)
    14. remove billing              its specification changed  (after 5, 6)
    ");
}

#[test]
fn an_override_replaces_its_container() {
    let (mut world, engine) = running();
    let own = "containers: { customers: { memory: 1GiB } }";
    world.overrides = crate::model::overrides::Overrides::parse("own", own.as_bytes()).unwrap();
    assert_snapshot!(world.plan(&engine), @r"
    1. set aside customers  its specification changed
    2. stop customers       its specification changed
    3. bind customers       it is about to be created
    4. create customers     its specification changed  (after 1, 3)
    5. start customers      its specification changed  (after 2, 4)
    6. remove customers     its specification changed  (after 1, 2)
    ");
}

#[test]
fn an_image_that_is_not_the_verified_one_is_replaced() {
    let (world, mut engine) = running();
    engine.container("customers").image = Some(Digest::of(b"something else"));
    let second = world.desired().containers[1].image.accepted[1];
    engine.container("ledger-db").image = Some(second);
    assert_snapshot!(world.plan(&engine), @r"
    1. set aside customers  its image is not the verified one
    2. stop customers       its image is not the verified one
    3. bind customers       it is about to be created
    4. create customers     its image is not the verified one  (after 1, 3)
    5. start customers      its image is not the verified one  (after 2, 4)
    6. remove customers     its image is not the verified one  (after 1, 2)
    ");
}

#[test]
fn what_was_changed_by_hand() {
    let (world, engine) = running();
    let after = |container: &str, state: ContainerState| {
        let mut engine = engine.clone();
        let changed = engine.container(container);
        changed.state = state;
        changed.health = None;
        world.plan(&engine).to_string()
    };
    assert_snapshot!(after("customers", ContainerState::Paused), @"  1. unpause customers  it is frozen");
    assert_snapshot!(after("customers", ContainerState::Exited(Some(1))), @"  1. start customers  it does not run");
    assert_snapshot!(after("customers", ContainerState::Created), @"  1. start customers  it does not run");
    assert_snapshot!(after("customers", ContainerState::Dead), @r"
    1. set aside customers  it is half removed
    2. bind customers       it is about to be created
    3. create customers     it is half removed  (after 1, 2)
    4. start customers      it is half removed  (after 3)
    5. remove customers     it is half removed  (after 1)
    ");
    assert_snapshot!(after("migration", ContainerState::Exited(Some(3))), @"  1. start migration  it does not run");
    assert_snapshot!(after("migration", ContainerState::Exited(Some(0))), @"");
    assert_snapshot!(after("migration", ContainerState::Running), @"");
}

#[test]
fn a_container_off_its_network_is_replaced() {
    let (world, engine) = running();
    let mut detached = engine.clone();
    detached.container("customers").networks.clear();
    assert_snapshot!(world.plan(&detached), @r"
    1. set aside customers  it left the instance's network
    2. stop customers       it left the instance's network
    3. bind customers       it is about to be created
    4. create customers     it left the instance's network  (after 1, 3)
    5. start customers      it left the instance's network  (after 2, 4)
    6. remove customers     it left the instance's network  (after 1, 2)
    ");

    // Both networks were removed and are made again: nobody may keep an endpoint on the old ones.
    let mut renewed = engine;
    renewed.observed.networks.clear();
    assert_eq!(created(&world.plan(&renewed)).len(), 5);
}

#[test]
fn a_second_network_of_one_name_goes_before_anything_starts() {
    let (world, mut engine) = running();
    let mut second = engine.observed.networks[0].clone();
    second.id = "n9".to_owned();
    engine.observed.networks.push(second);
    engine.container("customers").state = ContainerState::Exited(None);
    assert_snapshot!(world.plan(&engine), @r"
    1. remove network devenv-acme-default  there is another one of this name
    2. start customers                     it does not run  (after 1)
    ");
}

#[test]
fn an_interrupted_replacement_is_finished() {
    // Set aside, still running, and no successor: it must stop before the successor starts.
    let (world, mut engine) = running();
    let old = engine.container("ledger-db");
    old.object = format!("{}-old-1", old.object);
    assert_snapshot!(world.plan(&engine), @r"
    1. stop ledger-db    an interrupted replacement left it
    2. remove ledger-db  an interrupted replacement left it  (after 1)
    3. bind ledger-db    it is about to be created
    4. create ledger-db  it is not there  (after 3)
    5. start ledger-db   it is not there  (after 1, 4)
    ");

    // The successor runs, the old one was not removed.
    let (mut world, mut engine) = running();
    world.release("customers", "2.1");
    let (desired, plan) = (world.desired(), world.plan(&engine));
    for node in &plan.nodes {
        if !matches!(node.step, Step::Remove { .. }) {
            engine.perform(&desired, &node.step).unwrap();
        }
    }
    assert_snapshot!(world.plan(&engine), @r"
    1. remove customers  an interrupted replacement left it
    2. remove front      an interrupted replacement left it
    ");
}

#[test]
fn without_a_proxy_absent_names_are_refused_by_the_host_file() {
    let (mut world, engine) = running();
    world.request.proxy = false;
    assert_snapshot!(world.plan(&engine), @r"
    1. set aside billing  its specification changed
    2. stop billing       its specification changed
    3. bind billing       it is about to be created
    4. create billing     its specification changed  (after 1, 3)
    5. stop front         it is not part of the subset
    6. remove front       it is not part of the subset  (after 5)
    7. start billing      its specification changed  (after 2, 4)
    8. remove billing     its specification changed  (after 1, 2)
    ");
    let desired = world.desired();
    let billing = desired.containers.last().unwrap();
    assert_eq!(
        billing.body.host_config.extra_hosts,
        ["audit:255.255.255.255"]
    );
}

#[test]
fn a_port_is_given_back_before_another_takes_it() {
    let (mut world, mut engine) = running();
    let publish = world.reference.containers["front"].run.publish.clone();
    world.request.proxy = false;
    let run = &mut world.reference.containers.get_mut("customers").unwrap().run;
    run.publish = publish;
    let plan = world.plan(&engine);
    let place = |wanted: &str| {
        let mut nodes = plan.nodes.iter();
        nodes
            .position(|node| node.step.to_string() == wanted)
            .unwrap()
    };
    let start = place("start customers");
    assert!(
        plan.nodes[start].after.contains(&place("stop front")),
        "{plan}"
    );
    world.up(&mut engine);
}

#[test]
fn down_takes_dependents_first_and_volumes_on_request() {
    let (world, engine) = running();
    let all = world.reference.containers.keys();
    let dependencies = desired::dependencies(&world.reference, all);
    let down = |volumes| removal::instance(&engine.observed, &dependencies, volumes);
    assert_snapshot!(down(false), @r"
    1. stop billing      you asked for it
    2. remove billing    you asked for it  (after 1)
    3. stop customers    you asked for it  (after 1)
    4. remove customers  you asked for it  (after 3)
    5. stop front        you asked for it
    6. remove front      you asked for it  (after 5)
    7. remove migration  you asked for it
    8. stop ledger-db    you asked for it  (after 1)
    9. remove ledger-db  you asked for it  (after 8)
    ");
    assert_snapshot!(down(true), @r"
     1. stop billing                                      you asked for it
     2. remove billing                                    you asked for it  (after 1)
     3. stop customers                                    you asked for it  (after 1)
     4. remove customers                                  you asked for it  (after 3)
     5. stop front                                        you asked for it
     6. remove front                                      you asked for it  (after 5)
     7. remove migration                                  you asked for it
     8. stop ledger-db                                    you asked for it  (after 1)
     9. remove ledger-db                                  you asked for it  (after 8)
    10. remove volume devenv-acme-default-billing.logs    you asked for it  (after 2, 4, 6, 7, 9)
    11. remove volume devenv-acme-default-customers.logs  you asked for it  (after 2, 4, 6, 7, 9)
    12. remove volume devenv-acme-default-ledger-db.data  you asked for it  (after 2, 4, 6, 7, 9)
    13. remove network devenv-acme-default                you asked for it  (after 2, 4, 6, 7, 9)
    14. remove network devenv-acme-default-absent         you asked for it  (after 2, 4, 6, 7, 9)
    ");
}

#[test]
fn a_secret_is_in_no_body_and_no_label() {
    let (world, _) = running();
    for container in world.desired().containers {
        let text = format!("{:?}", container.body);
        assert!(!text.contains("hunter2"), "{text}");
        assert_eq!(container.body.labels[SPEC], container.spec);
        assert_eq!(
            container.object,
            identity().object(&name(container.name.as_str()))
        );
    }
}

fn created(plan: &Plan) -> Vec<String> {
    let name = |step: &Step| match step {
        Step::Create(name) => Some(name.to_string()),
        _ => None,
    };
    plan.nodes
        .iter()
        .filter_map(|node| name(&node.step))
        .collect()
}
