//! Where a container's routes are reached from this machine.

use std::net::IpAddr;

use super::container::Route;
use super::host_profile::{Host, Reached};
use super::name::ContainerName;
use super::reference::Reference;

/// The URL of a route on this machine. A virtual host is shown under `.localhost`, never under its
/// bare name, which is the real production.
pub fn url(route: &Route, port: u16) -> String {
    let host = route.host.as_ref().map_or_else(
        || "localhost".to_owned(),
        |host| format!("{host}.localhost"),
    );
    let port = if port == 80 {
        String::new()
    } else {
        format!(":{port}")
    };
    format!("http://{host}{port}{}", route.prefix())
}

/// The page of the proxy itself.
pub fn root(port: u16) -> String {
    match port {
        80 => "http://localhost/".to_owned(),
        port => format!("http://localhost:{port}/"),
    }
}

/// The same where ports are only at another address. A virtual host has no URL there: its name
/// under `.localhost` means this machine.
fn elsewhere(url: &str, address: IpAddr) -> Option<String> {
    let rest = url.strip_prefix("http://localhost")?;
    let host = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    Some(format!("http://{host}{rest}"))
}

/// The URLs of a container's routes, or of the proxy itself; none without a proxy, and none where
/// this machine does not get.
pub fn urls(
    reference: &Reference,
    container: &ContainerName,
    port: Option<u16>,
    host: &Host,
) -> Vec<String> {
    let Some(port) = port else { return Vec::new() };
    let here = here(reference, container, port);
    match host.reached {
        Reached::Here | Reached::Forwarded(_) | Reached::Tunnelled(_) => here,
        Reached::At(address) => here
            .iter()
            .filter_map(|it| elsewhere(it, address))
            .collect(),
        Reached::Elsewhere(_) => Vec::new(),
    }
}

fn here(reference: &Reference, container: &ContainerName, port: u16) -> Vec<String> {
    if *container == reference.proxy {
        return vec![root(port)];
    }
    let routes = reference
        .containers
        .get(container)
        .map(|it| it.routes.as_slice())
        .unwrap_or_default();
    routes.iter().map(|route| url(route, port)).collect()
}
