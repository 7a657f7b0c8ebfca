//! What needs no network once cloned: trees, hostile ones above all, commits, the author.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use devenv::definitions::{Change, CommitId, Definitions, GitChoice};
use devenv::error::Kind;
use git2::{Oid, Repository, Signature};
use jiff::Timestamp;

use super::world::{World, author};

/// Writes a tree with any names and modes, past the checks of git and of the library.
fn raw_tree(repository: &Repository, entries: &[(&str, &str, Oid)]) -> Oid {
    let mut data = Vec::new();
    for (mode, name, id) in entries {
        data.extend_from_slice(format!("{mode} {name}\0").as_bytes());
        data.extend_from_slice(id.as_bytes());
    }
    repository
        .odb()
        .unwrap()
        .write(git2::ObjectType::Tree, &data)
        .unwrap()
}

fn commit(repository: &Repository, tree: Oid) -> CommitId {
    let who = Signature::new("x", "x@y", &git2::Time::new(0, 0)).unwrap();
    let tree = repository.find_tree(tree).unwrap();
    let id = repository
        .commit(None, &who, &who, "x", &tree, &[])
        .unwrap();
    CommitId::from_str(&id.to_string()).unwrap()
}

/// A commit with `containers/billing/` made of `entries`.
fn billing(repository: &Repository, entries: &[(&str, &str, Oid)]) -> CommitId {
    let billing = raw_tree(repository, entries);
    let containers = raw_tree(repository, &[("40000", "billing", billing)]);
    commit(
        repository,
        raw_tree(repository, &[("40000", "containers", containers)]),
    )
}

async fn cloned() -> (World, Definitions, Repository) {
    let world = World::new(GitChoice::Program);
    let definitions = world.clone("a").await;
    let repository = Repository::open_bare(definitions.path()).unwrap();
    (world, definitions, repository)
}

#[tokio::test]
async fn a_folder_is_read_from_blobs() {
    let (_world, definitions, repository) = cloned().await;
    let blob = repository.blob(b"x").unwrap();
    let inner = raw_tree(&repository, &[("100755", "run.sh", blob)]);
    let commit = billing(
        &repository,
        &[("100644", "Dockerfile", blob), ("40000", "bin", inner)],
    );
    let files = definitions.folder(commit, "containers/billing").unwrap();
    let seen: Vec<_> = files
        .iter()
        .map(|file| (file.path.as_str(), file.executable))
        .collect();
    assert_eq!(seen, [("Dockerfile", false), ("bin/run.sh", true)]);
    assert_eq!(files[0].bytes, b"x");
    assert_eq!(
        definitions
            .read(commit, "containers/billing/bin/run.sh")
            .unwrap()
            .unwrap(),
        b"x"
    );
    for missing in [
        "nothing",
        "containers/nothing/x",
        "containers/billing/nothing",
        "",
    ] {
        assert_eq!(
            definitions.read(commit, missing).unwrap(),
            None,
            "{missing}"
        );
    }
    assert!(
        definitions
            .folder(commit, "containers/nothing")
            .unwrap()
            .is_empty()
    );
    assert!(definitions.read(commit, "containers").is_err());
    assert!(
        definitions
            .folder(commit, "containers/billing/Dockerfile")
            .is_err()
    );
}

#[tokio::test]
async fn hostile_entries_are_refused_with_their_path() {
    let (_world, definitions, repository) = cloned().await;
    let blob = repository.blob(b"/etc/passwd").unwrap();
    let tree = raw_tree(&repository, &[("100644", "x", blob)]);
    for (mode, name, why) in [
        ("120000", "link", "symbolic link"),
        ("160000", "sub", "submodule"),
        ("100640", "mode", "has the mode"),
        ("100644", "a\\b", "has a name"),
        ("100644", "a\u{1b}[31m", "has a name"),
        ("100644", "a b", "has a name"),
        ("100644", "caf\u{e9}", "has a name"),
        ("100644", "..", "has a name"),
        ("100644", ".", "has a name"),
        ("100644", ".GiT", "has a name"),
        ("40000", ".git", "has a name"),
        ("100644", "a/b", "has a name"),
    ] {
        let id = if mode == "40000" { tree } else { blob };
        let commit = billing(&repository, &[(mode, name, id)]);
        let error = definitions
            .folder(commit, "containers/billing")
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Definitions, "{name}");
        let text = error.to_string();
        assert!(
            text.contains(why) && text.contains("containers/billing/"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'));
    }
    // Nor is one followed on the way to a file, or taken for a container.
    let link = raw_tree(&repository, &[("120000", "billing", blob)]);
    let commit = commit(
        &repository,
        raw_tree(&repository, &[("40000", "containers", link)]),
    );
    for error in [
        definitions
            .read(commit, "containers/billing/x")
            .unwrap_err(),
        definitions.read(commit, "containers/billing").unwrap_err(),
        definitions
            .folder(commit, "containers/billing")
            .unwrap_err(),
        definitions.containers(commit).unwrap_err(),
    ] {
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }
}

#[tokio::test]
async fn too_much_is_refused() {
    let (_world, definitions, repository) = cloned().await;
    let blob = repository.blob(b"x").unwrap();
    let refused = |commit, why: &str| {
        let error = definitions
            .folder(commit, "containers/billing")
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Definitions);
        assert!(error.to_string().contains(why), "{error}");
    };
    let upper = [("100644", "A", blob), ("100644", "a", blob)];
    refused(billing(&repository, &upper), "only in case");
    let large = repository.blob(&vec![b'x'; 17 * 1024 * 1024]).unwrap();
    let both = [("100644", "a", large), ("100644", "b", large)];
    refused(billing(&repository, &both), "larger than");
    let names: Vec<_> = (0..5001).map(|number| format!("f{number:05}")).collect();
    let many: Vec<_> = names
        .iter()
        .map(|name| ("100644", name.as_str(), blob))
        .collect();
    refused(billing(&repository, &many), "more than 5000");
    let mut tree = raw_tree(&repository, &[("100644", "x", blob)]);
    for _ in 0..16 {
        tree = raw_tree(&repository, &[("40000", "d", tree)]);
    }
    refused(
        billing(&repository, &[("40000", "d", tree)]),
        "folders deep",
    );
    // A tree that holds itself many times: small to send, huge to walk.
    let mut bomb = raw_tree(&repository, &[("100644", "x", blob)]);
    for _ in 0..12 {
        let level: Vec<_> = ["a", "b", "c", "d"]
            .map(|name| ("40000", name, bomb))
            .into();
        bomb = raw_tree(&repository, &level);
    }
    refused(
        billing(&repository, &[("40000", "d", bomb)]),
        "more than 5000",
    );
}

