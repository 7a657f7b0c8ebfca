//! `devenv proposals`

use clap::Args;

use crate::context::Context;
use crate::error::Result;
use crate::exit::Exit;
use crate::prepare::age;
use crate::proposals::Proposal;
use crate::ui::table::{Cell, table};

/// List your changes to definitions that are in progress
#[derive(Debug, Args)]
pub struct Arguments {}

/// Prints them.
pub fn run(context: &Context, _: &Arguments) -> Result<Exit> {
    let open = context.open()?;
    let all = Proposal::all(context, &open)?;
    let folder = |it: &Proposal| context.paths.worktree(&open.name, &it.container);
    let values: Vec<_> = all
        .iter()
        .map(|it| {
            serde_json::json!({
                "container": it.container, "begun": it.begun, "base": it.base,
                "built": it.built.map(|built| built.version()), "folder": folder(it),
            })
        })
        .collect();
    context.ui.json(&values);
    if all.is_empty() {
        context
            .ui
            .data("no proposals; `devenv edit NAME` begins one");
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<Cell>> = all
        .iter()
        .map(|it| {
            let built = it.built.map_or_else(|| "-".to_owned(), |it| it.version());
            vec![
                Cell::from(it.container.as_str()),
                Cell::from(age(it.begun, context.now())),
                Cell::from(it.base.short()),
                Cell::from(built),
                Cell::from(folder(it).display().to_string()),
            ]
        })
        .collect();
    let style = context.ui.style();
    let head = ["NAME", "AGE", "BASE", "BUILT", "FOLDER"];
    context.ui.data(&table(style, &head, &rows));
    Ok(Exit::Done)
}
