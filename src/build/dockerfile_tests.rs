use super::*;

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
        "what `tomcat:${T}` stands for is open",
    );
    refused(
        "ARG BASE_TOMCAT\nFROM ${BASE_TOMCAT:-tomcat:9}\n",
        Kind::App,
        "stands for is open",
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

#[test]
fn what_the_classic_builder_does_not_know_is_refused() {
    let with = |line: &str| format!("ARG BASE_TOMCAT\nFROM ${{BASE_TOMCAT}}\n{line}\n");
    refused(
        &with("RUN <<EOF\nFROM evil\nEOF"),
        Kind::App,
        "Dockerfile:3: here-documents",
    );
    refused(
        &with("RUN --mount=type=bind,from=x ls"),
        Kind::App,
        "`--mount` needs",
    );
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
