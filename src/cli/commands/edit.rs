//! `devenv edit`

use std::path::Path;

use clap::Args;

use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::definitions::refuse_links;
use crate::error::{Error, Exit, Kind, PathContext, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::{OpenPlatform, Session};
use crate::model::container::Kind as ContainerKind;
use crate::model::name::ContainerName;
use crate::proposals::{Proposal, Typed};
use crate::system::{Here, System as _};

/// Change a container's definition on this machine
///
/// It makes a work tree of the definitions for this proposal, or uses the one that exists, and opens
/// `container.yaml` in your editor (VISUAL or EDITOR, also a command line such as `code --wait`). When
/// you leave the editor the definitions are checked, and the editor opens again if they are not valid.
/// Afterwards `devenv build NAME` builds the container, `devenv up NAME --local` runs it among
/// production's containers.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the container
    #[arg(add = complete::names())]
    name: ContainerName,
    /// Create a container that does not exist yet
    #[arg(long)]
    new: bool,
    /// Copy the files of this container into the new one
    #[arg(long, value_name = "NAME", requires = "new", add = complete::names())]
    like: Option<ContainerName>,
    /// Merge the newest definitions that were fetched into the proposal; conflicts are marked in the
    /// files
    #[arg(long, conflicts_with = "new")]
    update: bool,
    /// Print the folder and open no editor
    #[arg(long)]
    print: bool,
}

pub fn run(ui: &Ui, session: &Session, arguments: &Arguments) -> Result<Exit> {
    let open = session.open()?;
    let name = &arguments.name;
    let mut proposal = match Proposal::find(session, &open, name)? {
        Some(_) if arguments.new => {
            return Err(
                Error::usage(format!("there is a proposal for `{name}` already"))
                    .hint(format!("`devenv edit {name}` continues it"))
                    .hint(format!("`devenv abandon {name}` drops it")),
            );
        }
        Some(proposal) => proposal,
        None => begin(session, &open, arguments)?,
    };
    if arguments.update {
        for file in proposal.update(session, &open)? {
            ui.warn(&format!("conflict in {file}: search it for <<<<<<<"));
        }
    }
    let tree = session.home.paths.worktree(&open.name, name);
    let folder = tree.join("containers").join(name.as_str());
    let file = format!("{}/container.yaml", proposal.folder());
    ui.json(&serde_json::json!({
        "container": name, "folder": folder, "base": proposal.base,
    }));
    ui.data(&folder.display().to_string());
    let editor = editor(session).filter(|_| !arguments.print && ui.is_interactive());
    loop {
        if let Some(editor) = editor {
            refuse_links(&tree, &file)?;
            start(editor, &folder.join("container.yaml"))?;
        }
        let Err(error) = check(session, &open, &proposal) else {
            break;
        };
        let mendable = editor.is_some() && error.kind() == Kind::Definitions;
        if !mendable {
            return Err(error);
        }
        ui.error(&error);
        if !ui.ask_again("open the editor again?")? {
            let text = format!("{name} is not valid yet; your changes are kept");
            return Err(Error::definitions(text).hint(format!("`devenv edit {name}` continues")));
        }
    }
    let next = match open.kind(name) {
        Some(ContainerKind::Base) => format!("`devenv build {name}`"),
        Some(ContainerKind::Proxy) => format!("`devenv propose {name}`"),
        _ => format!("`devenv up {name} --local`"),
    };
    ui.note(&format!(
        "the definitions are valid; next: `devenv diff {name}`, {next}"
    ));
    Ok(Exit::Done)
}

/// The editor that the user has set.
pub(super) fn editor(session: &Session) -> Option<&str> {
    let mut editors = ["VISUAL", "EDITOR"].iter();
    editors
        .find_map(|name| session.home.environment.get(name))
        .filter(|editor| !editor.trim().is_empty())
}

/// Whether the saved definitions are valid, as a build would find.
fn check(session: &Session, open: &OpenPlatform, proposal: &Proposal) -> Result<()> {
    let definitions = session.definitions(&open.name)?;
    let commit = proposal.snapshot(session, open, &definitions)?;
    proposal.check(&definitions, commit)?;
    proposal.warn_outside(session, &definitions, commit)
}

fn begin(session: &Session, open: &OpenPlatform, arguments: &Arguments) -> Result<Proposal> {
    let name = &arguments.name;
    let known = open.containers.iter().any(|it| it.name == *name);
    if known && arguments.new {
        return Err(Error::usage(format!("`{name}` exists already"))
            .hint(format!("`devenv edit {name}` changes it")));
    }
    if !known && !arguments.new {
        let names = open.containers.iter().map(|it| it.name.as_str());
        let error = Error::usage(format!("no container is called `{name}`"));
        return Err(match crate::model::nearest::nearest(name.as_str(), names) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("`devenv edit --new {name}` creates it")),
        });
    }
    let like = arguments.like.as_ref();
    if let Some(like) = like.filter(|like| !open.containers.iter().any(|it| it.name == **like)) {
        return Err(Error::usage(format!("no container is called `{like}`")));
    }
    let proposal = Proposal::begin(session, open, name)?;
    if arguments.new {
        let containers = session
            .home
            .paths
            .worktree(&open.name, name)
            .join("containers");
        let folder = containers.join(name.as_str());
        refuse_links(&containers, name.as_str())?;
        let filled = match like {
            Some(like) => copy(&containers.join(like.as_str()), &folder)
                .and_then(|()| claim_routes(&folder.join("container.yaml"), like, name)),
            None => first_files(&folder),
        };
        if let Err(error) = filled {
            proposal.remove(session, open)?;
            return Err(error);
        }
    }
    Ok(proposal)
}

