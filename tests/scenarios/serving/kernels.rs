//! Machines that lead their ports otherwise.

use std::time::Duration;

use crate::support::server::clients::Clients;
use crate::support::server::world::World;

/// Without `nft` a chain of iptables leads the ports, which is said, and no request fails, forward and
/// back; once `nft` is there it takes over, under load as well. Where Docker's rules are of the other
/// kind of iptables, devenv finds them.
#[tokio::test(flavor = "multi_thread")]
async fn without_nft_iptables_leads_the_ports_and_no_request_fails() {
    let Some(mut world) = World::new().await else {
        return;
    };
    world.server.without_nft();
    world.server.apply().ok().says("`nft` is not there: ");
    assert_eq!(world.server.table(), "");
    assert!(
        world.server.chain().contains("DNAT"),
        "{}",
        world.server.chain()
    );
    let check = world.server.run(&["server", "check"]).ok().stdout;
    let said = "OK - reference 1 serves; without nft, iptables leads the ports | ";
    assert!(check.starts_with(said), "{check}");

    let net = Clients::new();
    assert_eq!(net.get(world.server.port, "/billing"), "v1");
    let load = net.load(world.server.port, 5);
    tokio::time::sleep(Duration::from_millis(500)).await;
    for _ in 0..2 {
        world.release(0).await;
        world.server.apply().ok();
    }
    world.server.run(&["server", "rollback", "--yes"]).ok();
    assert_eq!(net.get(world.server.port, "/billing"), "v2");
    world.server.masks.clear();
    world.server.apply().ok();
    assert!(!world.server.table().is_empty());
    assert_eq!(world.server.chain(), "");
    assert_eq!(net.get(world.server.port, "/billing"), "v2");
    let counts = load.stop();
    assert!(counts.requests > 100, "{counts:?}");
    assert_eq!((counts.failed, counts.mixed), (0, 0), "{counts:?}");

    world.server.with_other_iptables();
    let check = world.server.run(&["server", "check"]).ok().stdout;
    let said = "; Docker's rules are of another kind than iptables' | ";
    assert!(check.contains(said), "{check}");
    world.server.run(&["server", "remove", "--yes"]).ok();
    assert_eq!(
        (world.server.table().as_str(), world.server.chain().as_str()),
        ("", "")
    );
}
