//! What a deed was done on: a stream by its id, a read model by name, or the log.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    id::{
        AdjustmentId, FundsId, IdRefusal, MerchantId, OperatorId, OrderId, PaymentId, PeriodsId, RefundId,
        RemittanceId, RiskRulesId, SagaId, SettlementId,
    },
    text::stored_as_text,
};

/// No text a person typed: who asks what was done to a payment finds every deed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Merchant(MerchantId),
    Order(OrderId),
    Payment(PaymentId),
    Refund(RefundId),
    Settlement(SettlementId),
    SettledFunds(FundsId),
    Remittance(RemittanceId),
    Adjustment(AdjustmentId),
    Operator(OperatorId),
    Saga(SagaId),
    RiskRules(RiskRulesId),
    Periods(PeriodsId),
    ReadModel(ReadModelName),
    Log,
}

/// Lower-case letters, digits and underscores, beginning with a letter: the name of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadModelName(String);

impl FromStr for ReadModelName {
    type Err = IdRefusal;

    fn from_str(text: &str) -> Result<Self, IdRefusal> {
        let is_word = text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        let is_name = is_word && text.len() <= 63 && text.starts_with(|first: char| first.is_ascii_lowercase());
        if is_name { Ok(Self(text.to_owned())) } else { Err(IdRefusal::IdMalformed) }
    }
}

impl fmt::Display for ReadModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

stored_as_text!(ReadModelName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_reads_back_and_says_what_kind_it_is() {
        let model = Subject::ReadModel("payments_v2".parse().unwrap());
        assert_eq!(serde_json::to_string(&model).unwrap(), r#"{"read_model":"payments_v2"}"#);
        assert_eq!(serde_json::to_string(&Subject::Log).unwrap(), r#""log""#);
        let payment = r#"{"payment":"PAY00000000000000000000000000000002"}"#;
        let read: Subject = serde_json::from_str(payment).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), payment);
        assert!(serde_json::from_str::<Subject>(r#"{"refund":"PAY00000000000000000000000000000002"}"#).is_err());
    }

    #[test]
    fn what_a_person_types_names_no_read_model() {
        for text in ["", "the journal", "Payments", "2024", "4111111111111111", "_x", "a-b", &"x".repeat(64)] {
            assert_eq!(text.parse::<ReadModelName>(), Err(IdRefusal::IdMalformed), "{text}");
        }
        assert!("x".repeat(63).parse::<ReadModelName>().is_ok());
    }
}
