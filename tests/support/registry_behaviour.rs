//! How registries in the wild differ from the one that the tests run: a loopback proxy with a rule
//! for each behaviour, in front of a registry that follows the specification (distribution-spec 1.1)
//! but for the referrers API, which docker-registry 2.8 has not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One behaviour.
///
/// | rule | registry that does it | what devenv does |
/// |---|---|---|
/// | [`SubjectAtFallbackTag`](Rule::SubjectAtFallbackTag) | GitLab's container registry | finds signatures by their own tags in the tag list |
/// | [`PromisesReferrers`](Rule::PromisesReferrers) | Amazon ECR, for some weeks | reads back what it attached, and writes the fallback tag where the API does not list it |
/// | [`EmptyReferrers`](Rule::EmptyReferrers) | caches and proxies before a registry | looks at the fallback tag, then at the tag list |
/// | [`RefusesReferrers`](Rule::RefusesReferrers) | Artifactory (406), Harbor 2.7 (401 without a challenge), others (400, 403, 405, 501) | the same |
/// | [`HidesMissingTags`](Rule::HidesMissingTags) | Artifactory (403), others (401) | asks the tag list: a tag that is not listed is missing, one that is listed is refused |
/// | [`RefusesRepository`](Rule::RefusesRepository) | any registry without a sufficient login | says so, exit 8: refused is never "unsigned" |
/// | [`ChallengesMissingTags`](Rule::ChallengesMissingTags) | Artifactory without anonymous access | the same as for `HidesMissingTags` |
/// | [`RefusesOne`](Rule::RefusesOne) | any registry with rights by repository | the same as for `RefusesRepository` |
/// | [`Busy`](Rule::Busy) | Docker Hub, GitHub, Quay: 429 with and without `Retry-After` | waits as told, says so after 2 s, at most 60 s; then as for a registry that does not answer |
/// | [`BusyToEngines`](Rule::BusyToEngines) | the same, met by an engine that pulls or pushes | asks the engine again, says so after 2 s, at most 60 s |
/// | [`RefusesEngines`](Rule::RefusesEngines) | Artifactory to engines with the containerd store, which ask for a tag before they push it | pushes the image itself |
/// | [`ImmovableTags`](Rule::ImmovableTags) | Amazon ECR (400 `TAG_INVALID`), Harbor (412); Artifactory without the right to overwrite (403) | publishes by tags that never move |
/// | [`Trickles`](Rule::Trickles) | a broken proxy, an attacker | ends what brings less than 512 bytes a second, 30 s after it began |
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// No referrers API; the tag `sha256-<hex>` answers with the image of that digest.
    SubjectAtFallbackTag,
    /// Answers the push of a manifest that has a subject with `OCI-Subject`, and has no referrers API.
    PromisesReferrers,
    /// The referrers API answers 200 with an empty list, whatever is attached.
    EmptyReferrers,
    /// The referrers API answers this status.
    RefusesReferrers(u16),
    /// A tag that is not there answers this status, to GET and HEAD.
    HidesMissingTags(u16),
    /// Everything but `/v2/` answers this status.
    RefusesRepository(u16),
    /// A tag that is not there is answered by 401 that demands a token, which everybody gets and which
    /// changes nothing.
    ChallengesMissingTags,
    /// Everything of the repository that ends so answers 403.
    RefusesOne(&'static str),
    /// So many requests are answered with 429 and this `Retry-After`.
    Busy {
        requests: usize,
        retry_after: Option<&'static str>,
    },
    /// So many requests of docker engines are answered with 429.
    BusyToEngines(usize),
    /// Manifests of docker engines are refused.
    RefusesEngines,
    /// A tag that is there is refused when it is pushed again, even with what it names.
    ImmovableTags(Immovable),
    /// Manifests come one byte at a time with this pause.
    Trickles(Duration),
}

/// How a registry says that a tag does not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Immovable {
    /// 400 with the code `TAG_INVALID`.
    Ecr,
    /// 412 with the code `PRECONDITION`.
    Harbor,
    /// 403 with the code `DENIED`: who may push may not overwrite.
    Artifactory,
}

/// A request, its body still to be read.
struct Asked {
    method: String,
    path: String,
    head: String,
    body: Vec<u8>,
}

impl Asked {
    /// What names the manifest that is asked for.
    fn manifest(&self) -> Option<&str> {
        let (_, name) = self.path.split_once("/manifests/")?;
        Some(name)
    }

    /// The same where it is a tag.
    fn tag(&self) -> Option<&str> {
        self.manifest().filter(|name| !name.contains(':'))
    }

    fn reads(&self) -> bool {
        self.method == "GET" || self.method == "HEAD"
    }

