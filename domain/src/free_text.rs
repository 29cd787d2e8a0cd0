//! What people type: of bounded length, without control characters, never a card number.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{card, refusal::refusals};

/// Free text that was looked at before it was let in. What is stored is read back as it is.
// Reading does not look again: an event let in under the rules of its day must stay readable for ever. So JSON from
// outside is never read into a `FreeText`: what asks takes a `String` and parses it, and no command is read from JSON.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FreeText(String);

/// The merchant's own number of an order. An identifier: digits in it are never taken for a card number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderNo(String);

refusals! {
    /// Why a text is not let in.
    pub enum TextRefusal {
        TextEmpty = "text_empty", 422, "The text is empty.", "文本不能为空。";
        TextTooLong = "text_too_long", 422, "The text is too long.", "文本过长。";
        TextHasControlCharacters = "text_has_control_characters", 422,
            "The text contains control characters.", "文本包含控制字符。";
        CardDataRejected = "card_data_rejected", 422,
            "The text contains a card number, which is never accepted here.", "文本包含银行卡号，此处不接受银行卡号。";
    }
}

impl FreeText {
    pub const LENGTH_MAX: usize = 1_000;

    /// A sentence of ours about an identifier: digits in it are never taken for a card number.
    ///
    /// # Errors
    /// Empty, too long, or control characters other than tab and new line.
    pub fn about_an_identifier(text: &str) -> Result<Self, TextRefusal> {
        admit(text, Self::LENGTH_MAX, |c| c.is_control() && !matches!(c, '\n' | '\t'))?;
        Ok(Self(text.to_owned()))
    }

    /// # Errors
    /// Empty, too long, control characters other than tab and new line, or a card number.
    pub fn parse(text: &str) -> Result<Self, TextRefusal> {
        let parsed = Self::about_an_identifier(text)?;
        if card::is_card_number_in(text) {
            return Err(TextRefusal::CardDataRejected);
        }
        Ok(parsed)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl OrderNo {
    pub const LENGTH_MAX: usize = 64;

    /// # Errors
    /// Empty, too long, or control characters.
    pub fn parse(text: &str) -> Result<Self, TextRefusal> {
        admit(text, Self::LENGTH_MAX, char::is_control)?;
        Ok(Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn admit(text: &str, length_max: usize, refused: fn(char) -> bool) -> Result<(), TextRefusal> {
    if text.is_empty() {
        return Err(TextRefusal::TextEmpty);
    }
    if text.chars().count() > length_max {
        return Err(TextRefusal::TextTooLong);
    }
    if text.chars().any(refused) {
        return Err(TextRefusal::TextHasControlCharacters);
    }
    Ok(())
}

impl fmt::Display for FreeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for OrderNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_let_in_as_it_is() {
        let text = "two lines\n\tof 猫 text";
        assert_eq!(FreeText::parse(text).unwrap().as_str(), text);
        assert_eq!(FreeText::parse(text).unwrap().to_string(), text);
        assert_eq!(OrderNo::parse("ORDER-1").unwrap().as_str(), "ORDER-1");
        assert_eq!(OrderNo::parse("ORDER-1").unwrap().to_string(), "ORDER-1");
        assert!(FreeText::parse(&"x".repeat(1_000)).is_ok());
        assert!(OrderNo::parse(&"猫".repeat(64)).is_ok());
    }

    #[test]
    fn what_is_not_let_in_says_why() {
        assert_eq!(FreeText::parse(""), Err(TextRefusal::TextEmpty));
        assert_eq!(FreeText::parse(&"x".repeat(1_001)), Err(TextRefusal::TextTooLong));
        assert_eq!(FreeText::parse("a\0b"), Err(TextRefusal::TextHasControlCharacters));
        assert_eq!(FreeText::parse("4111 1111 1111 1111"), Err(TextRefusal::CardDataRejected));
        assert_eq!(OrderNo::parse(""), Err(TextRefusal::TextEmpty));
        assert_eq!(OrderNo::parse(&"x".repeat(65)), Err(TextRefusal::TextTooLong));
        assert_eq!(OrderNo::parse("a\nb"), Err(TextRefusal::TextHasControlCharacters));
    }

    #[test]
    fn what_is_stored_is_read_back_whatever_the_rules_are_today() {
        for stored in [r#""""#, r#""4111 1111 1111 1111""#, r#""a\u0000b""#] {
            let text: FreeText = serde_json::from_str(stored).unwrap();
            assert!(FreeText::parse(text.as_str()).is_err(), "{stored}");
            assert_eq!(serde_json::to_string(&text).unwrap(), stored);
        }
    }

    #[test]
    fn an_order_number_is_never_taken_for_a_card_number() {
        assert!(OrderNo::parse("4111111111111111").is_ok());
    }
}
