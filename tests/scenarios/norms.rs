//! The policy, the packages of images, and bought software.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use serde_json::Value;

use crate::service;
use crate::support::company::Company;
use crate::support::registry::tests;
use crate::support::server::fake_clock;
use crate::support::workstation::finished;

const BILLING: [&str; 5] = ["release", "build", "billing", "--version", "1.0"];

/// A rule refuses before anything is published, warns, or is waived until a day; what was let pass is
/// signed.
#[test]
fn a_policy_refuses_warns_and_waives() {
    let company = Company::new().with_base();
    let policy = "schema: 1\nrules: { root: refuse, setuid: warn, interface: { level: refuse, within: 10s }, \
                  size: { level: refuse, largest: 1GiB } }\n";
    company.write("policy.yaml", policy);
    let dockerfile = "ARG BASE_BASE\nFROM ${BASE_BASE}\nADD tool.tar /\n";
    let tool = crate::support::real_engine::tar(&[("bin/tool", 0o4755, b"#!")]);
    std::fs::write(company.work().join("containers/billing/tool.tar"), tool).unwrap();
    company.write("containers/billing/Dockerfile", dockerfile);
    company.push("The policy");
    let refused = company
        .run(&BILLING)
        .code(3)
        .says("billing does not meet the policy")
        .says("the image names no user: it runs as root (root)")
        .says("policy: billing: /bin/tool runs as another user");
    assert!(!refused.stderr.contains("pushing"), "{}", refused.stderr);
    company.run(&["release", "verify", "billing:1.0"]).code(2);

    // The version is free again. The base was already released: it adds nothing.
    let waiver = "waivers: [{ rule: root, container: billing, until: 2999-12-31, name: Anna Roth, reason: bought }]\n";
    company.write("policy.yaml", &format!("{policy}{waiver}"));
    company.push("A waiver");
    company
        .run(&BILLING)
        .ok()
        .says("waived until 2999-12-31 by Anna Roth: bought");
    let verified = company
        .run(&["release", "verify", "billing:1.0"])
        .ok()
        .stdout;
    for fact in [
        "waived         root: ",
        "warned         setuid: ",
        "policy         sha256:",
    ] {
        assert!(verified.contains(fact), "{verified}");
    }
    let shown = company.run(&["trust", "show"]).ok().stdout;
    assert!(shown.contains("policy         root: refuse"), "{shown}");
    assert!(shown.contains("until 2999-12-31 by Anna Roth"), "{shown}");

    // An image that answers nobody.
    let definition = company.work().join("containers/billing/container.yaml");
    let definition = std::fs::read_to_string(definition).unwrap();
    let silent = definition.replace("[/probe, listen, \"8080\"]", "[/probe, sleep]");
    assert_ne!(silent, definition);
    company.write("containers/billing/container.yaml", &silent);
    let short = policy.replace("within: 10s", "within: 2s");
    company.write("policy.yaml", &format!("{short}{waiver}"));
    company.push("It answers nobody");
    company
        .run(&["release", "build", "billing", "--version", "1.1"])
        .code(3)
        .says("it does not answer HTTP on port 8080: within 2s (interface)");
    let broken = definition.replace("[/probe, listen, \"8080\"]", "[/nowhere]");
    company.write("containers/billing/container.yaml", &broken);
    company.push("It cannot run");
    company
        .run(&["release", "build", "billing", "--version", "1.1"])
        .code(3)
        .says("billing: it cannot be started: ");
    let left = Command::new("docker")
        .args([
            "ps",
            "--all",
            "--quiet",
            "--filter",
            "label=devenv.reader=trial",
        ])
        .args([
            "--filter",
            &format!("label=devenv.platform={}", company.platform),
        ])
        .output()
        .unwrap();
    assert!(left.stdout.is_empty(), "{left:?}");
}

