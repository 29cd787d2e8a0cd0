//! Every refusal of the rules, list by list in order of precedence.

use crate::{
    account::AccountRefusal,
    adjustment::AdjustmentRefusal,
    calendar::ScheduleRefusal,
    channel::ChannelRefusal,
    country::CountryRefusal,
    currency::CurrencyRefusal,
    fee::FeeRefusal,
    free_text::TextRefusal,
    id::IdRefusal,
    merchant::MerchantRefusal,
    money::MoneyRefusal,
    month::MonthRefusal,
    network::NetworkRefusal,
    old_name::OldNameRefusal,
    operator::OperatorRefusal,
    order::OrderRefusal,
    payment::PaymentRefusal,
    periods::PeriodsRefusal,
    posting::PostingRefusal,
    refund::RefundRefusal,
    refusal::{Listed, Rule},
    remittance::RemittanceRefusal,
    risk_rules::RiskRulesRefusal,
    saga::SagaRefusal,
    settled_funds::SettledFundsRefusal,
    settlement::SettlementRefusal,
};

/// One list of refusals: whose it is, and its rules, the one that wins first.
#[derive(Clone, Debug)]
pub struct Chapter {
    pub name: &'static str,
    pub rules: Vec<&'static Rule>,
}

/// All there is: first what is refused of single values, then aggregate by aggregate.
#[must_use]
pub fn chapters() -> Vec<Chapter> {
    vec![
        chapter::<IdRefusal>("id"),
        chapter::<CurrencyRefusal>("currency"),
        chapter::<ChannelRefusal>("channel"),
        chapter::<CountryRefusal>("country"),
        chapter::<NetworkRefusal>("network"),
        chapter::<TextRefusal>("text"),
        chapter::<MoneyRefusal>("money"),
        chapter::<MonthRefusal>("month"),
        chapter::<AccountRefusal>("account"),
        chapter::<PostingRefusal>("posting"),
        chapter::<FeeRefusal>("fee"),
        chapter::<ScheduleRefusal>("schedule"),
        chapter::<MerchantRefusal>("merchant"),
        chapter::<OrderRefusal>("order"),
        chapter::<PaymentRefusal>("payment"),
        chapter::<RefundRefusal>("refund"),
        chapter::<SettlementRefusal>("settlement"),
        chapter::<SettledFundsRefusal>("settled_funds"),
        chapter::<RemittanceRefusal>("remittance"),
        chapter::<AdjustmentRefusal>("adjustment"),
        chapter::<OperatorRefusal>("operator"),
        chapter::<SagaRefusal>("saga"),
        chapter::<RiskRulesRefusal>("risk_rules"),
        chapter::<PeriodsRefusal>("periods"),
        chapter::<OldNameRefusal>("old_name"),
    ]
}

fn chapter<R: Listed>(name: &'static str) -> Chapter {
    Chapter { name, rules: R::ALL.iter().map(Listed::rule).collect() }
}
