//! Builds by BuildKit, which the program `docker buildx` drives, on this engine.

use std::process::Stdio;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStderr, ChildStdin, Command};

use super::Docker;
use super::build::{BuildOptions, Output};
use super::refusal::said;
use crate::engine::{Endpoint, Engine as _, Fault, FaultKind};
use crate::model::digest::Digest;
use crate::system::program;

/// How the program is called: as docker's plugin, or by itself.
const PROGRAMS: [&[&str]; 2] = [&["docker", "buildx"], &["docker-buildx"]];

/// `docker buildx` on this machine.
#[derive(Debug, Clone, Copy)]
pub struct Buildx {
    words: &'static [&'static str],
}

impl Buildx {
    /// Looks for it in `PATH` and among docker's plugins.
    pub async fn find() -> Option<Self> {
        for words in PROGRAMS {
            let found = Self { words };
            let answer = found.command().arg("version").output().await;
            if answer.is_ok_and(|output| output.status.success()) {
                return Some(found);
            }
        }
        None
    }

    fn command(self) -> Command {
        let mut command = Command::from(program(self.words[0]));
        command.args(&self.words[1..]).kill_on_drop(true);
        command
    }

    /// Builds `context` on an engine, as [`Docker::build`] does.
    ///
    /// # Errors
    /// What the builder refused, with the last lines of the output as detail; an endpoint that the
    /// program cannot be told.
    pub async fn build(
        self,
        engine: &Docker,
        context: BoxStream<'static, std::io::Result<Bytes>>,
        options: &BuildOptions,
        line: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<Digest, Fault> {
        let failed = |what: &str, error: std::io::Error| {
            Fault::new(FaultKind::Failed, format!("{what}: {error}"))
        };
        let folder = tempfile::tempdir()
            .map_err(|error| failed("a build has no folder for its result", error))?;
        let metadata = folder.path().join("metadata");
        let mut command = self.request(options);
        address(&mut command, engine.endpoint())?;
        command.arg("--metadata-file").arg(&metadata).arg("-");
        let program = self.words.join(" ");
        let cannot_run = |error| failed(&format!("`{program}` cannot be run"), error);
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = pipes.stderr(Stdio::piped()).spawn().map_err(cannot_run)?;
        let mut output = Output::new(line);
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let (sent, ()) = tokio::join!(send(context, stdin), read(stderr, &mut output));
        output.finish();
        let status = child.wait().await.map_err(cannot_run)?;
        if !status.success() {
            let mut fault = said(&output.end());
            fault.message = format!("`{program} build` failed ({status})");
            return Err(output.explain(fault));
        }
        sent.map_err(|error| failed("the build context ended early", error))?;
        let text = std::fs::read(&metadata)
            .map_err(|error| failed("what was built cannot be read", error))?;
        let made: Made = serde_json::from_slice(&text).unwrap_or_default();
        for id in made.manifest.into_iter().chain(made.configuration) {
            if engine.image(&id).await?.is_some() {
                return Ok(id);
            }
        }
        let text = format!("`{program}` tells of no image that the engine has");
        Err(output.explain(Fault::new(FaultKind::Failed, text)))
    }

    /// The command but for its engine and context. Secrets and proxies are handed over in its
    /// environment, never as arguments.
    fn request(self, options: &BuildOptions) -> Command {
        let mut command = self.command();
        command.args(["build", "--builder", "default", "--progress", "plain"]);
        command.args(["--provenance=false", "--sbom=false"]);
        command.args(["--file", &options.dockerfile]);
        for (name, value) in &options.args {
            command.arg("--build-arg").arg(format!("{name}={value}"));
        }
        for (name, value) in &options.proxies {
            command.args(["--build-arg", name]);
            command.env(name, value.expose());
        }
        for (index, (name, value)) in options.secrets.iter().enumerate() {
            let variable = format!("DEVENV_BUILD_SECRET_{index}");
            command.args(["--secret", &format!("id={name},env={variable}")]);
            command.env(variable, value.expose());
        }
        for (name, value) in &options.labels {
            command.arg("--label").arg(format!("{name}={value}"));
        }
        if options.no_cache {
            command.arg("--no-cache");
        }
        command
    }
}

/// What was made, as its metadata say. An image's Id is the digest of its manifest where the engine
/// keeps images with containerd, else that of its configuration.
/// Source: <https://docs.docker.com/reference/cli/docker/buildx/build/#metadata-file>.
#[derive(Default, Deserialize)]
struct Made {
    #[serde(rename = "containerimage.digest")]
    manifest: Option<Digest>,
    #[serde(rename = "containerimage.config.digest")]
    configuration: Option<Digest>,
}

/// A builder that has given up reads no further: its exit says why.
async fn send(
    mut context: BoxStream<'static, std::io::Result<Bytes>>,
    stdin: Option<ChildStdin>,
) -> std::io::Result<()> {
    let Some(mut stdin) = stdin else {
        return Ok(());
    };
    while let Some(piece) = context.next().await {
        if stdin.write_all(&piece?).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn read(stderr: Option<ChildStderr>, output: &mut Output<'_>) {
    let Some(stderr) = stderr else {
        return;
    };
    let mut lines = BufReader::new(stderr).split(b'\n');
    while let Ok(Some(text)) = lines.next_segment().await {
        output.add(&String::from_utf8_lossy(&text));
        output.add("\n");
    }
}

impl Docker {
    /// Where the engine is reached.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

/// Tells the program which engine it is.
fn address(command: &mut Command, endpoint: &Endpoint) -> Result<(), Fault> {
    for name in [
        "DOCKER_CONTEXT",
        "DOCKER_TLS_VERIFY",
        "DOCKER_TLS",
        "DOCKER_CERT_PATH",
        "BUILDX_BUILDER",
    ] {
        command.env_remove(name);
    }
    if let Endpoint::Tls {
        host,
        port,
        material,
    } = endpoint
    {
        let files = [&material.ca, &material.certificate, &material.key];
        let names = ["ca.pem", "cert.pem", "key.pem"];
        let folder = material.ca.as_ref().and_then(|file| file.parent());
        let is_usual = files.iter().zip(names).all(|(file, name)| {
            file.as_deref() == folder.map(|folder| folder.join(name)).as_deref()
        });
        let Some(folder) = folder.filter(|_| is_usual && !material.skip_verify) else {
            let text = "`docker buildx` cannot be told this engine's certificates";
            let mut fault = Fault::new(FaultKind::Failed, text);
            fault.hint = Some("put them into one folder as ca.pem, cert.pem and key.pem".into());
            return Err(fault);
        };
        command.env("DOCKER_HOST", format!("tcp://{host}:{port}"));
        command
            .env("DOCKER_TLS_VERIFY", "1")
            .env("DOCKER_CERT_PATH", folder);
        return Ok(());
    }
    command.env("DOCKER_HOST", endpoint.to_string());
    Ok(())
}
