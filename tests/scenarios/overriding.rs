//! The user's own changes, on the engine.

use crate::app;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, docker, free_port};

/// A folder of this machine in place of what an image keeps in a volume, another command, and no
/// health check: as the file says, and as production has it once the file is gone.
#[tokio::test(flavor = "multi_thread")]
async fn mounts_command_and_health_are_as_the_user_says() {
    let never = app("").replace("/probe, check, /probe", "/probe, check, /never");
    let containers = [
        ("billing", &*never),
        ("customers", "needs: [billing]\nport: 8080\n"),
    ];
    let mut platform = Synthetic::define(&containers);
    platform.volumes = serde_json::json!({ "/kept": {} });
    platform.release_all(&containers).await;
    let workstation = Workstation::initialised(&platform.url());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("page"), "mine").unwrap();
    workstation.write(
        "config/overrides/acme.yaml",
        &format!(
            "containers: {{ billing: {{ health: off, command: [/probe, sleep],\n\
             mounts: [{{ from: {}, to: /kept, read_only: true }}] }} }}\n",
            folder.path().display()
        ),
    );
    let up = ["up", "customers", "--no-proxy", "--timeout", "20s"];
    let path = workstation.home.path().join("config/overrides/acme.yaml");
    let own = std::fs::read_to_string(&path).unwrap();
    let gone = own.replace("to: /kept", "to: /kept }, { from: /not/there, to: /x");
    std::fs::write(&path, gone).unwrap();
    let missing = "`billing` is to mount /not/there, which is not there";
    workstation.run(&up).code(2).says(missing);
    std::fs::write(
        &path,
        own.replace("} }\n", "}, custmers: { memory: 1GiB } }\n"),
    )
    .unwrap();
    let told = workstation.run(&up).ok();
    told.says("has no container `custmers`; did you mean `customers`?")
        .says("billing runs with your overrides: command, mounts, health");
    let exec = |words: &[&str]| {
        let exec = ["exec", "billing", "-T", "--", "/probe"];
        workstation.run(&[&exec[..], words].concat())
    };
    assert_eq!(exec(&["show", "/kept/page"]).ok().stdout, "mine");
    exec(&["write", "/kept/page", "other"]).code(1);
    // Podman shows an empty health where there is none.
    let format = "{{json .Config.Cmd}} {{with .State.Health}}{{.Status}}{{end}} {{len .Mounts}}";
    let found = docker(&[
        "inspect",
        "--format",
        format,
        &workstation.object("billing"),
    ]);
    assert_eq!(found, "[\"/probe\",\"sleep\"]  1");
    assert!(
        workstation
            .run(&["up"])
            .ok()
            .stderr
            .contains("nothing to do")
    );

    std::fs::remove_file(workstation.home.path().join("config/overrides/acme.yaml")).unwrap();
    let short = ["up", "--no-proxy", "--timeout", "3s"];
    workstation.run(&short).code(7).says("billing");
    exec(&["write", "/kept/page", "kept"]).ok();
    assert_eq!(
        std::fs::read_to_string(folder.path().join("page")).unwrap(),
        "mine"
    );
}

/// A port for a debugger answers, and a variable is gone that the image itself has; a plan says so and
/// changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn debug_ports_and_removed_variables_are_as_the_user_says() {
    let containers = [("billing", app("environment: { TRACE: \"1\" }\n"))];
    let containers = containers
        .each_ref()
        .map(|(name, text)| (*name, text.as_str()));
    let mut platform = Synthetic::define(&containers);
    platform.environment = vec!["OF_IMAGE=stays".to_owned(), "OTHER=too".to_owned()];
    platform.release_all(&containers).await;
    let workstation = Workstation::initialised(&platform.url());
    let up = ["up", "billing", "--no-proxy"];
    workstation.run(&up).ok();
    let variable = |name: &str| {
        let exec = ["exec", "billing", "-T", "--", "/probe", "env", name];
        workstation.run(&exec).ok().stdout.trim().to_owned()
    };
    let variables = || ["OF_IMAGE", "OTHER", "TRACE"].map(variable);
    assert_eq!(variables(), ["stays", "too", "1"]);
    let port = free_port();
    let answers = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
    let overrides = format!(
        "containers: {{ billing: {{ environment: {{ OF_IMAGE: null, TRACE: null }},\n\
         publish: [{{ host: {port}, container: 8080 }}] }} }}\n"
    );
    workstation.write("config/overrides/acme.yaml", &overrides);
    let told = "billing runs with your overrides: environment, publish";
    let plan = workstation.run(&["up", "--dry-run"]).ok();
    assert!(plan.stdout.contains("create billing"), "{}", plan.stdout);
    plan.says(told);
    assert!(!answers());
    workstation.run(&up).ok().says(told);
    assert_eq!(variables(), ["(none)", "too", "(none)"]);
    assert!(answers());
    std::fs::remove_file(workstation.home.path().join("config/overrides/acme.yaml")).unwrap();
    workstation.run(&up).ok();
    assert_eq!(variables(), ["stays", "too", "1"]);
    assert!(!answers());
}
