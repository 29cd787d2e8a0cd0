//! What a client asks: the SQL it executes, remembered across prepared statements.

use std::collections::HashMap;

use super::frame::{Frame, client};

#[cfg(test)]
mod tests;

/// The messages since the last one that made the server act.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) bytes: Vec<u8>,
    /// SQL executed and parameters bound; empty when nothing is executed.
    pub(super) executed: Vec<Vec<u8>>,
    /// Whether the server will close its answer with `ReadyForQuery`.
    pub(super) closes: bool,
}

/// The client's side of one connection: its statements by name, and the request being gathered.
#[derive(Debug, Default)]
pub(super) struct Requests {
    statements: HashMap<Vec<u8>, Vec<u8>>,
    gathering: Request,
}

impl Requests {
    /// Takes one message; gives the request it completes. A client may wait for the answer to anything that is not part
    /// of the extended protocol's batches, so only those are gathered.
    pub(super) fn push(&mut self, frame: &Frame) -> Option<Request> {
        self.gathering.bytes.extend(&frame.bytes);
        match frame.kind {
            client::PARSE => {
                let (name, rest) = text(frame.body());
                let (sql, _) = text(rest);
                self.statements.insert(name.to_vec(), sql.to_vec());
                return None;
            }
            client::BIND => {
                let (_portal, rest) = text(frame.body());
                let (name, parameters) = text(rest);
                if let Some(sql) = self.statements.get(name) {
                    self.gathering.executed.push(sql.clone());
                }
                self.gathering.executed.push(parameters.to_vec());
                return None;
            }
            client::CLOSE => {
                if let Some((b'S', name)) = frame.body().split_first() {
                    self.statements.remove(text(name).0);
                }
                return None;
            }
            client::DESCRIBE | client::EXECUTE => return None,
            client::QUERY => {
                self.gathering.executed.push(frame.body().to_vec());
                self.gathering.closes = true;
            }
            client::SYNC => self.gathering.closes = true,
            _ => {}
        }
        Some(std::mem::take(&mut self.gathering))
    }
}

/// A text up to its closing zero, and what follows it.
fn text(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    (bytes.get(..end).unwrap_or_default(), bytes.get(end + 1..).unwrap_or_default())
}

/// Whether the marker occurs; an empty marker occurs everywhere.
pub(super) fn contains(bytes: &[u8], marker: &[u8]) -> bool {
    marker.is_empty() || bytes.windows(marker.len()).any(|window| window == marker)
}
