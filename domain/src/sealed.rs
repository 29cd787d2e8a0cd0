//! A personal value as the ledger holds it: ciphertext, and a keyed index.

use std::{fmt, marker::PhantomData};

use serde::{Deserialize, Serialize};

/// A `T` sealed with a data key kept elsewhere. The rules move it about and never look inside; when the key is
/// destroyed the value is gone and every event that carries it stays as it was.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Sealed<T> {
    ciphertext: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blind_index: Option<String>,
    #[serde(skip)]
    of: PhantomData<fn() -> T>,
}

/// An e-mail address. There is no value of it here: only sealed ones.
#[derive(Debug)]
pub enum Email {}

/// A telephone number, sealed only.
#[derive(Debug)]
pub enum Phone {}

/// A person's name, sealed only.
#[derive(Debug)]
pub enum PersonName {}

/// What a person wrote, sealed only.
#[derive(Debug)]
pub enum Note {}

impl<T> Sealed<T> {
    #[must_use]
    pub const fn new(ciphertext: String, blind_index: Option<String>) -> Self {
        Self { ciphertext, blind_index, of: PhantomData }
    }

    #[must_use]
    pub fn ciphertext(&self) -> &str {
        &self.ciphertext
    }

    /// The same for every value of one person, and telling nothing without the key.
    #[must_use]
    pub fn blind_index(&self) -> Option<&str> {
        self.blind_index.as_deref()
    }
}

impl<T> Clone for Sealed<T> {
    fn clone(&self) -> Self {
        Self::new(self.ciphertext.clone(), self.blind_index.clone())
    }
}

impl<T> PartialEq for Sealed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.ciphertext == other.ciphertext && self.blind_index == other.blind_index
    }
}

impl<T> Eq for Sealed<T> {}

impl<T> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[sealed]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_is_moved_and_never_shown() {
        let email: Sealed<Email> = Sealed::new("c1".into(), Some("i1".into()));
        assert_eq!(format!("{email:?}"), "[sealed]");
        assert_eq!((email.ciphertext(), email.blind_index()), ("c1", Some("i1")));
        let json = serde_json::to_string(&email).unwrap();
        assert_eq!(json, r#"{"ciphertext":"c1","blind_index":"i1"}"#);
        assert_eq!(serde_json::from_str::<Sealed<Email>>(&json).unwrap(), email.clone());
    }

    #[test]
    fn two_sealed_values_are_equal_in_both_parts_or_not_at_all() {
        let sealed = |text: &str, index: &str| Sealed::<Note>::new(text.into(), Some(index.into()));
        assert_ne!(sealed("a", "i"), sealed("b", "i"));
        assert_ne!(sealed("a", "i"), sealed("a", "j"));
        assert_eq!(serde_json::to_string(&Sealed::<Note>::new("a".into(), None)).unwrap(), r#"{"ciphertext":"a"}"#);
    }
}
