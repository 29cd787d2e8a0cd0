//! Merchants: two keys from birth, standing, agreements, and the terms that follow.

use uuid::Uuid;

use super::*;
use crate::{
    fee::FeeOnRefund,
    id::{MerchantId, OperatorId},
    money::BasisPoints,
    scenario::Story,
    sealed::Sealed,
};

type Told = Story<Merchant>;

const BY: Actor = Actor::Process;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600 + seconds, 0).unwrap()
}

fn text(text: &str) -> FreeText {
    FreeText::parse(text).unwrap()
}

fn key_no(number: u128) -> ApiKeyId {
    ApiKeyId::new(Uuid::from_u128(number))
}

fn key(number: u128, livemode: bool, generation: u32) -> KeyIssued {
    KeyIssued { key_id: key_no(number), livemode, hash: format!("hash-{number}"), generation }
}

fn profile(name: &str, ciphertext: &str, index: &str) -> Profile {
    Profile {
        name: text(name),
        contact_name: Some(Sealed::new(ciphertext.into(), Some(format!("n-{index}")))),
        email: Sealed::new(ciphertext.into(), Some(format!("e-{index}"))),
        phone: Some(Sealed::new(ciphertext.into(), Some(format!("p-{index}")))),
    }
}

fn registration() -> Registered {
    Registered {
        merchant_id: MerchantId::new(Uuid::from_u128(1)),
        profile: profile("Tea House", "c1", "i1"),
        keys: [key(1, false, 1), key(2, true, 1)],
        by: Actor::Operator(OperatorId::new(Uuid::from_u128(9))),
    }
}

fn register(registration: Registered) -> MerchantCommand {
    MerchantCommand::Register(Box::new(registration))
}

fn activate() -> MerchantCommand {
    MerchantCommand::Activate { by: BY }
}

fn suspend() -> MerchantCommand {
    MerchantCommand::Suspend { by: BY, reason: text("chargebacks") }
}

fn close() -> MerchantCommand {
    MerchantCommand::Close { by: BY, reason: text("moved on") }
}

fn rotate(issue: KeyIssued) -> MerchantCommand {
    MerchantCommand::RotateKey { issue: Box::new(issue), old_valid_until: at(60), by: BY }
}

fn revoke(number: u128) -> MerchantCommand {
    MerchantCommand::RevokeKey { key_id: key_no(number), by: BY }
}

fn plan() -> FeePlan {
    FeePlan {
        rate: BasisPoints::new(290).unwrap(),
        fixed_minor: 30,
        minimum_minor: 10,
        maximum_minor: Some(5_000),
        on_refund: FeeOnRefund::Kept,
    }
}

fn agree_fees(plan: FeePlan) -> MerchantCommand {
    MerchantCommand::AgreeFees { channel: Channel::Stripe, currency: Currency::USD, plan, by: BY }
}

fn agree_limits(per_payment_minor: i64) -> MerchantCommand {
    let limits = Limits { per_payment_minor: Some(per_payment_minor), ..Limits::default() };
    MerchantCommand::AgreeLimits { currency: Currency::USD, limits, by: BY }
}

fn schedule(time_zone: &str, threshold_minor: i64) -> MerchantCommand {
    let thresholds = BTreeMap::from([(Currency::USD, threshold_minor)]);
    let schedule = Schedule { delay_business_days: 1, time_zone: time_zone.to_owned(), thresholds, two_people: true };
    MerchantCommand::AgreeSchedule { schedule, by: BY }
}

fn endpoint_no(number: u128) -> WebhookEndpointId {
    WebhookEndpointId::new(Uuid::from_u128(number))
}

fn add_endpoint(number: u128, url: &str) -> MerchantCommand {
    MerchantCommand::AddEndpoint { endpoint_id: endpoint_no(number), livemode: true, url: url.into(), by: BY }
}