    fn is_an_engines(&self) -> bool {
        let agent = self.header("user-agent");
        agent.is_some_and(|it| it.starts_with("docker/"))
    }

    fn header(&self, wanted: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    }

    fn is_referrers(&self) -> bool {
        self.path.contains("/referrers/")
    }
}

/// An answer of the proxy's own.
struct Answer {
    status: u16,
    headers: String,
    body: String,
    pace: Option<Duration>,
}

fn answer(status: u16, body: impl Into<String>) -> Answer {
    Answer {
        status,
        headers: String::new(),
        body: body.into(),
        pace: None,
    }
}

fn refusal(status: u16, code: &str, message: &str) -> Answer {
    let body = format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#);
    answer(status, body)
}

const EMPTY_INDEX: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// Listens for as long as the runtime lives, in front of `upstream` (`host:port`); gives
/// `127.0.0.1:PORT`.
pub async fn behaving(upstream: String, rule: Rule) -> String {
    listening("127.0.0.1", upstream, rule).await
}

/// The same on another address of this machine.
pub async fn listening(address: &str, upstream: String, rule: Rule) -> String {
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let here = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (upstream, asked) = (upstream.clone(), Arc::clone(&asked));
            tokio::spawn(async move { serve(client, &upstream, rule, &asked).await });
        }
    });
    here
}

/// One request a connection, so that each is seen.
async fn serve(
    mut client: TcpStream,
    upstream: &str,
    rule: Rule,
    count: &AtomicUsize,
) -> Option<()> {
    let mut asked = receive(&mut client).await?;
    if let Rule::SubjectAtFallbackTag = rule
        && asked.reads()
        && let Some(hex) = asked.tag().and_then(|tag| tag.strip_prefix("sha256-"))
        && hex.len() == 64
    {
        let wrong = asked.path.clone();
        asked.path = wrong.replace("sha256-", "sha256:");
        asked.head = asked.head.replacen(&wrong, &asked.path, 1);
    }
    if let Some(own) = own_answer(rule, &asked, upstream, count).await {
        return send(&mut client, &asked, own).await;
    }
    let mut registry = forward(upstream, &asked).await?;
    let is_push = asked.method == "PUT" && asked.manifest().is_some();
    if let Rule::PromisesReferrers = rule
        && is_push
        && String::from_utf8_lossy(&asked.body).contains("\"subject\"")
    {
        let mut status = Vec::new();
        while !status.ends_with(b"\r\n") {
            status.push(registry.read_u8().await.ok()?);
        }
        status.extend(b"OCI-Subject: sha256:promised\r\n");
        client.write_all(&status).await.ok()?;
    }
    let copied = tokio::io::copy_bidirectional(&mut client, &mut registry).await;
    copied.ok().map(drop)
}