#[tokio::test]
async fn a_commit_changes_its_files_and_nothing_else() {
    let (world, definitions, _) = cloned().await;
    let head = definitions.head_id().unwrap();
    let write = |path: &str, executable| Change::Write {
        path: path.into(),
        bytes: b"new\n".to_vec(),
        executable,
    };
    let changes = [
        write("platform.yaml", false),
        write("containers/new/run.sh", true),
        Change::Remove {
            path: "containers/README.md".into(),
        },
        Change::Remove {
            path: "never/was".into(),
        },
    ];
    let made = definitions
        .commit_files(head, &changes, "three changes\n\nwhy", &author("Anna"))
        .unwrap();
    let diff = world.git(
        definitions.path(),
        &[
            "diff",
            "--raw",
            "--abbrev=1",
            &head.to_string(),
            &made.to_string(),
        ],
    );
    let seen: Vec<_> = diff
        .lines()
        .map(|line| line.split_once('\t').unwrap().1)
        .collect();
    assert_eq!(
        seen,
        [
            "containers/README.md",
            "containers/new/run.sh",
            "platform.yaml"
        ]
    );
    assert!(diff.contains(":000000 100755"), "{diff}");
    assert_eq!(definitions.resolve(made).unwrap().subject, "three changes");
    assert_eq!(definitions.head_id().unwrap(), head, "a branch moved");
    world.git(definitions.path(), &["fsck", "--strict"]);
    for path in [
        "../x",
        "/x",
        "a/.git/config",
        "",
        "a//b",
        "containers",
        "a\u{1b}",
    ] {
        let error = definitions
            .commit_files(head, &[write(path, false)], "x", &author("Anna"))
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Definitions, "{path}");
    }
}

#[tokio::test]
async fn a_commit_sent_again_in_its_second_is_another_one() {
    let (_world, definitions, _) = cloned().await;
    let head = definitions.head_id().unwrap();
    let again = |before| {
        let anna = author("Anna");
        definitions.commit_as(head, head, "the same words", &anna, before)
    };
    let first = again(None).unwrap();
    assert_eq!(again(None).unwrap(), first);
    let second = again(Some(first)).unwrap();
    assert_ne!(second, first);
    assert!(
        definitions
            .same_folder(first, second, "containers")
            .unwrap()
    );
}

#[tokio::test]
async fn the_author_comes_from_git_s_configuration() {
    let (mut world, definitions, _) = cloned().await;
    let at = Timestamp::UNIX_EPOCH;
    assert_eq!(definitions.author(at).unwrap().name, "Anna");
    let remove = |world: &mut World| {
        world
            .environment
            .retain(|name, _| !name.starts_with("GIT_AUTHOR"));
    };
    remove(&mut world);
    let open = |world: &World, path: &Path| {
        Definitions::open(path, &world.devenv_git(Duration::from_secs(1))).unwrap()
    };
    let error = open(&world, definitions.path()).author(at).unwrap_err();
    assert!(
        error.hints()[0].starts_with("git config --global user.name"),
        "{error:?}"
    );
    world.environment.remove("GIT_CONFIG_GLOBAL");
    let file = world
        .folder
        .path()
        .join("home/.gitconfig")
        .display()
        .to_string();
    world.git(
        world.folder.path(),
        &["config", "-f", &file, "user.name", "Bert"],
    );
    world.git(
        world.folder.path(),
        &["config", "-f", &file, "user.email", "b@x"],
    );
    let found = open(&world, definitions.path()).author(at).unwrap();
    assert_eq!((found.name.as_str(), found.email.as_str()), ("Bert", "b@x"));
}

/// That is why it is quick: `git` itself takes some milliseconds to start.
#[tokio::test]
async fn opening_and_reading_starts_no_program() {
    let (mut world, definitions, _) = cloned().await;
    let empty = world.folder.path().join("home").display().to_string();
    world.environment.insert("PATH".into(), empty);
    let git = world.devenv_git(Duration::from_secs(1));
    let opened = Definitions::open(definitions.path(), &git).unwrap();
    let head = opened.head_id().unwrap();
    assert!(opened.read(head, "platform.yaml").unwrap().is_some());
}
