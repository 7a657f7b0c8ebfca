//! What converging asks for, request by request.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{
    ContainerUpdateBody, EndpointSettings, Ipam, IpamConfig, NetworkConnectRequest,
    NetworkCreateRequest, NetworkDisconnectRequest, RestartPolicy, RestartPolicyNameEnum,
    VolumeCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, ListNetworksOptions,
    ListVolumesOptions, RemoveContainerOptions, RemoveVolumeOptions, RenameContainerOptions,
    StartContainerOptions, StopContainerOptions, TagImageOptions, UploadToContainerOptions,
};

use ipnet::IpNet;

use super::{Docker, again, convert, dialect, events, images, seconds, unsorted, within};
use crate::engine::{
    Engine, Fault, FaultKind, Labels, NetworkKind, PullProgress, RegistryLogin, SecretFile,
};
use crate::model::create_body::CreateBody;
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::observed::{
    ContainerDetails, ObservedContainer, ObservedImage, ObservedNetwork, ObservedVolume,
};
use crate::model::secret::Secret;

/// How long to wait before a container is paused again that could not be frozen: with cgroups of the
/// first version, one whose processes fork meanwhile may not be. Source: runc `fs/freezer.go`.
const THAWS: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

/// How long to wait before a container is stopped again whose engine was still cleaning up after it.
const CLEANUPS: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(800),
    Duration::from_millis(3200),
    Duration::from_millis(6400),
];

impl Engine for Docker {
    async fn containers(&self) -> Result<Vec<ObservedContainer>, Fault> {
        self.list(ListContainersOptionsBuilder::default()).await
    }

    async fn containers_with(&self, label: &str) -> Result<Vec<ObservedContainer>, Fault> {
        self.list(ListContainersOptionsBuilder::default().filters(&by_label(label)))
            .await
    }

    async fn networks(&self, label: &str) -> Result<Vec<ObservedNetwork>, Fault> {
        let options = ListNetworksOptions {
            filters: Some(by_label(label)),
        };
        let rows = self.short(self.client.list_networks(Some(options))).await?;
        let network = |row: bollard::models::Network| ObservedNetwork {
            id: row.id.unwrap_or_default(),
            name: row.name.unwrap_or_default(),
            labels: convert::sorted(row.labels),
        };
        Ok(rows.into_iter().map(network).collect())
    }

    async fn volumes(&self, label: &str) -> Result<Vec<ObservedVolume>, Fault> {
        let options = ListVolumesOptions {
            filters: Some(by_label(label)),
        };
        let rows = self.short(self.client.list_volumes(Some(options))).await?;
        let volume = |row: bollard::models::Volume| ObservedVolume {
            name: row.name,
            labels: row.labels.into_iter().collect(),
        };
        let rows = rows.volumes.unwrap_or_default();
        Ok(rows.into_iter().map(volume).collect())
    }

    async fn inspect(&self, container: &str) -> Result<ContainerDetails, Fault> {
        let asked = async {
            match self.client.inspect_container(container, None).await {
                Err(error) if dialect::is_foreign(&error) => Ok(None),
                answer => answer.map(Some),
            }
        };
        let answer = match self.short(asked).await? {
            Some(answer) => answer,
            None => {
                self.translated(&format!("/containers/{container}/json"))
                    .await?
            }
        };
        Ok(convert::inspected(answer))
    }

