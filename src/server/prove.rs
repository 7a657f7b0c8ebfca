//! A generation is proven by its routes, each asked at its own proxy.

use futures_util::future::join_all;

use super::Server;
use super::machine::Machine;
use super::route::RouteRecord;
use super::state::{Generation, Port, State};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::network::probe;

impl<E: Engine, M: Machine> Server<'_, E, M> {
    /// Asks every route of a generation at its own proxy.
    pub(super) async fn prove(&self, generation: &Generation) -> Result<()> {
        let mut ports = generation.ports.iter();
        let Some(proxy) = ports.find(|port| port.of == generation.proxy) else {
            return Ok(());
        };
        let asking = generation
            .routes
            .iter()
            .map(|route| self.answers(route, proxy));
        let answers = join_all(asking).await;
        let failed: Vec<String> = answers.into_iter().flatten().collect();
        if failed.is_empty() {
            return Ok(());
        }
        Err(Error::not_healthy(format!(
            "reference {} does not answer as a whole: {}",
            generation.reference.number,
            failed.join("; ")
        )))
    }

    /// Finds out which containers take connections by IPv6: to the others none are led.
    pub(super) async fn learn_ipv6(&self, state: &mut State, number: u64) -> Result<()> {
        let Some(generation) = state.generations.get_mut(&number) else {
            return Ok(());
        };
        let ports = generation.ports.iter_mut().filter(|port| port.ipv6);
        let asking = ports.map(async |port| {
            port.ipv6 = self.machine.takes_ipv6(port.address, port.container).await;
            if !port.ipv6 {
                self.reporter.warn(&format!(
                    "{} listens to IPv4 alone at port {}: nothing is led there by IPv6",
                    port.of, port.container
                ));
            }
        });
        join_all(asking).await;
        self.save(state)
    }

    /// Finds out whether the proxy ends kept connections when it is told to, while nobody asks it.
    pub(super) async fn learn_drain(&self, state: &mut State, number: u64) -> Result<()> {
        let generation = &state.generations[&number];
        let proxy = &generation.proxy;
        let mut ports = generation.ports.iter();
        let (Some(port), Some(route), Some(place)) = (
            ports.find(|port| port.of == *proxy),
            generation.routes.first(),
            generation.containers.get(proxy),
        ) else {
            return Ok(());
        };
        let object = self.object(proxy, place);
        let told = self.tell_drain(&object, true).await;
        let asked = route.route.asked();
        let closes = self
            .machine
            .closes(port.address, port.container, route.host(), asked);
        let closes = closes.await.filter(|_| told.is_ok());
        self.tell_drain(&object, false).await.ok();
        if closes == Some(false) {
            self.reporter.warn(&format!(
                "{proxy} does not close kept connections when it is told to: at the next change those that are \
                 left after {} are cut (`devenv help server` has the line that its configuration lacks)",
                self.file.drain
            ));
        }
        if let Some(generation) = state.generations.get_mut(&number) {
            generation.drains = closes;
        }
        self.save(state)
    }

    /// Why a route does not answer, in words.
    async fn answers(&self, route: &RouteRecord, proxy: &Port) -> Option<String> {
        let (address, port) = (proxy.address, proxy.container);
        let ask = |limit| self.machine.ask(address, port, route, limit);
        probe::until_right(self.file.ready.duration(), ask, |answer| {
            route.wrong(answer)
        })
        .await
    }
}
