//! What a request says of itself in its headers, and its body, whole and in time.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::problem::Problem;
use crate::rules;

/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(10);

pub(crate) fn is_json(content_type: &str) -> bool {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let parameters = parameters.trim().to_ascii_lowercase();
    kind.trim().eq_ignore_ascii_case("application/json")
        && matches!(&*parameters, "" | "charset=utf-8" | "charset=\"utf-8\"")
}

/// What a request says its body has; where it does not say, the most it may have.
pub(crate) fn room(headers: &HeaderMap, most: usize) -> u32 {
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    u32::try_from(declared.unwrap_or(most).min(most).max(1)).unwrap_or(u32::MAX)
}

pub(crate) async fn read(body: Body, headers: &HeaderMap, most: usize) -> Result<Bytes, Problem> {
    let too_large = || {
        let (english, chinese) = (format!("(at most {most} bytes)"), format!("（最多 {most} 字节）"));
        Problem::turned_away(rules::BODY_TOO_LARGE).saying(english, chinese)
    };
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let is_declared_too_large = |length: u64| usize::try_from(length).map_or(true, |length| length > most);
    if declared.is_some_and(is_declared_too_large) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_WITHIN, Limited::new(body, most).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_broken)) => Err(Problem::turned_away(rules::BODY_BROKEN)),
        Err(_elapsed) => Err(Problem::turned_away(rules::BODY_TOO_SLOW)),
    }
}

/// All values as one list; what is no text is no format.
pub(crate) fn accept(headers: &HeaderMap) -> Option<String> {
    let values: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// One version, in quotes, as `ETag` gave it.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let version = value.to_str().ok().and_then(|text| text.strip_prefix('"')?.strip_suffix('"')?.parse().ok());
    match (version, values.next()) {
        (Some(version), None) => Ok(Some(version)),
        _ => Err(Problem::turned_away(rules::IF_MATCH_MALFORMED)),
    }
}
