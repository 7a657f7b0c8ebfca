//! Data that a container's own commands write and read while it runs, in the same chunks as volumes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use futures_util::future::ready;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::io::AsyncReadExt;

use super::transfer::{self, Taken};
use super::volumes::DataVolume;
use super::{store, volumes};
use crate::converge::plan::lifecycle;
use crate::engine::docker::{Docker, Ended};
use crate::error::{Error, Result};
use crate::home::chunks::Chunks;
use crate::home::session::{OpenPlatform, Session};
use crate::instance::Instance;
use crate::instance::running::Running;
use crate::model::identity::DIGEST;
use crate::model::name::{ContainerName, VolumeName};
use crate::model::observed::{ContainerState, ObservedContainer};
use crate::model::snapshot::SavedDump;

/// Bytes on their way from a command to the chunks.
const ON_THE_WAY: usize = 1 << 20;

/// How data is saved.
#[derive(Debug)]
pub(super) struct Forms {
    /// As files, with what uses them stopped.
    pub(super) files: Vec<DataVolume>,
    /// By a command in the running container.
    pub(super) dumps: Vec<Dump>,
}

/// One container whose own command writes its data.
#[derive(Debug)]
pub(super) struct Dump {
    container: ContainerName,
    id: String,
    command: Vec<String>,
    volumes: Vec<DataVolume>,
}

impl Instance<'_> {
    /// Which data is saved how: by a definition's own command only where that very version runs, and goes on
    /// running while the others are stopped.
    pub(super) fn forms(&self, running: &Running, found: &[DataVolume]) -> Forms {
        let all = running.entries();
        let mut dumps: BTreeMap<ContainerName, Dump> = BTreeMap::new();
        let mut files = Vec::new();
        for it in found {
            let entry = all.get(&it.container);
            let dumping = entry.and_then(|it| it.run.snapshot.as_ref());
            let current = running.current(&it.container);
            let current = current.filter(|it| {
                let digest = entry.and_then(|it| it.digest).map(|it| it.to_string());
                it.state == ContainerState::Running && it.labels.get(DIGEST) == digest.as_ref()
            });
            let (Some(dumping), Some(current)) = (dumping, current) else {
                files.push(it.clone());
                continue;
            };
            // A dump stands for what the command sees: for all that is declared, and for nothing else.
            let places = mounted(found, current);
            let declared = entry.map(|it| it.run.data_volumes().collect::<Vec<_>>());
            let sees = |volume: &VolumeName| places.contains(&(&it.container, volume));
            if !(sees(&it.volume) && declared.is_some_and(|all| all.iter().all(|it| sees(it)))) {
                files.push(it.clone());
                continue;
            }
            let dump = dumps.entry(it.container.clone()).or_insert_with(|| Dump {
                container: it.container.clone(),
                id: current.id.clone(),
                command: dumping.dump.clone(),
                volumes: Vec::new(),
            });
            dump.volumes.push(it.clone());
        }
        let objects = files.iter().map(|it| it.object.as_str());
        let users = volumes::users(&self.identity, &running.observation.observed, objects);
        let stopped: BTreeSet<ContainerName> = lifecycle::with_dependents(users, &all);
        let (stopped, dumps): (Vec<_>, Vec<_>) = dumps
            .into_values()
            .partition(|it| stopped.contains(&it.container));
        files.extend(stopped.into_iter().flat_map(|it| it.volumes));
        files.sort_by(|a, b| (&a.container, &a.volume).cmp(&(&b.container, &b.volume)));
        Forms { files, dumps }
    }
}

/// Those of the volumes that a container mounts.
pub(super) fn mounted<'a>(
    found: &'a [DataVolume],
    container: &ObservedContainer,
) -> BTreeSet<(&'a ContainerName, &'a VolumeName)> {
    let its = found.iter();
    let its = its.filter(|it| container.volumes.contains_key(&it.object));
    its.map(|it| (&it.container, &it.volume)).collect()
}

