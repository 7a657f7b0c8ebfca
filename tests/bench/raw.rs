//! The engine's floor: the same objects by bare engine calls, as many at a time as serves it best.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use devenv::converge::desired::{
    self, Desired, DesiredContainer, Image, Inputs, Placement, Secrets, Source,
};
use devenv::converge::select::{self, Request};
use devenv::engine::{Docker, Engine, NetworkKind};
use devenv::model::digest::Digest;
use devenv::model::host_profile::Host;
use devenv::model::identity::Identity;
use devenv::model::name::{ConfigurationName, InstanceName};
use devenv::model::overrides::Overrides;
use devenv::model::reference::Reference;
use devenv::model::secret::Secret;
use futures_util::stream::{self, StreamExt};

use crate::support::real_engine::{connect, unique};

/// A client without decisions; removes what it made when it is dropped.
pub struct Raw {
    pub docker: Docker,
    concurrency: usize,
    identity: Identity,
    images: BTreeMap<String, Digest>,
}

impl Raw {
    /// A client that knows nothing yet.
    pub fn new(docker: Docker) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            docker,
            concurrency: cores * 5,
            identity: Identity {
                owner: format!("raw{}", unique()),
                platform: crate::support::synthetic::PLATFORM.parse().unwrap(),
                instance: InstanceName::new(format!("raw{}", unique())).unwrap(),
            },
            images: BTreeMap::new(),
        }
    }

    /// Exactly what devenv wants for these containers, by the images that the engine has.
    pub async fn desired(&mut self, reference: &Reference, names: &[String]) -> Desired {
        let request = Request {
            names: names.to_vec(),
            proxy: false,
            ..Request::default()
        };
        let selection = select::select(reference, &request).unwrap();
        let mut images = BTreeMap::new();
        for name in &selection.order {
            let entry = &reference.containers[name];
            let digest = entry.digest.unwrap();
            let id = self.image(&entry.repository.at(&digest)).await;
            let image = Image {
                repository: entry.repository.clone(),
                digest,
                accepted: vec![id],
                architectures: Vec::new(),
                version: entry.version.clone().unwrap().to_string(),
                source: Source::Reference,
                defaults: devenv::model::image_configuration::ImageDefaults::default(),
            };
            images.insert(name.clone(), image);
        }
        desired::desired(&Inputs {
            reference,
            selection: &selection,
            images: &images,
            identity: &self.identity,
            configuration: &ConfigurationName::new("recette").unwrap(),
            host: &Host::unknown().unwrap(),
            overrides: &Overrides::default(),
            ports: &desired::ports::Ports::default(),
            secrets: &Secrets {
                values: BTreeMap::new(),
                key: Secret::new("bench".to_owned()),
            },
            placement: &Placement::Published,
            fillings: &BTreeMap::new(),
        })
    }

    async fn image(&mut self, name: &str) -> Digest {
        if let Some(id) = self.images.get(name) {
            return *id;
        }
        let found = self.docker.images().await.unwrap();
        let image = found
            .iter()
            .find(|it| it.digests.iter().any(|digest| digest == name));
        let id = image.unwrap_or_else(|| panic!("{name} is not here")).id;
        self.images.insert(name.to_owned(), id);
        id
    }

    fn label(&self) -> String {
        format!("devenv.instance={}", self.identity.instance)
    }

    async fn create(&self, network: &str, container: &DesiredContainer) -> String {
        let mut body = container.body.clone();
        body.image = container.image.accepted[0].to_string();
        network.clone_into(&mut body.host_config.network_mode);
        let endpoints = std::mem::take(&mut body.networking_config.endpoints_config);
        body.networking_config.endpoints_config = endpoints
            .into_values()
            .map(|endpoint| (network.to_owned(), endpoint))
            .collect();
        let created = self.docker.create(&container.object, &body, &[]).await;
        created.unwrap()
    }

    /// One network, all volumes, all containers created and started.
    pub async fn up(&self, desired: &Desired) -> Duration {
        let begin = Instant::now();
        let (docker, labels) = (&self.docker, &desired.labels);
        let network = docker
            .create_network(&desired.network, labels, NetworkKind::Open)
            .await
            .unwrap();
        let one = async |container: &DesiredContainer| {
            for mount in &container.body.host_config.mounts {
                docker.create_volume(&mount.source, labels).await.unwrap();
            }
            let id = self.create(&network, container).await;
            docker.start(&id).await.unwrap();
        };
        let all = stream::iter(desired.containers.iter().map(one));
        all.buffer_unordered(self.concurrency)
            .collect::<Vec<()>>()
            .await;
        begin.elapsed()
    }

    /// Replaces one container; the old one stops while the new one is created.
    pub async fn replace(&self, desired: &Desired, name: &str) -> Duration {
        let begin = Instant::now();
        let container = desired
            .containers
            .iter()
            .find(|it| it.name.as_str() == name);
        let container = container.unwrap();
        let (object, docker) = (&container.object, &self.docker);
        let label = self.label();
        let (all, networks) =
            futures_util::future::join(docker.containers(), docker.networks(&label)).await;
        let (all, networks) = (all.unwrap(), networks.unwrap());
        let old = &all.iter().find(|it| it.object == *object).unwrap().id;
        let create = async {
            let aside = format!("{object}-old");
            docker.rename(old, &aside).await.unwrap();
            self.create(&networks[0].id, container).await
        };
        let (new, stopped) = futures_util::future::join(create, docker.stop(old, None)).await;
        stopped.unwrap();
        let (started, removed) =
            futures_util::future::join(docker.start(&new), docker.remove(old)).await;
        started.and(removed).unwrap();
        begin.elapsed()
    }

    /// Removes everything that it made.
    pub async fn down(&self) {
        let label = self.label();
        let all = self.docker.containers().await.unwrap();
        let ours = all
            .iter()
            .filter(|it| self.identity.covers(&it.labels))
            .map(|it| self.docker.remove(&it.id));
        stream::iter(ours)
            .buffer_unordered(self.concurrency)
            .collect::<Vec<_>>()
            .await;
        for network in self.docker.networks(&label).await.unwrap_or_default() {
            let _ = self.docker.remove_network(&network.id).await;
        }
        let volumes = self.docker.volumes(&label).await.unwrap_or_default();
        let gone = volumes
            .iter()
            .map(|volume| self.docker.remove_volume(&volume.name));
        stream::iter(gone)
            .buffer_unordered(self.concurrency)
            .collect::<Vec<_>>()
            .await;
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let rest = Self {
            docker: connect(),
            concurrency: self.concurrency,
            identity: self.identity.clone(),
            images: BTreeMap::new(),
        };
        // A runtime cannot be entered within another.
        let clean = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(rest.down());
            std::mem::forget(rest);
        };
        let _ = std::thread::spawn(clean).join();
    }
}
