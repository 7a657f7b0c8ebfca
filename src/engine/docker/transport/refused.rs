//! An answer that is a refusal, with what was asked of whom: the words of an engine alone do not say
//! that they are an engine's.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use bollard::errors::Error as BollardError;
use http_body_util::{BodyExt as _, Collected, Limited};
use hyper::Response;
use hyper::body::Incoming;
use serde::Deserialize;

/// Of what it says, this much is read.
const MOST_WORDS: usize = 64 << 10;

/// Put into the extensions of an answer that is an error: what was asked, `GET /containers/json`.
#[derive(Debug, Clone)]
pub(super) struct Asked(pub(super) String);

/// The error beneath an I/O error of this module.
#[derive(Debug)]
pub(in crate::engine::docker) struct Refused {
    /// The status.
    pub(in crate::engine::docker) status: u16,
    /// What it said, perhaps nothing.
    pub(in crate::engine::docker) text: String,
    /// `the engine at unix:///x answered 500 to GET /containers/json`
    pub(in crate::engine::docker) about: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.text)
    }
}

impl StdError for Refused {}

#[derive(Deserialize)]
struct Said {
    message: String,
}

/// The error that an answer with an error's status stands for.
pub(super) async fn refused(answer: Response<Incoming>, engine: &str) -> BollardError {
    let (head, body) = answer.into_parts();
    let status = head.status.as_u16();
    let asked = head.extensions.get::<Asked>();
    let asked = asked.map_or("a request", |it| it.0.as_str());
    let about = format!("the engine at {engine} answered {status} to {asked}");
    let words = Limited::new(body, MOST_WORDS).collect().await;
    let words = words.map(Collected::to_bytes).unwrap_or_default();
    let text = match serde_json::from_slice::<Said>(&words) {
        Ok(said) => said.message,
        Err(_) => String::from_utf8_lossy(&words).into_owned(),
    };
    let refused = Refused {
        status,
        text,
        about,
    };
    BollardError::IOError {
        err: io::Error::other(refused),
    }
}