impl Dump {
    /// Runs the command, and keeps what it writes.
    pub(super) async fn take(
        &self,
        engine: &Docker,
        chunks: &Chunks,
        told: impl Fn(u64),
    ) -> Result<(SavedDump, u64)> {
        let container = &self.container;
        let within = |error: Error| error.within(format!("cannot save the data of {container}"));
        let (mut writer, reader) = tokio::io::duplex(ON_THE_WAY);
        let pieces = stream::unfold(reader, |mut reader| async move {
            let mut piece = BytesMut::with_capacity(64 << 10);
            match reader.read_buf(&mut piece).await {
                Ok(0) => None,
                Ok(_) => Some((Ok(piece.freeze()), reader)),
                Err(error) => {
                    let error = Error::engine("its output broke off").because(error);
                    Some((Err(error), reader))
                }
            }
        });
        let running = async {
            let ended = engine.exec_drawn(&self.id, &self.command, &mut writer);
            let ended = ended.await;
            drop(writer);
            ended
        };
        let kept = transfer::keep(pieces.boxed(), chunks, told);
        let (ended, kept) = tokio::join!(running, kept);
        // Where nothing more is kept, the command's output has nowhere to go.
        let Taken { chunks, added } = kept.map_err(within)?;
        let ended = ended.map_err(|fault| within(fault.into()))?;
        let program = self.command.first().map_or("", String::as_str);
        judged(&self.command, &ended).map_err(within)?;
        if chunks.is_empty() {
            let text = format!("`{program}` wrote nothing to its standard output");
            return Err(within(Error::not_healthy(text)));
        }
        let volumes = self.volumes.iter().map(|it| it.volume.clone()).collect();
        let saved = SavedDump {
            container: container.clone(),
            volumes,
            chunks,
        };
        Ok((saved, added))
    }
}

/// Whether a command did what it is for.
pub(in crate::instance) fn judged(command: &[String], ended: &Ended) -> Result<()> {
    let program = command.first().map_or("", String::as_str);
    let how = match ended.code {
        0 => return Ok(()),
        code @ (126 | 127) => format!(
            "`{program}` exited with code {code}: it, or what it calls, cannot be run in the container"
        ),
        code => format!("`{program}` exited with code {code}"),
    };
    let error = Error::not_healthy(how);
    Err(match ended.said.as_str() {
        "" => error,
        said => error.detail(format!("it said last:\n{said}")),
    })
}

/// What a snapshot holds of a container, to be read by its own command.
#[derive(Debug)]
pub(in crate::instance) struct DumpReader {
    dump: SavedDump,
    chunks: Chunks,
    broken: Arc<Mutex<Option<Error>>>,
}

impl DumpReader {
    /// What a snapshot of the platform holds of this container.
    pub(in crate::instance) fn of(session: &Session, open: &OpenPlatform, dump: SavedDump) -> Self {
        Self {
            dump,
            chunks: store(session, open).chunks(),
            broken: Arc::default(),
        }
    }

    pub(in crate::instance) fn size(&self) -> u64 {
        self.dump.chunks.iter().map(|it| u64::from(it.size)).sum()
    }

    /// Its pieces, each checked; they end where one is damaged.
    pub(in crate::instance) fn stream(&self) -> BoxStream<'static, Bytes> {
        let broken = Arc::clone(&self.broken);
        let pieces = transfer::pieces(self.dump.chunks.clone(), &self.chunks);
        let whole = pieces.map(move |piece| {
            let kept = piece.map_err(|error| {
                *broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            });
            kept.ok()
        });
        whole
            .take_while(|it| ready(it.is_some()))
            .filter_map(ready)
            .boxed()
    }

    /// Why the pieces ended before their end.
    pub(in crate::instance) fn fault(&self) -> Result<()> {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.take().map_or(Ok(()), Err)
    }
}
