//! A prepared statement is known by its SQL for as long as it lives.

use super::super::frame::Frames;
use super::{Request, Requests, contains};

fn push(requests: &mut Requests, messages: &[(u8, &[u8])]) -> Vec<Request> {
    let mut frames = Frames::default();
    for (kind, body) in messages {
        frames.tail().push(*kind);
        frames.tail().extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        frames.tail().extend(*body);
    }
    let mut whole = Vec::new();
    while let Some(frame) = frames.message().unwrap() {
        whole.extend(requests.push(&frame));
    }
    whole
}

#[test]
fn a_bind_in_a_later_request_carries_the_sql_of_its_statement() {
    let mut requests = Requests::default();
    let prepared = push(&mut requests, &[(b'P', b"s1\0select log.append($1)\0\0\0"), (b'D', b"Ss1\0"), (b'S', b"")]);
    assert_eq!(prepared.len(), 1);
    assert!(prepared[0].executed.is_empty(), "preparing executes nothing");
    assert!(prepared[0].closes);

    let run = push(&mut requests, &[(b'B', b"\0s1\0\0\0key-7"), (b'E', b"\0\0\0\0\0"), (b'C', b"P\0"), (b'S', b"")]);
    assert!(run[0].executed.iter().any(|part| contains(part, b"log.append")));
    assert!(run[0].executed.iter().any(|part| contains(part, b"key-7")));

    push(&mut requests, &[(b'C', b"Ss1\0"), (b'S', b"")]);
    let closed = push(&mut requests, &[(b'B', b"\0s1\0"), (b'S', b"")]);
    assert!(!closed[0].executed.iter().any(|part| contains(part, b"log.append")));
}

#[test]
fn a_simple_query_is_a_request_of_its_own() {
    let whole = push(&mut Requests::default(), &[(b'Q', b"begin\0"), (b'Q', b"commit\0")]);
    assert_eq!(whole.len(), 2);
    assert!(contains(&whole[1].executed[0], b"commit"));
}

#[test]
fn copied_data_passes_at_once_and_closes_nothing() {
    let whole = push(&mut Requests::default(), &[(b'd', b"1\t2\n"), (b'c', b"")]);
    assert_eq!(whole.len(), 2);
    assert!(whole.iter().all(|request| !request.closes && request.executed.is_empty()));
}
