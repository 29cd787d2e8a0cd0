//! Why the door says no: each code with its status and sentence.

use domain::refusal::Rule;

macro_rules! rules {
    ($(#[$doc:meta])* $list:ident: $($name:ident = $code:literal, $status:literal, $english:literal, $chinese:literal;)+) => {
        $(pub const $name: &Rule = &Rule {
            code: $code, http_status: $status, english: $english, chinese: $chinese,
        };)+

        $(#[$doc])*
        pub const $list: &[&Rule] = &[$($name,)+];
    };
}

rules! {
    /// What any request may be told.
    ALL:
    ROUTE_UNKNOWN = "route_unknown", 404, "There is nothing at this address.", "该地址不存在。";
    METHOD_NOT_ALLOWED = "method_not_allowed", 405, "This address does not take this method.", "该地址不支持此方法。";
    CREDENTIALS_MISSING = "credentials_missing", 401,
        "Send X-API-Key and X-Signature, or Authorization: Bearer.", "请提供 X-API-Key 与 X-Signature，或 Authorization: Bearer。";
    CREDENTIALS_INVALID = "credentials_invalid", 401,
        "The credentials are unknown, expired or revoked.", "凭证不存在、已过期或已吊销。";
    SIGNATURE_MISSING = "signature_missing", 401, "The request is not signed: send X-Signature.", "请求未签名，请提供 X-Signature。";
    SIGNATURE_MALFORMED = "signature_malformed", 401,
        "X-Signature is not of the form t=<seconds>,v1=<hex>.", "X-Signature 的格式应为 t=<秒>,v1=<十六进制>。";
    SIGNATURE_EXPIRED = "signature_expired", 401,
        "The signature's time is more than 300 seconds from ours.", "签名时间与服务器时间相差超过 300 秒。";
    SIGNATURE_INVALID = "signature_invalid", 401, "The signature does not fit the request.", "签名与请求不符。";
    REPORT_UNVERIFIED = "report_unverified", 401,
        "The report is not signed by this channel, lately.", "该通知未经此渠道签名，或签名已过期。";
    SCOPE_MISSING = "scope_missing", 403, "These credentials may not do this.", "该凭证无权执行此操作。";
    ACCOUNT_CLOSED = "account_closed", 403, "The account is closed.", "该账户已关闭。";
    REQUEST_MALFORMED = "request_malformed", 400, "This is not HTTP as we read it.", "该请求不是我们能识别的 HTTP。";
    HEAD_TOO_LARGE = "head_too_large", 431, "The head of the request is too large.", "请求头过大。";
    HEAD_TOO_SLOW = "head_too_slow", 408, "The head of the request did not arrive in time.", "请求头未能及时送达。";
    BODY_TOO_LARGE = "body_too_large", 413, "The body is larger than this address takes.", "请求体超过该地址允许的大小。";
    BODY_TOO_SLOW = "body_too_slow", 408, "The body did not arrive in time.", "请求体未能及时送达。";
    BODY_BROKEN = "body_broken", 400, "The body broke off.", "请求体传输中断。";
    CONTENT_TYPE_UNSUPPORTED = "content_type_unsupported", 415,
        "Send the body as application/json in UTF-8.", "请以 UTF-8 编码的 application/json 发送请求体。";
    JSON_MALFORMED = "json_malformed", 400, "The body is not one JSON object.", "请求体不是一个 JSON 对象。";
    FIELD_MISSING = "field_missing", 400, "The field is missing.", "缺少该字段。";
    FIELD_UNKNOWN = "field_unknown", 400, "There is no such field.", "没有这个字段。";
    FIELD_MALFORMED = "field_malformed", 400, "The field's value is not of the kind expected.", "该字段的值类型不正确。";
    FIELD_TWICE = "field_twice", 400,
        "Another field says the same by another name: send one of them.", "另一字段以不同名称表达相同内容，请只发送其中之一。";
    AMOUNT_MALFORMED = "amount_malformed", 400,
        "An amount is an integer number of minor units.", "金额必须是以最小单位计的整数。";
    EMAIL_MALFORMED = "email_malformed", 422, "This is not an e-mail address.", "电子邮件地址不正确。";
    URL_MALFORMED = "url_malformed", 422, "This is not an http or https address.", "这不是 http 或 https 地址。";
    PARAMETER_UNKNOWN = "parameter_unknown", 400, "There is no such query parameter.", "没有这个查询参数。";
    PARAMETER_MALFORMED = "parameter_malformed", 400, "The query parameter's value is not understood.", "查询参数的值无法识别。";
    IDEMPOTENCY_KEY_MISSING = "idempotency_key_missing", 400,
        "Send an Idempotency-Key: any text that names this request and no other.", "请提供 Idempotency-Key：唯一标识此请求的文本。";
    IDEMPOTENCY_KEY_MALFORMED = "idempotency_key_malformed", 400,
        "Send one Idempotency-Key of 1 to 255 visible ASCII characters.", "Idempotency-Key 只能有一个，且为 1 至 255 个可见 ASCII 字符。";
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused", 422,
        "This Idempotency-Key was used for another request.", "该 Idempotency-Key 已用于另一请求。";
    REQUEST_IN_FLIGHT = "request_in_flight", 409,
        "A request with this Idempotency-Key is under way; ask again for its answer.", "使用该 Idempotency-Key 的请求正在处理，请稍后再次请求以获取结果。";
    VERSION_STALE = "version_stale", 412, "It has changed since the version you name.", "该资源已在您所指定的版本之后变更。";
    IF_MATCH_MALFORMED = "if_match_malformed", 400, "If-Match is one version in quotes, as ETag gave it.", "If-Match 应为 ETag 给出的带引号的版本。";
    RATE_LIMITED = "rate_limited", 429, "Too many requests; wait as Retry-After says.", "请求过于频繁，请按 Retry-After 等待。";
    OVERLOADED = "overloaded", 503, "More is asked than can be done at once; ask again shortly.", "请求过多，请稍后重试。";
    LEDGER_UNAVAILABLE = "ledger_unavailable", 503, "The ledger cannot be reached; ask again shortly.", "账本暂时不可用，请稍后重试。";
    NOT_CAUGHT_UP = "not_caught_up", 503,
        "What this is looked up in is behind the log; ask again shortly.", "查询所依据的数据尚未跟上账本，请稍后重试。";
    OUTCOME_UNKNOWN = "outcome_unknown", 503,
        "Whether this was done is not known yet; ask again with the same Idempotency-Key.", "结果尚不确定，请使用相同的 Idempotency-Key 再次请求。";
    EVENT_TOO_LARGE = "event_too_large", 422, "What this would record is too large.", "需要记录的内容过大。";
    DATA_REFUSED = "data_refused", 422, "The ledger cannot hold this data.", "账本无法保存这些数据。";
    MERCHANT_DIFFERS = "merchant_id_differs", 422, "The merchant is not the one these credentials belong to.", "商户与凭证所属商户不符。";
    INTERNAL = "internal_error", 500, "This is our mistake.", "服务器内部错误。";
}

rules! {
    /// What a question may be told besides.
    READING:
    PARAMETER_MISSING = "parameter_missing", 400, "The query parameter is missing.", "缺少该查询参数。";
    PARAMETER_REPEATED = "parameter_repeated", 400, "The query parameter may be given once.", "该查询参数只能出现一次。";
    CURSOR_INVALID = "cursor_invalid", 400,
        "The cursor is not one we gave for this question.", "该游标不是针对此查询给出的。";
    FORMAT_UNAVAILABLE = "format_unavailable", 406,
        "Ask for application/json, text/csv, application/x-ndjson or application/vnd.apache.parquet, where it is offered.",
        "可用格式：application/json、text/csv、application/x-ndjson、application/vnd.apache.parquet（视接口而定）。";
    POSITION_NOT_REACHED = "position_not_reached", 503,
        "What is asked has not come so far in the log yet; ask again shortly.", "查询数据尚未到达所需位置，请稍后重试。";
    CHANGED_SINCE = "changed_since", 409,
        "It has changed since your session began, and only how it stands now is kept here; /api/v1/streams has it as it was.",
        "自您的会话开始以来它已变更，此处仅保存其当前状态；可通过 /api/v1/streams 查询当时的状态。";
    QUERY_TOO_COSTLY = "query_too_costly", 422,
        "This question takes too long to answer: narrow it.", "该查询耗时过长，请缩小范围。";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_there_once() {
        let all = || ALL.iter().chain(READING);
        let codes: BTreeSet<&str> = all().map(|rule| rule.code).collect();
        assert_eq!(codes.len(), all().count());
    }
}
