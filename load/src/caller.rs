//! Who asks, and how their requests are written: signed, or with a token.

use std::io::Write as _;

use chrono::Utc;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// What shows who asks.
#[derive(Clone)]
pub enum Caller {
    /// A bearer token.
    Token(String),
    /// A key, and what its requests are signed with.
    Key { api_key: String, secret: Secret },
}

#[derive(Clone)]
pub enum Secret {
    /// Keyed once with the signing secret.
    Signing(Box<Hmac<Sha256>>),
    /// The words a development server takes for a signature of its demo merchant.
    Demo,
}

impl Caller {
    pub fn token(token: &str) -> Self {
        Self::Token(token.to_owned())
    }

    pub fn key(api_key: &str, secret: &str) -> Self {
        // HMAC takes a key of any length.
        let secret = Hmac::new_from_slice(secret.as_bytes()).map_or(Secret::Demo, |mac| Secret::Signing(Box::new(mac)));
        Self::Key { api_key: api_key.to_owned(), secret }
    }

    /// The demo merchant of a development server, which everybody may be.
    pub fn demo() -> Self {
        Self::Key { api_key: "test-api-key".to_owned(), secret: Secret::Demo }
    }

    /// Writes a request, in place of what stands there; without a key where it is empty.
    pub fn write(&self, method: &str, path: &str, key: &str, body: &[u8], request: &mut Vec<u8>) {
        request.clear();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
        match self {
            Self::Token(token) => head.push_str(&format!("authorization: Bearer {token}\r\n")),
            Self::Key { api_key, secret } => {
                head.push_str(&format!(
                    "x-api-key: {api_key}\r\nx-signature: {}\r\n",
                    secret.sign(method, path, key, body)
                ));
            }
        }
        if !key.is_empty() {
            head.push_str(&format!("idempotency-key: {key}\r\n"));
        }
        if !body.is_empty() {
            head.push_str("content-type: application/json\r\n");
        }
        // Writing into memory does not fail.
        write!(request, "{head}content-length: {}\r\n\r\n", body.len()).unwrap_or_default();
        request.extend_from_slice(body);
    }
}

impl Secret {
    fn sign(&self, method: &str, path: &str, key: &str, body: &[u8]) -> String {
        let Self::Signing(mac) = self else { return "test-signature".to_owned() };
        let (mut mac, seconds) = (mac.clone(), Utc::now().timestamp().to_string());
        for part in [&seconds, ".", method, ".", path, ".", key, "."] {
            mac.update(part.as_bytes());
        }
        mac.update(body);
        format!("t={seconds},v1={}", hex::encode(mac.finalize().into_bytes()))
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[caller]")
    }
}
