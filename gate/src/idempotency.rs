//! The key a caller gives a request, so that asking twice is asking once.

use std::sync::Arc;

use axum::http::HeaderMap;

use crate::{problem::Problem, rules};

const HEADER: &str = "idempotency-key";
const LENGTH_MAX: usize = 255;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(pub Arc<str>);

impl IdempotencyKey {
    /// Reads the header.
    ///
    /// # Errors
    /// There is more than one, or it is not a key.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let malformed = Problem::turned_away(rules::IDEMPOTENCY_KEY_MALFORMED);
        if values.next().is_some() {
            return Err(malformed);
        }
        value.to_str().ok().and_then(Self::parse).map(Some).ok_or(malformed)
    }

    /// One to 255 visible ASCII characters, spaces between them allowed.
    pub fn parse(text: &str) -> Option<Self> {
        let is_visible = |byte: u8| matches!(byte, b' '..=b'~');
        let is_key = (1..=LENGTH_MAX).contains(&text.len()) && text.trim() == text && text.bytes().all(is_visible);
        is_key.then(|| Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers A2
    #[test]
    fn one_visible_key_or_none() {
        let of = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(HEADER, axum::http::HeaderValue::from_bytes(value).unwrap());
            }
            IdempotencyKey::of(&headers)
                .map(|key| key.map(|key| key.0.to_string()))
                .map_err(|problem| problem.rule().code)
        };
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[b"pay-1"]), Ok(Some("pay-1".to_owned())));
        assert!(of(&["x".repeat(255).as_bytes()]).is_ok());
        for bad in
            [&[b"".as_slice()][..], &["x".repeat(256).as_bytes()], &[b"a\tb"], &[b"\xff"], &[b" a"], &[b"a", b"a"]]
        {
            assert_eq!(of(bad), Err("idempotency_key_malformed"), "{bad:?}");
        }
    }
}
