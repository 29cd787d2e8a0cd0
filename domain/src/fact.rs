//! Any event of the ledger: what a follower reads when it follows all of them.

use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    adjustment::{Adjustment, event::AdjustmentEvent},
    aggregate::{Aggregate, Event},
    merchant::{Merchant, event::MerchantEvent},
    old_name::{OldName, event::OldNameEvent},
    operator::{Operator, event::OperatorEvent},
    order::{Order, event::OrderEvent},
    payment::{Payment, event::PaymentEvent},
    periods::{Periods, event::PeriodsEvent},
    posting::Posting,
    refund::{Refund, event::RefundEvent},
    remittance::{Remittance, event::RemittanceEvent},
    risk_rules::{RiskRules, event::RiskRulesEvent},
    saga::{Saga, event::SagaEvent},
    settled_funds::{SettledFunds, event::SettledFundsEvent},
    settlement::{Settlement, event::SettlementEvent},
};

/// Why a stored event is no fact: a failure, for a follower to stop at.
#[derive(Debug, thiserror::Error)]
pub enum FactFailure<E: std::error::Error + 'static> {
    #[error("no aggregate is called {aggregate_type}")]
    AggregateUnknown { aggregate_type: String },
    #[error("the payload is no event of {aggregate_type}")]
    PayloadUnreadable {
        aggregate_type: String,
        #[source]
        source: E,
    },
}

/// What this release knows of a kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub aggregate_type: &'static str,
    pub event_type: &'static str,
    pub event_version: &'static str,
}

/// One list of all aggregates, from which everything that must know them all is made.
macro_rules! facts {
    ($($aggregate:ident => $event:ident;)+) => {
        #[derive(Clone, Debug, PartialEq)]
        pub enum Fact {
            $($aggregate($event),)+
        }

        impl Fact {
            /// Every kind of stream, with every name under which its events are stored.
            pub const TYPES: &'static [(&'static str, &'static [&'static str])] =
                &[$((<$aggregate as Aggregate>::TYPE, $event::TYPES),)+];

            /// Reads a stored payload of a stream of that type.
            ///
            /// # Errors
            /// A type or a payload that this release does not know.
            pub fn read<'de, D: Deserializer<'de>>(
                aggregate_type: &str,
                payload: D,
            ) -> Result<Self, FactFailure<D::Error>>
            where
                D::Error: 'static,
            {
                let read = match aggregate_type {
                    $(<$aggregate as Aggregate>::TYPE => $event::deserialize(payload).map(Self::$aggregate),)+
                    _ => return Err(FactFailure::AggregateUnknown { aggregate_type: aggregate_type.to_owned() }),
                };
                read.map_err(|source| FactFailure::PayloadUnreadable { aggregate_type: aggregate_type.to_owned(), source })
            }

            /// The version this release knows of an event, if it knows the event; its name as this release has it.
            #[must_use]
            pub fn known(aggregate_type: &str, event_type: &str) -> Option<Known> {
                let (aggregate_type, types, versions) = match aggregate_type {
                    $(<$aggregate as Aggregate>::TYPE => (<$aggregate as Aggregate>::TYPE, $event::TYPES, $event::VERSIONS),)+
                    _ => return None,
                };
                let at = types.iter().position(|known| *known == event_type)?;
                Some(Known { aggregate_type, event_type: types.get(at)?, event_version: versions.get(at)? })
            }

            #[must_use]
            pub const fn aggregate_type(&self) -> &'static str {
                match self {
                    $(Self::$aggregate(_) => <$aggregate as Aggregate>::TYPE,)+
                }
            }

            #[must_use]
            pub fn event_type(&self) -> &'static str {
                match self {
                    $(Self::$aggregate(event) => event.event_type(),)+
                }
            }

            #[must_use]
            pub fn event_version(&self) -> &'static str {
                match self {
                    $(Self::$aggregate(event) => event.event_version(),)+
                }
            }

            /// What the event does to the books. Each movement is posted by one stream only.
            #[must_use]
            pub fn posting(&self) -> Posting {
                match self {
                    $(Self::$aggregate(event) => event.posting(),)+
                }
            }
        }

        /// The state of a stream, of whichever kind: what its events come to.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum State {
            $($aggregate(Box<$aggregate>),)+
        }

        impl State {
            /// As it is before the first event; none where this release knows no such kind of stream.
            #[must_use]
            pub fn empty(aggregate_type: &str) -> Option<Self> {
                match aggregate_type {
                    $(<$aggregate as Aggregate>::TYPE => Some(Self::$aggregate(Box::default())),)+
                    _ => None,
                }
            }

            /// Folds the next event in; false, and nothing changed, where it is of another kind of stream.
            pub fn apply(&mut self, fact: &Fact) -> bool {
                match (self, fact) {
                    $((Self::$aggregate(state), Fact::$aggregate(event)) => state.apply(event),)+
                    _ => return false,
                }
                true
            }
        }
    };
}

facts! {
    Merchant => MerchantEvent;
    Order => OrderEvent;
    Payment => PaymentEvent;
    Refund => RefundEvent;
    Settlement => SettlementEvent;
    SettledFunds => SettledFundsEvent;
    Remittance => RemittanceEvent;
    Adjustment => AdjustmentEvent;
    Operator => OperatorEvent;
    Saga => SagaEvent;
    RiskRules => RiskRulesEvent;
    Periods => PeriodsEvent;
    OldName => OldNameEvent;
}