    async fn image(&self, id: &Digest) -> Result<Option<ObservedImage>, Fault> {
        match self.short(self.client.inspect_image(&id.to_string())).await {
            // A containerd store also finds an index by a manifest in it: that is another image.
            Ok(answer) => Ok(convert::image(answer).filter(|image| image.id == *id)),
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    async fn architecture(&self) -> Result<String, Fault> {
        self.machine().await
    }

    async fn pull(
        &self,
        repository: &Repository,
        digest: &Digest,
        platform: Option<&str>,
        login: Option<&RegistryLogin>,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<(), Fault> {
        let options = images::pull_options(repository, digest, platform);
        self.pull_image(options, login, progress).await
    }

    async fn tag(&self, image: &Digest, repository: &str, tag: &str) -> Result<(), Fault> {
        let options = TagImageOptions {
            repo: Some(repository.to_owned()),
            tag: Some(tag.to_owned()),
        };
        self.short(self.client.tag_image(&image.to_string(), Some(options)))
            .await
    }

    async fn create_network(
        &self,
        name: &str,
        labels: &Labels,
        kind: NetworkKind,
    ) -> Result<String, Fault> {
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            internal: Some(kind == NetworkKind::Internal),
            enable_ipv6: matches!(kind, NetworkKind::Of(_, Some(_))).then_some(true),
            ipam: addresses(kind),
            labels: Some(unsorted(labels)),
            ..NetworkCreateRequest::default()
        };
        Ok(self.short(self.client.create_network(request)).await?.id)
    }

    async fn remove_network(&self, id: &str) -> Result<(), Fault> {
        self.short(self.client.remove_network(id)).await
    }

    async fn create_volume(&self, name: &str, labels: &Labels) -> Result<(), Fault> {
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(unsorted(labels)),
            ..VolumeCreateRequest::default()
        };
        self.short(self.client.create_volume(request))
            .await
            .map(drop)
    }

    async fn remove_volume(&self, name: &str) -> Result<(), Fault> {
        self.short(self.client.remove_volume(name, None::<RemoveVolumeOptions>))
            .await
    }

    async fn create(
        &self,
        object: &str,
        body: &CreateBody,
        secrets: &[(String, Secret)],
    ) -> Result<String, Fault> {
        let options = CreateContainerOptionsBuilder::default()
            .name(object)
            .build();
        self.refuse_unset(&body.env)?;
        let body = convert::create_body(body, secrets)?;
        let answer = self
            .short(self.client.create_container(Some(options), body))
            .await?;
        Ok(answer.id)
    }

    async fn check(&self, container: &str, command: &[String]) -> Result<(i64, String), Fault> {
        self.exec_quietly(container, command).await
    }

    async fn rename(&self, container: &str, object: &str) -> Result<(), Fault> {
        let options = RenameContainerOptions {
            name: object.to_owned(),
        };
        self.short(self.client.rename_container(container, options))
            .await
    }

    async fn connect(
        &self,
        network: &str,
        container: &str,
        aliases: &[String],
    ) -> Result<(), Fault> {
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: Some(EndpointSettings {
                aliases: Some(aliases.to_vec()),
                ..EndpointSettings::default()
            }),
        };
        self.short(self.client.connect_network(network, request))
            .await
    }

    async fn disconnect(&self, network: &str, container: &str) -> Result<(), Fault> {
        let request = NetworkDisconnectRequest {
            container: container.to_owned(),
            force: Some(true),
        };
        self.short(self.client.disconnect_network(network, request))
            .await
    }

    async fn start(&self, container: &str) -> Result<(), Fault> {
        let none = None::<StartContainerOptions>;
        self.short(self.client.start_container(container, none))
            .await
    }

    async fn start_with(&self, container: &str, files: &[SecretFile]) -> Result<(), Fault> {
        self.start_filled(container, files).await
    }

    async fn carry(&self, from: &str, to: &str, path: &str) -> Result<(), Fault> {
        self.copy_folder(from, to, path).await
    }

    async fn has_entries(&self, container: &str, folder: &str) -> Result<bool, Fault> {
        self.folder_has_entries(container, folder).await
    }

