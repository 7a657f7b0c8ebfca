//! `devenv explain`

use clap::Args;

use crate::cli::ui::Ui;
use crate::error::{Error, Exit, Result};
use crate::home::session::Session;
use crate::instance::answered::{self, Explanation, Field, FoundBy, Told, Who};
use crate::model::requests::apache::Rule;
use crate::model::requests::caching::Cache;
use crate::model::requests::target::Target;
use crate::model::visible::visible;

/// Show who answers a URL: route, container and version, cache, the proxy's rules, and the logs
///
/// It asks the instance's proxy once, by GET. The answer may be kept in the proxy's cache from then on. The
/// request carries a mark as its User-Agent, by which the logs are searched; where a log does not have it,
/// a line with the same path and time is shown. The rules are those of the proxy's own configuration
/// (Apache), with file and line in the image of the reference that runs.
///
/// A URL of production is taken as well: it is asked here, never there.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A path (/billing?page=2) or a URL
    url: String,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let target = Target::parse(&arguments.url).map_err(|why| {
        Error::usage(format!("cannot explain the URL: {why}"))
            .hint("`devenv status` shows the URLs of what runs")
    })?;
    let open = session.open()?;
    let explanation = answered::explain(session, &open, &target).await?;
    ui.json(&explanation);
    show(ui, &explanation);
    Ok(Exit::Done)
}

fn show(ui: &Ui, it: &Explanation) {
    let style = ui.style();
    let line = |about: &str, text: &str| ui.data(&ui.fitted(&format!("{about:9}  {text}")));
    let answer = it.answer.as_ref();
    let outcome = answer.map_or("no answer".to_owned(), |it| {
        format!("{} in {} ms", it.status, it.milliseconds)
    });
    ui.data(&format!("{}: {outcome}", style.bold(visible(&it.url))));
    let number = it.reference.number;
    let route = it.route.as_deref().unwrap_or("none");
    line("route", &format!("{route} of reference {number}"));
    for container in &it.containers {
        line("container", &told(container));
    }
    line("proxy", &told(&it.proxy));
    if let Some(answer) = answer {
        let found = cache(answer);
        line(
            "cache",
            &match answer.cache {
                Cache::Hit | Cache::Revalidated => style.green(found),
                Cache::Miss | Cache::Unknown => found,
            },
        );
        line("kept", &kept(answer));
        for Field { name, value } in &answer.headers {
            line("header", &visible(&format!("{name}: {value}")));
        }
    }
    for rule in it.rules.iter().flatten() {
        let perhaps = if rule.applies {
            ""
        } else {
            " (where its condition holds)"
        };
        let Rule {
            text,
            file,
            line: at,
            ..
        } = rule;
        line("rule", &visible(&format!("{text}  {file}:{at}{perhaps}")));
    }
    for logged in &it.logs {
        let place = visible(logged.file.as_deref().unwrap_or(logged.source));
        let by = match logged.found_by {
            FoundBy::Mark => "",
            FoundBy::Time => " (same path and time)",
        };
        let (name, text) = (&logged.container, &logged.line);
        line("log", &format!("{name} {place}{by}: {text}"));
    }
    for note in &it.notes {
        line("note", &style.yellow(visible(note)));
    }
}

fn told(who: &Who) -> String {
    let source = who.source.as_deref().unwrap_or_default();
    let mut version = visible(who.version.as_deref().unwrap_or("?"));
    if ["local", "pinned"].contains(&source) {
        version = format!("{} {version}", source.to_uppercase());
    }
    let state = who.state.unwrap_or("not running");
    let health = who.health.map_or_else(String::new, |it| format!(", {it}"));
    format!("{} {version} ({state}{health})", who.name)
}

fn cache(answer: &Told) -> String {
    let by = answer.said_by.as_deref();
    let by = by.map_or_else(|| "no header says".to_owned(), visible);
    format!("{} ({by})", answer.cache.as_str())
}

fn kept(answer: &Told) -> String {
    let because = visible(&answer.because);
    match answer.kept {
        Some(seconds) => format!("for {seconds} s ({because})"),
        None => format!("not by its headers ({because})"),
    }
}
