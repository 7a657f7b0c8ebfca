use futures_util::FutureExt;

use super::*;
use crate::model::container::Kind;
use crate::model::run_specification::RunSpecification;
use crate::release::build::buildkit::BuildKit;

fn parse(text: &str) -> Result<Dockerfile> {
    Dockerfile::parse("containers/billing/Dockerfile", text.as_bytes())
}

fn check(text: &str, kind: Kind) -> Result<()> {
    let billing = ContainerName::new("billing").unwrap();
    parse(text)?.check(&billing, kind, |name| name.as_str() == "tomcat")
}

fn refused(text: &str, kind: Kind, wanted: &str) {
    let error = check(text, kind).unwrap_err();
    assert!(error.to_string().contains(wanted), "{text}: {error}");
    assert_eq!(error.kind(), crate::error::Kind::Definitions);
}

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn a_base_through_its_argument() {
    let text = "# x\nARG BASE_TOMCAT\nfrom --platform=linux/amd64 ${BASE_TOMCAT} as Run\nARG VERSION=1\nCOPY a \\\n b\n";
    check(text, Kind::App).unwrap();
    let file = parse(text).unwrap();
    assert_eq!(file.last_base().unwrap().as_str(), "tomcat");
    assert_eq!(file.stages[0].name.as_deref(), Some("run"));
    assert!(file.arguments.contains("VERSION"));
    check("ARG BASE_TOMCAT\nFROM $BASE_TOMCAT\n", Kind::Service).unwrap();
}

#[test]
fn stages_lead_back_to_the_base() {
    let text = format!(
        "ARG BASE_TOMCAT\nFROM maven:3@{DIGEST} AS build\nFROM ${{BASE_TOMCAT}} AS run\n\
         COPY --from=build /a /a\nCOPY --from=0 /b /b\nFROM run\nCOPY --chown=1 --from=RUN c c\n"
    );
    check(&text, Kind::App).unwrap();
    let file = parse(&text).unwrap();
    assert_eq!(file.stages[2].origin, Origin::Stage(1));
    assert_eq!(file.bases().len(), 1);
}

#[test]
fn bases_may_begin_with_nothing_or_with_an_image_by_digest() {
    check("FROM scratch\n", Kind::Base).unwrap();
    check(&format!("FROM debian@{DIGEST}\n"), Kind::Base).unwrap();
    refused("FROM scratch\n", Kind::App, "an app is built from scratch");
    refused(
        &format!("FROM debian@{DIGEST} AS a\nFROM a\n"),
        Kind::Service,
        "Dockerfile:2: a service is built from the image debian@sha256:",
    );
}

#[test]
fn whatever_a_tag_means_is_refused_with_its_line() {
    refused(
        "FROM scratch\nFROM tomcat:9\n",
        Kind::Base,
        "Dockerfile:2: `tomcat:9` is not pinned",
    );
    refused("FROM tomcat\n", Kind::App, "`tomcat` is not pinned");
    refused("FROM tomcat@sha256:12\n", Kind::App, "is not pinned");
    refused(
        "ARG X=tomcat:9\nFROM $X\n",
        Kind::App,
        "`X` is no argument that names a base",
    );
    refused(
        "ARG T=9\nFROM tomcat:${T}\n",
        Kind::App,
        "`tomcat:${T}` cannot be resolved before the build",
    );
    refused(
        "ARG BASE_TOMCAT\nFROM ${BASE_TOMCAT:-tomcat:9}\n",
        Kind::App,
        "cannot be resolved before the build",
    );
    refused(
        "ARG BASE_TOMCAT\nFROM ${BASE_TOMCAT}\n\nCOPY --from=nginx:1 \\\n /a /b\n",
        Kind::App,
        "Dockerfile:4: `--from=nginx:1` is neither a stage nor",
    );
    refused(
        "ARG BASE_TOMCAT\nFROM ${BASE_TOMCAT}\nONBUILD COPY --from=nginx:1 /a /b\n",
        Kind::App,
        "Dockerfile:3: `--from=nginx:1`",
    );
    refused(
        "ARG BASE_TOMCAT\nFROM ${BASE_TOMCAT}\nCOPY --from=1 /a /b\n",
        Kind::App,
        "`--from=1` is neither",
    );
}

#[test]
fn arguments_must_be_declared_and_name_a_base() {
    refused(
        "FROM scratch\nARG BASE_TOMCAT\nFROM ${BASE_TOMCAT}\n",
        Kind::App,
        "Dockerfile:3: `BASE_TOMCAT` is not declared in front",
    );
    refused(
        "ARG BASE_LEDGER_DB\nFROM ${BASE_LEDGER_DB}\n",
        Kind::App,
        "`ledger-db` is no base",
    );
    refused(
        "ARG BASE_BILLING\nFROM ${BASE_BILLING}\n",
        Kind::Base,
        "built from itself",
    );
    refused(
        "ARG BASE_tomcat\nFROM ${BASE_tomcat}\n",
        Kind::App,
        "no argument that names",
    );
}

/// What building it with this BuildKit there comes to.
fn built_by(line: &str, there: BuildKit) -> Result<()> {
    let text = format!("ARG BASE_TOMCAT\nFROM ${{BASE_TOMCAT}} AS one\n{line}\n");
    let file = parse(&text)?;
    file.check_builder(std::future::ready(Ok(there)))
        .now_or_never()
        .unwrap()
}

