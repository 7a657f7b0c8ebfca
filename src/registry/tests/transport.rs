//! What is repeated, what is not, and how silence is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::super::{Descriptor, Fault, Lost, Options, Registry, Tag};
use super::server::{Answer, Server};
use super::{anonymous, repository};

async fn after(failures: usize, failure: Answer) -> (Result<bytes::Bytes, Fault>, usize) {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |_| {
        if asked.fetch_add(1, Ordering::SeqCst) < failures {
            failure.clone()
        } else {
            Answer::new(200, "layer")
        }
    })
    .await;
    let wanted = Descriptor::of("x", b"layer");
    let result = anonymous().blob(&repository(&server), &wanted, 10).await;
    (result, server.asked().len())
}

#[tokio::test]
async fn a_passing_failure_is_tried_again() {
    for failure in [
        Answer::new(500, ""),
        Answer::new(503, ""),
        Answer::new(502, ""),
        Answer::new(200, "layer").cut(2),
    ] {
        let (result, asked) = after(2, failure).await;
        assert_eq!(result.unwrap(), "layer");
        assert_eq!(asked, 3);
    }
}

#[tokio::test]
async fn a_lasting_failure_is_told() {
    let (result, asked) = after(99, Answer::new(503, "down for\nmaintenance\u{7}")).await;
    let fault = result.unwrap_err();
    assert_eq!(asked, 3);
    let text = fault.to_string();
    assert!(
        text.contains("503") && text.contains("down for maintenance"),
        "{text}"
    );
    assert!(!text.chars().any(char::is_control), "{text}");
    let (result, asked) = after(99, Answer::new(501, "")).await;
    assert!(matches!(result, Err(Fault::Server { status: 501, .. })));
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn silence_ends() {
    let started = Instant::now();
    let server = Server::start(|_| Answer::never()).await;
    let registry = Registry::new(Options {
        response_timeout: Duration::from_millis(400),
        ..Options::default()
    });
    let fault = registry.tags(&repository(&server)).await.unwrap_err();
    assert!(
        matches!(
            fault,
            Fault::Unreachable {
                lost: Lost::TimedOut,
                ..
            }
        ),
        "{fault}"
    );
    assert_eq!(server.asked().len(), 1);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn nobody_there() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let tag = Tag::new("1").unwrap();
    let repository = format!("{free}/acme/x").parse().unwrap();
    let fault = anonymous()
        .manifest(&repository, &tag, 10)
        .await
        .unwrap_err();
    assert!(
        matches!(
            fault,
            Fault::Unreachable {
                lost: Lost::Connect,
                ..
            }
        ),
        "{fault}"
    );
    assert!(fault.to_string().contains("refused"), "{fault}");
}

#[tokio::test]
async fn a_long_error_page_is_cut() {
    let (result, _) = after(99, Answer::new(418, "x".repeat(100_000))).await;
    assert!(result.unwrap_err().to_string().len() < 1000);
}
