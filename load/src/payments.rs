//! Requests for payments: the n-th of a series is always the same.

use std::io::Write as _;

use crate::Caller;

/// A merchant's way in, what is paid, and a name that sets one series apart from all others.
#[derive(Clone, Debug)]
pub struct Payments {
    caller: Caller,
    series: String,
    /// Amount, currency, channel and the rest, as JSON without the braces.
    terms: String,
}

const ONE: &str = "/api/v1/payments";
const MANY: &str = "/api/v1/payments/bulk";
const TERMS: &str = "\"amount\":10000,\"currency\":\"USD\",\"channel\":\"stripe\",\"subject\":\"Two tickets\",\
     \"body\":\"Row 7, seats 1 and 2\",\"callback_url\":\"https://example.com/callback\",\
     \"return_url\":\"https://example.com/return\"";

impl Payments {
    pub fn new(caller: Caller) -> Self {
        Self { caller, series: String::new(), terms: TERMS.to_owned() }
    }

    pub fn series(&self, name: &str) -> Self {
        Self { series: name.to_owned(), ..self.clone() }
    }

    /// The same of another amount, as fields of JSON.
    #[must_use]
    pub fn terms(self, terms: String) -> Self {
        Self { terms, ..self }
    }

    /// Writes the n-th request.
    pub fn one(&self, n: u64, request: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(320);
        self.body(n, "", &mut body);
        self.caller.write("POST", ONE, &format!("pay-{}-{n:08}", self.series), &body, request);
    }

    /// Writes the n-th request for so many at once.
    pub fn many(&self, n: u64, items: u64, request: &mut Vec<u8>) {
        let mut body = b"{\"payments\":[".to_vec();
        for item in 0..items {
            if item > 0 {
                body.push(b',');
            }
            let n = n.saturating_mul(items).saturating_add(item);
            self.body(n, &format!("\"idempotency_key\":\"pay-{}-{n:08}\",", self.series), &mut body);
        }
        body.extend_from_slice(b"]}");
        self.caller.write("POST", MANY, "", &body, request);
    }

    fn body(&self, n: u64, more: &str, body: &mut Vec<u8>) {
        let Self { series, terms, .. } = self;
        // Writing into memory does not fail.
        write!(body, "{{{more}\"order_no\":\"ORDER-{series}-{n:08}\",{terms}}}").unwrap_or_default();
    }
}