fn rotate_endpoint(number: u128, generation: u32) -> MerchantCommand {
    let (endpoint_id, old_valid_until) = (endpoint_no(number), at(60));
    MerchantCommand::RotateEndpointSecret { endpoint_id, generation, old_valid_until, by: BY }
}

fn remove_endpoint(number: u128) -> MerchantCommand {
    MerchantCommand::RemoveEndpoint { endpoint_id: endpoint_no(number), by: BY }
}

fn toggles() -> [(MerchantCommand, &'static str, MerchantCommand, &'static str); 2] {
    let (channel, currency) = (Channel::Stripe, Currency::USD);
    [
        (
            MerchantCommand::AllowChannel { channel, by: BY },
            "channel_allowed",
            MerchantCommand::WithdrawChannel { channel, by: BY },
            "channel_withdrawn",
        ),
        (
            MerchantCommand::AllowCurrency { currency, by: BY },
            "currency_allowed",
            MerchantCommand::WithdrawCurrency { currency, by: BY },
            "currency_withdrawn",
        ),
    ]
}

fn registered() -> Told {
    Story::untold().given(&register(registration()))
}

fn terms(told: &Told, livemode: bool) -> Terms {
    told.state.terms(livemode, Channel::Stripe, Currency::USD)
}

#[test]
fn a_merchant_is_registered_once_with_a_key_of_each_mode() {
    registered().when(&register(Registered { by: BY, ..registration() })).then_nothing();
    let otherwise = Registered { keys: [key(3, false, 1), key(2, true, 1)], ..registration() };
    registered().when(&register(otherwise)).then_refused(MerchantRefusal::MerchantDiffers);
    let other = Registered { merchant_id: MerchantId::new(Uuid::from_u128(7)), ..registration() };
    registered().when(&register(other)).then_refused(MerchantRefusal::MerchantDiffers);
    for keys in [
        [key(1, true, 1), key(2, false, 1)],
        [key(1, false, 1), key(2, false, 1)],
        [key(1, false, 2), key(2, true, 1)],
        [key(1, false, 1), key(1, true, 1)],
    ] {
        let wrong = Registered { keys, ..registration() };
        Told::untold().when(&register(wrong)).then_refused(MerchantRefusal::ApiKeysMalformed);
    }
}

#[test]
fn a_profile_is_revised_when_something_in_it_is_new() {
    let revise = |name: &str, ciphertext: &str, index: &str| {
        let profile = Box::new(profile(name, ciphertext, index));
        registered().when(&MerchantCommand::ReviseProfile { profile, by: BY })
    };
    revise("Tea House", "c1", "i1").then_nothing();
    // The same values sealed anew cannot be told from others: nothing of them is lost.
    revise("Tea House", "sealed anew", "i1").then(&["profile_revised"]);
    revise("Coffee House", "c1", "i1").then(&["profile_revised"]);
    revise("Tea House", "c1", "i2").then(&["profile_revised"]);
    let change = |change: fn(&mut Profile)| {
        let mut profile = registration().profile;
        change(&mut profile);
        registered().when(&MerchantCommand::ReviseProfile { profile: Box::new(profile), by: BY })
    };
    change(|profile| profile.phone = None).then(&["profile_revised"]);
    // Another number of the same person stands on the same index.
    let moved = change(|profile| profile.phone = Some(Sealed::new("c2".into(), Some("p-i1".into()))));
    let [MerchantEvent::ProfileRevised { profile, .. }] = moved.events() else { unreachable!() };
    assert_eq!(profile.phone.as_ref().map(Sealed::ciphertext), Some("c2"));
    change(|profile| profile.contact_name = None).then(&["profile_revised"]);
    change(|profile| profile.email = Sealed::new("c1".into(), None)).then(&["profile_revised"]);
}

