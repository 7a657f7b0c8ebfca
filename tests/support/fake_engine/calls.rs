//! The calls of the engine, each of which goes through the script.

use super::*;

impl Engine for FakeEngine {
    async fn containers(&self) -> Result<Vec<ObservedContainer>, Fault> {
        let list =
            |state: &mut State| Ok(state.containers.iter().map(FakeContainer::listed).collect());
        self.call(Operation::Containers, "", list).await
    }

    async fn containers_with(&self, label: &str) -> Result<Vec<ObservedContainer>, Fault> {
        let list = |state: &mut State| Ok(state.containers_by(label));
        self.call(Operation::Containers, label, list).await
    }

    async fn networks(&self, label: &str) -> Result<Vec<ObservedNetwork>, Fault> {
        let list = |state: &mut State| Ok(state.networks_by(label));
        self.call(Operation::Networks, label, list).await
    }

    async fn volumes(&self, label: &str) -> Result<Vec<ObservedVolume>, Fault> {
        let list = |state: &mut State| Ok(state.volumes_by(label));
        self.call(Operation::Volumes, label, list).await
    }

    async fn inspect(&self, container: &str) -> Result<ContainerDetails, Fault> {
        let act = |state: &mut State| state.find(container).map(FakeContainer::details);
        self.call(Operation::Inspect, container, act).await
    }

    async fn image(&self, id: &Digest) -> Result<Option<ObservedImage>, Fault> {
        let act = |state: &mut State| Ok(state.image(id));
        self.call(Operation::Image, &id.to_string(), act).await
    }

    async fn architecture(&self) -> Result<String, Fault> {
        let act = |_: &mut State| Ok("amd64".to_owned());
        self.call(Operation::Architecture, "", act).await
    }

