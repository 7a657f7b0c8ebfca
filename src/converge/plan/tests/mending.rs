//! Plans for what is not as it was left.

use insta::assert_snapshot;

use super::texts::{created, running};
use crate::converge::plan::Step;
use crate::model::digest::Digest;
use crate::model::observed::ContainerState;

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
    5. connect customers    its image is not the verified one  (after 4)
    6. start customers      its image is not the verified one  (after 2, 5)
    7. remove customers     its image is not the verified one  (after 1, 2)
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
    4. connect customers    it is half removed  (after 3)
    5. start customers      it is half removed  (after 4)
    6. remove customers     it is half removed  (after 1)
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
    5. connect customers    it left the instance's network  (after 4)
    6. start customers      it left the instance's network  (after 2, 5)
    7. remove customers     it left the instance's network  (after 1, 2)
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
    1. stop ledger-db     an interrupted replacement left it
    2. remove ledger-db   an interrupted replacement left it  (after 1)
    3. bind ledger-db     it is about to be created
    4. create ledger-db   it is not there  (after 3)
    5. connect ledger-db  it is not there  (after 4)
    6. start ledger-db    it is not there  (after 1, 5)
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

/// Volumes without names go with their container: what is in them is carried over, also by the `up`
/// after an interrupted one.
#[test]
fn what_a_volume_without_a_name_holds_is_carried_over() {
    let (world, mut engine) = running();
    let old = engine.container("customers");
    old.labels.insert("devenv.spec".into(), "other".to_owned());
    old.volumes = [("ab".repeat(32), "/var/log/tomcat".to_owned())].into();
    assert_snapshot!(world.plan(&engine), @r"
    1. set aside customers                      its specification changed
    2. stop customers                           its specification changed
    3. bind customers                           it is about to be created
    4. create customers                         its specification changed  (after 1, 3)
    5. connect customers                        its specification changed  (after 4)
    6. carry over /var/log/tomcat of customers  it is in a volume without a name  (after 2, 5)
    7. start customers                          its specification changed  (after 2, 5, 6)
    8. remove customers                         its specification changed  (after 1, 2, 6)
    ");
    let old = engine.container("customers");
    old.object = format!("{}-old-1", old.object);
    assert_snapshot!(world.plan(&engine), @r"
    1. bind customers                           it is about to be created
    2. create customers                         it is not there  (after 1)
    3. connect customers                        it is not there  (after 2)
    4. stop customers                           an interrupted replacement left it
    5. carry over /var/log/tomcat of customers  it is in a volume without a name  (after 3, 4)
    6. remove customers                         an interrupted replacement left it  (after 5)
    7. start customers                          it is not there  (after 3, 5)
    ");
}
