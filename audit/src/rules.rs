//! Why a question about proofs is answered with no: codes, statuses, sentences.

use domain::refusal::Rule;

pub(crate) const EVENT_ABSENT: &Rule =
    &Rule {
        code: "event_absent", http_status: 404, english: "There is no such event.", chinese: "该事件不存在。"
    };
pub(crate) const ENTRY_ABSENT: &Rule = &Rule {
    code: "entry_absent",
    http_status: 404,
    english: "There is no such journal entry.",
    chinese: "该分录不存在。",
};
pub(crate) const STREAM_ABSENT: &Rule = &Rule {
    code: "stream_absent",
    http_status: 404,
    english: "There was no such stream by then.",
    chinese: "截至该时点不存在该事件流。",
};
pub(crate) const STREAM_TOO_LONG: &Rule = &Rule {
    code: "stream_too_long",
    http_status: 422,
    english: "The stream has too many events to be folded for one answer.",
    chinese: "该事件流的事件过多，无法在一次查询中折叠。",
};
pub(crate) const CHECKPOINT_ABSENT: &Rule = &Rule {
    code: "checkpoint_absent",
    http_status: 404,
    english: "No checkpoint of this size was signed.",
    chinese: "没有签署过该大小的检查点。",
};
pub(crate) const NOT_SIGNED: &Rule = &Rule {
    code: "not_signed_yet",
    http_status: 503,
    english: "It is in the log, and in no signed checkpoint yet; ask again shortly.",
    chinese: "已记入日志，但尚未包含在已签署的检查点中，请稍后重试。",
};
pub(crate) const TOO_MANY: &Rule = &Rule {
    code: "receipt_too_long",
    http_status: 422,
    english: "The payment has too many events for one receipt.",
    chinese: "该支付的事件过多，无法放入一份回执。",
};
