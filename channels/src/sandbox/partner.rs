//! The sandbox as a partner: our requests in its words, its answers in ours.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{channel::Channel as Name, money::Money};
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Bytes,
    header::{CONTENT_TYPE, HeaderValue},
};

use crate::{
    channel::{Channel, Said},
    exponents::Exponents,
    outcome::{Authorised, Captured, Done, NotSent, Outcome, PaidOut, Reason, Refunded, Status, Unknown, Voided},
    remittance::{AskRemittance, Remitted},
    report::{Secret, Told, Unverifiable},
    request::{Ask, Authorise, Capture, Kind, PayOut, Refund, Void},
    sandbox::{
        protocol::{Answer, KEY_HEADER, Order, State, path},
        signature,
    },
    wire::{Silence, Wire, not_understood},
};

mod reading;

/// The sandbox in the part of one channel: under its name, counting as it counts.
pub struct Sandbox {
    name: Name,
    exponents: Exponents,
    url: String,
    absent_after: Duration,
    wire: Wire,
}

impl Sandbox {
    /// `url` is where it serves, without a path; it must have found by `absent_after` what it has at all.
    #[must_use]
    pub fn new(name: Name, exponents: Exponents, url: &str, absent_after: Duration) -> Self {
        let url = format!("{}/{name}", url.trim_end_matches('/'));
        Self { name, exponents, url, absent_after, wire: Wire::new() }
    }

    async fn post(&self, kind: Kind, key: &str, traceparent: Option<&str>, order: &Order) -> Result<Answer, Silence> {
        let body = serde_json::to_vec(order).map_err(|error| not_understood(error.to_string()))?;
        let url = format!("{}/{}", self.url, path(kind));
        let answer = self.wire.send(request(Method::POST, url, key, traceparent, body)?).await?;
        reading::answer(answer.status, &answer.body)
    }

    async fn get(&self, ask: &Ask) -> Result<Option<Answer>, Silence> {
        let url = format!("{}/{}", self.url, path(ask.kind));
        let request = request(Method::GET, url, &ask.key, ask.traceparent.as_deref(), Vec::new())?;
        let answer = self.wire.send(request).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return reading::not_found(&answer.body).map(|()| None);
        }
        reading::answer(answer.status, &answer.body).map(Some)
    }

    fn money(&self, amount_minor: Option<i64>, answer: &Answer) -> Result<Money, Silence> {
        let converted = amount_minor.zip(answer.currency.as_deref());
        converted
            .and_then(|(amount, currency)| self.exponents.from_partner(amount, currency))
            .ok_or_else(|| not_understood("an amount that is none of ours".to_owned()))
    }

    fn authorised(&self, answer: &Answer) -> Result<Authorised, Silence> {
        let (channel_trade_no, effective_at) = (number(answer)?, answer.at);
        let captured = match answer.captured_minor {
            Some(_) => {
                let amount = self.money(answer.captured_minor, answer)?;
                Some(Captured { channel_trade_no: channel_trade_no.clone(), amount, effective_at })
            }
            None => None,
        };
        Ok(Authorised { channel_trade_no, amount: self.money(answer.amount_minor, answer)?, captured, effective_at })
    }

    fn captured(&self, answer: &Answer) -> Result<Captured, Silence> {
        let amount = self.money(answer.captured_minor, answer)?;
        Ok(Captured { channel_trade_no: number(answer)?, amount, effective_at: answer.at })
    }

    fn refunded(&self, answer: &Answer) -> Result<Refunded, Silence> {
        let amount = self.money(answer.amount_minor, answer)?;
        Ok(Refunded { channel_refund_no: number(answer)?, amount, effective_at: answer.at })
    }

    fn paid_out(&self, answer: &Answer) -> Result<PaidOut, Silence> {
        let amount = self.money(answer.amount_minor, answer)?;
        Ok(PaidOut { channel_payout_no: number(answer)?, amount, effective_at: answer.at })
    }

    fn done(&self, kind: Kind, answer: &Answer) -> Result<Done, Silence> {
        match kind {
            Kind::Authorise => self.authorised(answer).map(Done::Authorised),
            Kind::Capture => self.captured(answer).map(Done::Captured),
            Kind::Void => voided(answer).map(Done::Voided),
            Kind::Refund => self.refunded(answer).map(Done::Refunded),
            Kind::PayOut => self.paid_out(answer).map(Done::PaidOut),
        }
    }

    fn order(&self, amount: Money) -> Result<Order, NotSent> {
        let amount_minor = Some(self.exponents.to_partner(amount)?);
        Ok(Order { amount_minor, currency: Some(amount.currency.code().to_owned()), ..Order::default() })
    }
}

