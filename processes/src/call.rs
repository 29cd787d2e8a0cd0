//! A question to a channel, and what was heard of it.

use channels::{
    Ask, Authorise, Capture, Done, Kind, NotSent, Outcome, Partners, PayOut, Refund, Status, Unknown, Void,
};
use domain::{channel::Channel, money::Money, payment::attempt::Decline};
use uuid::Uuid;

use crate::spans::Calling;

/// To whom, what, and how carefully.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) channel: Channel,
    pub(crate) livemode: bool,
    pub(crate) request: Request,
    pub(crate) care: Care,
}

/// The same key is the same request at the partner, however often it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// Nobody has sent it before.
    Send,
    /// It may have been sent: ask what became of it, and send it where the partner does not know it.
    AskThenSend,
    /// It has been sent often enough: only ask.
    Ask,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    Authorise(Authorise),
    Capture(Capture),
    Void(Void),
    Refund(Refund),
    PayOut(PayOut),
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    Settled(Done),
    Declined(Decline),
    Unknown(Unknown),
    /// This try did nothing at the partner.
    NotSent(NotSent),
    /// The partner does not know the request; evidence only when it was sent long enough ago.
    Absent,
}

/// Spans named here keep their name in every release.
const SPANS: Uuid = Uuid::from_u128(0x51f0_7ac3_9f1e_5b66_8a0d_27d9_40b3_6e1c);

impl Call {
    /// The partner is told whose trace it works under. Where that is kept, each call is a span of its own; where nobody
    /// collects, every try of a request is the same.
    pub(crate) fn under(mut self, trace: Option<&str>, calling: Option<&Calling>) -> Self {
        if let Some(traceparent) = calling.and_then(Calling::traceparent) {
            *self.request.traceparent() = Some(traceparent);
            return self;
        }
        let span = Uuid::new_v5(&SPANS, self.request.partner_key().as_bytes()).simple().to_string();
        let traceparent = trace.zip(span.get(..16)).map(|(trace, span)| format!("00-{trace}-{span}-01"));
        *self.request.traceparent() = traceparent;
        self
    }

    pub(crate) async fn make(&self, partners: &Partners) -> Heard {
        if self.care != Care::Send {
            let heard = self.ask(partners).await;
            if heard != Heard::Absent || self.care == Care::Ask {
                return heard;
            }
        }
        self.send(partners).await
    }

    async fn ask(&self, partners: &Partners) -> Heard {
        let (key, kind, traceparent) = self.request.key();
        let ask = Ask { key: key.to_owned(), kind, traceparent: traceparent.clone() };
        match partners.line(self.channel, self.livemode).status(&ask).await {
            Ok(Status::Found(outcome)) => Heard::of(Ok(outcome), |done| done),
            Ok(Status::NotFound) => Heard::Absent,
            Err(not_sent) => Heard::NotSent(not_sent),
        }
    }

    async fn send(&self, partners: &Partners) -> Heard {
        let line = partners.line(self.channel, self.livemode);
        match &self.request {
            Request::Authorise(request) => Heard::of(line.authorise(request).await, Done::Authorised),
            Request::Capture(request) => Heard::of(line.capture(request).await, Done::Captured),
            Request::Void(request) => Heard::of(line.void(request).await, Done::Voided),
            Request::Refund(request) => Heard::of(line.refund(request).await, Done::Refunded),
            Request::PayOut(request) => Heard::of(line.pay_out(request).await, Done::PaidOut),
        }
    }
}

impl Heard {
    fn of<T>(said: Result<Outcome<T>, NotSent>, done: impl FnOnce(T) -> Done) -> Self {
        match said {
            Ok(Outcome::Settled(settled)) => Self::Settled(done(settled)),
            Ok(Outcome::Declined(decline)) => Self::Declined(decline),
            Ok(Outcome::Unknown(why)) => Self::Unknown(why),
            Err(not_sent) => Self::NotSent(not_sent),
        }
    }
}

impl Request {
    fn key(&self) -> (&str, Kind, &Option<String>) {
        match self {
            Self::Authorise(request) => (&request.key, Kind::Authorise, &request.traceparent),
            Self::Capture(request) => (&request.key, Kind::Capture, &request.traceparent),
            Self::Void(request) => (&request.key, Kind::Void, &request.traceparent),
            Self::Refund(request) => (&request.key, Kind::Refund, &request.traceparent),
            Self::PayOut(request) => (&request.key, Kind::PayOut, &request.traceparent),
        }
    }

    const fn traceparent(&mut self) -> &mut Option<String> {
        match self {
            Self::Authorise(request) => &mut request.traceparent,
            Self::Capture(request) => &mut request.traceparent,
            Self::Void(request) => &mut request.traceparent,
            Self::Refund(request) => &mut request.traceparent,
            Self::PayOut(request) => &mut request.traceparent,
        }
    }

    pub(crate) fn partner_key(&self) -> &str {
        self.key().0
    }

    /// How the step is called that it is made in.
    pub(crate) const fn step(&self) -> &'static str {
        match self {
            Self::Authorise(_) => "ChannelPayment",
            Self::Capture(_) => "ChannelCapture",
            Self::Void(_) => "ChannelVoid",
            Self::Refund(_) => "ChannelRefund",
            Self::PayOut(_) => "ChannelPayout",
        }
    }

    /// The money it is about; a void lets go of whatever there is.
    pub(crate) const fn money(&self) -> Option<Money> {
        match self {
            Self::Authorise(request) => Some(request.amount),
            Self::Capture(request) => Some(request.amount),
            Self::Void(_) => None,
            Self::Refund(request) => Some(request.amount),
            Self::PayOut(request) => Some(request.amount),
        }
    }
}
