//! What images take on the engine's disk.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Body;

use super::{Docker, transport};

/// How long the engine may count: it also looks at every container and volume.
const PATIENCE: Duration = Duration::from_secs(30);

/// A longer answer is not read.
const LONGEST: usize = 64 << 20;

impl Docker {
    /// Bytes of all image layers, each counted once; `None` where the engine does not say.
    /// Source: Docker Engine API v1.41, `GET /system/df`, which bollard 0.21 reads without
    /// `LayersSize`; v1.52 calls it `ImageUsage.TotalSize`.
    pub async fn layers_size(&self) -> Option<u64> {
        tokio::time::timeout(PATIENCE, self.ask_layers_size())
            .await
            .ok()?
    }

    async fn ask_layers_size(&self) -> Option<u64> {
        let request = transport::get("http://engine/system/df?type=image").ok()?;
        let answer = Arc::clone(&self.transport).carry(request).await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        let mut body = answer.into_body();
        let mut text = Vec::new();
        while let Some(frame) =
            std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
        {
            text.extend_from_slice(&frame.ok()?.into_data().unwrap_or_default());
            if text.len() > LONGEST {
                return None;
            }
        }
        let answer: serde_json::Value = serde_json::from_slice(&text).ok()?;
        answer["LayersSize"]
            .as_u64()
            .or_else(|| answer["ImageUsage"]["TotalSize"].as_u64())
    }
}
