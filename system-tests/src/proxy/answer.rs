//! Answers the proxy gives in the server's place.

use super::faults::Forged;
use super::frame::server;

/// An `ErrorResponse`, and the `ReadyForQuery` that follows it unless the session is over.
pub(super) fn forged(forged: &Forged, in_transaction: bool) -> Vec<u8> {
    let severity = forged.severity.word();
    let fields = format!("S{severity}\0V{severity}\0C{}\0M{}\0\0", forged.sqlstate, forged.message);
    let mut bytes = message(server::ERROR, fields.as_bytes());
    if !forged.severity.ends_the_session() {
        bytes.extend(message(server::READY, if in_transaction { b"E" } else { b"I" }));
    }
    bytes
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).map_or(u32::MAX, |length| length.saturating_add(4));
    let mut bytes = vec![kind];
    bytes.extend(length.to_be_bytes());
    bytes.extend(body);
    bytes
}
