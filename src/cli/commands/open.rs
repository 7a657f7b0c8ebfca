//! `devenv open`

use clap::Args;

use crate::cli::browser;
use crate::cli::commands::status;
use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::error::{Error, Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::instance::status::{ContainerStatus, Status};
use crate::model::nearest::nearest;
use crate::model::visible::visible;

/// Open a container's page in the browser
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the container; without it, the proxy's own page opens
    #[arg(add = complete::container_names())]
    name: Option<String>,
    /// Print the address and open no browser
    #[arg(long)]
    print: bool,
}

/// Opens or prints an address.
pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let (engine, choice) = session.engine()?;
    let status = status::of(session, &open, &engine, &choice).await?;
    let names = open.containers.iter().map(|it| it.name.to_string());
    let known: Vec<String> = names.collect();
    let proxy = open.platform.proxy.as_str();
    let runs = status.containers.iter().any(|it| it.name == proxy);
    let name = arguments.name.as_deref().unwrap_or(proxy);
    if name == proxy && !runs {
        let text = format!(
            "the proxy of the instance `{}` does not run",
            status.instance
        );
        return Err(Error::usage(text).hint(
            "`devenv up NAME` starts a container behind it, `devenv up --proxy` brings it back",
        ));
    }
    let url = address(&status, name, &known)?;
    ui.json(&serde_json::json!({ "url": url }));
    if arguments.print {
        ui.data(url);
    } else {
        ui.note(&format!("opening {url}"));
        browser::open(&session.home.environment, url).await?;
    }
    Ok(Exit::Done)
}

/// The first address of a container that runs.
fn address<'a>(status: &'a Status, name: &str, known: &[String]) -> Result<&'a str> {
    let mut containers = status.containers.iter();
    let Some(container) = containers.find(|it| it.name == name || it.of == name) else {
        return Err(absent(status, name, known));
    };
    if container.state != "running" {
        let text = format!("{name} is not running: it is {}", container.state);
        return Err(Error::usage(text).hint("`devenv up` starts it again"));
    }
    container
        .urls
        .first()
        .map(String::as_str)
        .ok_or_else(|| no_address(status, container))
}

fn absent(status: &Status, name: &str, known: &[String]) -> Error {
    let text = visible(name);
    if known.iter().any(|it| it == name) {
        let instance = &status.instance;
        return Error::usage(format!("{text} does not run in the instance `{instance}`"))
            .hint(format!("`devenv up {text}` starts it"));
    }
    let error = Error::usage(format!("no container is called `{text}`"));
    match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("`devenv list` shows the names"),
    }
}

fn no_address(status: &Status, container: &ContainerStatus) -> Error {
    let name = &container.name;
    let proxy = status.containers.iter().find(|it| it.kind == "proxy");
    if container.kind.is_empty() {
        return Error::usage(format!("the routes of {name} are unknown"))
            .because(Error::usage(
                "the reference that it runs is not in the cache",
            ))
            .hint("`devenv up` fetches it");
    }
    if proxy.is_none_or(|it| it.state != "running") {
        return Error::usage(format!("the proxy is not running, so {name} has no page"))
            .hint("`devenv up --proxy` starts it");
    }
    Error::usage(format!("{name} has no route: the proxy does not show it"))
        .hint(format!("`devenv list {name}` shows how it is reached"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::status::EngineStatus;

    fn container(
        name: &str,
        kind: &'static str,
        state: &'static str,
        url: &str,
    ) -> ContainerStatus {
        ContainerStatus {
            of: name.to_owned(),
            overrides: Vec::new(),
            name: name.to_owned(),
            kind,
            source: "reference".to_owned(),
            version: "1".to_owned(),
            digest: None,
            state,
            exit_code: None,
            health: None,
            urls: Some(url.to_owned())
                .filter(|url| !url.is_empty())
                .into_iter()
                .collect(),
            ports: vec![],
            volumes: vec![],
        }
    }

    fn told(containers: Vec<ContainerStatus>, name: &str) -> String {
        let status = Status {
            platform: "acme".to_owned(),
            instance: "default".to_owned(),
            environment: None,
            configuration: None,
            pinned: None,
            mixed: vec![],
            reference: None,
            engine: EngineStatus {
                profile: "linux".to_owned(),
                version: "20".to_owned(),
                forwarder: None,
            },
            logs_to: None,
            containers,
        };
        let known = ["billing".to_owned(), "front".to_owned()];
        match address(&status, name, &known) {
            Ok(url) => url.to_owned(),
            Err(error) => format!("{error}; {}", error.hints().join("; ")),
        }
    }

    #[test]
    fn a_running_container_with_a_route_has_an_address() {
        let front = || container("front", "proxy", "running", "http://localhost/");
        let billing = |state| container("billing", "app", state, "http://localhost/billing");
        assert_eq!(
            told(vec![front(), billing("running")], "billing"),
            "http://localhost/billing"
        );
        assert!(told(vec![front(), billing("paused")], "billing").contains("it is paused"));
        assert!(told(vec![front()], "billing").contains("`devenv up billing` starts it"));
        assert!(told(vec![front()], "biling").contains("did you mean `billing`?"));
    }

    #[test]
    fn without_an_address_the_reason_is_told() {
        let front = |state| container("front", "proxy", state, "");
        let db = |kind| container("billing", kind, "running", "");
        assert!(told(vec![front("running"), db("service")], "billing").contains("has no route"));
        assert!(told(vec![front("exited"), db("app")], "billing").contains("proxy is not running"));
        assert!(told(vec![db("app")], "billing").contains("proxy is not running"));
        assert!(told(vec![db("")], "billing").contains("are unknown"));
    }
}
