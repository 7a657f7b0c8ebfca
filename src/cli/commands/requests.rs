//! `devenv requests`

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use crate::cli::ui::Ui;
use crate::error::{Error, Exit, Result};
use crate::home::file;
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::instance::requests;
use crate::model::requests::har;
use crate::model::requests::recorded::{Reading, Recorded};
use crate::model::requests::source::Source;
use crate::model::visible::visible;

/// Show or keep requests of a log, a HAR file or an instance's proxy, without secrets
///
/// Without FILE: what the proxy of the instance wrote into its access log. `--output FILE` keeps one entry of
/// HAR 1.2 a line, which `devenv replay` reads. Taken out before anything is shown or kept: the platform's
/// secrets by their values, in plain, base64 and URL-encoded; values of cookies (the same value becomes the
/// same word), of parameters whose names tell, and of all header fields but a few harmless ones; addresses of
/// clients; all that was answered.
///
/// Access logs and forensic logs have no bodies: of them only GET, HEAD and the like are taken. `ModSecurity`'s
/// audit log has them.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file; its kind is known by its beginning
    #[arg(value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Which kind of file it is, where its beginning does not tell
    #[arg(long, value_enum, value_name = "KIND", requires = "file")]
    from: Option<FileKind>,
    /// Of a HAR file take the requests to this host too, not only those to the first one
    #[arg(long, value_name = "HOST", requires = "file")]
    site: Vec<String>,
    /// Keep them in this file, for this user alone
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
}

/// Kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FileKind {
    /// Apache's access log (`combined`, `vhost_combined`)
    Access,
    /// Apache's `mod_log_forensic`
    Forensic,
    /// Audit log of `ModSecurity`, parts A, B, C and F
    Audit,
    /// HAR 1.2, as browsers save it
    Har,
    /// What `--output` wrote
    Lines,
}

impl FileKind {
    fn source(self) -> Source {
        match self {
            Self::Access => Source::AccessLog,
            Self::Forensic => Source::Forensic,
            Self::Audit => Source::Audit,
            Self::Har => Source::Har,
            Self::Lines => Source::Lines,
        }
    }
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let mut scrub = requests::scrub(session, &open)?;
    let reading = match &arguments.file {
        Some(path) => {
            let source = arguments.from.map(FileKind::source);
            requests::of_file(path, source, &arguments.site)?
        }
        None => requests::of_instance(session, &open).await?,
    };
    let Reading { requests, skipped } = reading;
    let requests: Vec<Recorded> = requests.into_iter().map(|it| scrub.request(it)).collect();
    for (why, count) in &skipped {
        ui.note(&format!("left out: {count} × {why}"));
    }
    let Some(path) = &arguments.output else {
        for request in &requests {
            ui.json(&har::line(request));
            show(ui, request);
        }
        return Ok(Exit::Done);
    };
    if requests.is_empty() {
        return Err(Error::usage("there is no request to keep"));
    }
    let mut text = String::new();
    for request in &requests {
        text.push_str(&har::line(request).to_string());
        text.push('\n');
    }
    file::write(path, text.as_bytes())?;
    let sessions: std::collections::BTreeSet<&str> =
        requests.iter().map(|it| it.session.as_str()).collect();
    let (count, sessions) = (requests.len(), sessions.len());
    ui.json(&serde_json::json!({
        "file": path, "requests": count, "sessions": sessions, "skipped": skipped,
    }));
    ui.data(&format!(
        "{}: {count} requests of {sessions} sessions",
        path.display()
    ));
    Ok(Exit::Done)
}

fn show(ui: &Ui, request: &Recorded) {
    let at = request.at.map_or_else(
        || "-".to_owned(),
        |it| it.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    );
    let status = request
        .status
        .map_or_else(|| "-".to_owned(), |it| it.to_string());
    let host = request.target.host.as_ref().map_or("", |it| it.as_str());
    let line = format!(
        "{at}  {}  {status}  {} {host}{}",
        request.session,
        request.method,
        visible(&request.target.line())
    );
    ui.data(&ui.fitted(&line));
}