impl Channel for Sandbox {
    fn name(&self) -> Name {
        self.name
    }

    fn partner(&self) -> Option<&'static str> {
        Some("sandbox")
    }

    fn authorise<'c>(&'c self, request: &'c Authorise) -> Said<'c, Outcome<Authorised>> {
        Box::pin(async move {
            let order = Order {
                payment_id: Some(request.payment_id),
                attempt: Some(request.attempt),
                capture_id: request.capture,
                method: request.method.clone(),
                ..self.order(request.amount)?
            };
            let said = self.post(Kind::Authorise, &request.key, request.traceparent.as_deref(), &order).await;
            outcome(said, |answer| {
                let authorised = self.authorised(answer)?;
                let asked = authorised.captured.is_some() == request.capture.is_some();
                if asked { Ok(authorised) } else { Err(not_understood("another capture than was asked".to_owned())) }
            })
        })
    }

    fn capture<'c>(&'c self, request: &'c Capture) -> Said<'c, Outcome<Captured>> {
        Box::pin(async move {
            let order = Order {
                payment_id: Some(request.payment_id),
                attempt: Some(request.attempt),
                capture_id: Some(request.capture_id),
                trade_no: request.channel_trade_no.clone(),
                ..self.order(request.amount)?
            };
            let said = self.post(Kind::Capture, &request.key, request.traceparent.as_deref(), &order).await;
            outcome(said, |answer| self.captured(answer))
        })
    }

    fn void<'c>(&'c self, request: &'c Void) -> Said<'c, Outcome<Voided>> {
        Box::pin(async move {
            let order = Order {
                payment_id: Some(request.payment_id),
                attempt: Some(request.attempt),
                trade_no: request.channel_trade_no.clone(),
                ..Order::default()
            };
            let said = self.post(Kind::Void, &request.key, request.traceparent.as_deref(), &order).await;
            outcome(said, voided)
        })
    }

    fn refund<'c>(&'c self, request: &'c Refund) -> Said<'c, Outcome<Refunded>> {
        Box::pin(async move {
            let order = Order {
                payment_id: Some(request.payment_id),
                attempt: Some(request.attempt),
                refund_id: Some(request.refund_id),
                trade_no: request.channel_trade_no.clone(),
                ..self.order(request.amount)?
            };
            let said = self.post(Kind::Refund, &request.key, request.traceparent.as_deref(), &order).await;
            outcome(said, |answer| self.refunded(answer))
        })
    }

    fn pay_out<'c>(&'c self, request: &'c PayOut) -> Said<'c, Outcome<PaidOut>> {
        Box::pin(async move {
            let order = Order {
                payout_id: Some(request.payout_id),
                merchant_id: Some(request.merchant_id),
                ..self.order(request.amount)?
            };
            let said = self.post(Kind::PayOut, &request.key, request.traceparent.as_deref(), &order).await;
            outcome(said, |answer| self.paid_out(answer))
        })
    }

    fn status<'c>(&'c self, request: &'c Ask) -> Said<'c, Status> {
        Box::pin(async move {
            let said = match self.get(request).await {
                Ok(None) => return Ok(Status::NotFound),
                Ok(Some(answer)) => Ok(answer),
                Err(silence) => Err(silence),
            };
            outcome(said, |answer| self.done(request.kind, answer)).map(Status::Found)
        })
    }

    fn remittance<'c>(&'c self, asked: &'c AskRemittance) -> Said<'c, Remitted> {
        Box::pin(async move {
            let AskRemittance { date, after } = asked;
            let url = format!("{}/remittances?date={date}&after={after}", self.url);
            let said = async {
                let request = request(Method::GET, url, &format!("remittance-{date}"), None, Vec::new())?;
                let answer = self.wire.send(request).await?;
                reading::remitted(self.name, self.exponents, answer.status, &answer.body)
            };
            match said.await {
                Ok(remitted) => Ok(remitted),
                Err(Silence::Unknown(why)) => Ok(Remitted::Unknown(why)),
                Err(Silence::NotSent(not_sent)) => Err(not_sent),
            }
        })
    }

    fn absent_after(&self) -> Duration {
        self.absent_after
    }

    fn parse_report(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        secrets: &[Secret],
        now: DateTime<Utc>,
    ) -> Result<Vec<Told>, Unverifiable> {
        let mut signatures = headers.get_all(signature::HEADER).iter();
        let header = signatures.next().and_then(|value| value.to_str().ok()).filter(|_| signatures.next().is_none());
        let verified = signature::verify(header, body, secrets, now);
        reading::report(self.name, self.exponents, body, verified)
    }
}

