//! Transcripts of the real program: what it says before there is a platform or an engine.
//! `TRYCMD=overwrite cargo test --test pure cli` writes them anew.

#[test]
fn transcripts() {
    let home = tempfile::tempdir().unwrap();
    trycmd::TestCases::new()
        .env("DEVENV_HOME", home.path().to_str().unwrap())
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .env("COLUMNS", "100")
        .case("tests/pure/cli/*.trycmd");
}
