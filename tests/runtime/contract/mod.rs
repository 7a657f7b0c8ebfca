//! What every engine does, asserted of the fake and of the real one, so that the fake cannot drift.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;

use crate::support::fake_engine::FakeEngine;
use crate::support::real_engine::{RealEngine, unique};
use devenv::engine::{Engine, Fault, FaultKind, Labels, NetworkKind};
use devenv::model::create_body::{
    CreateBody, EndpointBody, HealthcheckBody, MountBody, PortBindingBody,
};
use devenv::model::digest::Digest;
use devenv::model::observed::{
    ContainerChange, ContainerEvent, ContainerState, Health, ObservedContainer, ObservedImage,
};
use devenv::model::secret::Secret;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

/// An engine that holds the probe image, and a label for all that a test makes.
trait Harness {
    type Engine: Engine;
    fn engine(&self) -> &Self::Engine;
    fn image(&self) -> Digest;
    fn owner(&self) -> &str;
    /// Makes somebody else listen on a port of the host, while the value lives.
    fn occupy(&self) -> (u16, Option<TcpListener>);

    fn labels(&self) -> Labels {
        Labels::from([("devenv.owner".to_owned(), self.owner().to_owned())])
    }

    fn label(&self) -> String {
        format!("devenv.owner={}", self.owner())
    }

    fn named(&self, name: &str) -> String {
        format!("{}-{name}", self.owner())
    }

    fn body(&self, command: &[&str]) -> CreateBody {
        let command = ["/probe"].iter().chain(command);
        let mut body = CreateBody {
            cmd: Some(command.map(ToString::to_string).collect()),
            image: self.image().to_string(),
            labels: (self.labels().into_iter())
                .map(|(name, value)| (name.into(), value))
                .collect(),
            ..CreateBody::default()
        };
        body.host_config.network_mode = "none".into();
        body
    }

    async fn create(&self, name: &str, body: &CreateBody) -> String {
        self.engine()
            .create(&self.named(name), body, &[])
            .await
            .unwrap()
    }

    async fn find(&self, id: &str) -> ObservedContainer {
        let all = self.engine().containers().await.unwrap();
        all.into_iter().find(|found| found.id == id).unwrap()
    }

    /// Waits until a container's row satisfies the condition.
    async fn until(
        &self,
        id: &str,
        condition: impl Fn(&ObservedContainer) -> bool,
    ) -> ObservedContainer {
        let waiting = async {
            loop {
                let row = self.find(id).await;
                if condition(&row) {
                    return row;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(20), waiting).await {
            Ok(row) => row,
            Err(elapsed) => panic!("{elapsed}: {:?}", self.find(id).await),
        }
    }
}

struct Fake(FakeEngine, String);

impl Fake {
    fn new() -> Self {
        let engine = FakeEngine::new();
        engine.add_image(ObservedImage {
            id: Digest::of(b"probe"),
            architecture: "amd64".to_owned(),
            os: "linux".to_owned(),
            size: 1,
            tags: Vec::new(),
            layers: vec![Digest::of(b"layer")],
            labels: BTreeMap::new(),
            defaults: devenv::model::image_configuration::ImageDefaults::default(),
        });
        Self(engine, format!("devenv-test-{}", unique()))
    }
}

impl Harness for Fake {
    type Engine = FakeEngine;

    fn engine(&self) -> &FakeEngine {
        &self.0
    }

    fn image(&self) -> Digest {
        Digest::of(b"probe")
    }

    fn owner(&self) -> &str {
        &self.1
    }

    fn occupy(&self) -> (u16, Option<TcpListener>) {
        self.0.take_port(4321);
        (4321, None)
    }
}

impl Harness for RealEngine {
    type Engine = devenv::engine::Docker;

    fn engine(&self) -> &Self::Engine {
        &self.docker
    }

    fn image(&self) -> Digest {
        self.image
    }

    fn owner(&self) -> &str {
        &self.owner
    }

    fn occupy(&self) -> (u16, Option<TcpListener>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        (port, Some(listener))
    }
}

macro_rules! contract {
    ($($test:ident),* $(,)?) => {
        mod fake {
            $(#[tokio::test]
            async fn $test() {
                super::$test(&super::Fake::new()).await;
            })*
        }
        mod real {
            $(#[tokio::test]
            async fn $test() {
                if let Some(engine) = super::RealEngine::get().await {
                    super::$test(&engine).await;
                }
            })*
        }
    };
}

mod lives;
mod objects;

fn kind<T>(answer: Result<T, Fault>) -> FaultKind {
    match answer {
        Ok(_) => panic!("a fault was expected"),
        Err(fault) => fault.kind,
    }
}

async fn next(events: &mut BoxStream<'static, Result<ContainerEvent, Fault>>) -> ContainerEvent {
    let event = tokio::time::timeout(Duration::from_secs(20), events.next());
    event.await.unwrap().unwrap().unwrap()
}

fn published(body: &mut CreateBody, port: u16) {
    let binding = PortBindingBody {
        host_ip: "127.0.0.1".to_owned(),
        host_port: port.to_string(),
    };
    body.exposed_ports
        .insert("80/tcp".to_owned(), devenv::model::create_body::Empty {});
    body.host_config
        .port_bindings
        .insert("80/tcp".to_owned(), vec![binding]);
}
