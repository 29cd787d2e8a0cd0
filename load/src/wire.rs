//! The thinnest client: HTTP/1.1 on one kept connection, one request at a time.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::Trouble;

/// A server answers sooner, or it does not.
const PATIENCE: Duration = Duration::from_secs(30);
/// No answer that is asked for here is longer.
const ANSWER_MAX: usize = 8 * 1024 * 1024;

pub struct Wire {
    stream: TcpStream,
    /// The request to send: head and body.
    pub request: Vec<u8>,
    received: Vec<u8>,
}

pub struct Reply<'w> {
    pub status: u16,
    pub is_replayed: bool,
    pub body: &'w [u8],
}

/// What of the head counts.
struct Head {
    status: u16,
    is_replayed: bool,
    body_from: usize,
    body_to: usize,
}

impl Wire {
    /// # Errors
    /// Nobody listens there.
    pub async fn open(address: &str) -> Result<Self, Trouble> {
        let opening = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let opened = timeout(PATIENCE, opening).await.map_err(|_elapsed| Trouble::Silent(PATIENCE.as_secs()))?;
        let stream = opened.map_err(|source| Trouble::Connect { address: address.to_owned(), source })?;
        Ok(Self { stream, request: Vec::with_capacity(4_096), received: Vec::with_capacity(16_384) })
    }

    /// Sends the request as it stands and waits for the whole answer. After an error the connection is of no more use.
    ///
    /// # Errors
    /// There is no answer, or none that can be read.
    pub async fn ask(&mut self) -> Result<Reply<'_>, Trouble> {
        let head = match timeout(PATIENCE, self.exchange()).await {
            Ok(head) => head?,
            Err(_elapsed) => return Err(Trouble::Silent(PATIENCE.as_secs())),
        };
        let body = self.received.get(head.body_from..head.body_to).unwrap_or_default();
        Ok(Reply { status: head.status, is_replayed: head.is_replayed, body })
    }

    async fn exchange(&mut self) -> Result<Head, Trouble> {
        self.received.clear();
        self.stream.write_all(&self.request).await?;
        let head = loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(Trouble::HungUp);
            }
            if let Some(head) = head(&self.received)? {
                break head;
            }
            if self.received.len() > ANSWER_MAX {
                return Err(Trouble::Malformed("a head without end"));
            }
        };
        while self.received.len() < head.body_to {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(Trouble::HungUp);
            }
        }
        Ok(head)
    }
}

impl Reply<'_> {
    /// The answer must be a success, told for the first time or again as expected.
    ///
    /// # Errors
    /// It is another.
    pub fn expect(&self, is_replay: bool) -> Result<&[u8], Trouble> {
        if self.status == 200 && self.is_replayed == is_replay {
            return Ok(self.body);
        }
        let told = String::from_utf8_lossy(self.body).into_owned();
        Err(Trouble::Unexpected { status: self.status, is_replayed: self.is_replayed, told })
    }
}

/// `None` while the head is not all there.
fn head(received: &[u8]) -> Result<Option<Head>, Trouble> {
    let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(received.get(..end).unwrap_or_default())
        .map_err(|_bytes| Trouble::Malformed("a head that is no text"))?;
    let (mut length, mut is_replayed) = (0, false);
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok());
    let status = status.ok_or(Trouble::Malformed("no status line"))?;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-length", value) => {
                length = value.parse().map_err(|_digits| Trouble::Malformed("a length that is no number"))?;
            }
            ("idempotency-replayed", "true") => is_replayed = true,
            ("transfer-encoding", _chunked) => return Err(Trouble::Malformed("chunks are not read here")),
            _others => {}
        }
    }
    let body_from = end.saturating_add(4);
    let body_to = body_from.saturating_add(length);
    if body_to > ANSWER_MAX {
        return Err(Trouble::Malformed("it is longer than any that is asked for"));
    }
    Ok(Some(Head { status, is_replayed, body_from, body_to }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_when_they_are_whole_and_refused_when_they_are_none() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nIdempotency-Replayed: true\r\n\r\n{}";
        let read = head(whole).unwrap().unwrap();
        assert_eq!((read.status, read.is_replayed, &whole[read.body_from..read.body_to]), (200, true, &b"{}"[..]));
        for n in 0..whole.len() - 2 {
            assert!(head(&whole[..n]).unwrap().is_none(), "{n}");
        }
        for none in [
            &b"what\r\n\r\n"[..],
            b"HTTP/1.1 2x0 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
        ] {
            assert!(head(none).is_err(), "{}", String::from_utf8_lossy(none));
        }
    }
}
