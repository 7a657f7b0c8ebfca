//! What an instance knows of an incident, without secrets: how its containers run, their logs, the requests.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use jiff::Timestamp;

use super::content;
use super::spool::Blob;
use crate::engine::Engine as _;
use crate::error::{Error, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::instance::logs::{self, Query};
use crate::instance::running::Running;
use crate::instance::{copy_out, facets, requests};
use crate::model::capsule::manifest::Ran;
use crate::model::capsule::part::Part;
use crate::model::capsule::timeline::LogLine;
use crate::model::facets::record::{Record, Runs};
use crate::model::identity::{DIGEST, SOURCE, VERSION};
use crate::model::name::ContainerName;
use crate::model::requests::har;
use crate::model::requests::scrub::Scrub;

/// Room for what is kept beside the text of a line.
const BESIDE: u64 = 1 << 20;

/// What is gathered, and what was not.
pub(super) struct Gathering<'a> {
    pub(super) session: &'a Session,
    pub(super) open: &'a OpenPlatform,
    pub(super) running: &'a Running,
    pub(super) names: &'a [ContainerName],
    pub(super) since: Timestamp,
    /// Where parts are kept meanwhile.
    pub(super) folder: PathBuf,
    pub(super) scrub: Scrub,
    pub(super) left_out: Vec<String>,
}

impl Gathering<'_> {
    /// The record of `devenv facts`.
    pub(super) async fn facts(&mut self) -> Result<Option<Blob>> {
        let names: Vec<String> = self.names.iter().map(ToString::to_string).collect();
        let instance = &self.session.instance;
        let record = match facets::record(self.session, self.open, instance, &names).await {
            Ok(record) => record,
            Err(error) => return Ok(self.without(Part::Facts, &error.chain().join(": "))),
        };
        let value = serde_json::to_value(&record)
            .map_err(|error| Error::bug("cannot write a record").because(error))?;
        let bytes = self.scrub.redaction().json(value).to_string().into_bytes();
        // A secret may be a word of the record itself.
        if let Err(error) = Record::parse("the record", &bytes) {
            let why = format!("without secrets it is no record any more ({error})");
            return Ok(self.without(Part::Facts, &why));
        }
        kept(content::pack(&self.folder, &bytes)).map(Some)
    }

    /// What the containers printed and wrote since.
    pub(super) async fn logs(&mut self) -> Result<Option<Blob>> {
        let (engine, running) = (&self.running.engine, self.running);
        copy_out(engine, &running.identity, running.record.as_ref()).await?;
        let places = logs::places(&running.identity, &running.observation.observed, self.names);
        let query = Query {
            since: Some(self.since),
            ..Query::default()
        };
        let work = self.session.reporter.work("logs");
        let mut backlog = logs::backlog(engine, &places, query).await?;
        self.left_out.append(&mut backlog.notes);
        let mut packer = kept(content::packer(&self.folder))?;
        let (mut count, mut size) = (0_u64, 0_u64);
        while let Some(line) = backlog.lines.next().await {
            let line = line?;
            let text = String::from_utf8_lossy(&line.text);
            let bytes = content::line(LogLine {
                time: line.time,
                source: line.source.as_str().to_owned(),
                file: line.source.file().map(|it| self.scrub.line(it)),
                container: line.container,
                line: self.scrub.line(&text),
            })?;
            size += bytes.len() as u64;
            if size > Part::Logs.largest_unpacked() - BESIDE {
                let text = format!("logs after the first {count} lines: there may be no more");
                self.left_out.push(text);
                break;
            }
            kept(packer.write_all(&bytes))?;
            count += 1;
            if count.is_multiple_of(1000) {
                work.update(&format!("{count} lines"));
            }
        }
        work.finish(&format!("{count} lines"));
        kept(content::packed(packer)).map(Some)
    }

    /// The requests of a file, else those that the proxy logged since.
    pub(super) async fn requests(&mut self, file: Option<&Path>) -> Result<Option<Blob>> {
        let read = match file {
            Some(path) => requests::of_file(path, None, &[])?,
            None => match requests::of_instance(self.session, self.open).await {
                Ok(read) => read,
                Err(error) => return Ok(self.without(Part::Requests, &error.to_string())),
            },
        };
        let skipped = read.skipped.iter();
        let skipped = skipped.map(|(why, count)| format!("requests: {count} × {why}"));
        self.left_out.extend(skipped);
        let is_all = file.is_some();
        let since = self.since;
        let wanted = read.requests.into_iter();
        let wanted = wanted.filter(|it| is_all || it.at.is_none_or(|at| at >= since));
        let mut text = String::new();
        for request in wanted {
            let request = self.scrub.request(request);
            text.push_str(&har::line(&request).to_string());
            text.push('\n');
        }
        kept(content::pack(&self.folder, text.as_bytes())).map(Some)
    }

    /// How each of the containers runs.
    pub(super) async fn containers(&self) -> Result<BTreeMap<ContainerName, Ran>> {
        let mut found = BTreeMap::new();
        for name in self.names {
            let Some(it) = self.running.current(name) else {
                continue;
            };
            let details = self.running.engine.inspect(&it.id).await?;
            let label = |key: &str| it.labels.get(key);
            let ran = Ran {
                source: Runs::of(label(SOURCE).map(String::as_str)),
                version: label(VERSION).cloned(),
                digest: label(DIGEST).and_then(|it| it.parse().ok()),
                image: it.image,
                state: it.state.as_str().to_owned(),
                // The engine's word for never is the year 1.
                started: details
                    .started
                    .parse()
                    .ok()
                    .filter(|it: &Timestamp| it.as_second() > 0),
                restarts: details.restarts,
                out_of_memory: details.out_of_memory,
            };
            found.insert(name.clone(), ran);
        }
        Ok(found)
    }

    fn without(&mut self, part: Part, why: &str) -> Option<Blob> {
        let text = format!("{part}: {why}");
        self.session.reporter.warn(&format!("left out: {text}"));
        self.left_out.push(text);
        None
    }
}

/// A part that could be kept until it is in the capsule.
pub(super) fn kept<T>(done: std::io::Result<T>) -> Result<T> {
    done.map_err(|error| Error::usage("cannot keep a part of the capsule").because(error))
}
