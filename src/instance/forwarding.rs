//! How an instance's published ports get to this machine, and the proof that they did.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::IpAddr;
use std::time::Duration;

use crate::context::{Context, OpenPlatform};
use crate::converge::Planned;
use crate::desired::ports::Ports;
use crate::engine::ssh::SshHost;
use crate::engine::{Choice, Endpoint};
use crate::error::{Error, Result};
use crate::forward::{Files, Forwarder, Through, Wanted};
use crate::model::host_profile::{Host, Reached};
use crate::model::name::ContainerName;
use crate::model::reference::Reference;
use crate::probe;
use crate::settings::Origin;

/// How long ports that were just published may take to be there.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two attempts.
const BETWEEN: Duration = Duration::from_millis(50);

/// The way of an instance's ports.
pub(super) struct Forwarding<'a> {
    context: &'a Context,
    host: &'a Host,
    endpoint: &'a Endpoint,
    forwarder: Forwarder,
    platform: String,
}

impl<'a> Forwarding<'a> {
    pub(super) fn new(
        context: &'a Context,
        open: &OpenPlatform,
        host: &'a Host,
        choice: &'a Choice,
    ) -> Self {
        let files = Files::new(&context.paths, &open.name, &context.instance);
        Self {
            context,
            host,
            endpoint: &choice.endpoint,
            forwarder: Forwarder::new(files),
            platform: open.name.to_string(),
        }
    }

    /// Ports of this machine that the instance's own forwarder holds.
    pub(super) fn ports(&self) -> Result<BTreeSet<u16>> {
        self.forwarder.ports()
    }

    /// Ends the forwarder where the engine itself is to have its ports.
    pub(super) async fn give_way(&self) -> Result<()> {
        if self.host.is_forwarded() {
            return Ok(());
        }
        self.forwarder.stop().await
    }

    /// Starts, tells or stops the forwarder; gives whether one had to be started or told.
    pub(super) async fn settle(&self, ports: &Ports) -> Result<bool> {
        let ports: BTreeSet<u16> = ports.iter().map(|(.., port)| port).collect();
        let wanted = self.wanted(ports)?;
        match wanted.filter(|it| !it.ports.is_empty()) {
            Some(wanted) => self.forwarder.ensure(&wanted, &self.arguments()).await,
            None => self.forwarder.stop().await.map(|()| false),
        }
    }

    fn wanted(&self, ports: BTreeSet<u16>) -> Result<Option<Wanted>> {
        let (to, through) = match (self.host.reached, SshHost::of(self.endpoint)) {
            (Reached::Forwarded(to), _) => (to, None),
            (Reached::Tunnelled(to), Some(host)) => (to, Some(Through::from(host))),
            (Reached::Tunnelled(_), None) => {
                let (name, at) = (&self.host.profile.name, self.endpoint);
                return Err(Error::usage(format!(
                    "the host profile `{name}` reaches ports through ssh, but the engine is at {at}"
                ))
                .hint("`profile` in settings.yaml chooses another one"));
            }
            _ => return Ok(None),
        };
        Ok(Some(Wanted {
            engine: self.endpoint.to_string(),
            ports,
            to,
            through,
        }))
    }

    /// What makes this program the forwarder of this instance and engine.
    fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec![
            "--platform".into(),
            self.platform.as_str().into(),
            "--instance".into(),
            self.context.instance.to_string().into(),
        ];
        let host = &self.context.settings.host;
        if let (Origin::Flag, Some(host)) = (&host.origin, &host.value) {
            arguments.extend(["--host".into(), host.into()]);
        }
        arguments.push("forward".into());
        arguments
    }

    /// Connects to every published port the way that a browser does: engines have said that they
    /// publish what they did not (docker/for-mac#6610). `changed`: something was just done.
    ///
    /// # Errors
    /// A port of the proxy that nothing answers on; about others there is a warning.
    pub(super) async fn prove(
        &self,
        reference: &Reference,
        planned: &Planned,
        changed: bool,
    ) -> Result<()> {
        let Some(address) = self.host.address() else {
            if let Some((text, advice)) = self.host.unreached() {
                self.context.ui.warn(&format!("{text}: {advice}"));
            }
            return Ok(());
        };
        for (container, _, port) in planned.ports.iter() {
            let patience = if changed { PATIENCE } else { Duration::ZERO };
            if self.answers(address, port, patience, changed).await {
                continue;
            }
            let error = self.missing(container, address, port);
            if *container == reference.proxy {
                return Err(error);
            }
            self.context.ui.warn(&error.to_string());
        }
        Ok(())
    }

    async fn answers(&self, address: IpAddr, port: u16, patience: Duration, whole: bool) -> bool {
        let attempt = async || {
            let there = match self.host.reached {
                // The forwarder accepts whatever is behind it.
                Reached::Forwarded(to) => probe::accepts(to, port).await,
                Reached::Tunnelled(_) if whole => {
                    return probe::stays_open(address, port).await;
                }
                _ => true,
            };
            there && probe::accepts(address, port).await
        };
        let trying = async {
            while !attempt().await {
                tokio::time::sleep(BETWEEN).await;
            }
        };
        if patience.is_zero() {
            return attempt().await;
        }
        tokio::time::timeout(patience, trying).await.is_ok()
    }

    fn missing(&self, container: &ContainerName, address: IpAddr, port: u16) -> Error {
        let error = Error::not_healthy(format!(
            "{container} is published on port {port}, but nothing answers at {address}:{port}"
        ));
        match self.host.reached {
            Reached::Forwarded(to) => error.hint(format!(
                "the forwarder carries it to {to}:{port}: can this machine reach that address?"
            )),
            Reached::Tunnelled(_) => {
                let log = Files::log(self.forwarder.files());
                error.hint(format!("{} tells what ssh said", log.display()))
            }
            _ => error.hint(format!(
                "the engine did not publish it, whatever it says: restart it, or `--port {port}=PORT`"
            )),
        }
    }
}
