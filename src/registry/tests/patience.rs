//! Registries that have too much to do, and answers that never end.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::super::{Fault, Lost, Options, Patience, Registry, Tag};
use super::behaviour::{Rule, behaving};
use super::memory::Memory;
use super::server::{Answer, Server};
use crate::model::image::Repository;

/// What was said, and the outcome of asking for a tag that is there.
async fn asked(rule: Rule, busy: Duration) -> (Vec<String>, Result<(), Fault>, Duration) {
    let memory = Memory::default();
    memory.put("1.0", b"{}");
    let server = Server::start(move |asked| memory.answer(asked)).await;
    let address = behaving(server.host.clone(), rule).await;
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    let registry = Registry::new(Options {
        response_timeout: Duration::from_millis(500),
        patience: Patience {
            busy,
            tell: Arc::new(move |text| heard.lock().unwrap().push(text.to_owned())),
        },
        ..Options::default()
    });
    let repository: Repository = format!("{address}/acme/billing").parse().unwrap();
    let began = Instant::now();
    let tag = Tag::new("1.0").unwrap();
    let result = registry.manifest(&repository, &tag, 1000).await.map(drop);
    let said = said.lock().unwrap().clone();
    (said, result, began.elapsed())
}

fn busy(requests: usize, retry_after: Option<&'static str>) -> Rule {
    Rule::Busy {
        requests,
        retry_after,
    }
}

const LONG: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_busy_registry_is_waited_for_as_it_asks() {
    let (said, result, took) = asked(busy(1, Some("1")), LONG).await;
    result.unwrap();
    assert!(took >= Duration::from_secs(1), "{took:?}");
    assert!(said.is_empty(), "{said:?}");
    let (said, result, took) = asked(busy(1, Some("3")), LONG).await;
    result.unwrap();
    assert!(took >= Duration::from_secs(3), "{took:?}");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("asks to wait 3 s"), "{said:?}");
}

#[tokio::test]
async fn without_a_word_pauses_grow() {
    let (_, result, took) = asked(busy(2, None), LONG).await;
    result.unwrap();
    assert!(took >= Duration::from_millis(1500), "{took:?}");
}

#[tokio::test]
async fn patience_ends() {
    for retry_after in [Some("3600"), Some("2"), None] {
        let (said, result, took) = asked(busy(99, retry_after), Duration::from_secs(1)).await;
        let fault = result.unwrap_err();
        let lost = matches!(
            fault,
            Fault::Unreachable {
                lost: Lost::Busy(_),
                ..
            }
        );
        assert!(lost && fault.to_string().contains("429"), "{fault}");
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert!(said.is_empty(), "{said:?}");
    }
}

#[tokio::test]
async fn a_503_that_says_when_is_the_same() {
    let asked = Mutex::new(0);
    let server = Server::start(move |_| {
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        if *asked > 4 {
            return Answer::new(200, r#"{"tags":["1"]}"#);
        }
        Answer::new(503, "").header("Retry-After", "0")
    })
    .await;
    let tags = super::anonymous().tags(&super::repository(&server)).await;
    assert_eq!(tags.unwrap(), ["1"]);
}

#[tokio::test]
async fn an_answer_that_trickles_ends() {
    let rule = Rule::Trickles(Duration::from_millis(100));
    let (_, result, took) = asked(rule, LONG).await;
    let fault = result.unwrap_err();
    assert!(fault.to_string().contains("in the middle"), "{fault}");
    assert!(took < Duration::from_secs(3), "{took:?}");
}
