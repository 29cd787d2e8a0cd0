//! Messages arrive whole however the network cuts them, and nonsense is refused.

use super::{Frames, client};

fn typed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes
}

#[test]
fn messages_come_out_whole_wherever_the_stream_is_cut() {
    let mut stream = typed(client::QUERY, b"select 1\0");
    stream.extend(typed(client::SYNC, b""));
    stream.extend(typed(client::BIND, &[7; 300]));
    for cut in 0..=stream.len() {
        let mut frames = Frames::default();
        let mut seen = Vec::new();
        for part in [&stream[..cut], &stream[cut..]] {
            frames.tail().extend(part);
            while let Some(frame) = frames.message().unwrap() {
                seen.push(frame);
            }
        }
        assert_eq!(seen.iter().map(|frame| frame.kind).collect::<Vec<_>>(), b"QSB", "cut at {cut}");
        assert_eq!(seen.iter().flat_map(|frame| frame.bytes.clone()).collect::<Vec<_>>(), stream);
        assert_eq!(seen[0].body(), b"select 1\0");
    }
}

#[test]
fn an_opening_message_has_a_code_and_no_type() {
    let mut frames = Frames::default();
    frames.tail().extend([0, 0, 0, 8]);
    assert_eq!(frames.opening().unwrap(), None);
    frames.tail().extend(client::TLS_CODE.to_be_bytes());
    let frame = frames.opening().unwrap().unwrap();
    assert_eq!((frame.kind, frame.code()), (0, Some(client::TLS_CODE)));
}

#[test]
fn a_length_that_cannot_be_is_refused() {
    for length in [0_u32, 3, u32::MAX] {
        let mut frames = Frames::default();
        frames.tail().push(client::QUERY);
        frames.tail().extend(length.to_be_bytes());
        assert!(frames.message().is_err(), "length {length}");
    }
}
