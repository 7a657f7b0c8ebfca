//! Bundles and their containers are the same thing by two names.

use crate::app;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::Workstation;

/// What was asked for by a bundle goes by its containers, and the other way round.
#[tokio::test(flavor = "multi_thread")]
async fn down_takes_bundles_apart() {
    let containers = [
        ("audit", app("")),
        ("billing", app("")),
        ("customers", app("")),
    ];
    let containers = containers.each_ref().map(|(name, it)| (*name, it.as_str()));
    let mut platform = Synthetic::released(&containers).await;
    let mut reference = platform.compile();
    let members = ["billing", "customers"].map(|it| it.parse().unwrap());
    reference
        .bundles
        .insert("finance".parse().unwrap(), members.to_vec());
    let (number, digest) = platform.publish_reference(&reference).await;
    platform.promote_to("production", number, digest).await;
    let workstation = Workstation::initialised(&platform.url());
    let runs = |expected: &[&str]| {
        let expected: Vec<String> = expected.iter().map(|it| format!("{it} running")).collect();
        assert_eq!(workstation.containers(), expected);
    };
    let up = |names: &[&str]| {
        workstation
            .run(&[&["up", "--no-proxy"], names].concat())
            .ok();
    };
    let down = |names: &[&str]| {
        workstation.run(&[&["down"], names].concat()).ok();
    };
    up(&["audit", "billing", "customers"]);
    down(&["finance"]);
    runs(&["audit"]);
    up(&["finance"]);
    down(&["billing"]);
    runs(&["audit", "customers"]);
    up(&[]);
    runs(&["audit", "customers"]);
    down(&["audit"]);
    // Nothing is left of what was asked for: the instance ends.
    for (asked, gone) in [
        (&["billing", "customers"][..], &["finance"][..]),
        (&["finance"], &["billing", "customers"]),
        (&["finance", "billing"], &["finance"]),
    ] {
        up(asked);
        down(gone);
        runs(&[]);
        workstation.run(&["up"]).code(2).says("nothing to start");
    }
}
