//! Words of engines that resemble Docker, in Docker's own: bollard reads no others.

use std::pin::Pin;

use bollard::errors::Error as BollardError;
use futures_util::future::join_all;
use hyper::body::{Body, Incoming};
use serde::de::DeserializeOwned;

use super::{Docker, transport};
use crate::engine::{Engine as _, Fault, FaultKind};
use crate::model::identity;
use crate::model::observed::{ContainerState, ObservedContainer};

/// States that Docker has not, and its word for each.
/// Source: containers/podman `libpod/define/containerstate.go`.
const STATES: [(&str, &str); 4] = [
    ("stopped", "exited"),
    ("stopping", "running"),
    ("configured", "created"),
    ("initialized", "created"),
];

/// The keys that hold a state: in a list, and in an inspect.
const KEYS: [&str; 2] = ["State", "Status"];

/// Whether an answer could be of use once its words were exchanged.
pub(super) fn is_foreign(error: &BollardError) -> bool {
    matches!(
        error,
        BollardError::JsonDataError { .. } | BollardError::JsonSerdeError { .. }
    )
}

impl Docker {
    /// Libpod's lists say nothing of health.
    pub(super) async fn fill_in_health(&self, listed: &mut [ObservedContainer]) {
        if !self.transport.is_libpod() {
            return;
        }
        let ours = listed.iter_mut().filter(|it| {
            it.state == ContainerState::Running && it.labels.contains_key(identity::OWNER)
        });
        let looks = ours.map(async |it| {
            let details = self.inspect(&it.id).await;
            it.health = details.ok().and_then(|details| details.health);
        });
        join_all(looks).await;
    }

    /// Libpod leaves the image's value where a variable is given without one.
    pub(super) fn refuse_unset(&self, environment: &[String]) -> Result<(), Fault> {
        let mut unset = environment.iter().filter(|it| !it.contains('='));
        match unset.next().filter(|_| self.transport.is_libpod()) {
            None => Ok(()),
            Some(name) => {
                let text = format!("this engine cannot take {name} away, which the image sets");
                Err(Fault::new(FaultKind::Failed, text))
            }
        }
    }

    /// Asks again for what bollard could not read.
    pub(super) async fn translated<T: DeserializeOwned>(&self, path: &str) -> Result<T, Fault> {
        let asked = async {
            let request = transport::get(path)?;
            let answer = std::sync::Arc::clone(&self.transport)
                .carry(request)
                .await?;
            let body = read(answer.into_body()).await?;
            let mut value: serde_json::Value = serde_json::from_slice(&body)?;
            exchange(&mut value);
            Ok(serde_json::from_value(value)?)
        };
        self.short(asked).await.map_err(|mut fault| {
            if fault.about.is_none() {
                fault.message = format!("its answer cannot be read: {}", fault.message);
            }
            fault
        })
    }
}

async fn read(mut body: Incoming) -> Result<Vec<u8>, BollardError> {
    let mut bytes = Vec::new();
    while let Some(frame) =
        std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
    {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}

fn exchange(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Array(all) => all.iter_mut().for_each(exchange),
        serde_json::Value::Object(fields) => {
            for key in KEYS {
                let Some(field) = fields.get_mut(key) else {
                    continue;
                };
                let known = STATES.iter().find(|(foreign, _)| field == foreign);
                match known {
                    Some((_, own)) => *field = (*own).into(),
                    None => exchange(field),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn states_are_exchanged_and_nothing_else() {
        let mut listed = json!([
            { "State": "stopped", "Labels": { "State": "stopped" } },
            { "State": "running" },
        ]);
        exchange(&mut listed);
        let expected = json!([
            { "State": "exited", "Labels": { "State": "stopped" } },
            { "State": "running" },
        ]);
        assert_eq!(listed, expected);
        let mut inspected = json!({ "State": { "Status": "configured", "ExitCode": 3 } });
        exchange(&mut inspected);
        assert_eq!(
            inspected,
            json!({ "State": { "Status": "created", "ExitCode": 3 } })
        );
    }
}
