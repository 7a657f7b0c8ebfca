//! A server that is reached by IPv6 as well.

use crate::support::server::clients::Clients;
use crate::support::server::world::World;

/// Requests by IPv6 are led as the others are: none fails while references change forward and back,
/// the proxy sees who asks, and what somebody removes by hand is mended. It is asked for in
/// `server.yaml`; a machine goes over to it and back by itself.
#[tokio::test(flavor = "multi_thread")]
async fn requests_by_ipv6_are_led_and_none_fails() {
    let Some(mut world) = World::new().await else {
        return;
    };
    world.server.apply().ok();
    let net = Clients::new();
    assert_eq!(net.get_by_ipv6(world.server.port, "/billing"), "");
    world.server.change("ipv6: false", "ipv6: true");
    world.server.apply().ok();
    assert_eq!(net.get_by_ipv6(world.server.port, "/billing"), "v1");
    assert_eq!(net.get(world.server.port, "/billing"), "v1");

    let load = net.load_by_ipv6(world.server.port, 3);
    let others = net.load(world.server.port, 3);
    for _ in 0..2 {
        world.release(0).await;
        world.server.apply().ok();
    }
    world.server.run(&["server", "rollback", "--yes"]).ok();
    assert_eq!(net.get_by_ipv6(world.server.port, "/billing"), "v2");
    world.server.run(&["server", "apply", "--again"]).ok();
    for load in [load, others] {
        let counts = load.stop();
        assert!(counts.requests > 100, "{counts:?}");
        assert_eq!((counts.failed, counts.mixed), (0, 0), "{counts:?}");
    }
    assert_eq!(
        net.seen_by_ipv6(world.server.port),
        net.ipv6.replace("::1", "::2")
    );

    assert!(
        world
            .server
            .nft("list", "ip6")
            .contains("fd64:6576:656e:7600:")
    );
    world.server.nft("delete", "ip6");
    world.server.run(&["server", "check"]);
    world.server.apply().ok();
    assert_eq!(net.get_by_ipv6(world.server.port, "/billing"), "v3");
    world.server.run(&["server", "remove", "--yes"]).ok();
    assert_eq!(world.server.nft("list", "ip6"), "");
}

/// Where a proxy listens to IPv4 alone, requests by IPv6 are led to nobody, which is said.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_led_by_ipv6_to_who_does_not_listen_to_it() {
    let Some(world) = World::listening("0.0.0.0:80").await else {
        return;
    };
    world.server.change("ipv6: false", "ipv6: true");
    let said = "front listens to IPv4 alone at port 80: nothing is led there by IPv6";
    world.server.apply().ok().says(said);
    let net = Clients::new();
    assert_eq!(net.get_by_ipv6(world.server.port, "/billing"), "");
    assert_eq!(net.get(world.server.port, "/billing"), "v1");
    assert!(
        !world
            .server
            .nft("list", "ip6")
            .contains("fd64:6576:656e:7600:")
    );
}