#[test]
fn standing_goes_from_registered_to_active_and_back_and_ends_closed() {
    assert_eq!(registered().state.standing(), Standing::Registered);
    let active = registered().when(&activate()).then(&["activated"]);
    assert_eq!(active.state.standing(), Standing::Active);
    let suspended = active.when(&suspend()).then(&["suspended"]);
    assert_eq!(suspended.state.standing(), Standing::Suspended);
    suspended.clone().when(&activate()).then(&["activated"]);
    let closed = suspended.when(&close()).then(&["closed"]);
    assert_eq!(closed.state.standing(), Standing::Closed);
}

#[test]
fn nothing_is_agreed_with_a_closed_account() {
    let closed = registered().given(&add_endpoint(1, "https://a.example")).given(&close());
    let profile = Box::new(profile("x", "x", "x"));
    let [(allow, _, withdraw, _), (allow_currency, _, withdraw_currency, _)] = toggles();
    let commands = [
        MerchantCommand::ReviseProfile { profile, by: BY },
        activate(),
        suspend(),
        rotate(key(3, true, 2)),
        agree_fees(plan()),
        agree_limits(1),
        schedule("Europe/London", 0),
        allow,
        withdraw,
        allow_currency,
        withdraw_currency,
        add_endpoint(2, "https://b.example"),
        rotate_endpoint(1, 2),
    ];
    for command in commands {
        closed.clone().when(&command).then_refused(MerchantRefusal::MerchantClosed);
    }
    closed.clone().when(&revoke(1)).then(&["api_key_revoked"]);
    // A key from elsewhere opens nothing: the door turns away whoever is closed.
    closed.clone().when(&take_over(7, true)).then(&["api_key_taken_over"]);
    closed.when(&remove_endpoint(1)).then(&["endpoint_removed"]);
}

#[test]
fn a_key_is_rotated_with_an_overlap() {
    let valid = |told: &Told, number, seconds| told.state.valid_key(key_no(number), at(seconds)).is_some();
    let told = registered().when(&rotate(key(3, true, 2))).then(&["api_key_rotated"]);
    assert!(valid(&told, 2, 59) && !valid(&told, 2, 60) && valid(&told, 3, 1_000) && valid(&told, 1, 1_000));
    told.clone()
        .when(&rotate(KeyIssued { hash: "x".into(), ..key(3, true, 2) }))
        .then_refused(MerchantRefusal::ApiKeyDiffers);
    told.clone().when(&rotate(key(4, true, 2))).then_refused(MerchantRefusal::ApiKeyOutOfOrder);
    told.clone().when(&rotate(key(4, true, 4))).then_refused(MerchantRefusal::ApiKeyOutOfOrder);
    // Rotating again with a longer overlap keeps no older key alive for longer.
    let later = MerchantCommand::RotateKey { issue: Box::new(key(4, true, 3)), old_valid_until: at(900), by: BY };
    let again = told.when(&later).then(&["api_key_rotated"]);
    assert!(!valid(&again, 2, 60) && valid(&again, 3, 899) && !valid(&again, 3, 900));
    assert_eq!(again.state.keys().count(), 4);
    // A repeat of the first is one still, though its key has an end by now.
    again.when(&rotate(key(3, true, 2))).then_nothing();
}

fn take_over(number: u128, livemode: bool) -> MerchantCommand {
    let KeyIssued { key_id, hash, .. } = key(number, livemode, 1);
    MerchantCommand::TakeOverKey { key_id, livemode, hash, by: BY }
}

