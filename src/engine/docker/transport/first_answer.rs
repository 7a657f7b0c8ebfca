//! A request that is perhaps the first one: whether anybody is there at all is asked beside it.

use bollard::BollardRequest;
use bollard::errors::Error as BollardError;
use hyper_util::client::legacy::connect::capture_connection;

use super::lost::Lost;
use super::{Answer, Transport, get};
use crate::engine::FaultKind;

impl Transport {
    /// Sends an unversioned request, perhaps the first one. What it asks for may take long by itself:
    /// whether anybody is there at all is asked beside it.
    pub(super) async fn send_first(&self, request: BollardRequest) -> Answer {
        let patience = &self.waiting.patience;
        let mut answer = std::pin::pin!(self.send(request, None));
        if let Ok(answer) = tokio::time::timeout(patience.told, &mut answer).await {
            return answer;
        }
        self.waiting.tell(&self.name);
        let mut ping = get("/_ping")?;
        let mut connection = capture_connection(&mut ping);
        let silence = async {
            // Making connections has limits of its own.
            let made = connection.wait_for_connection_metadata().await.is_some();
            tokio::time::sleep(patience.silence).await;
            made
        };
        tokio::select! {
            answer = &mut answer => return answer,
            _ = self.send(ping, None) => {}
            made = silence => if made { return Err(self.silent()) },
        }
        answer.await
    }

    fn silent(&self) -> BollardError {
        let waited = self.waiting.patience.told + self.waiting.patience.silence;
        let lost = Lost {
            kind: FaultKind::Hung,
            message: format!(
                "the engine at {} takes connections, but answered nothing within {waited:?}",
                self.name
            ),
            hint: Some(
                "an engine that hangs wants a restart; `devenv doctor` looks at everything else, \
                 `--host` or DOCKER_HOST names another engine"
                    .to_owned(),
            ),
        };
        BollardError::IOError {
            err: lost.into_io(),
        }
    }
}
