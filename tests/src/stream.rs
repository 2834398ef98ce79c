//! `GET /v1/stream` as a frontend reads it.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, Response};
use serde_json::Value;
use uuid::Uuid;

use crate::{Answer, Client, send};

/// One server-sent event.
#[derive(Debug, Clone, PartialEq)]
pub struct Pushed {
    /// None for `bye`.
    pub position: Option<i64>,
    pub name: String,
    pub data: Value,
}

/// An open stream. Dropping it closes the connection.
pub struct EventStream {
    response: Response,
    unread: String,
    /// What `Last-Event-ID` would be.
    pub position: i64,
}

impl Client {
    /// Opens a stream and reads `ready`. `query`: without the question mark.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn stream(&self, query: &str, last_event_id: Option<i64>) -> anyhow::Result<EventStream> {
        // A browser takes compressed answers.
        let mut request = self.request(Method::GET, &format!("/v1/stream?{query}")).header("Accept-Encoding", "gzip, zstd");
        if let Some(position) = last_event_id {
            request = request.header("Last-Event-ID", position);
        }
        let response = request.send().await?;
        ensure!(response.status() == 200, "{}: {}", response.status(), response.text().await?);
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        ensure!(header("content-type") == "text/event-stream" && header("content-encoding") == "identity", "{:?}", response.headers());
        let mut stream = EventStream { response, unread: String::new(), position: -1 };
        let ready = stream.next().await?.context("closed at once")?;
        ensure!(ready.name == "ready" && ready.position == ready.data["position"].as_i64(), "{ready:?}");
        Ok(stream)
    }

    /// What comes when a stream is refused.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn refused_stream(&self, query: &str, last_event_id: Option<&str>) -> reqwest::Result<Answer> {
        let mut request = self.request(Method::GET, &format!("/v1/stream?{query}"));
        if let Some(text) = last_event_id {
            request = request.header("Last-Event-ID", text);
        }
        send(request).await
    }

    /// The session of the client's token.
    ///
    /// # Errors
    /// When it is no token of ours.
    pub fn session_id(&self) -> anyhow::Result<Uuid> {
        let claims = URL_SAFE_NO_PAD.decode(self.token.split('.').nth(1).context("no token")?)?;
        let claims: Value = serde_json::from_slice(&claims)?;
        Ok(claims["sid"].as_str().context("no sid")?.parse()?)
    }
}

impl EventStream {
    /// The next event that a browser would show; none when the server has closed the stream.
    ///
    /// # Errors
    /// When nothing comes for a minute, or what comes is no event.
    pub async fn next(&mut self) -> anyhow::Result<Option<Pushed>> {
        tokio::time::timeout(Duration::from_secs(60), self.shown()).await.context("nothing comes but heartbeats")?
    }

    async fn shown(&mut self) -> anyhow::Result<Option<Pushed>> {
        loop {
            while let Some((block, rest)) = self.unread.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.unread = rest;
                if let Some(pushed) = self.take(&block)? {
                    return Ok(Some(pushed));
                }
            }
            let Some(chunk) = self.response.chunk().await? else { return Ok(None) };
            self.unread.push_str(std::str::from_utf8(&chunk).context("no text")?);
        }
    }

    /// Everything up to and with the first event that `last` is true of.
    ///
    /// # Errors
    /// When the stream ends before.
    pub async fn until(&mut self, last: impl Fn(&Pushed) -> bool) -> anyhow::Result<Vec<Pushed>> {
        let mut seen = Vec::new();
        while let Some(pushed) = self.next().await? {
            let done = last(&pushed);
            seen.push(pushed);
            if done {
                return Ok(seen);
            }
        }
        anyhow::bail!("closed after {seen:?}")
    }

    /// Like a browser: an id counts at once, a block without data is not shown.
    fn take(&mut self, block: &str) -> anyhow::Result<Option<Pushed>> {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned));
        let position = field("id").map(|id| id.parse::<i64>()).transpose()?;
        if let Some(position) = position {
            ensure!(position >= self.position, "{block:?} after {}", self.position);
            self.position = position;
        }
        let Some(data) = field("data") else { return Ok(None) };
        Ok(Some(Pushed { position, name: field("event").context("no name")?, data: serde_json::from_str(&data)? }))
    }
}
