//! Seeds: what fills an empty volume at its first start.

use super::*;

/// A database that is always healthy, with the seed that lies beside it.
fn seeded(command: &str) -> String {
    service(&format!(
        "volumes: {{ data: /srv/db, logs: /var/log/db }}\n\
         health: {{ command: [/probe, check, /probe], interval: 200ms, timeout: 2s, start_period: 1s, retries: 9 }}\n\
         seed: {{ file: seed.sql, command: [{command}] }}\n"
    ))
}

/// A platform whose database is filled from this text by this command.
async fn platform_with(command: &str, text: &str) -> Synthetic {
    let needs = service("needs: [{ container: db, until: healthy }]\n");
    let containers = [("db", &*seeded(command)), ("billing", &*needs)];
    let mut platform = Synthetic::define(&containers);
    write_seed(&platform, text);
    platform.push("A seed");
    platform.release_all(&containers).await;
    platform
}

fn write_seed(platform: &Synthetic, text: &str) {
    std::fs::write(seed_file(platform), text).unwrap();
}

fn seed_file(platform: &Synthetic) -> std::path::PathBuf {
    platform.work().join("containers/db/seed.sql")
}

/// An empty volume is filled before anybody who needs it starts; what is in a volume is left alone, until
/// the user begins again.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_volume_is_filled() {
    let mut platform = platform_with("/probe, pour, /srv/db/row, \"0\", \"1500\"", "first").await;
    let workstation = Workstation::initialised(&platform.url());
    let up = ["up", "billing", "db", "--no-proxy"];
    let plan = workstation.run(&[&up[..], &["--dry-run"]].concat()).ok();
    let step = plan.stdout.find("seed db from seed.sql").unwrap();
    assert!(step < plan.stdout.find("start billing").unwrap());
    assert!(volumes(&workstation).is_empty(), "only shown");
    let entry = workstation.run(&["list", "db", "--json"]).ok().json();
    assert_eq!(entry["seed"]["file"], "seed.sql", "{entry}");
    let list = workstation.run(&["list", "db"]).ok().stdout;
    assert!(list.contains("seed.sql, read by /probe pour"), "{list}");

    workstation.run(&up).ok().says("db: seeded from seed.sql");
    assert_eq!(row(&workstation), "first");
    let time = |name: &str| -> jiff::Timestamp { started(&workstation, name).parse().unwrap() };
    let between = time("billing").duration_since(time("db"));
    assert!(between.as_millis() >= 1500, "{between:?}");
    workstation.run(&["up"]).ok().says("nothing to do");

    write(&workstation, "/srv/db/row", "own");
    workstation.run(&["down"]).ok();
    write_seed(&platform, "second");
    platform.push("Another seed");
    platform.release("db", "1.1").await;
    platform.reference().await;
    platform.promote("production").await;
    workstation.run(&["sync"]).ok();
    let again = workstation.run(&[&up[..], &["--environment", "production"]].concat());
    assert!(!again.ok().stderr.contains("seed"), "there is data");
    assert_eq!(workstation.container("db")["version"], "1.1");
    assert_eq!(row(&workstation), "own");

    let before = volumes(&workstation);
    workstation.run(&["up", "--fresh", "db", "--yes"]).ok();
    assert_eq!(row(&workstation), "second");
    let now = volumes(&workstation);
    assert_eq!((now.len(), now.intersection(&before).count()), (1, 0));
    workstation.run(&["up"]).ok().says("nothing to do");
}

