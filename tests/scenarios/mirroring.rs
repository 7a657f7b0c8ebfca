//! Log files in a folder of this machine: shared with the containers, or copied.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::support::mounted::Mounted;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, docker, finished};
use crate::{app, service};

const LOGS: &str = "volumes: { logs: /logs }\n";

fn write(workstation: &Workstation, text: &str) {
    let probe = ["/probe", "append", "/logs/catalina.log", text];
    let exec = [&["exec", "billing", "--"], &probe[..]].concat();
    workstation.run(&exec).ok();
}

fn read(folder: &Path) -> String {
    fs::read_to_string(folder.join("billing/catalina.log")).unwrap_or_default()
}

fn created(workstation: &Workstation, name: &str) -> String {
    let object = workstation.object(name);
    docker(&["inspect", "--format", "{{.Created}}", &object])
}

/// `up --logs-to DIR` where the engine sees the folder (proven by a marker): only containers with
/// logs are recreated, files are there at once, `logs` reads them, `--no-logs-to` goes back,
/// nothing of the volume is lost.
#[tokio::test(flavor = "multi_thread")]
async fn log_files_are_mirrored_into_a_folder_and_nothing_of_a_volume_is_lost() {
    let platform = Synthetic::released(&[("billing", &app(LOGS)), ("customers", &app(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let up = ["up", "billing", "customers", "--no-proxy"];
    workstation.run(&up).ok();
    write(&workstation, "in the volume\n");
    let before = created(&workstation, "customers");
    let folder = workstation.home.path().join("mirrored");
    let folder = folder.as_path();
    let to = ["up", "--logs-to", folder.to_str().unwrap()];
    workstation.run(&to).ok().says("log files go to");
    assert_eq!(created(&workstation, "customers"), before, "it has no logs");
    write(&workstation, "in the folder\n");
    assert_eq!(read(folder), "in the folder\n");
    let shown = workstation
        .run(&["logs", "billing", "--source", "files"])
        .ok();
    assert_eq!(shown.stdout.trim(), "billing | catalina.log: in the folder");
    workstation.run(&["up"]).ok().says("nothing to do");

    workstation.run(&["up", "--no-logs-to"]).ok();
    write(&workstation, "in the volume again\n");
    let shown = workstation
        .run(&["logs", "billing", "--source", "files"])
        .ok();
    let lines =
        "billing | catalina.log: in the volume\nbilling | catalina.log: in the volume again";
    assert_eq!(shown.stdout.trim(), lines);
    assert_eq!(read(folder), "in the folder\n", "it stays");
    let left = fs::read_dir(folder).unwrap().count();
    assert_eq!(left, 1, "no marker is left");
}

/// `up --logs-to DIR` where the engine does not see it: copied at `up`, `logs` and `down`; `logs
/// --to DIR`.
#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_shared_log_files_are_copied() {
    let platform = Synthetic::released(&[("billing", &service(LOGS))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let far = "name: far\ndescription: shares a folder that is not this one\nextends: linux\n\
               shares: [{ host: /, engine: /nowhere }]\n";
    workstation.write("config/profiles/far.yaml", far);
    workstation.write("config/settings.yaml", "profile: far\n");
    let folder = workstation.home.path().join("copied");
    let folder = folder.as_path();
    let to = folder.to_str().unwrap();
    let up = ["up", "billing", "--no-proxy", "--logs-to", to];
    workstation.run(&up).ok().says("the engine does not see");
    let status = workstation.run(&["status", "--json"]).ok().json();
    assert_eq!(status["logs_to"]["shared"], false);
    write(&workstation, "one\n");
    assert_eq!(read(folder), "");
    workstation.run(&["logs"]).ok();
    assert_eq!(read(folder), "one\n");
    write(&workstation, "two\n");
    workstation.run(&["down"]).ok();
    assert_eq!(read(folder), "one\ntwo\n");

    let other = workstation.home.path().join("once");
    let copied = ["logs", "billing", "--to", other.to_str().unwrap()];
    workstation
        .run(&copied)
        .ok()
        .says("copied: 1 new or changed");
    assert_eq!(read(&other), "one\ntwo\n");
}

/// A folder for log files is checked by `--dry-run` already, shown by `up` and `status`, and
/// refused where another instance has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_checked_beforehand_shown_and_one_instances_own() {
    let platform = Synthetic::released(&[("billing", &service(LOGS))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let twin = Workstation {
        home: tempfile::tempdir().unwrap(),
        instance: format!("{}_twin", workstation.instance),
    };
    let file = workstation.home.path().join("file");
    fs::write(&file, "").unwrap();
    let folder = workstation.home.path().join("mirrored");
    let shown = folder.to_str().unwrap();
    let up = |to| ["up", "billing", "--no-proxy", "--logs-to", to];
    let plan = |to| [&up(to)[..], &["--dry-run"]].concat();
    let refused = workstation.run(&plan(file.to_str().unwrap())).code(2);
    refused.says("is not a folder");
    let planned = workstation.run(&plan(shown)).ok().stdout;
    let first = format!("log files go to {shown}: `devenv up` first checks");
    assert!(planned.contains(&first) && !folder.exists(), "{planned}");

    let goes = format!("log files go to {shown}");
    workstation.run(&up(shown)).ok().says(&goes);
    workstation.run(&["up"]).ok().says(&goes);
    let status = workstation.run(&["status"]).ok().stdout;
    assert!(status.contains(&goes), "{status}");
    let status = workstation.run(&["status", "--json"]).ok().json();
    let logs_to = serde_json::json!({ "folder": folder, "shared": true });
    assert_eq!(status["logs_to"], logs_to);

    let link = workstation.home.path().join("link");
    std::os::unix::fs::symlink(&folder, &link).unwrap();
    let in_twin = |arguments: &[&str]| {
        let mut command = workstation.command();
        command
            .args(arguments)
            .env("DEVENV_INSTANCE", &twin.instance);
        finished(command, "")
    };
    let other = format!(
        "has the log files of the instance {} of",
        workstation.instance
    );
    in_twin(&up(link.to_str().unwrap())).code(2).says(&other);
    // What runs nothing has no claim, until it is to run again.
    workstation.run(&["down"]).ok();
    in_twin(&up(shown)).ok();
    let other = format!("has the log files of the instance {}", twin.instance);
    workstation.run(&["up", "billing"]).code(2).says(&other);
    workstation.run(&["up", "billing", "--no-logs-to"]).ok();
}

/// What a container wrote takes no more room here than over there, has a name that a terminal may
/// print, and leaves the disk some space: what does not fit is said, and the rest is copied.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_copied_takes_no_more_room_than_it_had() {
    let platform = Synthetic::released(&[("billing", &service(LOGS))]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    write(&workstation, "one\n");
    let exec = |words: &[&str]| {
        let exec = ["exec", "billing", "-T", "--", "/probe"];
        workstation.run(&[&exec[..], words].concat()).ok();
    };
    exec(&["hole", "/logs/sparse.log", "300"]);
    exec(&["append", "/logs/sparse.log", "its end\n"]);
    exec(&["write", "/logs/a\u{1b}[31mb.log", "red\n"]);
    let folder = workstation.home.path().join("copied");
    let copied = ["logs", "billing", "--to", folder.to_str().unwrap()];
    let told = workstation.run(&copied).ok();
    assert!(
        !told.stdout.contains('\u{1b}') && !told.stderr.contains('\u{1b}'),
        "{told:?}"
    );
    told.says("copied: 3 new or changed");
    assert_eq!(read(&folder), "one\n");
    let harmless = folder.join("billing/a\\u{1b}[31mb.log");
    assert_eq!(fs::read_to_string(harmless).unwrap(), "red\n");
    let sparse = fs::metadata(folder.join("billing/sparse.log")).unwrap();
    assert_eq!(sparse.len(), (300 << 20) + 8);
    assert!(
        sparse.blocks() * 512 < 1 << 20,
        "{} blocks",
        sparse.blocks()
    );

    let Some(small) = Mounted::of(64 << 10) else {
        return;
    };
    let folder = small.folder.path().join("copied");
    let copied = ["logs", "billing", "--to", folder.to_str().unwrap()];
    let told = workstation.run(&copied).ok();
    told.says("is left out: the disk of");
    assert_eq!(read(&folder), "");
}
