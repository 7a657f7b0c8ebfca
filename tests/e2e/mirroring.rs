//! Log files in a folder of this machine: shared with the containers, or copied.

use std::fs;
use std::path::Path;

use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, docker};
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
