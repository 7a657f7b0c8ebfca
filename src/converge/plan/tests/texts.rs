//! The plan for each thing that can have changed, as its text.

use insta::assert_snapshot;

use super::world::{Engine, World, identity, name};
use crate::converge::desired;
use crate::converge::plan::{Plan, Step, removal};
use crate::model::identity::SPEC;
use crate::model::name::ConfigurationName;
use crate::model::secret::Secret;

/// `billing` with what it needs and the proxy, running.
pub(super) fn running() -> (World, Engine) {
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
     7. connect customers                                 it is not there  (after 2, 6)
     8. pull front                                        its image is not on this engine
     9. bind front                                        it is about to be created  (after 8)
    10. create front                                      it is not there  (after 1, 9)
    11. connect front                                     it is not there  (after 2, 10)
    12. start customers                                   it is not there  (after 7)
    13. start front                                       it is not there  (after 11)
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
     9. connect customers                                 it is not there  (after 2, 8)
    10. pull ledger-db                                    its image is not on this engine
    11. bind ledger-db                                    it is about to be created  (after 10)
    12. create ledger-db                                  it is not there  (after 1, 4, 11)
    13. connect ledger-db                                 it is not there  (after 2, 12)
    14. pull migration                                    its image is not on this engine
    15. bind migration                                    it is about to be created  (after 14)
    16. create migration                                  it is not there  (after 1, 15)
    17. connect migration                                 it is not there  (after 2, 16)
    18. pull billing                                      its image is not on this engine
    19. bind billing                                      it is about to be created  (after 18)
    20. create billing                                    it is not there  (after 1, 5, 19)
    21. connect billing                                   it is not there  (after 2, 20)
    22. pull front                                        its image is not on this engine
    23. bind front                                        it is about to be created  (after 22)
    24. create front                                      it is not there  (after 1, 23)
    25. connect front                                     it is not there  (after 2, 24)
    26. start customers                                   it is not there  (after 9)
    27. start ledger-db                                   it is not there  (after 13)
    28. wait for ledger-db healthy                        migration needs it  (after 27)
    29. start migration                                   it is not there  (after 17, 28)
    30. wait for migration completed                      billing needs it  (after 29)
    31. start billing                                     it is not there  (after 21, 26, 28, 30)
    32. start front                                       it is not there  (after 25)
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
    5. connect invoices                                 it is not there  (after 4)
    6. disconnect front                                 the absent names changed
    7. connect front                                    the absent names changed  (after 6)
    8. start invoices                                   it is not there  (after 5)
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
    5. connect audit                                 it is not there  (after 4)
    6. disconnect front                              the absent names changed
    7. connect front                                 the absent names changed  (after 6)
    8. start audit                                   it is not there  (after 5)
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
    16. remove front       7 → 8  (after 7, 8, 15)
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
     5. connect ledger-db           its specification changed  (after 4)
     6. set aside billing           its specification changed
     7. stop billing                its specification changed
     8. bind billing                it is about to be created
     9. create billing              its specification changed  (after 6, 8)
    10. connect billing             its specification changed  (after 9)
    11. start ledger-db             its specification changed  (after 2, 5)
    12. remove ledger-db            its specification changed  (after 1, 2)
    13. wait for ledger-db healthy  billing needs it  (after 11)
    14. start billing               its specification changed  (after 7, 10, 13)
    15. remove billing              its specification changed  (after 6, 7)
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
    5. connect customers    its specification changed  (after 4)
    6. start customers      its specification changed  (after 2, 5)
    7. remove customers     its specification changed  (after 1, 2)
    ");
}

#[test]
fn without_a_proxy_absent_names_are_refused_by_the_host_file() {
    let (mut world, engine) = running();
    world.request.proxy = false;
    assert_snapshot!(world.plan(&engine), @r"
     1. disconnect customers  the absent names changed
     2. disconnect ledger-db  the absent names changed
     3. set aside billing     its specification changed
     4. stop billing          its specification changed
     5. bind billing          it is about to be created
     6. create billing        its specification changed  (after 3, 5)
     7. stop front            it is not part of the subset
     8. remove front          it is not part of the subset  (after 7)
     9. start billing         its specification changed  (after 4, 6)
    10. remove billing        its specification changed  (after 3, 4)
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
     1. stop billing                               you asked for it
     2. remove billing                             you asked for it  (after 1)
     3. stop customers                             you asked for it  (after 1)
     4. remove customers                           you asked for it  (after 3)
     5. stop front                                 you asked for it
     6. remove front                               you asked for it  (after 5)
     7. remove migration                           you asked for it
     8. stop ledger-db                             you asked for it  (after 1)
     9. remove ledger-db                           you asked for it  (after 8)
    10. remove network devenv-acme-default         you asked for it  (after 2, 4, 6, 7, 9)
    11. remove network devenv-acme-default-absent  you asked for it  (after 2, 4, 6, 7, 9)
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

pub(super) fn created(plan: &Plan) -> Vec<String> {
    let name = |step: &Step| match step {
        Step::Create(name) => Some(name.to_string()),
        _ => None,
    };
    plan.nodes
        .iter()
        .filter_map(|node| name(&node.step))
        .collect()
}
