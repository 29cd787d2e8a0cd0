//! Connection URLs that both sqlx and psql read.

use std::path::Path;

/// `postgresql:///<database>?host=<socket_dir>&port=<port>&user=<user>`, every value percent-encoded.
pub(crate) fn url(database: &str, socket_dir: &Path, port: u16, user: &str) -> String {
    let host = encoded(&socket_dir.display().to_string());
    format!("postgresql:///{}?host={host}&port={port}&user={}", encoded(database), encoded(user))
}

fn encoded(text: &str) -> String {
    let encode = |byte: u8| {
        let plain = char::from(byte);
        let unreserved = plain.is_ascii_alphanumeric() || "-._~".contains(plain);
        if unreserved { plain.to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(encode).collect()
}
