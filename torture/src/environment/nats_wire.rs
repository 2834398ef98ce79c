//! The frames of the NATS protocol: lines, and lines with a payload behind them.

use bytes::{Buf as _, Bytes, BytesMut};

/// The longest line; nats-server's own limit is 4 KiB, INFO is longer.
const LONGEST_LINE: usize = 64 * 1024;

/// One frame, whole as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub bytes: Bytes,
    /// Of a message (MSG, HMSG, PUB, HPUB): where it goes.
    pub subject: Option<String>,
}

/// Takes the next frame off the front; none as long as it is not complete.
///
/// # Errors
/// When these are not frames of NATS.
pub fn next_frame(buffer: &mut BytesMut) -> anyhow::Result<Option<Frame>> {
    let Some(end) = buffer.windows(2).position(|two| two == b"\r\n") else {
        anyhow::ensure!(buffer.len() <= LONGEST_LINE, "a line of NATS without end");
        return Ok(None);
    };
    let line = std::str::from_utf8(&buffer[..end])?;
    let mut words = line.split_ascii_whitespace();
    let verb = words.next().unwrap_or_default().to_ascii_uppercase();
    let (mut length, mut subject) = (end + 2, None);
    if matches!(verb.as_str(), "MSG" | "HMSG" | "PUB" | "HPUB") {
        subject = words.next().map(str::to_owned);
        let size: usize = words.last().unwrap_or_default().parse()?;
        length += size + 2;
    }
    if buffer.len() < length {
        buffer.reserve(length - buffer.len());
        return Ok(None);
    }
    let bytes = buffer.copy_to_bytes(length);
    Ok(Some(Frame { bytes, subject }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_wherever_the_bytes_are_split() {
        let text = b"INFO {\"a\":1}\r\nPING\r\nMSG events.a.b 1 4\r\n\r\nxx\r\nHMSG events.a.c 2 _INBOX.1 12 17\r\nNATS/1.0\r\n\r\nhello\r\n+OK\r\n";
        for split in 0..=text.len() {
            let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
            for part in [&text[..split], &text[split..]] {
                buffer.extend_from_slice(part);
                while let Some(frame) = next_frame(&mut buffer).unwrap() {
                    frames.push(frame);
                }
            }
            assert!(buffer.is_empty());
            let subjects: Vec<_> = frames.iter().map(|frame| frame.subject.as_deref()).collect();
            assert_eq!(subjects, [None, None, Some("events.a.b"), Some("events.a.c"), None]);
            assert_eq!(frames.iter().flat_map(|frame| frame.bytes.to_vec()).collect::<Vec<_>>(), text);
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        assert!(next_frame(&mut BytesMut::from(&b"MSG events.a 1 many\r\n"[..])).is_err());
        assert!(next_frame(&mut BytesMut::from(vec![b'x'; LONGEST_LINE + 1].as_slice())).is_err());
    }
}