    async fn pull(
        &self,
        repository: &Repository,
        digest: &Digest,
        _platform: Option<&str>,
        _login: Option<&RegistryLogin>,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<(), Fault> {
        let reference = repository.at(digest);
        let act = |state: &mut State| state.pull(&reference);
        let size = self.call(Operation::Pull, &reference, act).await?;
        for current in [0, size / 2, size] {
            progress(PullProgress {
                current,
                total: size,
            });
        }
        Ok(())
    }

    async fn tag(&self, image: &Digest, repository: &str, tag: &str) -> Result<(), Fault> {
        let name = format!("{repository}:{tag}");
        let act = |state: &mut State| state.tag(image, &name);
        self.call(Operation::Tag, &name, act).await
    }

    async fn create_network(
        &self,
        name: &str,
        labels: &Labels,
        _kind: NetworkKind,
    ) -> Result<String, Fault> {
        let act = |state: &mut State| Ok(state.create_network(name, labels));
        self.call(Operation::CreateNetwork, name, act).await
    }

    async fn remove_network(&self, id: &str) -> Result<(), Fault> {
        let act = |state: &mut State| state.remove_network(id);
        self.call(Operation::RemoveNetwork, id, act).await
    }

    async fn create_volume(&self, name: &str, labels: &Labels) -> Result<(), Fault> {
        let act = |state: &mut State| {
            state.create_volume(name, labels);
            Ok(())
        };
        self.call(Operation::CreateVolume, name, act).await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), Fault> {
        let act = |state: &mut State| state.remove_volume(name);
        self.call(Operation::RemoveVolume, name, act).await
    }

    async fn create(
        &self,
        object: &str,
        body: &CreateBody,
        secrets: &[(String, Secret)],
    ) -> Result<String, Fault> {
        let act = |state: &mut State| state.create(object, body, secrets);
        self.call(Operation::Create, object, act).await
    }

    async fn check(&self, container: &str, command: &[String]) -> Result<(i64, String), Fault> {
        let code = code(command).unwrap_or(0);
        let act = |state: &mut State| state.find(container).map(|_| (code, String::new()));
        self.call(Operation::Check, container, act).await
    }

    async fn rename(&self, container: &str, object: &str) -> Result<(), Fault> {
        let act = |state: &mut State| state.rename(container, object);
        self.call(Operation::Rename, object, act).await
    }

    async fn connect(
        &self,
        network: &str,
        container: &str,
        aliases: &[String],
    ) -> Result<(), Fault> {
        let target = format!("{network} {container}");
        let act = |state: &mut State| state.connect(network, container, aliases);
        self.call(Operation::Connect, &target, act).await
    }

    async fn disconnect(&self, network: &str, container: &str) -> Result<(), Fault> {
        let target = format!("{network} {container}");
        let act = |state: &mut State| state.disconnect(network, container);
        self.call(Operation::Disconnect, &target, act).await
    }

    async fn start(&self, container: &str) -> Result<(), Fault> {
        // The container plays also where the answer to its start is lost.
        let act = |state: &mut State| {
            if let Some(id) = state.start(container)? {
                self.play(state, &id);
            }
            Ok(())
        };
        self.call(Operation::Start, container, act).await
    }

    async fn start_with(&self, container: &str, files: &[SecretFile]) -> Result<(), Fault> {
        let act = |state: &mut State| {
            let id = state.find(container)?.id.clone();
            if let Some(id) = state.start(container)? {
                self.play(state, &id);
            }
            state.files.insert(id, files.to_vec());
            Ok(())
        };
        self.call(Operation::Start, container, act).await
    }

    async fn carry(&self, from: &str, to: &str, path: &str) -> Result<(), Fault> {
        let act = |state: &mut State| state.carry(from, to, path);
        let target = format!("{path} {to}");
        self.call(Operation::Carry, &target, act).await
    }

    async fn has_entries(&self, container: &str, folder: &str) -> Result<bool, Fault> {
        let act = |state: &mut State| Ok(!state.entries(container, folder)?.is_empty());
        self.call(Operation::Inspect, container, act).await
    }

    async fn has_file(&self, container: &str, path: &str) -> Result<bool, Fault> {
        let act = |state: &mut State| {
            let id = &state.find(container)?.id;
            let files = state.files.get(id).into_iter().flatten();
            Ok(files.map(|it| &it.path).any(|it| it == path))
        };
        self.call(Operation::Inspect, container, act).await
    }

    async fn stop(&self, container: &str, _grace: Option<u32>) -> Result<(), Fault> {
        let act = |state: &mut State| state.stop(container);
        self.call(Operation::Stop, container, act).await
    }

    async fn remove(&self, container: &str) -> Result<(), Fault> {
        let act = |state: &mut State| {
            state.remove(container);
            Ok(())
        };
        self.call(Operation::Remove, container, act).await
    }

    async fn pause(&self, container: &str) -> Result<(), Fault> {
        let act = |state: &mut State| state.pause(container);
        self.call(Operation::Pause, container, act).await
    }

    async fn restart_by_itself(&self, container: &str, restarts: bool) -> Result<(), Fault> {
        let act = |state: &mut State| state.restart_by_itself(container, restarts);
        self.call(Operation::RestartByItself, container, act).await
    }

    async fn unpack(&self, container: &str, folder: &str, archive: Vec<u8>) -> Result<(), Fault> {
        let act = |state: &mut State| state.unpack(container, folder, &archive);
        self.call(Operation::Unpack, container, act).await
    }

    async fn unpause(&self, container: &str) -> Result<(), Fault> {
        // The engine's next probe comes in its time.
        let act = |state: &mut State| {
            state.unpause(container)?;
            let id = state.find(container)?.id.clone();
            self.play(state, &id);
            Ok(())
        };
        self.call(Operation::Unpause, container, act).await
    }

    async fn events(
        &self,
        label: &str,
        since: Option<i64>,
    ) -> Result<BoxStream<'static, Result<ContainerEvent, Fault>>, Fault> {
        let act = |state: &mut State| Ok(state.subscribe(label, since));
        let receiver = self.call(Operation::Events, label, act).await?;
        Ok(
            futures_util::stream::unfold(receiver, |mut receiver| async {
                receiver.recv().await.map(|event| (Ok(event), receiver))
            })
            .boxed(),
        )
    }
}
