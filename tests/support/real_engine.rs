//! The machine's engine, with an image made of one static program, and a clean-up by label.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use devenv::engine::docker::{BuildOptions, archive};
use devenv::engine::{Docker, Engine, EngineEnvironment, choose};
use devenv::model::digest::Digest;

/// One test's part of the engine: everything made in it carries its label and goes when it is dropped.
pub struct RealEngine {
    pub docker: Docker,
    pub image: Digest,
    pub owner: String,
}

impl RealEngine {
    /// `None` when no engine answers, unless `CI` is `true`: then that is a failure.
    pub async fn get() -> Option<Self> {
        let docker = connect();
        if let Err(fault) = docker.ping(Duration::from_secs(5)).await {
            let must = variable("CI").is_some_and(|value| value == "true");
            assert!(!must, "CI needs an engine: {fault}");
            return None;
        }
        let image = probe_image(&docker).await;
        Some(Self {
            docker,
            image,
            owner: format!("devenv-test-{}", unique()),
        })
    }

    /// `devenv.owner=…`
    pub fn label(&self) -> String {
        format!("devenv.owner={}", self.owner)
    }
}

impl Drop for RealEngine {
    fn drop(&mut self) {
        let label = self.label();
        let clean = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(remove_labelled(&label));
        };
        // A runtime cannot be entered within another; nor may a panic while unwinding abort.
        let _ = std::thread::spawn(clean).join();
    }
}

async fn remove_labelled(label: &str) {
    let docker = connect();
    let (name, value) = label.split_once('=').unwrap();
    let containers = docker.containers().await.unwrap_or_default();
    for container in containers {
        if container.labels.get(name).map(String::as_str) == Some(value) {
            let _ = docker.remove(&container.id).await;
        }
    }
    for network in docker.networks(label).await.unwrap_or_default() {
        let _ = docker.remove_network(&network.id).await;
    }
    for volume in docker.volumes(label).await.unwrap_or_default() {
        let _ = docker.remove_volume(&volume.name).await;
    }
    let ours = docker.images().await.unwrap_or_default();
    for image in ours {
        if image.labels.get(name).map(String::as_str) == Some(value) {
            for name in image.tags.iter().chain([&image.id.to_string()]) {
                let _ = docker.remove_image(name).await;
            }
        }
    }
}

/// The engine that the docker client would use.
pub fn connect() -> Docker {
    let environment = EngineEnvironment {
        docker_host: variable("DOCKER_HOST"),
        docker_context: variable("DOCKER_CONTEXT"),
        docker_config: variable("DOCKER_CONFIG").map(PathBuf::from),
        home: variable("HOME").map(PathBuf::from),
        ..EngineEnvironment::default()
    };
    Docker::new(&choose(&environment).unwrap().endpoint).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test has no settings")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Differs between any two calls on this machine.
pub fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let seed = format!("{} {count} {:?}", std::process::id(), now.unwrap());
    Digest::of(seed.as_bytes()).short()
}

const SOURCE: &str = include_str!("probe.c");

/// The static program, compiled once per source text.
pub fn probe_program() -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let name = Digest::of(SOURCE.as_bytes()).short();
    let program = folder.join(format!("probe-{name}"));
    if let Ok(bytes) = fs::read(&program) {
        return bytes;
    }
    let source = folder.join(format!("probe-{name}-{}.c", unique()));
    let result = source.with_extension("out");
    fs::write(&source, SOURCE).unwrap();
    let status = Command::new("gcc")
        .args(["-static", "-Os", "-s", "-o"])
        .args([&result, &source])
        .status()
        .expect("the tests need gcc");
    assert!(status.success(), "gcc failed");
    // Renaming is atomic: tests beside this one never read half a program.
    fs::rename(&result, &program).unwrap();
    fs::remove_file(&source).unwrap();
    fs::read(&program).unwrap()
}

/// A tar archive of these files.
pub fn tar(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    // Engines make a folder that no entry is of for root alone.
    let parents = files
        .iter()
        .flat_map(|(path, ..)| Path::new(path).ancestors().skip(1));
    let parents: BTreeSet<&Path> = parents.filter(|it| !it.as_os_str().is_empty()).collect();
    for path in parents {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        header.set_mode(0o755);
        builder.append_data(&mut header, path, &[][..]).unwrap();
    }
    for (path, mode, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        header.set_cksum();
        builder.append_data(&mut header, path, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

/// The image; kept between runs, and only its tag names it. One builds, whoever else runs beside:
/// a second build would take the tag away from the first one's image.
async fn probe_image(docker: &Docker) -> Digest {
    let lock = fs::File::create(std::env::temp_dir().join("devenv-test-probe.lock")).unwrap();
    lock.lock().unwrap();
    let tag = format!(
        "localhost/devenv-test/probe:{}",
        Digest::of(SOURCE.as_bytes()).short()
    );
    let images = docker.images().await.unwrap();
    if let Some(image) = images.iter().find(|image| image.tags.contains(&tag)) {
        return image.id;
    }
    let program = probe_program();
    let dockerfile = b"FROM scratch\nCOPY probe /probe\nCMD [\"/probe\", \"sleep\"]\n";
    let context = tar(&[
        ("Dockerfile", 0o644, dockerfile),
        ("probe", 0o755, &program),
    ]);
    let options = BuildOptions {
        dockerfile: "Dockerfile".to_owned(),
        tag: Some(tag),
        ..BuildOptions::default()
    };
    docker
        .build(archive(context), &options, &|_| {})
        .await
        .unwrap()
}
