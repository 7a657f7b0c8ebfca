//! Sends each request to every instance, and writes down what differs.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};

use super::stage::Stage;
use crate::error::Result;
use crate::home::session::{OpenPlatform, Session};
use crate::instance::logs::{self, Query};
use crate::instance::running::Running;
use crate::model::replay::jar::Jar;
use crate::model::replay::lines::Lines;
use crate::model::replay::places::Places;
use crate::model::replay::tally::{Answers, Tally, endpoint};
use crate::model::requests::caching;
use crate::model::requests::recorded::Recorded;
use crate::network::exchange::{Asked, exchange};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long servers may take to write their last lines.
const WRITTEN: Duration = Duration::from_millis(500);

/// Fields that are sent as they were recorded. Conditions and encodings are not: they are of what another
/// server had sent.
const SENT: [&str; 4] = [
    "accept",
    "accept-language",
    "user-agent",
    "x-requested-with",
];

/// What came of it.
pub(super) struct Sent {
    pub(super) requests: usize,
    pub(super) tally: Tally,
    /// What each instance wrote into its logs meanwhile.
    pub(super) lines: [Lines; 3],
}

/// One instance, with the cookies that it gave each session.
struct Client {
    stage: Stage,
    jars: BTreeMap<String, Jar>,
}

/// All requests in their order, so many times; each to one instance after the other, beginning with another one
/// each time: none is always first.
pub(super) async fn send(
    session: &Session,
    open: &OpenPlatform,
    stages: Vec<Stage>,
    requests: &[Recorded],
    repeat: u32,
) -> Result<Sent> {
    // What they wrote at their starts, and of being asked whether they are ready, is nobody's answer.
    tokio::time::sleep(WRITTEN).await;
    let mut known = Lines::default();
    for it in &stages {
        known.extend(written(&it.session, open, None).await?);
    }
    let begun = Timestamp::now() - SignedDuration::from_secs(1);
    let client = |stage| Client {
        stage,
        jars: BTreeMap::new(),
    };
    let mut clients: Vec<Client> = stages.into_iter().map(client).collect();
    let work = session.reporter.work("replay");
    let mut tally = Tally::default();
    let mut count = 0;
    let all = requests.len() * usize::try_from(repeat).unwrap_or(1);
    for _ in 0..repeat {
        for request in requests {
            let mut found: [(Places, f64); 3] = Default::default();
            for turn in 0..clients.len() {
                let index = (count + turn) % clients.len();
                found[index] = clients[index].ask(request).await;
            }
            let [old, again, new] = &found;
            let name = endpoint(&request.method, &request.target);
            tally.add(
                &name,
                &Answers {
                    old: &old.0,
                    again: &again.0,
                    new: &new.0,
                    took: [old.1, again.1, new.1],
                },
            );
            count += 1;
            work.update(&format!("{count} of {all} requests"));
        }
    }
    work.finish(&format!(
        "{count} requests to each of {} instances",
        clients.len()
    ));
    tokio::time::sleep(WRITTEN).await;
    let mut lines: [Lines; 3] = Default::default();
    for (lines, client) in lines.iter_mut().zip(&clients) {
        *lines = written(&client.stage.session, open, Some(begun)).await?;
        lines.remove(&known);
    }
    Ok(Sent {
        requests: count,
        tally,
        lines,
    })
}

impl Client {
    /// The answer by its places, and how many milliseconds it took.
    async fn ask(&mut self, request: &Recorded) -> (Places, f64) {
        let jar = self.jars.entry(request.session.clone()).or_default();
        let path = &request.target.path;
        let is_sent = |it: &&(String, String)| SENT.contains(&it.0.to_ascii_lowercase().as_str());
        let mut headers: Vec<_> = request.headers.iter().filter(is_sent).cloned().collect();
        headers.extend(jar.field(path).map(|it| ("Cookie".to_owned(), it)));
        let body = request.body.as_ref();
        headers.extend(body.map(|it| ("Content-Type".to_owned(), it.media_type.clone())));
        let asked = Asked {
            to: self.stage.to,
            method: &request.method,
            host: &request.target.host_here(),
            line: &request.target.line(),
            headers: &headers,
            body: body.map_or("", |it| it.text.as_str()),
        };
        let Ok(answered) = exchange(asked, PATIENCE).await else {
            return (Places::silent(), PATIENCE.as_secs_f64() * 1000.0);
        };
        for field in caching::values(&answered.headers, "Set-Cookie") {
            jar.take(field, path);
        }
        let places = Places::of(answered.status, &answered.headers, &answered.body);
        (places, answered.took.as_secs_f64() * 1000.0)
    }
}

/// What an instance's containers wrote since.
async fn written(
    session: &Session,
    open: &OpenPlatform,
    since: Option<Timestamp>,
) -> Result<Lines> {
    let running = Running::look(session, open).await?;
    let places = logs::places(&running.identity, &running.observation.observed, &[]);
    let query = Query {
        since,
        ..Query::default()
    };
    let mut backlog = logs::backlog(&running.engine, &places, query).await?;
    let mut lines = Lines::default();
    while let Some(line) = backlog.lines.next().await {
        let line = line?;
        lines.add(&line.container, &String::from_utf8_lossy(&line.text));
    }
    Ok(lines)
}