/// Where the title and the description are told apart.
const RULE: &str = "# First line: the title. After an empty line: the description.";

/// Lets the user write a title, and below it a description, in an editor. What is written stays in
/// `file`, and is what the editor shows the next time, until the caller removes it.
pub(super) fn words(editor: &str, file: &Path, typed: &Typed) -> Result<Typed> {
    crate::home::file::create_parent(file)?;
    if !file.exists() {
        let text = format!("{}\n\n{}\n{RULE}\n", typed.title, typed.description);
        std::fs::write(file, text).at(Kind::Usage, "write", file)?;
    }
    start(editor, file)?;
    written(file, typed)
}

/// The words that are in such a file.
pub(super) fn written(file: &Path, typed: &Typed) -> Result<Typed> {
    let text = std::fs::read_to_string(file).at(Kind::Usage, "read", file)?;
    let text = text.replace(RULE, "");
    let (title, description) = text.trim().split_once('\n').unwrap_or((text.trim(), ""));
    Ok(Typed {
        title: title.trim().to_owned(),
        description: description.trim().to_owned(),
        draft: typed.draft,
    })
}

/// What a new container begins with: the shortest valid definition.
fn first_files(folder: &Path) -> Result<()> {
    Here::create_private(folder).at(Kind::Usage, "create", folder)?;
    for (name, text) in [
        (
            "container.yaml",
            "description: What it is for\nroutes: []\n",
        ),
        ("Dockerfile", "ARG BASE_TOMCAT\nFROM ${BASE_TOMCAT}\n"),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).at(Kind::Usage, "write", &path)?;
    }
    Ok(())
}

/// Copies plain files and folders.
fn copy(from: &Path, to: &Path) -> Result<()> {
    Here::create_private(to).at(Kind::Usage, "create", to)?;
    for entry in std::fs::read_dir(from).at(Kind::Usage, "read", from)? {
        let entry = entry.at(Kind::Usage, "read", from)?;
        let kind = entry.file_type().at(Kind::Usage, "read", &entry.path())?;
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), &target).at(Kind::Usage, "write", &target)?;
        }
    }
    Ok(())
}

/// Pages below the other one's name become pages below its own: two cannot have the same.
fn claim_routes(file: &Path, like: &ContainerName, name: &ContainerName) -> Result<()> {
    let text = std::fs::read_to_string(file).at(Kind::Usage, "read", file)?;
    std::fs::write(file, claimed(&text, like, name)).at(Kind::Usage, "write", file)
}

/// `text` with `/name` for each `/like` that is the first step of a path.
fn claimed(text: &str, like: &ContainerName, name: &ContainerName) -> String {
    let in_a_name = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let mut claimed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(&format!("/{like}")) {
        let (before, found) = rest.split_at(at);
        let after = &found[1 + like.as_str().len()..];
        let is_first = !before.ends_with(in_a_name);
        let is_whole = after.starts_with('/') || !after.starts_with(in_a_name);
        claimed.push_str(before);
        claimed.push('/');
        claimed.push_str(if is_first && is_whole { name } else { like }.as_str());
        rest = after;
    }
    claimed + rest
}

/// Runs the editor to its end. It may be a command with arguments (`code --wait`) and quotes, as for
/// git. Source: git-var(1), `GIT_EDITOR`.
fn start(editor: &str, file: &Path) -> Result<()> {
    let failed = |why: String| Error::usage(format!("the editor `{editor}` {why}"));
    let status = Here::command_line(editor)
        .arg(file)
        .status()
        .map_err(|error| failed("cannot be started".to_owned()).because(error))?;
    if status.success() {
        Ok(())
    } else {
        Err(failed(format!("ended with {status}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_container_claims_pages_of_its_own() {
        let [billing, audit] = ["billing", "audit"].map(|it| ContainerName::new(it).unwrap());
        let text = "routes: [{ path: /billing }, { path: /billing/old }, { path: /billing-2 }]\n\
                    volumes: { data: /srv/billing }\nhealth: { path: \"/billing\" }\n";
        let expected = "routes: [{ path: /audit }, { path: /audit/old }, { path: /billing-2 }]\n\
                        volumes: { data: /srv/billing }\nhealth: { path: \"/audit\" }\n";
        assert_eq!(claimed(text, &billing, &audit), expected);
    }
}