/// A seed that fails leaves nothing, and says what it said; the next one may be better.
#[tokio::test(flavor = "multi_thread")]
async fn a_seed_that_fails_leaves_nothing() {
    let mut platform = platform_with("/probe, pour, /srv/db/row, \"3\"", "half").await;
    let workstation = Workstation::initialised(&platform.url());
    let up = ["up", "billing", "db", "--no-proxy"];
    for _ in 0..2 {
        let failed = workstation.run(&up).code(7);
        failed
            .says("the seed seed.sql of db failed")
            .says("`/probe` exited with code 3")
            .says("row 7 is wrong")
            .says("what was not filled to its end is removed again");
        assert!(volumes(&workstation).is_empty());
    }
    assert!(
        !workstation
            .containers()
            .iter()
            .any(|it| it.contains("billing running"))
    );
    let mut next = async |command: &str, version: &str, change: &dyn Fn(&Synthetic)| {
        platform.write_container("db", &seeded(command));
        change(&platform);
        platform.push("Another one");
        platform.release("db", version).await;
        platform.reference().await;
        platform.promote("production").await;
        workstation.run(&["sync"]).ok();
        let up = [&up[..], &["--environment", "production"]].concat();
        workstation.run(&up)
    };
    let link = |platform: &Synthetic| {
        std::fs::remove_file(seed_file(platform)).unwrap();
        std::os::unix::fs::symlink("../../trust.yaml", seed_file(platform)).unwrap();
    };
    let pour = "/probe, pour, /srv/db/row";
    next(pour, "1.1", &link).await.code(3).says("symbolic link");
    assert!(volumes(&workstation).is_empty());
    let gone = |platform: &Synthetic| std::fs::remove_file(seed_file(platform)).unwrap();
    let said = next(pour, "1.2", &gone).await.code(3);
    said.says("there is no containers/db/seed.sql in the definitions");
    let none = |platform: &Synthetic| write_seed(platform, "whole");
    let said = next("/nothing-such", "1.3", &none).await.code(7);
    said.says("`/nothing-such` exited with code 12")
        .says("cannot be run in the container");
    next(pour, "1.4", &|_| {}).await.ok();
    assert_eq!(row(&workstation), "whole");
}

/// What a killed command had begun to fill is empty again, and filled as a whole by the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_is_repaired() {
    let whole = "row\n".repeat(10_000);
    let platform = platform_with("/probe, pour, /srv/db/row, \"0\", \"200\"", &whole).await;
    let workstation = Workstation::initialised(&platform.url());
    let up = ["up", "billing", "db", "--no-proxy"];
    let mut child = workstation.command();
    let mut child = child
        .args(up)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let object = workstation.object("db");
    let shown = || {
        let show = ["exec", &object, "/probe", "show", "/srv/db/row"];
        let ran = std::process::Command::new("docker")
            .args(show)
            .output()
            .unwrap();
        ran.stdout.len()
    };
    let is_begun = wait(|| shown() > 0);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_begun && shown() < whole.len());
    let before = volumes(&workstation);
    let save = workstation.run(&["snapshot", "save", "half"]).code(2);
    save.says("filling volumes was interrupted: the data is what it was before");
    assert!(volumes(&workstation).is_empty() && !before.is_empty());
    workstation.run(&up).ok();
    assert_eq!(row(&workstation), whole);
    assert_eq!(workstation.containers(), ["billing running", "db running"]);
}

#[expect(clippy::disallowed_methods, reason = "nothing tells when it has begun")]
fn wait(is_there: impl Fn() -> bool) -> bool {
    (0..400).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        is_there()
    })
}

/// A folder of the user's that stands in for the data is filled with nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_ones_own_is_not_filled() {
    let platform = platform_with("/probe, pour, /srv/db/row", "first").await;
    let workstation = Workstation::initialised(&platform.url());
    let own = workstation.home.path().join("own");
    std::fs::create_dir(&own).unwrap();
    let mount = format!(
        "{{ from: {}, to: /srv/db, read_only: false }}",
        own.display()
    );
    let text = format!("containers: {{ db: {{ mounts: [{mount}] }} }}\n");
    workstation.write("config/overrides/acme.yaml", &text);
    let up = ["up", "billing", "db", "--no-proxy"];
    for fresh in [&[][..], &["--fresh", "db", "--yes"]] {
        let said = workstation.run(&[&up[..], fresh].concat()).ok();
        assert!(!said.stderr.contains("seed.sql"), "{}", said.stderr);
        assert_eq!(std::fs::read_dir(&own).unwrap().count(), 0);
    }
}