#[test]
fn a_key_taken_over_opens_beside_the_others() {
    let valid = |told: &Told, number| told.state.valid_key(key_no(number), at(1_000)).is_some();
    let told = registered().when(&take_over(7, true)).then(&["api_key_taken_over"]);
    assert!(valid(&told, 2) && valid(&told, 7) && valid(&told, 1));
    assert!(told.state.keys().all(|(id, key)| key.is_taken_over == (id == key_no(7))));
    told.clone().when(&take_over(7, false)).then_refused(MerchantRefusal::ApiKeyDiffers);
    told.clone().when(&take_over(2, true)).then_refused(MerchantRefusal::ApiKeyDiffers);
    // Another of the same mode, as merchants had them there; then one of ours, as any merchant gets one.
    let more = told.when(&take_over(8, true)).then(&["api_key_taken_over"]);
    assert!(valid(&more, 7) && valid(&more, 8));
    let rotated = more.when(&rotate(key(9, true, 4))).then(&["api_key_rotated"]);
    assert!(!valid(&rotated, 7) && !valid(&rotated, 8) && valid(&rotated, 9));
    rotated.when(&revoke(7)).then(&["api_key_revoked"]);
}

#[test]
fn a_key_is_revoked_at_once() {
    let told = registered().when(&revoke(2)).then(&["api_key_revoked"]);
    assert!(told.state.valid_key(key_no(2), at(0)).is_none());
    assert!(told.state.keys().any(|(id, key)| id == key_no(2) && key.revoked));
    told.clone().when(&rotate(key(2, true, 1))).then_nothing();
    told.when(&revoke(7)).then_refused(MerchantRefusal::ApiKeyUnknown);
}

#[test]
fn fees_are_agreed_within_reason() {
    registered().when(&agree_fees(plan())).then(&["fees_agreed"]);
    registered().when(&agree_fees(FeePlan { fixed_minor: -1, ..plan() })).then_refused(MerchantRefusal::FeeNegative);
    registered()
        .when(&agree_fees(FeePlan { minimum_minor: 5_001, ..plan() }))
        .then_refused(MerchantRefusal::FeeBoundsCrossed);
}

#[test]
fn limits_are_agreed_within_reason() {
    let told = registered().when(&agree_limits(500)).then(&["limits_agreed"]);
    assert_eq!(told.state.limits(Currency::USD).per_payment_minor, Some(500));
    assert_eq!(told.state.limits(Currency::EUR), Limits::default());
    registered().when(&agree_limits(-1)).then_refused(MerchantRefusal::LimitNegative);
    let daily = Limits { per_day_minor: Some(-1), ..Limits::default() };
    let monthly = Limits { per_month_minor: Some(-1), ..Limits::default() };
    for limits in [daily, monthly] {
        let command = MerchantCommand::AgreeLimits { currency: Currency::USD, limits, by: BY };
        registered().when(&command).then_refused(MerchantRefusal::LimitNegative);
    }
    registered().when(&agree_limits(0)).then(&["limits_agreed"]);
}

#[test]
fn a_schedule_is_agreed() {
    let told = registered().when(&schedule("Asia/Shanghai", 100)).then(&["schedule_agreed"]);
    assert_eq!(told.state.schedule().map(|schedule| schedule.threshold_minor(Currency::USD)), Some(100));
    registered().when(&schedule("Mars/Olympus", 0)).then_refused(MerchantRefusal::TimeZoneUnknown);
    registered().when(&schedule("Europe/London", -1)).then_refused(MerchantRefusal::ThresholdNegative);
}

#[test]
fn channels_and_currencies_are_allowed_and_withdrawn() {
    for (allow, allowed, withdraw, withdrawn) in toggles() {
        registered().when(&withdraw).then_nothing();
        let told = registered().when(&allow).then(&[allowed]);
        told.when(&withdraw).then(&[withdrawn]).when(&allow).then(&[allowed]);
    }
}

