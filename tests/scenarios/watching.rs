//! `up --local --watch`: what is saved is built and replaced, and nothing else.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use crate::proposing::{begun, image_of, object, trace};
use crate::support::shapes;
use crate::support::workstation::{Workstation, docker};

/// `up --watch --json` of a developer's, ended when it is dropped.
struct Watch {
    child: Child,
    lines: Receiver<serde_json::Value>,
}

impl Watch {
    fn begin(developer: &Workstation, arguments: &[&str]) -> Self {
        let mut command = developer.command();
        command
            .args(arguments)
            .args(["--watch", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap();
                shapes::check_line("up --watch", &value);
                let _ = sender.send(value);
            }
        });
        Self { child, lines }
    }

    /// The next line that has this field, `event` of that name or another.
    #[track_caller]
    fn next(&self, event: &str) -> serde_json::Value {
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|error| panic!("no {event}: {error}"));
            if line["event"] == event || line.get(event).is_some() {
                return line;
            }
            assert!(
                event == "error" || line.get("error").is_none(),
                "waiting for {event}: {line}"
            );
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        let _ = self.child.wait();
    }
}

/// What does not hold together, and what cannot be built, replaces nothing.
fn what_fails_replaces_nothing(
    watch: &Watch,
    developer: &Workstation,
    folder: &Path,
    object: &str,
) {
    let id = || docker(&["inspect", "--format", "{{.Id}}", object]);
    let (definition, dockerfile) = (folder.join("container.yaml"), folder.join("Dockerfile"));
    let billing = id();
    let text = fs::read_to_string(&definition).unwrap();
    fs::write(&definition, format!("{text}routs: []\n")).unwrap();
    let error = watch.next("error").to_string();
    assert!(
        error.contains("containers/billing/container.yaml"),
        "{error}"
    );
    watch.next("watching");
    let recipe = fs::read_to_string(&dockerfile).unwrap();
    fs::write(&dockerfile, format!("{recipe}COPY nothing* /\n")).unwrap();
    fs::write(&definition, &text).unwrap();
    let error = watch.next("error").to_string();
    assert!(error.contains("billing was not built"), "{error}");
    watch.next("watching");
    assert_eq!(id(), billing);
    assert_eq!(developer.container("billing")["state"], "running");

    fs::write(&dockerfile, &recipe).unwrap();
    watch.next("replaced");
    watch.next("watching");
}

/// Another variable: a new container, the same image.
fn only_how_it_runs(watch: &Watch, folder: &Path, object: &str) {
    let image = || docker(&["inspect", "--format", "{{.Image}}", object]);
    let before = image();
    trace(folder);
    watch.next("replaced");
    assert_eq!(image(), before);
    let variables = docker(&["inspect", "--format", "{{.Config.Env}}", object]);
    assert!(variables.contains("TRACE=1"), "{variables}");
}

/// What is saved is built, and replaces that container alone; what cannot be built replaces
/// nothing.
#[test]
fn what_is_saved_is_built_and_replaces_that_container_alone() {
    let (company, developer, folder) = begun();
    let port = format!("80={}", crate::support::workstation::free_port());
    let mut watch = Watch::begin(&developer, &["up", "billing", "--local", "--port", &port]);
    watch.next("watching");
    let object = object(&company, &developer);
    let front = format!("devenv-{}-{}-front", company.platform, developer.instance);
    let id = |object: &str| docker(&["inspect", "--format", "{{.Id}}", object]);
    let (billing, proxy) = (id(&object), id(&front));
    let image = image_of(&company, &developer);

    // As vim writes: a new file over the old one, its own file beside it.
    let properties = folder.join("configuration/recette/application.properties");
    fs::write(
        properties.with_file_name(".application.properties.swp"),
        "x",
    )
    .unwrap();
    fs::write(folder.join("new"), "name=saved\n").unwrap();
    fs::rename(folder.join("new"), &properties).unwrap();
    let changed = watch.next("changed");
    let path = changed["paths"][0].as_str().unwrap();
    assert!(path.ends_with("application.properties"), "{changed}");
    let replaced = watch.next("replaced");
    assert_eq!(replaced["containers"], serde_json::json!(["billing"]));
    watch.next("watching");
    assert_ne!(id(&object), billing);
    assert_eq!(id(&front), proxy);
    let copied = docker(&["cp", &format!("{object}:/etc/configuration/recette"), "-"]);
    assert!(copied.contains("name=saved"), "{copied}");
    assert!(!copied.contains(".swp"), "{copied}");
    let images = ["image", "ls", "--no-trunc", "--format", "{{.ID}}"];
    assert!(!docker(&images).contains(&image), "the old image is gone");

    what_fails_replaces_nothing(&watch, &developer, &folder, &object);
    only_how_it_runs(&watch, &folder, &object);
    assert!(watch.child.try_wait().unwrap().is_none());
    drop(watch);
    assert_eq!(developer.container("billing")["state"], "running");
}

