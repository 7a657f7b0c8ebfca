//! How an instance's published ports get to this machine, and the proof that they did.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::IpAddr;
use std::time::Duration;

use crate::converge::desired::ports::Ports;
use crate::converge::goal::Planned;
use crate::engine::connect::ssh::SshHost;
use crate::engine::{Choice, Endpoint};
use crate::error::{Error, Result};
use crate::home::lock::Lock;
use crate::home::session::{OpenPlatform, Session};
use crate::home::settings::Origin;
use crate::home::state::InstanceRecord;
use crate::instance::forward::{Ensured, Files, Forwarder, Through, Wanted};
use crate::model::container::Publish;
use crate::model::host_profile::{Host, Reached};
use crate::model::name::{ContainerName, InstanceName, PlatformName};
use crate::model::reference::Reference;
use crate::network::probe;

/// How long ports that were just published may take to be there.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two attempts.
const BETWEEN: Duration = Duration::from_millis(50);

/// The way of an instance's ports.
pub(super) struct Forwarding<'a> {
    session: &'a Session,
    host: &'a Host,
    endpoint: &'a Endpoint,
    forwarder: Forwarder,
    platform: PlatformName,
}

impl<'a> Forwarding<'a> {
    pub(super) fn new(
        session: &'a Session,
        open: &OpenPlatform,
        host: &'a Host,
        choice: &'a Choice,
    ) -> Self {
        let files = Files::new(&session.home.paths, &open.name, &session.instance);
        Self {
            session,
            host,
            endpoint: &choice.endpoint,
            forwarder: Forwarder::new(files),
            platform: open.name.clone(),
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
        let wanted = self
            .wanted(ports.iter().map(|(.., port)| port).collect())
            .await?;
        let Some(wanted) = wanted.filter(|it| !it.ports.is_empty()) else {
            return self.forwarder.stop().await.map(|()| false);
        };
        let arguments = arguments(self.session, &self.platform, &self.session.instance);
        judge(self.forwarder.ensure(&wanted, &arguments).await?, ports)
    }

    async fn wanted(&self, ports: BTreeSet<u16>) -> Result<Option<Wanted>> {
        let (to, through) = match (self.host.reached, SshHost::of(self.endpoint)) {
            (Reached::Forwarded(to), _) => (to, None),
            (Reached::Tunnelled(to), Some(host)) => (to, Some(Through::from(host.settled().await))),
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
                self.session.reporter.warn(&format!("{text}: {advice}"));
            }
            return Ok(());
        };
        for (container, publish, port) in planned.ports.iter() {
            let patience = if changed { PATIENCE } else { Duration::ZERO };
            if self.answers(address, port, patience, changed).await {
                continue;
            }
            let error = self.missing(container, publish, (address, port));
            if *container == reference.proxy {
                return Err(error);
            }
            self.session.reporter.warn(&error.to_string());
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

    fn missing(
        &self,
        container: &ContainerName,
        publish: Publish,
        (address, port): (IpAddr, u16),
    ) -> Error {
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
                "the engine did not publish it, whatever it says: restart it, or `--port {}=PORT`",
                publish.host
            )),
        }
    }
}

/// Starts the forwarder of an instance again that ended without being told to, as `up` does where
/// nothing else is to be done: it carries what it carried last. Gives whether it did; not where a
/// command is at work on the instance, or nothing is wanted any more, or one runs by now.
///
/// # Errors
/// A port that it could not have; a forwarder that does not start.
pub async fn revive(
    session: &Session,
    platform: &PlatformName,
    instance: &InstanceName,
) -> Result<bool> {
    let Some(_lock) = Lock::take_now(&session.home.paths.lock(platform, instance))? else {
        return Ok(false);
    };
    let forwarder = Forwarder::new(Files::new(&session.home.paths, platform, instance));
    let record = InstanceRecord::load(&session.home.paths, platform, instance)?;
    let (Some(wanted), Some(record)) = (forwarder.files().wanted()?, record) else {
        return Ok(false);
    };
    let arguments = arguments(session, platform, instance);
    let ensured = forwarder.ensure(&wanted, &arguments).await?;
    judge(ensured, &record.remembered())
}

/// What makes this program the forwarder of an instance.
fn arguments(session: &Session, platform: &PlatformName, instance: &InstanceName) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec![
        "--platform".into(),
        platform.as_str().into(),
        "--instance".into(),
        instance.to_string().into(),
    ];
    let host = &session.home.settings.host;
    if let (Origin::Flag, Some(host)) = (&host.origin, &host.value) {
        arguments.extend(["--host".into(), host.into()]);
    }
    arguments.push("forward".into());
    arguments
}

/// Whether anything was done, unless a port could not be had.
fn judge(ensured: Ensured, ports: &Ports) -> Result<bool> {
    match ensured {
        Ensured::Already => Ok(false),
        Ensured::Done => Ok(true),
        Ensured::Refused { port, why } => {
            let wanted = ports.wanted(port).unwrap_or(port);
            Err(Error::engine(format!(
                "the forwarder cannot listen on port {port} of this machine: {why}"
            ))
            .hint(format!(
                "stop what holds it, or choose another one: `--port {wanted}=PORT`"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_the_forwarder_cannot_have_is_named_as_it_is_published() {
        let mut ports = Ports::default();
        let (host, container) = (80, 8080);
        let front = ContainerName::new("front").unwrap();
        ports.insert(front, Publish { host, container }, 9182);
        let refused = Ensured::Refused {
            port: 9182,
            why: "in use".to_owned(),
        };
        let error = judge(refused, &ports).unwrap_err();
        assert!(error.to_string().contains("port 9182 "), "{error}");
        assert!(error.hints()[0].contains("`--port 80=PORT`"));
        assert!(judge(Ensured::Done, &ports).unwrap());
        assert!(!judge(Ensured::Already, &ports).unwrap());
    }
}
