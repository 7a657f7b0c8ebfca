//! Podman behind its Docker API, as a test's own: its images, containers and networks are in a folder
//! that goes with it. Debian's podman, on cgroup v1 and without systemd.
#![allow(
    clippy::disallowed_methods,
    reason = "a test waits for another program"
)]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::second_engine::{installed, may_start, quietly, remove_containers, tied};

/// Its processes and mounts go when it is dropped.
pub struct Podman {
    folder: tempfile::TempDir,
    service: Option<Child>,
}

impl Podman {
    /// One that pulls from this registry without TLS. `None` where that takes more rights than the
    /// test has, which is a failure in CI.
    pub fn start(registry: &str) -> Option<Self> {
        if !may_start("podman") {
            return None;
        }
        for (program, package) in [
            ("podman", "podman"),
            ("crun", "crun"),
            ("/usr/lib/podman/netavark", "netavark"),
            ("/usr/lib/podman/aardvark-dns", "aardvark-dns"),
        ] {
            installed(program, package);
        }
        let mut podman = Self {
            folder: tempfile::tempdir().unwrap(),
            service: None,
        };
        podman.configure(registry);
        podman.serve();
        Some(podman)
    }

    /// For `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.path("socket").display())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self, registry: &str) {
        let folder = self.folder.path().display();
        // Its own limits are above what a machine without CAP_SYS_RESOURCE lets anybody have.
        let containers = format!(
            "[containers]\ndefault_ulimits = [\"nofile=4096:4096\", \"nproc=4096:4096\"]\n\
             log_driver = \"k8s-file\"\n\
             [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nruntime = \"runc\"\n\
             [network]\nnetwork_backend = \"netavark\"\nnetwork_config_dir = \"{folder}/networks\"\n"
        );
        let storage = format!(
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"{folder}/data\"\nrunroot = \"{folder}/run\"\n"
        );
        let mut registries = String::new();
        let _ = write!(
            registries,
            "[[registry]]\nlocation = \"{registry}\"\ninsecure = true\n"
        );
        for (name, text) in [
            ("containers.conf", containers),
            ("storage.conf", storage),
            ("registries.conf", registries),
        ] {
            std::fs::write(self.path(name), text).unwrap();
        }
    }

    /// The program on this one's folders.
    fn command(&self) -> Command {
        let mut command = tied("podman");
        command
            // conmon writes a file `oom` where it stands.
            .current_dir(self.folder.path())
            .env("CONTAINERS_CONF", self.path("containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", self.path("storage.conf"))
            .env("CONTAINERS_REGISTRIES_CONF", self.path("registries.conf"))
            .arg("--tmpdir")
            .arg(self.path("tmp"))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    fn serve(&mut self) {
        let log = std::fs::File::create(self.path("log")).unwrap();
        let service = self
            .command()
            .args(["system", "service", "--time", "0", &self.host()])
            .stderr(log)
            .spawn();
        self.service = Some(service.unwrap());
        let begun = Instant::now();
        let answers = || {
            let version = ["--host", &self.host(), "version"].map(ToOwned::to_owned);
            let output = Command::new("docker").args(version).output();
            output.is_ok_and(|it| it.status.success())
        };
        while !answers() {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "podman does not answer: {}",
                std::fs::read_to_string(self.path("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        remove_containers(&self.host());
        let prune = ["network", "prune", "--force"];
        let _ = self.command().args(prune).stderr(Stdio::null()).status();
        if let Some(mut service) = self.service.take() {
            quietly("kill", &[&service.id().to_string()]);
            let _ = service.wait();
        }
        for mounted in ["data", "run"] {
            let mounted = self.path(mounted).display().to_string();
            quietly("umount", &["--recursive", "--lazy", &mounted]);
        }
    }
}