    async fn has_file(&self, container: &str, path: &str) -> Result<bool, Fault> {
        match self.file_state(container, path).await {
            Ok(_) => Ok(true),
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    async fn stop(&self, container: &str, grace: Option<u32>) -> Result<(), Fault> {
        let options = StopContainerOptions {
            signal: None,
            t: grace.map(seconds),
        };
        // Libpod's words while it still cleans up, and of what is frozen, which cannot end.
        let words = "refusing to clean up";
        again(&CLEANUPS, words, || async {
            let call = self.client.stop_container(container, Some(options.clone()));
            let ended = within(self.limit_with(grace), call).await;
            if ended.as_ref().is_err_and(|it| it.message.contains(words)) {
                let _ = self.unpause(container).await;
            }
            ended
        })
        .await
    }

    async fn remove(&self, container: &str) -> Result<(), Fault> {
        let options = RemoveContainerOptions {
            // Anonymous volumes only: named ones outlive their container.
            v: true,
            force: true,
            link: false,
        };
        absent_is_fine(
            self.short(self.client.remove_container(container, Some(options)))
                .await,
        )
    }

    async fn pause(&self, container: &str) -> Result<(), Fault> {
        again(&THAWS, "unable to freeze", || {
            self.short(self.client.pause_container(container))
        })
        .await
    }

    async fn restart_by_itself(&self, container: &str, restarts: bool) -> Result<(), Fault> {
        let name = if restarts {
            RestartPolicyNameEnum::UNLESS_STOPPED
        } else {
            RestartPolicyNameEnum::NO
        };
        let request = ContainerUpdateBody {
            restart_policy: Some(RestartPolicy {
                name: Some(name),
                maximum_retry_count: None,
            }),
            ..ContainerUpdateBody::default()
        };
        self.short(self.client.update_container(container, request))
            .await
    }

    async fn unpack(&self, container: &str, folder: &str, archive: Vec<u8>) -> Result<(), Fault> {
        let options = UploadToContainerOptions {
            path: folder.to_owned(),
            ..UploadToContainerOptions::default()
        };
        let body = bollard::body_full(archive.into());
        let call = self
            .client
            .upload_to_container(container, Some(options), body);
        self.short(call).await
    }

    async fn unpause(&self, container: &str) -> Result<(), Fault> {
        self.short(self.client.unpause_container(container)).await
    }

    async fn events(&self, label: &str, since: Option<i64>) -> Result<events::Events, Fault> {
        events::subscribe(self, label, since).await
    }
}

/// The addresses of a network; none: the engine chooses them.
fn addresses(kind: NetworkKind) -> Option<Ipam> {
    let NetworkKind::Of(v4, v6) = kind else {
        return None;
    };
    let subnets = [Some(IpNet::V4(v4)), v6.map(IpNet::V6)];
    let configurations = subnets.into_iter().flatten().map(|subnet| {
        let mut halves = subnet
            .subnets(subnet.prefix_len() + 1)
            .into_iter()
            .flatten();
        IpamConfig {
            subnet: Some(subnet.to_string()),
            ip_range: halves.next().map(|lower| lower.to_string()),
            ..IpamConfig::default()
        }
    });
    Some(Ipam {
        config: Some(configurations.collect()),
        ..Ipam::default()
    })
}

/// Success also where the object is gone already.
fn absent_is_fine(answer: Result<(), Fault>) -> Result<(), Fault> {
    match answer {
        Err(fault) if fault.kind == FaultKind::NotFound => Ok(()),
        other => other,
    }
}

impl Docker {
    async fn list(
        &self,
        options: ListContainersOptionsBuilder,
    ) -> Result<Vec<ObservedContainer>, Fault> {
        let options = options.all(true).build();
        let asked = async {
            match self.client.list_containers(Some(options)).await {
                Err(error) if dialect::is_foreign(&error) => Ok(None),
                rows => rows.map(Some),
            }
        };
        let rows = match self.short(asked).await? {
            Some(rows) => rows,
            // Everybody's: what is not asked for, callers leave out by its labels.
            None => self.translated("/containers/json?all=true").await?,
        };
        let mut listed: Vec<_> = rows.into_iter().map(convert::listed).collect();
        self.fill_in_health(&mut listed).await;
        Ok(listed)
    }
}

fn by_label(label: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![label.to_owned()])])
}