/// What only a built image shows: an app without logs, too much, a package that nobody may have, a base
/// that is too old. Each is refused, and the same without it is released.
#[test]
fn what_an_image_itself_shows_is_judged() {
    let company = Company::new().with_base();
    let billing = "containers/billing/container.yaml";
    let definition = std::fs::read_to_string(company.work().join(billing)).unwrap();
    let dockerfile = "ARG BASE_BASE\nFROM ${BASE_BASE}\nCOPY status /var/lib/dpkg/status\n\
                      COPY os-release /etc/os-release\nCOPY os-release /logs/shipped.log\n";
    company.write("containers/billing/Dockerfile", dockerfile);
    company.write("containers/billing/os-release", "ID=debian\n");
    company.write("containers/billing/status", &status("5.1"));
    let rules = |rules: &str, app: &str| {
        company.write("policy.yaml", &format!("schema: 1\nrules: {{ {rules} }}\n"));
        company.write(billing, &format!("{app}volumes: {{ logs: /logs }}\n"));
        company.push("Other rules");
        company.run(&BILLING)
    };
    let interface = |within: &str| format!("interface: {{ level: refuse, within: {within} }}");
    rules(&interface("2s"), &definition)
        .code(3)
        .says("it writes nothing to /logs: within 2s (interface)");
    rules("size: { level: refuse, largest: 1KiB }", &definition)
        .code(3)
        .says("(size)");
    rules(
        "packages: { level: refuse, forbidden: [tzdata] }",
        &definition,
    )
    .code(3)
    .says("tzdata")
    .says("(packages)");
    let writes = definition.replace("\"8080\"]", "\"8080\", /logs/access.log]");
    assert_ne!(writes, definition);
    let all = format!(
        "{}, size: {{ level: refuse, largest: 1GiB }}, base: {{ level: refuse, oldest_days: 30 }}, \
         packages: {{ level: refuse, forbidden: [telnetd] }}",
        interface("60s")
    );
    rules(&all, &writes).ok();
    let build = ["release", "build", "billing", "--version", "1.1"];
    let mut later = company.command(&build);
    fake_clock(&mut later, "+60d");
    finished(later, "").code(3).says("(base)");
}

/// A scanner runs only where the operator allows it; its lines are findings; it sees the image and the
/// list of its packages.
#[test]
fn a_scanner_of_others_decides() {
    let company = Company::new().with_base();
    let script = "test -s $DEVENV_SBOM && test -s {layout}/index.json && echo CVE-1 && exit 1";
    let command = format!("[sh, -c, '{script}']");
    let policy = format!(
        "schema: 1\nscanners: {{ theirs: {{ level: refuse, command: {command}, within: 20s }} }}\n"
    );
    company.write("policy.yaml", &policy);
    company.push("A scanner");
    company
        .run(&BILLING)
        .code(3)
        .says("settings.yaml does not allow it");
    company
        .operator
        .write("config/settings.yaml", &format!("scanners: [{command}]\n"));
    company
        .run(&BILLING)
        .code(3)
        .says("billing: CVE-1 (theirs)");
    let waiver = "waivers: [{ rule: theirs, finding: CVE-1, until: 2999-12-31, name: Anna, reason: no way to it }]\n";
    company.write("policy.yaml", &format!("{policy}{waiver}"));
    company.push("A waiver");
    company.run(&BILLING).ok();
}

fn status(version: &str) -> String {
    format!(
        "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n\
         Package: tzdata\nStatus: install ok installed\nVersion: 1\n"
    )
}

/// The packages of an image are listed, signed so that the real cosign accepts it, shown, and compared
/// between promotions.
#[test]
fn packages_are_listed_signed_and_compared() {
    let company = Company::new().with_base();
    let dockerfile = "ARG BASE_BASE\nFROM ${BASE_BASE}\nCOPY status /var/lib/dpkg/status\n\
                      COPY os-release /etc/os-release\nCOPY os-release /logs/shipped.log\n";
    company.write("containers/billing/Dockerfile", dockerfile);
    company.write("containers/billing/os-release", "ID=debian\n");
    for (number, version) in [("1", "5.1"), ("2", "5.2")] {
        company.write("containers/billing/status", &status(version));
        company.push("Packages");
        let build = ["release", "build", "billing", "--version", version];
        company.run(&build).ok();
        company.run(&["release", "reference", "--yes"]).ok();
        let promote = ["release", "promote", number, "--to", "recette", "--yes"];
        let said = company.run(&promote).ok().stderr;
        let changed = said.contains("package billing: bash: 5.1 → 5.2");
        assert_eq!(changed, number == "2", "{said}");
        assert!(!said.contains("tzdata"), "{said}");
    }
    let shown = company
        .run(&["sbom", "billing", "--environment", "recette"])
        .ok();
    assert!(
        shown
            .stdout
            .starts_with("billing 5.2 · 2 packages · signed by ops"),
        "{}",
        shown.stdout
    );
    let found = company
        .run(&["sbom", "billing", "--version", "5.1", "--json"])
        .ok();
    let document = &found.json()["document"];
    assert_eq!(document["spdxVersion"], "SPDX-2.3");
    let url = &document["packages"][1]["externalRefs"][0]["referenceLocator"];
    assert_eq!(url, "pkg:deb/debian/bash@5.1?arch=amd64");
    let proxy = company.run(&["sbom", "front", "--environment", "recette"]);
    assert!(proxy.ok().stdout.starts_with("front 2 · 0 packages"));
    let history = company
        .run(&["history", "recette", "--packages", "--json"])
        .ok();
    let packages = &history.json()["promotions"][0]["packages"];
    assert_eq!(packages[0]["name"], "bash", "{}", history.stdout);

    let digest = found.json()["digest"].as_str().unwrap().to_owned();
    let image = format!("{}/billing@{digest}", company.prefix);
    let attested = cosign(&company, &image);
    assert_eq!(attested["predicateType"], "https://spdx.dev/Document");
    assert_eq!(attested["predicate"], *document);
}

