//! Where a list goes on: an opaque text that we have given out for this very question.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gate::{Problem, rules};
use uuid::Uuid;
use vault::Vault;

/// The last row that was told: its place in the order, and its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) key: i64,
    pub(crate) id: Uuid,
}

const FORM: u8 = 1;
/// How much of the seal is kept.
const SEAL: usize = 16;
const PLAIN: usize = 1 + 8 + 16;

impl Cursor {
    /// `question` is all that makes two questions the same.
    pub(crate) fn told(self, vault: &Vault, question: &str) -> String {
        let mut bytes = Vec::with_capacity(PLAIN + SEAL);
        bytes.push(FORM);
        bytes.extend_from_slice(&self.key.to_be_bytes());
        bytes.extend_from_slice(self.id.as_bytes());
        bytes.extend_from_slice(&seal(vault, question, &bytes));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// # Errors
    /// It is not one of ours, or one for another question.
    pub(crate) fn read(text: &str, vault: &Vault, question: &str) -> Result<Self, Problem> {
        let invalid = || Problem::parameter("cursor", rules::CURSOR_INVALID);
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_not_base64| invalid())?;
        let (plain, sealed) = bytes.split_at_checked(PLAIN).ok_or_else(invalid)?;
        if sealed != seal(vault, question, plain) {
            return Err(invalid());
        }
        let (form, rest) = plain.split_first_chunk::<1>().ok_or_else(invalid)?;
        let (key, id) = rest.split_first_chunk::<8>().ok_or_else(invalid)?;
        let id = Uuid::from_slice(id).map_err(|_length| invalid())?;
        if *form != [FORM] {
            return Err(invalid());
        }
        Ok(Self { key: i64::from_be_bytes(*key), id })
    }
}

fn seal(vault: &Vault, question: &str, plain: &[u8]) -> [u8; SEAL] {
    let whole = vault.fingerprint(&[b"cursor", question.as_bytes(), plain]);
    whole.first_chunk::<SEAL>().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use vault::MasterKey;

    use super::*;

    fn vault() -> Vault {
        let key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        Vault::new(&MasterKey::parse(key).unwrap())
    }

    #[test]
    fn a_cursor_is_good_for_its_own_question_and_as_it_was_given() {
        let cursor = Cursor { key: 42, id: Uuid::from_u128(7) };
        let text = cursor.told(&vault(), "payments of one");
        assert_eq!(Cursor::read(&text, &vault(), "payments of one").unwrap(), cursor);
        assert!(Cursor::read(&text, &vault(), "payments of another").is_err());
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert!(Cursor::read(&URL_SAFE_NO_PAD.encode(altered), &vault(), "payments of one").is_err(), "{at}");
        }
        for text in ["", "x", "=", &text[..20], &"A".repeat(5_000)] {
            assert!(Cursor::read(text, &vault(), "payments of one").is_err(), "{text}");
        }
    }
}
