//! One kept-alive connection; requests are bytes that were made before.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What the figures look at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `X-Position`
    pub(crate) position: Option<i64>,
    pub(crate) replayed: bool,
    pub(crate) has_retry_after: bool,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { address, stream, buffer: Vec::with_capacity(4_096) })
    }

    /// Sends and waits for the answer. A connection that the server has given up meanwhile, with or without saying so (408), is opened
    /// again, once: every command has a key.
    pub(crate) async fn send(&mut self, request: &[u8]) -> std::io::Result<Answer> {
        match self.exchange(request).await {
            Ok(answer) if answer.status == 408 => {}
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {}
            outcome => return outcome,
        }
        *self = Self::open(self.address).await?;
        self.exchange(request).await
    }

    async fn exchange(&mut self, request: &[u8]) -> std::io::Result<Answer> {
        self.buffer.clear();
        self.stream.write_all(request).await?;
        let head_end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at;
            }
            self.read().await?;
        };
        let (mut answer, length) = head(&self.buffer[..head_end])?;
        let body_start = head_end + 4;
        while self.buffer.len() < body_start + length {
            self.read().await?;
        }
        answer.body = self.buffer[body_start..body_start + length].to_vec();
        Ok(answer)
    }

    async fn read(&mut self) -> std::io::Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

fn head(bytes: &[u8]) -> std::io::Result<(Answer, usize)> {
    let unreadable = || Error::new(ErrorKind::InvalidData, "an unreadable answer");
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable())?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok()).ok_or_else(unreadable)?;
    let (mut answer, mut length) = (Answer { status, ..Answer::default() }, 0);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().map_err(|_| unreadable())?;
        } else if name.eq_ignore_ascii_case("x-position") {
            answer.position = value.parse().ok();
        } else if name.eq_ignore_ascii_case("idempotency-replayed") {
            answer.replayed = true;
        } else if name.eq_ignore_ascii_case("retry-after") {
            answer.has_retry_after = true;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Error::new(ErrorKind::Unsupported, "an answer in chunks"));
        }
    }
    Ok((answer, length))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// A command with its token and idempotency key.
#[must_use]
pub(crate) fn post(path: &str, token: &str, key: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: holdfast\r\nauthorization: Bearer {token}\r\nidempotency-key: {key}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A query; `min_position` waits for the read models.
#[must_use]
pub(crate) fn get(path: &str, caller: Option<(&str, Option<i64>)>) -> Vec<u8> {
    let mut request = format!("GET {path} HTTP/1.1\r\nhost: holdfast\r\n");
    if let Some((token, min_position)) = caller {
        request.push_str(&format!("authorization: Bearer {token}\r\n"));
        if let Some(position) = min_position {
            request.push_str(&format!("x-min-position: {position}\r\n"));
        }
    }
    request.push_str("\r\n");
    request.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_status_position_and_length() {
        let (answer, length) = head(b"HTTP/1.1 201 Created\r\nContent-Length: 12\r\nX-Position: 77\r\nRetry-After: 1").unwrap();
        assert_eq!((answer.status, answer.position, length), (201, Some(77), 12));
        assert!(answer.has_retry_after && !answer.replayed);
        assert!(head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked").is_err());
    }
}
