//! `devenv completions`

use clap::{Args, ValueEnum};
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Zsh};

use crate::cli::ui::Ui;
use crate::error::{Error, Exit, Result};
use crate::home::settings::variables::COMPLETE;

/// Print the script that lets a shell complete commands, options and names
///
/// It completes names of containers, bundles, environments, references and help topics. The script
/// asks this program each time, so it stays right as names change; the answer comes from local files
/// alone. The same scripts are in `completions/` of the source.
#[derive(Debug, Args)]
#[command(after_help = "\
bash        devenv completions bash > ~/.local/share/bash-completion/completions/devenv
zsh         devenv completions zsh > ~/.zfunc/_devenv      (with ~/.zfunc in fpath)
fish        devenv completions fish > ~/.config/fish/completions/devenv.fish
elvish      eval (devenv completions elvish | slurp)       (in rc.elv)
powershell  devenv completions powershell | Out-String | Invoke-Expression    (in $PROFILE)")]
pub struct Arguments {
    /// Which shell to print it for
    shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU bash
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
    /// PowerShell, on Windows or elsewhere
    Powershell,
    /// Elvish
    Elvish,
}

impl Shell {
    /// The script's usual file name.
    pub fn file(self) -> &'static str {
        match self {
            Self::Bash => "devenv.bash",
            Self::Zsh => "_devenv",
            Self::Fish => "devenv.fish",
            Self::Powershell => "devenv.ps1",
            Self::Elvish => "devenv.elv",
        }
    }

    /// The script, which calls the `devenv` that the shell finds.
    pub fn script(self) -> Result<String> {
        let shell: &dyn EnvCompleter = match self {
            Self::Bash => &Bash,
            Self::Zsh => &Zsh,
            Self::Fish => &Fish,
            Self::Powershell => &Powershell,
            Self::Elvish => &Elvish,
        };
        let mut script = Vec::new();
        shell
            .write_registration(COMPLETE, "devenv", "devenv", "devenv", &mut script)
            .map_err(|error| Error::bug("cannot write the script").because(error))?;
        let script = String::from_utf8(script)
            .map_err(|error| Error::bug("the script is not text").because(error))?;
        let lines: Vec<&str> = script.trim().lines().map(str::trim_end).collect();
        Ok(lines.join("\n") + "\n")
    }
}

pub fn run(ui: &Ui, arguments: &Arguments) -> Result<Exit> {
    let script = arguments.shell.script()?;
    ui.data(&script);
    ui.json(&serde_json::json!({ "script": script }));
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_in_the_source_are_these() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("completions");
        for shell in Shell::value_variants() {
            let path = folder.join(shell.file());
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                kept == shell.script().unwrap(),
                "{} is stale: `devenv completions` prints it",
                path.display()
            );
        }
    }
}
