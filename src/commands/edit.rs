//! `devenv edit`

use std::path::Path;

use clap::Args;

use crate::complete;
use crate::context::{Context, OpenPlatform};
use crate::error::{Error, Kind, PathContext, Result};
use crate::exit::Exit;
use crate::model::container::Kind as ContainerKind;
use crate::model::name::ContainerName;
use crate::proposals::{Proposal, Typed};
use crate::system::{Here, System as _};

/// Change a container's definition, on this machine
///
/// Makes a work tree of the definitions for this proposal, or takes up the one that is there, and
/// opens `container.yaml` in your editor (VISUAL, EDITOR; a command line such as `code --wait`). What
/// you saved is checked, and opened again until it holds together. Then `devenv build NAME` builds it and `devenv up NAME --local` runs it among production's containers.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The container
    #[arg(add = complete::names())]
    name: ContainerName,
    /// Begin a container that does not exist yet
    #[arg(long)]
    new: bool,
    /// Begin it with the files of this one
    #[arg(long, value_name = "NAME", requires = "new", add = complete::names())]
    like: Option<ContainerName>,
    /// Take over the newest definitions that were fetched; where both sides changed a file, both are
    /// marked in it
    #[arg(long, conflicts_with = "new")]
    update: bool,
    /// Only print the folder
    #[arg(long)]
    print: bool,
}

/// Begins or goes on.
pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let open = context.open()?;
    let name = &arguments.name;
    let mut proposal = match Proposal::find(context, &open, name)? {
        Some(_) if arguments.new => {
            return Err(Error::usage(format!(
                "there is a proposal about `{name}` already, so it is not begun anew"
            ))
            .hint(format!("`devenv edit {name}` goes on with it"))
            .hint(format!("`devenv abandon {name}` drops it")));
        }
        Some(proposal) => proposal,
        None => begin(context, &open, arguments)?,
    };
    if arguments.update {
        for file in proposal.update(context, &open)? {
            context.ui.warn(&format!(
                "both sides changed {file}: look for <<<<<<< in it"
            ));
        }
    }
    let tree = context.paths.worktree(&open.name, name);
    let folder = tree.join("containers").join(name.as_str());
    context.ui.json(&serde_json::json!({
        "container": name, "folder": folder, "base": proposal.base,
    }));
    context.ui.data(&folder.display().to_string());
    let editor = editor(context).filter(|_| !arguments.print && context.ui.is_interactive());
    loop {
        if let Some(editor) = editor {
            start(editor, &folder.join("container.yaml"))?;
        }
        let Err(error) = check(context, &open, &proposal) else {
            break;
        };
        let mendable = editor.is_some() && error.kind() == Kind::Definitions;
        if !mendable {
            return Err(error);
        }
        context.ui.error(&error);
        if !context.ui.ask_again("edit it again?")? {
            let text = format!("{name} does not hold together yet; what you wrote is kept");
            return Err(Error::definitions(text).hint(format!("`devenv edit {name}` goes on")));
        }
    }
    let next = match open.kind(name) {
        Some(ContainerKind::Base) => format!("`devenv build {name}`"),
        Some(ContainerKind::Proxy) => format!("`devenv propose {name}`"),
        _ => format!("`devenv up {name} --local`"),
    };
    context.ui.note(&format!(
        "it holds together; next: `devenv diff {name}`, {next}"
    ));
    Ok(Exit::Done)
}

/// The editor that the user has set.
pub(super) fn editor(context: &Context) -> Option<&str> {
    let mut editors = ["VISUAL", "EDITOR"].iter();
    editors
        .find_map(|name| context.environment.get(name))
        .filter(|editor| !editor.trim().is_empty())
}

/// Whether what is saved holds together, as a build would find.
fn check(context: &Context, open: &OpenPlatform, proposal: &Proposal) -> Result<()> {
    let definitions = context.definitions(&open.name)?;
    let commit = proposal.snapshot(context, open, &definitions)?;
    proposal.check(&definitions, commit)?;
    proposal.warn_outside(context, &definitions, commit)
}

fn begin(context: &Context, open: &OpenPlatform, arguments: &Arguments) -> Result<Proposal> {
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
            None => error.hint(format!("`devenv edit --new {name}` begins it")),
        });
    }
    let like = arguments.like.as_ref();
    if let Some(like) = like.filter(|like| !open.containers.iter().any(|it| it.name == **like)) {
        return Err(Error::usage(format!("no container is called `{like}`")));
    }
    let proposal = Proposal::begin(context, open, name)?;
    if arguments.new {
        let containers = context.paths.worktree(&open.name, name).join("containers");
        let folder = containers.join(name.as_str());
        let filled = match like {
            Some(like) => copy(&containers.join(like.as_str()), &folder)
                .and_then(|()| claim_routes(&folder.join("container.yaml"), like, name)),
            None => first_files(&folder),
        };
        if let Err(error) = filled {
            proposal.remove(context, open)?;
            return Err(error);
        }
    }
    Ok(proposal)
}

/// Where the title and the description are told apart.
const RULE: &str = "# The first line is the title, what follows an empty line the description.";

/// Lets the user write a title, and below it a description, in an editor. What is written stays in
/// `file`, and is what the editor shows the next time, until the caller removes it.
pub(super) fn words(editor: &str, file: &Path, typed: &Typed) -> Result<Typed> {
    crate::state::create_parent(file)?;
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

/// What a container begins with: the shortest definition that holds together.
fn first_files(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).at(Kind::Usage, "create", folder)?;
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
    std::fs::create_dir_all(to).at(Kind::Usage, "create", to)?;
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
