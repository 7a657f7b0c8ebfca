//! `devenv proposals`

use clap::Args;

use crate::cli::ui::Ui;
use crate::cli::ui::table::{Cell, table};
use crate::definitions::Definitions;
use crate::error::{Exit, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::model::name::InstanceName;
use crate::proposals::forge::State;
use crate::proposals::{Proposal, running};
use crate::verify::choose::age;

/// List your changes to definitions that are in progress
///
/// Merge requests are shown as last seen; `devenv sync` asks the server.
#[derive(Debug, Args)]
pub struct Arguments {}

struct Row<'a> {
    proposal: &'a Proposal,
    /// Commits that the base branch has gained since; none where that cannot be told.
    behind: Option<usize>,
    instances: Vec<InstanceName>,
}

/// Commits that are counted.
const MOST: usize = 1000;

pub fn run(ui: &Ui, session: &Session, _: &Arguments) -> Result<Exit> {
    let open = session.open()?;
    let all = Proposal::all(session, &open)?;
    if all.is_empty() {
        ui.json(&all);
        ui.data("no proposals; `devenv edit NAME` starts one");
        return Ok(Exit::Done);
    }
    let definitions = session.definitions(&open.name)?;
    let rows = all
        .iter()
        .map(|proposal| row(session, &open, &definitions, proposal))
        .collect::<Result<Vec<Row<'_>>>>()?;
    let values: Vec<_> = rows.iter().map(|it| it.value(session, &open)).collect();
    ui.json(&values);
    let cells: Vec<Vec<Cell>> = rows.iter().map(|it| it.cells(session)).collect();
    let style = ui.style();
    let head = ["NAME", "AGE", "BASE", "STATE", "BUILT", "URL"];
    ui.data(&table(style, &head, &cells));
    Ok(Exit::Done)
}

fn row<'a>(
    session: &Session,
    open: &OpenPlatform,
    definitions: &Definitions,
    proposal: &'a Proposal,
) -> Result<Row<'a>> {
    let head = definitions.head_id()?;
    let gained = definitions.log_between(proposal.base, head, MOST);
    Ok(Row {
        proposal,
        behind: gained.ok().map(|commits| commits.len()),
        instances: running(session, open, &proposal.container)?,
    })
}

impl Row<'_> {
    /// How far it has come.
    fn state(&self) -> &'static str {
        let sent = self.proposal.sent.as_ref();
        let arrived = sent.is_some_and(|it| it.commit.is_some());
        match sent.and_then(crate::proposals::Sent::state) {
            Some(State::Merged) => "merged",
            Some(State::Closed) => "closed",
            _ if !self.instances.is_empty() && arrived => "proposed, running LOCAL",
            _ if !self.instances.is_empty() => "running LOCAL",
            Some(State::Open) => "proposed",
            None if arrived => "proposed",
            None if self.proposal.built.is_some() => "built",
            None => "editing",
        }
    }

    fn url(&self) -> Option<&str> {
        let request = self.proposal.sent.as_ref()?.request.as_ref()?;
        Some(request.url.as_str()).filter(|it| !it.is_empty())
    }

    fn value(&self, session: &Session, open: &OpenPlatform) -> serde_json::Value {
        let it = self.proposal;
        let sent = it.sent.as_ref();
        serde_json::json!({
            "container": it.container, "begun": it.begun, "base": it.base, "behind": self.behind,
            "state": self.state(), "built": it.built.map(|built| built.version()),
            "instances": self.instances, "branch": sent.map(|it| &it.branch), "url": self.url(),
            "folder": session.home.paths.worktree(&open.name, &it.container),
        })
    }

    fn cells(&self, session: &Session) -> Vec<Cell> {
        let it = self.proposal;
        let behind = match self.behind {
            Some(0) => it.base.short(),
            Some(MOST) => format!("{} (far behind)", it.base.short()),
            Some(count) => format!("{} ({count} behind)", it.base.short()),
            None => format!("{} (history rewritten)", it.base.short()),
        };
        let arrived = it.sent.as_ref().filter(|it| it.commit.is_some());
        let branch = || arrived.map_or("-", |it| it.branch.as_str());
        vec![
            Cell::from(it.container.as_str()),
            Cell::from(age(it.begun, session.home.now())),
            Cell::from(behind),
            Cell::from(self.state()),
            Cell::from(it.built.map_or_else(|| "-".to_owned(), |it| it.version())),
            Cell::from(self.url().unwrap_or_else(branch)),
        ]
    }
}