/// An artifact is followed through renames and `mvn clean package`.
#[test]
fn an_artifact_that_is_built_again_is_built_in() {
    let (company, developer, _) = begun();
    let target = tempfile::tempdir().unwrap();
    let (war, target) = (
        target.path().join("target/app.war"),
        target.path().join("target"),
    );
    fs::create_dir(&target).unwrap();
    fs::write(&war, "first").unwrap();
    let folder = developer
        .run(&["edit", "--new", "shop", "--like", "billing", "--print"])
        .ok();
    let folder = PathBuf::from(folder.stdout.trim());
    let definition = fs::read_to_string(folder.join("container.yaml")).unwrap();
    let wants = |artifacts: &str| {
        let text = format!("{definition}artifact: {artifacts}\n");
        fs::write(folder.join("container.yaml"), text).unwrap();
    };
    wants("shop.war");
    let recipe = fs::read_to_string(folder.join("Dockerfile")).unwrap();
    fs::write(folder.join("Dockerfile"), recipe + "COPY shop.war /\n").unwrap();
    developer
        .run(&["build", "shop"])
        .code(2)
        .says("--artifact FILE");
    let build = ["build", "shop", "--artifact", war.to_str().unwrap()];
    // Of several, those that are not given are the released ones; here there are none.
    wants("[app.war, extra.zip]");
    developer
        .run(&build)
        .code(2)
        .says("needs the artifact `extra.zip`");
    wants("[a.war, extra.zip]");
    developer.run(&build).code(2).says("[a.war, extra.zip]");
    wants("shop.war");
    developer.run(&build).ok();

    let watch = Watch::begin(&developer, &["up", "shop", "--local", "--no-proxy"]);
    watch.next("watching");
    let object = format!("devenv-{}-{}-shop", company.platform, developer.instance);
    let inside = || docker(&["cp", &format!("{object}:/shop.war"), "-"]);
    assert!(inside().contains("first"));
    // As `mvn clean package` does.
    fs::remove_dir_all(&target).unwrap();
    let gone = watch.next("changed");
    assert_eq!(gone["missing"][0], war.to_str().unwrap());
    assert!(inside().contains("first"));
    fs::create_dir(&target).unwrap();
    fs::write(target.join("app.war.tmp"), "second").unwrap();
    fs::rename(target.join("app.war.tmp"), &war).unwrap();
    watch.next("replaced");
    assert!(inside().contains("second"));
    // Another file, named by a command beside this one.
    let other = target.join("other.war");
    fs::write(&other, "third").unwrap();
    watch.next("watching");
    let build = ["build", "shop", "--artifact", other.to_str().unwrap()];
    developer.run(&build).ok();
    assert_eq!(watch.next("changed")["paths"][0], other.to_str().unwrap());
    watch.next("replaced");
    assert!(inside().contains("third"));
    fs::write(&other, "fourth").unwrap();
    watch.next("replaced");
    assert!(inside().contains("fourth"));
}