#[expect(clippy::too_many_lines, reason = "one table")]
async fn own_answer(
    rule: Rule,
    asked: &Asked,
    upstream: &str,
    count: &AtomicUsize,
) -> Option<Answer> {
    let is_referrers = asked.is_referrers() && asked.reads();
    match rule {
        Rule::SubjectAtFallbackTag | Rule::PromisesReferrers => None,
        Rule::EmptyReferrers => is_referrers.then(|| answer(200, EMPTY_INDEX)),
        Rule::RefusesReferrers(status) => is_referrers.then(|| answer(status, "{}")),
        Rule::HidesMissingTags(status) => {
            let hidden = is_missing(upstream, asked).await?;
            hidden.then(|| refusal(status, "DENIED", "no access to what is not there"))
        }
        Rule::ChallengesMissingTags if asked.path.starts_with("/token?") => {
            Some(answer(200, r#"{"token":"of-nobody"}"#))
        }
        Rule::ChallengesMissingTags => {
            let missing = is_missing(upstream, asked).await?;
            missing.then(|| challenge(asked))
        }
        Rule::RefusesOne(name) => {
            let theirs = asked.path.contains(&format!("/{name}/"));
            theirs.then(|| refusal(403, "DENIED", "requested access is denied"))
        }
        Rule::RefusesRepository(status) => {
            let below = asked.path.len() > "/v2/".len();
            below.then(|| refusal(status, "DENIED", "requested access is denied"))
        }
        Rule::Busy {
            requests,
            retry_after,
        } => {
            let below = asked.path.len() > "/v2/".len();
            if !below || count.fetch_add(1, Ordering::SeqCst) >= requests {
                return None;
            }
            let mut busy = refusal(429, "TOOMANYREQUESTS", "slow down");
            if let Some(after) = retry_after {
                busy.headers = format!("Retry-After: {after}\r\n");
            }
            Some(busy)
        }
        Rule::BusyToEngines(requests) => {
            let below = asked.path.len() > "/v2/".len() && asked.is_an_engines();
            let is_busy = below && count.fetch_add(1, Ordering::SeqCst) < requests;
            is_busy.then(|| refusal(429, "TOOMANYREQUESTS", "slow down"))
        }
        Rule::RefusesEngines => {
            let is_pushed = asked.method == "PUT" && asked.manifest().is_some();
            (is_pushed && asked.is_an_engines()).then(|| refusal(403, "DENIED", "rule"))
        }
        Rule::ImmovableTags(kind) => {
            let pushed = asked.tag().filter(|_| asked.method == "PUT")?;
            let there = status_of(upstream, &asked.path).await? == 200;
            there.then(|| immovable(kind, pushed))
        }
        Rule::Trickles(pace) => {
            let slow = asked.method == "GET" && asked.manifest().is_some();
            slow.then(|| Answer {
                pace: Some(pace),
                ..answer(200, EMPTY_INDEX)
            })
        }
    }
}

/// Whether a tag that is not there is asked for.
async fn is_missing(upstream: &str, asked: &Asked) -> Option<bool> {
    let is_asked_for = asked.reads() && asked.tag().is_some();
    Some(is_asked_for && status_of(upstream, &asked.path).await? == 404)
}

/// 401 that names where a token is to be had.
fn challenge(asked: &Asked) -> Answer {
    let host = asked.header("host").unwrap_or_default();
    let mut refusal = refusal(401, "UNAUTHORIZED", "authentication required");
    refusal.headers =
        format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"registry\"\r\n");
    refusal
}

fn immovable(kind: Immovable, pushed: &str) -> Answer {
    match kind {
        Immovable::Ecr => refusal(
            400,
            "TAG_INVALID",
            &format!(
                "The image tag '{pushed}' already exists and cannot be overwritten because the tag is immutable."
            ),
        ),
        Immovable::Harbor => refusal(
            412,
            "PRECONDITION",
            &format!("Failed to process request due to '{pushed}' configured as immutable."),
        ),
        Immovable::Artifactory => refusal(
            403,
            "DENIED",
            &format!("Not enough permissions to delete/overwrite artifact '{pushed}'."),
        ),
    }
}

/// How a TLS handshake begins, which a server of plain HTTP cannot read.
const TLS: u8 = 0x16;

async fn receive(client: &mut TcpStream) -> Option<Asked> {
    let mut head = vec![client.read_u8().await.ok()?];
    if head == [TLS] {
        let words = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTPS request\n";
        client.write_all(words).await.ok()?;
        return None;
    }
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut asked = Asked {
        method,
        path,
        head,
        body: Vec::new(),
    };
    // Layers are pushed in pieces of unknown length: those are passed on as they come.
    let length = asked.header("content-length");
    let length = length.and_then(|it| it.parse::<usize>().ok());
    if asked.manifest().is_some()
        && let Some(length) = length
    {
        asked.body = vec![0; length];
        client.read_exact(&mut asked.body).await.ok()?;
    }
    Some(asked)
}

async fn send(client: &mut TcpStream, asked: &Asked, own: Answer) -> Option<()> {
    let head = format!(
        "HTTP/1.1 {} Rule\r\nConnection: close\r\n{}Content-Length: {}\r\n\r\n",
        own.status,
        own.headers,
        own.body.len()
    );
    client.write_all(head.as_bytes()).await.ok()?;
    if asked.method == "HEAD" {
        return Some(());
    }
    let Some(pace) = own.pace else {
        return client.write_all(own.body.as_bytes()).await.ok();
    };
    for byte in own.body.as_bytes() {
        client.write_all(&[*byte]).await.ok()?;
        tokio::time::sleep(pace).await;
    }
    Some(())
}

/// Passes a request on; gives the connection that the answer comes from.
async fn forward(upstream: &str, asked: &Asked) -> Option<TcpStream> {
    let mut registry = TcpStream::connect(upstream).await.ok()?;
    let head = asked.head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    registry.write_all(head.as_bytes()).await.ok()?;
    registry.write_all(&asked.body).await.ok()?;
    Some(registry)
}

/// What the registry itself answers to HEAD.
async fn status_of(upstream: &str, path: &str) -> Option<u16> {
    let mut registry = TcpStream::connect(upstream).await.ok()?;
    let types = [
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ];
    let head = format!(
        "HEAD {path} HTTP/1.1\r\nHost: {upstream}\r\nAccept: {}\r\nConnection: close\r\n\r\n",
        types.join(", ")
    );
    registry.write_all(head.as_bytes()).await.ok()?;
    let mut text = String::new();
    registry.read_to_string(&mut text).await.ok()?;
    text.split(' ').nth(1)?.parse().ok()
}
