//! Cuts a byte stream into messages of the Postgres wire protocol.

use std::io;

#[cfg(test)]
mod tests;

/// A gigabyte is the server's own limit; more than that is not this protocol.
const LONGEST: usize = 1 << 30;
const LENGTH_BYTES: usize = 4;

/// Message types the proxy must tell apart, from the client.
pub(super) mod client {
    pub(in crate::proxy) const BIND: u8 = b'B';
    pub(in crate::proxy) const CLOSE: u8 = b'C';
    pub(in crate::proxy) const DESCRIBE: u8 = b'D';
    pub(in crate::proxy) const EXECUTE: u8 = b'E';
    pub(in crate::proxy) const PARSE: u8 = b'P';
    pub(in crate::proxy) const QUERY: u8 = b'Q';
    pub(in crate::proxy) const SYNC: u8 = b'S';
    /// Opening messages carry a code where the others carry a type.
    pub(in crate::proxy) const CANCEL_CODE: u32 = 80_877_102;
    pub(in crate::proxy) const TLS_CODE: u32 = 80_877_103;
    pub(in crate::proxy) const GSS_CODE: u32 = 80_877_104;
}

/// Message types the proxy must tell apart, from the server.
pub(super) mod server {
    pub(in crate::proxy) const ERROR: u8 = b'E';
    pub(in crate::proxy) const READY: u8 = b'Z';
}

/// One whole message. `kind` is 0 for an opening message, which has no type byte.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    /// Type and length included: what goes out again.
    pub(super) bytes: Vec<u8>,
}

impl Frame {
    /// What follows the type and the length.
    pub(super) fn body(&self) -> &[u8] {
        let header = if self.kind == 0 { LENGTH_BYTES } else { LENGTH_BYTES + 1 };
        self.bytes.get(header..).unwrap_or_default()
    }

    /// The code of an opening message.
    pub(super) fn code(&self) -> Option<u32> {
        self.body().first_chunk().map(|code| u32::from_be_bytes(*code))
    }
}

/// The unread part of a stream. Bytes go in as they come, whole messages come out.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    start: usize,
}

impl Frames {
    /// Where a reader appends.
    pub(super) fn tail(&mut self) -> &mut Vec<u8> {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        &mut self.bytes
    }

    /// The next opening message, if all of it is here.
    pub(super) fn opening(&mut self) -> io::Result<Option<Frame>> {
        self.take(0)
    }

    /// The next typed message, if all of it is here.
    pub(super) fn message(&mut self) -> io::Result<Option<Frame>> {
        self.take(1)
    }

    fn take(&mut self, type_bytes: usize) -> io::Result<Option<Frame>> {
        let unread = self.bytes.get(self.start..).unwrap_or_default();
        let Some(length) = unread.get(type_bytes..).and_then(<[u8]>::first_chunk::<LENGTH_BYTES>) else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(io::Error::other)?;
        if !(LENGTH_BYTES..=LONGEST).contains(&length) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes")));
        }
        let Some(bytes) = unread.get(..type_bytes + length) else { return Ok(None) };
        let kind = if type_bytes == 0 { 0 } else { bytes.first().copied().unwrap_or_default() };
        let frame = Frame { kind, bytes: bytes.to_vec() };
        self.start += frame.bytes.len();
        Ok(Some(frame))
    }
}