#[test]
fn what_only_buildkit_builds_is_refused_where_it_cannot() {
    let old = [
        ("RUN --mount=type=cache,target=/c ls", "RUN --mount"),
        ("COPY --chmod=644 a b", "COPY --chmod"),
        ("ARG TARGETARCH", "ARG TARGETARCH"),
        ("ARG A BUILDPLATFORM=x", "ARG BUILDPLATFORM"),
        ("FROM --platform=$BUILDPLATFORM one", "FROM --platform"),
    ];
    let new = [
        ("RUN <<EOF\nFROM evil\nEOF", "a here-document"),
        ("COPY --link a b", "COPY --link"),
        (
            "HEALTHCHECK --start-interval=1s CMD true",
            "HEALTHCHECK --start-interval",
        ),
        ("ADD --checksum=sha256:1 a b", "ADD --checksum"),
    ];
    for (line, what) in old.iter().chain(&new) {
        let error = built_by(line, BuildKit::Absent).unwrap_err();
        let wanted = format!("Dockerfile:3: `{what}` needs BuildKit");
        assert!(error.to_string().contains(&wanted), "{line}: {error}");
        built_by(line, BuildKit::New).unwrap();
        let is_new = new.iter().any(|(other, _)| other == line);
        assert_eq!(built_by(line, BuildKit::Old).is_err(), is_new, "{line}");
    }
    for plain in [
        "ARG TARGET",
        "ARG TARGETARCHS",
        "COPY --chown=1 a b",
        "RUN a $((1<<2))",
    ] {
        built_by(plain, BuildKit::Absent).unwrap();
    }
    let text = format!(
        "# syntax=docker/dockerfile:1@{DIGEST}\nARG BASE_TOMCAT\nFROM ${{BASE_TOMCAT}}\nCOPY --link a b\n"
    );
    let there = |there| std::future::ready(Ok(there));
    let file = parse(&text).unwrap();
    file.check_builder(there(BuildKit::Old))
        .now_or_never()
        .unwrap()
        .unwrap();
    let none = file.check_builder(there(BuildKit::Absent)).now_or_never();
    assert!(
        none.unwrap()
            .unwrap_err()
            .to_string()
            .contains("Dockerfile:1: `# syntax=`")
    );
}

#[test]
fn buildkit_takes_nothing_that_is_not_pinned() {
    let with = |line: &str| format!("ARG BASE_TOMCAT\nFROM ${{BASE_TOMCAT}}\n{line}\n");
    for (text, wanted) in [
        (
            with("RUN --mount=type=bind,from=nginx:1 ls"),
            "`--from=nginx:1` is neither",
        ),
        (
            with("RUN --mount=type=bind,FROM=nginx:1,target=/x ls"),
            "`--from=nginx:1` is neither",
        ),
        (
            with("RUN --mount=type=bind,\"from=nginx:1\" ls"),
            "Dockerfile:3: this flag cannot be read for certain",
        ),
        (
            format!("#!/bin/sh\n# syntax=evil\n{}", with("")),
            "Dockerfile:2: `# syntax=evil` is not pinned",
        ),
        (with("RUN --mount=type=ssh ls"), "no keys of an ssh agent"),
        (
            with("RUN --mount=type=secret,id=a-b ls"),
            "not a variable name",
        ),
        (
            format!("# syntax=docker/dockerfile:1\n{}", with("")),
            "Dockerfile:1: `# syntax=docker/dockerfile:1` is not pinned",
        ),
        (format!("#Syntax = evil\n{}", with("")), "Dockerfile:1: "),
        (
            format!("// syntax=evil\n{}", with("")),
            "`//` is no instruction",
        ),
    ] {
        refused(&text, Kind::App, wanted);
    }
    let text = with("RUN --mount=type=secret,id=TOKEN --mount=type=secret,target=/run/OTHER ls");
    let names: Vec<_> = parse(&text)
        .unwrap()
        .secrets
        .into_iter()
        .map(String::from)
        .collect();
    assert_eq!(names, ["OTHER", "TOKEN"]);
}

#[test]
fn what_cannot_be_read_is_refused() {
    refused("", Kind::App, "there is no `FROM`");
    refused("FROM\n", Kind::App, "cannot be read");
    refused("FROM a b c d\n", Kind::App, "cannot be read");
}

#[test]
fn the_argument_of_a_name() {
    let name = ContainerName::new("ledger-db").unwrap();
    assert_eq!(argument_of(&name), "BASE_LEDGER_DB");
    assert_eq!(base_of("BASE_LEDGER_DB"), Some(name));
}

#[test]
fn a_volume_that_nothing_names_is_refused_with_its_line() {
    let head = "ARG BASE_TOMCAT\nFROM ${BASE_TOMCAT} AS other\nVOLUME /elsewhere\nFROM ${BASE_TOMCAT} AS one\n";
    let check = |volume: &str, run: &str| {
        let run: crate::model::container::Definition =
            yaml::read(crate::error::Kind::Definitions, "x", run.as_bytes()).unwrap();
        let run = RunSpecification::resolve(&run, &crate::model::platform::Defaults::default());
        let text = format!("{head}{volume}\nFROM one\n");
        parse(&text)
            .unwrap()
            .check_volumes("containers/billing", &run)
    };
    for volume in [
        "VOLUME /srv/data",
        "volume [\"/srv/data/\"]",
        "VOLUME /a /srv/data",
    ] {
        let error = check(volume, "volumes: { a: /a, other: /srv }\n").unwrap_err();
        assert!(
            error.to_string().contains("Dockerfile:5: no `volumes:`"),
            "{error}"
        );
        let right = "in containers/billing/container.yaml: `volumes: { data: /srv/data";
        assert!(error.hints()[0].contains(right), "{:?}", error.hints());
    }
    for (volume, run) in [
        ("VOLUME /srv/data", "volumes: { a: /srv/data/ }\n"),
        ("VOLUME /srv/data", "tmpfs: [/srv/data]\n"),
        ("VOLUME $DATA", "port: 1\n"),
        ("ONBUILD VOLUME /srv/data", "port: 1\n"),
    ] {
        check(volume, run).unwrap();
    }
}
