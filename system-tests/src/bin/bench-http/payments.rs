//! Signed requests for payments: the n-th of a series is always the same.

use std::io::Write as _;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::Problem;

/// A merchant's way in, and a name that sets one series apart from all others.
#[derive(Clone)]
pub(crate) struct Payments {
    api_key: String,
    /// Keyed once with the signing secret.
    mac: Hmac<Sha256>,
    series: String,
}

const ONE: &str = "/api/v1/payments";
const MANY: &str = "/api/v1/payments/bulk";

impl Payments {
    pub(crate) fn new(api_key: &str, secret: &str) -> Result<Self, Problem> {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
        Ok(Self { api_key: api_key.to_owned(), mac, series: String::new() })
    }

    pub(crate) fn series(&self, name: &str) -> Self {
        Self { series: name.to_owned(), ..self.clone() }
    }

    /// Writes the n-th request.
    pub(crate) fn one(&self, n: u64, request: &mut Vec<u8>) -> Result<(), Problem> {
        let mut body = Vec::with_capacity(320);
        self.body(n, "", &mut body)?;
        self.sign(ONE, &format!("pay-{}-{n:08}", self.series), &body, request)
    }

    /// Writes the n-th request for so many at once.
    pub(crate) fn many(&self, n: u64, items: u64, request: &mut Vec<u8>) -> Result<(), Problem> {
        let mut body = b"{\"payments\":[".to_vec();
        for item in 0..items {
            if item > 0 {
                body.push(b',');
            }
            let n = n.saturating_mul(items).saturating_add(item);
            self.body(n, &format!("\"idempotency_key\":\"pay-{}-{n:08}\",", self.series), &mut body)?;
        }
        body.extend_from_slice(b"]}");
        self.sign(MANY, "", &body, request)
    }

    fn body(&self, n: u64, more: &str, body: &mut Vec<u8>) -> Result<(), Problem> {
        let series = &self.series;
        write!(
            body,
            "{{{more}\"order_no\":\"ORDER-{series}-{n:08}\",\"amount\":10000,\"currency\":\"USD\",\
             \"channel\":\"stripe\",\"subject\":\"Two tickets\",\"body\":\"Row 7, seats 1 and 2\",\
             \"callback_url\":\"https://example.com/callback\",\"return_url\":\"https://example.com/return\"}}"
        )?;
        Ok(())
    }

    fn sign(&self, path: &str, key: &str, body: &[u8], request: &mut Vec<u8>) -> Result<(), Problem> {
        let seconds = chrono::Utc::now().timestamp().to_string();
        let mut mac = self.mac.clone();
        for part in [&seconds, ".POST.", path, ".", key, "."] {
            mac.update(part.as_bytes());
        }
        mac.update(body);
        let signature = hex::encode(mac.finalize().into_bytes());
        request.clear();
        write!(
            request,
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nx-api-key: {}\r\n\
             x-signature: t={seconds},v1={signature}\r\ncontent-length: {}\r\n",
            self.api_key,
            body.len()
        )?;
        if !key.is_empty() {
            write!(request, "idempotency-key: {key}\r\n")?;
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body);
        Ok(())
    }
}
