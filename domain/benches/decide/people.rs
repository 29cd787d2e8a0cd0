//! Decisions of merchants and of operators.

use domain::{
    actor::Actor,
    calendar::Schedule,
    channel::Channel,
    currency::Currency,
    fee::FeePlan,
    free_text::{FreeText, TextRefusal},
    id::{ApiKeyId, OperatorId, TokenId, WebhookEndpointId},
    merchant::{self, MerchantCommand},
    operator::{self, OperatorCommand},
    sealed::Sealed,
};

use crate::{Cases, at, number, one_after_the_other, why};

pub(crate) fn merchant() -> Result<Cases<MerchantCommand>, TextRefusal> {
    let key = |id, livemode| merchant::event::KeyIssued {
        key_id: ApiKeyId::new(number(id)),
        livemode,
        hash: "a1".into(),
        generation: 1,
    };
    let profile = merchant::event::Profile {
        name: FreeText::parse("Tea House")?,
        contact_name: None,
        email: Sealed::new("c".into(), None),
        phone: None,
    };
    let register = MerchantCommand::Register(Box::new(merchant::event::Registered {
        merchant_id: crate::merchant(),
        profile: profile.clone(),
        keys: [key(1, false), key(2, true)],
        by: Actor::Process,
    }));
    let agree = MerchantCommand::AgreeFees {
        channel: Channel::Stripe,
        currency: Currency::USD,
        plan: FeePlan::FREE,
        by: Actor::Process,
    };
    let (by, currency, channel) = (Actor::Process, Currency::USD, Channel::Stripe);
    let revised = merchant::event::Profile { name: FreeText::parse("Coffee House")?, ..profile };
    let limits = merchant::event::Limits { per_payment_minor: Some(1_000_000), ..Default::default() };
    let thresholds = [(currency, 1_000)].into();
    let schedule = Schedule { delay_business_days: 2, time_zone: "Asia/Shanghai".into(), thresholds, two_people: true };
    let issue = Box::new(merchant::event::KeyIssued { generation: 2, ..key(3, true) });
    let (endpoint_id, url) = (WebhookEndpointId::new(number(1)), "https://example.com/hook".to_owned());
    let suspend = MerchantCommand::Suspend { by, reason: why()? };
    let rotate = MerchantCommand::RotateEndpointSecret { endpoint_id, generation: 2, old_valid_until: at(), by };
    Ok(one_after_the_other(
        &[],
        vec![
            ("register", register),
            ("activate", MerchantCommand::Activate { by }),
            ("revise the profile", MerchantCommand::ReviseProfile { profile: Box::new(revised), by }),
            ("agree fees", agree),
            ("agree limits", MerchantCommand::AgreeLimits { currency, limits, by }),
            ("agree a schedule", MerchantCommand::AgreeSchedule { schedule, by }),
            ("allow a channel", MerchantCommand::AllowChannel { channel, by }),
            ("withdraw a channel", MerchantCommand::WithdrawChannel { channel, by }),
            ("allow a currency", MerchantCommand::AllowCurrency { currency, by }),
            ("withdraw a currency", MerchantCommand::WithdrawCurrency { currency, by }),
            ("rotate a key", MerchantCommand::RotateKey { issue, old_valid_until: at(), by }),
            ("revoke a key", MerchantCommand::RevokeKey { key_id: ApiKeyId::new(number(1)), by }),
            ("add an endpoint", MerchantCommand::AddEndpoint { endpoint_id, livemode: true, url, by }),
            ("rotate its secret", rotate),
            ("remove it", MerchantCommand::RemoveEndpoint { endpoint_id, by }),
            ("suspend", suspend),
            ("close", MerchantCommand::Close { by, reason: why()? }),
        ],
    ))
}

pub(crate) fn operator() -> Result<Cases<OperatorCommand>, TextRefusal> {
    let enrol = OperatorCommand::Enrol(Box::new(operator::event::Enrolled {
        operator_id: OperatorId::new(number(1)),
        name: Sealed::new("c".into(), None),
        email: Sealed::new("c".into(), None),
        roles: [operator::event::Role::Operator].into(),
        by: None,
    }));
    let dismiss = OperatorCommand::Dismiss { by: OperatorId::new(number(2)), reason: FreeText::parse("left")? };
    let (by, role, token_id) = (OperatorId::new(number(2)), operator::event::Role::Auditor, TokenId::new(number(1)));
    let token = operator::event::TokenIssued { token_id, hash: "a1".into(), expires_at: at(), by };
    let (deed, on) = (FreeText::parse("looked")?, operator::subject::Subject::Log);
    let deed = operator::event::Deed { deed_id: number(1), deed, on, reason: None };
    Ok(one_after_the_other(
        &[],
        vec![
            ("enrol", enrol),
            ("grant a role", OperatorCommand::GrantRole { role, by }),
            ("withdraw a role", OperatorCommand::WithdrawRole { role, by }),
            ("issue a token", OperatorCommand::IssueToken(Box::new(token))),
            ("record a deed", OperatorCommand::RecordDeed(Box::new(deed))),
            ("revoke a token", OperatorCommand::RevokeToken { token_id, by }),
            ("dismiss", dismiss),
        ],
    ))
}
