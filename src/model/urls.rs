//! Where a container's routes are reached from this machine.

use super::container::Route;
use super::name::ContainerName;
use super::reference::Reference;

/// The URL of a route. A virtual host is shown under `.localhost`, never under its bare name,
/// which is the real production.
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

/// The URLs of a container's routes, or of the proxy itself; none without a proxy.
pub fn urls(reference: &Reference, container: &ContainerName, port: Option<u16>) -> Vec<String> {
    let Some(port) = port else { return Vec::new() };
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