fn request(
    method: Method,
    url: String,
    key: &str,
    traceparent: Option<&str>,
    body: Vec<u8>,
) -> Result<Request<Full<Bytes>>, Silence> {
    let no_key = || Silence::NotSent(NotSent::never(Reason::KeyNotExpressible));
    let key = HeaderValue::from_str(key).ok().filter(|key| !key.is_empty()).ok_or_else(no_key)?;
    let mut request = Request::builder().method(method).uri(url).header(KEY_HEADER, key);
    if !body.is_empty() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    if let Some(trace) = traceparent.and_then(|text| HeaderValue::from_str(text).ok()) {
        request = request.header("traceparent", trace);
    }
    // An address that is no address: nothing can be sent there.
    let unreachable =
        |error: hyper::http::Error| Silence::NotSent(NotSent::never(Reason::Unreachable(error.to_string())));
    request.body(Full::new(Bytes::from(body))).map_err(unreachable)
}

fn outcome<T>(
    said: Result<Answer, Silence>,
    settled: impl FnOnce(&Answer) -> Result<T, Silence>,
) -> Result<Outcome<T>, NotSent> {
    match said.and_then(|answer| heard(&answer, settled)) {
        Ok(outcome) => Ok(outcome),
        Err(Silence::Unknown(why)) => Ok(Outcome::Unknown(why)),
        Err(Silence::NotSent(not_sent)) => Err(not_sent),
    }
}

fn heard<T>(answer: &Answer, settled: impl FnOnce(&Answer) -> Result<T, Silence>) -> Result<Outcome<T>, Silence> {
    match answer.state {
        State::Succeeded => settled(answer).map(Outcome::Settled),
        State::Declined => {
            let decline = answer.decline.ok_or_else(|| not_understood("declined, and not why".to_owned()))?;
            Ok(Outcome::Declined(decline))
        }
        State::Pending => Ok(Outcome::Unknown(Unknown::Pending)),
        State::RequiresAction => {
            let url = answer.url.clone().ok_or_else(|| not_understood("nowhere to send the customer".to_owned()))?;
            Ok(Outcome::Unknown(Unknown::CustomerMustAct { url }))
        }
        State::NotFound => Err(not_understood("not found, in answer to a request".to_owned())),
    }
}

fn voided(answer: &Answer) -> Result<Voided, Silence> {
    Ok(Voided { channel_trade_no: number(answer)?, effective_at: answer.at })
}

fn number(answer: &Answer) -> Result<String, Silence> {
    answer.no.clone().ok_or_else(|| not_understood("done, and no number of it".to_owned()))
}