#[test]
fn endpoints_are_added_turned_and_removed() {
    let told = registered().when(&add_endpoint(1, "https://a.example/hook")).then(&["endpoint_added"]);
    told.clone().when(&add_endpoint(1, "https://b.example")).then_refused(MerchantRefusal::EndpointDiffers);
    let endpoint = |told: &Told| told.state.endpoints().next().map(|(_, endpoint)| endpoint.clone()).unwrap();
    assert_eq!((endpoint(&told).generation, endpoint(&told).old_valid_until), (1, None));
    let turned = told.clone().when(&rotate_endpoint(1, 2)).then(&["endpoint_secret_rotated"]);
    assert_eq!((endpoint(&turned).generation, endpoint(&turned).old_valid_until), (2, Some(at(60))));
    turned.clone().when(&rotate_endpoint(1, 4)).then_refused(MerchantRefusal::EndpointSecretOutOfOrder);
    turned.when(&rotate_endpoint(2, 2)).then_refused(MerchantRefusal::EndpointUnknown);
    let removed = told.when(&remove_endpoint(1)).then(&["endpoint_removed"]);
    removed.clone().when(&rotate_endpoint(1, 2)).then_refused(MerchantRefusal::EndpointUnknown);
    let again = add_endpoint(1, "https://a.example/hook");
    removed.clone().when(&again).then_refused(MerchantRefusal::EndpointRemoved);
    removed.when(&add_endpoint(2, "https://a.example/hook")).then(&["endpoint_added"]);
    registered().when(&remove_endpoint(1)).then_nothing();
}

#[test]
fn endpoints_are_secure_and_few() {
    registered().when(&add_endpoint(1, "http://a.example")).then_refused(MerchantRefusal::EndpointNotSecure);
    let full = (1..=16).fold(registered(), |told, n| told.given(&add_endpoint(n, "https://a.example")));
    full.when(&add_endpoint(17, "https://a.example")).then_refused(MerchantRefusal::EndpointsTooMany);
}

#[test]
fn terms_are_what_is_agreed_at_this_moment() {
    let nothing = terms(&registered(), true);
    assert_eq!((nothing.merchant_active, nothing.channel_allowed, nothing.currency_allowed), (false, false, false));
    assert_eq!((nothing.payment_limit_minor, nothing.fee_plan), (None, None));
    let [(channel, ..), (currency, ..)] = toggles();
    let agreed = registered()
        .given(&activate())
        .given(&channel)
        .given(&currency)
        .given(&agree_fees(plan()))
        .given(&agree_limits(500));
    let seen = terms(&agreed, true);
    assert_eq!((seen.merchant_active, seen.channel_allowed, seen.currency_allowed), (true, true, true));
    assert_eq!((seen.payment_limit_minor, seen.fee_plan), (Some(500), Some(plan())));
    let other = agreed.state.terms(true, Channel::Paypal, Currency::EUR);
    assert_eq!((other.channel_allowed, other.currency_allowed), (false, false));
    assert_eq!((other.payment_limit_minor, other.fee_plan), (None, None));
}

#[test]
fn test_mode_asks_for_no_activation_only_for_an_open_account() {
    let active = |told: &Told| (terms(told, false).merchant_active, terms(told, true).merchant_active);
    assert_eq!(active(&Told::untold()), (false, false));
    assert_eq!(active(&registered()), (true, false));
    assert_eq!(active(&registered().given(&activate())), (true, true));
    assert_eq!(active(&registered().given(&suspend())), (false, false));
    assert_eq!(active(&registered().given(&close())), (false, false));
}

#[test]
fn without_a_merchant_everything_but_registering_is_refused() {
    let profile = Box::new(profile("x", "x", "x"));
    let [(allow, ..), (_, _, withdraw, _)] = toggles();
    let commands = [
        MerchantCommand::ReviseProfile { profile, by: BY },
        activate(),
        suspend(),
        close(),
        rotate(key(3, true, 2)),
        take_over(7, true),
        revoke(1),
        agree_fees(plan()),
        agree_limits(1),
        schedule("Europe/London", 0),
        allow,
        withdraw,
        add_endpoint(1, "https://a.example"),
        rotate_endpoint(1, 2),
        remove_endpoint(1),
    ];
    for command in commands {
        Told::untold().when(&command).then_refused(MerchantRefusal::MerchantAbsent);
    }
}
