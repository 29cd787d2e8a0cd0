//! The thinnest client: HTTP/1.1 on one kept connection, one request at a time.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Problem;

pub(crate) struct Wire {
    stream: TcpStream,
    /// The request to send: head and body.
    pub(crate) request: Vec<u8>,
    received: Vec<u8>,
}

pub(crate) struct Reply<'w> {
    pub(crate) status: u16,
    pub(crate) is_replayed: bool,
    pub(crate) body: &'w [u8],
}

/// What of the head counts.
struct Head {
    status: u16,
    is_replayed: bool,
    body_from: usize,
    body_to: usize,
}

impl Wire {
    pub(crate) async fn open(address: &str) -> Result<Self, Problem> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, request: Vec::with_capacity(4_096), received: Vec::with_capacity(16_384) })
    }

    /// Sends the request as it stands and waits for the whole answer.
    pub(crate) async fn ask(&mut self) -> Result<Reply<'_>, Problem> {
        self.received.clear();
        self.stream.write_all(&self.request).await?;
        let head = loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err("the server hung up".into());
            }
            if let Some(head) = head(&self.received)? {
                break head;
            }
        };
        while self.received.len() < head.body_to {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err("the server hung up within an answer".into());
            }
        }
        let body = self.received.get(head.body_from..head.body_to).unwrap_or_default();
        Ok(Reply { status: head.status, is_replayed: head.is_replayed, body })
    }
}

impl Reply<'_> {
    /// The answer must be a success, told for the first time or again as expected.
    pub(crate) fn expect(&self, is_replay: bool) -> Result<&[u8], Problem> {
        if self.status == 200 && self.is_replayed == is_replay {
            return Ok(self.body);
        }
        let told = String::from_utf8_lossy(self.body);
        Err(format!("status {}, replayed {}, where {is_replay} was due: {told}", self.status, self.is_replayed).into())
    }
}

/// `None` while the head is not all there.
fn head(received: &[u8]) -> Result<Option<Head>, Problem> {
    let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(received.get(..end).unwrap_or_default())?;
    let (mut length, mut is_replayed) = (0, false);
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.get(9..12)).ok_or("no status line")?.parse()?;
    for line in lines {
        match line.split_once(": ") {
            Some(("content-length", value)) => length = value.parse()?,
            Some(("idempotency-replayed", "true")) => is_replayed = true,
            Some(("transfer-encoding", _)) => return Err("chunks are not read here".into()),
            _ => {}
        }
    }
    let body_from = end.saturating_add(4);
    Ok(Some(Head { status, is_replayed, body_from, body_to: body_from.saturating_add(length) }))
}
