//! Events as text: nothing that was written is lost, and nothing of it steers a terminal.

use std::fmt::Write as _;

use event_store::Recorded;

/// One event a line: position, time, type, stream and sequence, event type, merchant.
pub(super) fn line(event: &Recorded) -> String {
    let stream = format!("{} {}#{}", plain(&event.aggregate_type), plain(&event.aggregate_id), event.sequence);
    format!(
        "{:>8}  {}  {stream:<44}  {:<24}  {}",
        event.position,
        time(event),
        plain(&event.event_type),
        merchant(event)
    )
}

/// One event as one JSON object on one line; payload and metadata as they were written.
pub(super) fn json(event: &Recorded) -> String {
    let merchant = event.merchant_id.map(|id| id.to_string());
    let livemode = event.livemode.map_or("null", |livemode| if livemode { "true" } else { "false" });
    format!(
        "{{\"position\":{},\"event_id\":\"{}\",\"aggregate_type\":{},\"aggregate_id\":{},\"sequence\":{},\
         \"event_type\":{},\"event_version\":{},\"payload\":{},\"metadata\":{},\"merchant_id\":{},\
         \"livemode\":{livemode},\"recorded_at\":\"{}\"}}",
        event.position,
        event.event_id,
        quoted(&event.aggregate_type),
        quoted(&event.aggregate_id),
        event.sequence,
        quoted(&event.event_type),
        quoted(&event.event_version),
        on_one_line(&event.payload),
        on_one_line(&event.metadata),
        merchant.map_or_else(|| "null".to_owned(), |id| quoted(&id)),
        time(event)
    )
}

/// One event with everything it holds.
pub(super) fn whole(event: &Recorded) -> String {
    format!(
        "position   {}\nevent      {} {} ({})\nstream     {} {}#{}\nrecorded   {}\nmerchant   {}\npayload    {}\n\
         metadata   {}\n",
        event.position,
        plain(&event.event_type),
        plain(&event.event_version),
        event.event_id,
        plain(&event.aggregate_type),
        plain(&event.aggregate_id),
        event.sequence,
        time(event),
        merchant(event),
        pretty(&event.payload),
        pretty(&event.metadata),
    )
}

fn time(event: &Recorded) -> String {
    event.recorded_at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

fn merchant(event: &Recorded) -> String {
    let mode = event.livemode.map_or("", |livemode| if livemode { " live" } else { " test" });
    event.merchant_id.map_or_else(|| "-".to_owned(), |id| format!("{id}{mode}"))
}

/// Names may hold anything; a terminal must not obey them.
pub(in crate::command) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    text.chars().for_each(|letter| push_plain(&mut plain, letter));
    plain
}

fn push_plain(text: &mut String, letter: char) {
    if letter.is_control() {
        text.extend(letter.escape_unicode());
    } else {
        text.push(letter);
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Between the tokens of JSON a line may end, within them it cannot.
fn on_one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}

/// The same tokens, indented. Numbers and the order of names stay as they were written.
pub(super) fn pretty(json: &str) -> String {
    let (mut pretty, mut depth, mut string, mut escaped) = (String::with_capacity(json.len()), 0_usize, false, false);
    let mut letters = json.chars().peekable();
    while let Some(letter) = letters.next() {
        if string {
            push_plain(&mut pretty, letter);
            string = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
            continue;
        }
        match letter {
            ' ' | '\t' | '\n' | '\r' => {}
            '{' | '[' => {
                while letters.next_if(char::is_ascii_whitespace).is_some() {}
                pretty.push(letter);
                if let Some(closing) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    pretty.push(closing);
                } else {
                    depth = depth.saturating_add(1);
                    new_line(&mut pretty, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut pretty, depth);
                pretty.push(letter);
            }
            ',' => {
                pretty.push(',');
                new_line(&mut pretty, depth);
            }
            ':' => pretty.push_str(": "),
            other => {
                string = other == '"';
                pretty.push(other);
            }
        }
    }
    pretty
}

fn new_line(text: &mut String, depth: usize) {
    // Writing to a string cannot fail.
    write!(text, "\n{:width$}", "", width = depth.saturating_mul(2)).ok();
}

#[cfg(test)]
mod tests {
    use super::{on_one_line, plain, pretty};

    #[test]
    fn pretty_json_has_the_tokens_that_were_written_and_no_others() {
        let written = "{\"b\":1.10,\"a\":[ ],\"n\":123456789012345678901234567890 ,\"s\":\"x, {\\\"y\\\\\",\"o\":{\"k\":[1,\n2]}}";
        let pretty = pretty(written);
        let without = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).collect::<String>();
        assert_eq!(without(&pretty), without(written));
        assert!(pretty.starts_with("{\n  \"b\": 1.10,\n  \"a\": [],\n"), "{pretty}");
        assert!(pretty.contains("\"s\": \"x, {\\\"y\\\\\",\n"), "{pretty}");
        assert!(pretty.ends_with("\"k\": [\n      1,\n      2\n    ]\n  }\n}"), "{pretty}");
        assert_eq!(super::pretty("{}"), "{}");
    }

    #[test]
    fn a_name_does_not_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(on_one_line("{\n\"a\":1}"), "{ \"a\":1}");
    }
}