/// What the real cosign has verified, by its own list of types.
fn cosign(company: &Company, image: &str) -> Value {
    let peers = Command::new(tests().join("peers")).output().unwrap();
    assert!(peers.status.success(), "tests/peers failed");
    let bin = String::from_utf8(peers.stdout).unwrap();
    let key = company.keys().join("ops.pub");
    let output = Command::new(Path::new(bin.trim()).join("cosign"))
        .args(["verify-attestation", "--insecure-ignore-tlog=true"])
        .args(["--allow-http-registry=true", "--type", "spdxjson"])
        .args(["--key", key.to_str().unwrap(), image])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let envelope: Value = serde_json::from_slice(&output.stdout).unwrap();
    let payload = envelope["payload"].as_str().unwrap();
    let payload = base64::engine::general_purpose::STANDARD.decode(payload);
    serde_json::from_slice(&payload.unwrap()).unwrap()
}

/// Bought software's image is taken over byte for byte, from a file or a registry, under the same
/// policy, signature and record; what has a Dockerfile is built.
#[test]
fn bought_software_is_imported() {
    let company = Company::new().with_base();
    company.write("containers/vendor/container.yaml", &service(""));
    let policy = "schema: 1\nrules: { root: refuse }\n";
    company.write("policy.yaml", policy);
    company.push("Bought");
    let archive = company.saved("base", "1");
    let archive = archive.to_str().unwrap();
    let import = |version: &str, rest: &[&str]| {
        let head = ["release", "import", "vendor", "--version", version];
        company.run(&[&head[..], rest].concat())
    };
    let refused = import("7", &["--archive", archive]).code(3);
    let refused = refused.says("vendor does not meet the policy");
    assert!(!refused.stderr.contains("pushing to"), "{refused:?}");
    company.run(&["release", "verify", "vendor:7"]).code(2);
    company.write(
        "containers/vendor/container.yaml",
        &service("user: \"1000\"\n"),
    );
    company.push("Not as root");
    let first = import("7", &["--archive", archive, "--json"]).ok().json();
    let mistyped = company.run(&["release", "verify", "vendr:7"]).code(2);
    mistyped.says("did you mean `vendor`?");
    assert!(
        company.on_main("platform.yaml").contains("vendor: "),
        "recorded"
    );
    let verified = company.run(&["release", "verify", "vendor:7"]).ok().stdout;
    assert!(
        verified.contains("imported       archive base.tar sha256:"),
        "{verified}"
    );
    import("7", &["--archive", archive])
        .code(2)
        .says("vendor 7 is released already");

    // From a registry, the digest stays.
    let digest = first["digest"].as_str().unwrap();
    let image = format!("{}/vendor:7@{digest}", company.prefix);
    let second = import("8", &["--image", &image, "--json"]).ok().json();
    assert_eq!(second["digest"], digest);
    import("9", &["--image", "127.0.0.1:1/vendor:7"])
        .code(2)
        .says("@sha256:");

    company
        .run(&["release", "build", "vendor", "--version", "9"])
        .code(3)
        .says("there is no containers/vendor/Dockerfile");
    let built = [
        "release",
        "import",
        "billing",
        "--version",
        "1",
        "--archive",
        archive,
    ];
    company.run(&built).code(2).says("billing is built");
    let nonsense = company.artifact();
    import("9", &["--archive", nonsense.to_str().unwrap()])
        .code(2)
        .says("cannot import");

    // The proxy is judged as well.
    let reference = ["release", "reference", "--yes"];
    company
        .run(&reference)
        .code(3)
        .says("front does not meet the policy");
    let waiver = "waivers: [{ rule: root, container: front, until: 2999-12-31, name: Anna, reason: ports }]\n";
    company.write("policy.yaml", &format!("{policy}{waiver}"));
    company.push("The proxy may");
    company.run(&reference).ok();
    let verified = company.run(&["release", "verify", "1"]).ok().stdout;
    assert!(verified.contains("waived         root: "), "{verified}");
}
