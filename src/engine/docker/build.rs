//! Builds on the engine's classic builder.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bollard::models::BuildInfo;
use bollard::query_parameters::{BuildImageOptions, BuilderVersion};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::images::credentials;
use super::refusal::registry_fault;
use super::{Docker, Labels, convert};
use crate::engine::{Fault, FaultKind, RegistryLogin};
use crate::model::digest::Digest;
use crate::model::secret::Secret;
use crate::model::visible::visible;

/// How many lines of output an error keeps.
const LAST_LINES: usize = 20;

/// How to build.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// The Dockerfile's path in the context.
    pub dockerfile: String,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// More of them, which every builder knows and keeps out of the image's history.
    pub proxies: BTreeMap<String, Secret>,
    /// `repository:tag` for the result.
    pub tag: Option<String>,
    /// Labels for the result.
    pub labels: Labels,
    /// Whether to look for a newer base. A base by digest needs none.
    pub pull: bool,
    /// Whether to leave the layer cache aside.
    pub no_cache: bool,
    /// Whether `RUN` goes without a network.
    pub no_network: bool,
    /// For bases that are not on the engine yet.
    pub logins: Vec<RegistryLogin>,
    /// What `RUN --mount=type=secret,id=NAME` sees, by name. Only BuildKit knows such.
    pub secrets: BTreeMap<String, Secret>,
}

/// A build context that is in memory: a tar archive, gzipped or not.
pub fn archive(bytes: impl Into<Bytes>) -> BoxStream<'static, std::io::Result<Bytes>> {
    let bytes = bytes.into();
    stream::once(async move { Ok(bytes) }).boxed()
}

impl Docker {
    /// Builds `context` (a tar stream) and gives the image's Id; `line` gets the output, line by
    /// line, without control characters. There is no time limit.
    ///
    /// # Errors
    /// What the engine refused, with the last lines of the output as detail; [`FaultKind::NotFound`]
    /// where its cache lost an image meanwhile.
    pub async fn build(
        &self,
        context: BoxStream<'static, std::io::Result<Bytes>>,
        options: &BuildOptions,
        line: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<Digest, Fault> {
        let logins: HashMap<_, _> = options
            .logins
            .iter()
            .map(|login| (login.host.clone(), credentials(login)))
            .collect();
        let logins = (!logins.is_empty()).then_some(logins);
        let body = bollard::body_try_stream(context);
        let mut answers = self
            .client
            .build_image(request(options), logins, Some(body));
        let mut output = Output::new(line);
        let mut id = None;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(info) => {
                    if let Some(text) = info.stream.as_deref().or(slow(&info)) {
                        output.add(text);
                    }
                    let aux = info.aux.and_then(|aux| aux.id);
                    id = convert::digest(aux.as_deref()).or(id);
                }
                Err(error) => {
                    output.finish();
                    return Err(output.explain(registry_fault(error)));
                }
            }
        }
        output.finish();
        if let Some(id) = id {
            return Ok(id);
        }
        self.built(&output).await
    }

    /// Engines before API 1.29 only say `Successfully built 0123456789ab`.
    async fn built(&self, output: &Output<'_>) -> Result<Digest, Fault> {
        let short_id = output
            .last
            .iter()
            .rev()
            .find_map(|line| line.strip_prefix("Successfully built "));
        let Some(short_id) = short_id else {
            let text = "the engine ended the build without a result";
            return Err(output.explain(Fault::new(FaultKind::Failed, text)));
        };
        let image = self.short(self.client.inspect_image(short_id)).await?;
        convert::digest(image.id.as_deref())
            .ok_or_else(|| Fault::new(FaultKind::Failed, "the engine gave the built image no Id"))
    }
}

fn request(options: &BuildOptions) -> BuildImageOptions {
    let proxies = options.proxies.iter();
    let proxies = proxies.map(|(name, value)| (name.clone(), value.expose().to_owned()));
    BuildImageOptions {
        dockerfile: options.dockerfile.clone(),
        t: options.tag.clone(),
        nocache: options.no_cache,
        pull: options.pull.then(|| "true".to_owned()),
        rm: true,
        forcerm: true,
        buildargs: Some(options.args.clone().into_iter().chain(proxies).collect()),
        labels: Some(super::unsorted(&options.labels)),
        networkmode: options.no_network.then(|| "none".to_owned()),
        version: BuilderVersion::BuilderV1,
        ..BuildImageOptions::default()
    }
}

/// What a pull of a base says once, not for every piece of it.
fn slow(info: &BuildInfo) -> Option<&str> {
    let moving = info
        .progress_detail
        .as_ref()
        .is_some_and(|detail| detail.current.is_some());
    info.status.as_deref().filter(|_| !moving)
}

/// Cuts the stream into lines, hands them on and remembers the last.
pub(super) struct Output<'a> {
    line: &'a (dyn Fn(&str) + Send + Sync),
    open: String,
    last: VecDeque<String>,
}

impl<'a> Output<'a> {
    pub(super) fn new(line: &'a (dyn Fn(&str) + Send + Sync)) -> Self {
        Self {
            line,
            open: String::new(),
            last: VecDeque::new(),
        }
    }

    pub(super) fn add(&mut self, text: &str) {
        self.open.push_str(text);
        while let Some(end) = self.open.find('\n') {
            let rest = self.open.split_off(end + 1);
            let whole = std::mem::replace(&mut self.open, rest);
            self.hand_on(&whole);
        }
    }

    pub(super) fn finish(&mut self) {
        let open = std::mem::take(&mut self.open);
        self.hand_on(&open);
    }

    fn hand_on(&mut self, text: &str) {
        let text = visible(&without_colours(text));
        if text.is_empty() {
            return;
        }
        (self.line)(&text);
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(text);
    }

    /// The last lines.
    pub(super) fn end(&self) -> String {
        let lines: Vec<&str> = self.last.iter().map(String::as_str).collect();
        lines.join("\n")
    }

    pub(super) fn explain(&self, mut fault: Fault) -> Fault {
        fault.detail = (!self.last.is_empty()).then(|| self.end().into());
        fault
    }
}

/// The classic builder colours what a step writes to standard error.
fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        let end = after.find(|c: char| ('@'..='~').contains(&c));
        rest = end.map_or("", |end| &after[end + 1..]);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn output_is_cut_into_plain_lines() {
        let seen = Mutex::new(Vec::new());
        let line = |text: &str| seen.lock().unwrap().push(text.to_owned());
        let mut output = Output::new(&line);
        for piece in ["Step 1", "/2\n", "\u{1b}[91mwrong\u{1b}[0m\n\n", "end"] {
            output.add(piece);
        }
        output.finish();
        assert_eq!(*seen.lock().unwrap(), ["Step 1/2", "wrong", "end"]);
    }
}
