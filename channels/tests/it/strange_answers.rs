//! Answers no partner should give: none of them is taken for evidence.

use std::time::Duration;

use channels::{
    Kind, Limits, Line, NotSent, Outcome, Reason, Status, Unknown, line::PAUSE_MAX, partners::exponents,
    sandbox::Sandbox,
};
use domain::channel::Channel as Name;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
    task::JoinSet,
};

use crate::stand::{ask, charge, usd};

/// A partner that says these bytes to everybody, and hangs up.
async fn saying(answer: Vec<u8>, tasks: &mut JoinSet<()>) -> Line {
    hearing(answer, tasks, mpsc::unbounded_channel().0).await
}

/// And passes on what it was asked.
async fn hearing(answer: Vec<u8>, tasks: &mut JoinSet<()>, heard: mpsc::UnboundedSender<String>) -> Line {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            if let Ok(length) = stream.read(&mut request).await {
                heard.send(String::from_utf8_lossy(&request[..length]).into_owned()).ok();
                stream.write_all(&answer).await.ok();
                stream.shutdown().await.ok();
            }
        }
    });
    line(&url)
}

fn line(url: &str) -> Line {
    let partner = Sandbox::new(Name::Stripe, exponents(Name::Stripe), url, Duration::from_secs(1));
    Line::new(Box::new(partner), Limits { deadline: Duration::from_secs(5), ..Limits::default() })
}

fn http(status: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

const JSON: &str = "application/json";
const AT: &str = r#""at":"2026-01-01T00:00:00Z""#;

// covers D4
#[tokio::test]
async fn what_is_not_understood_is_unknown() {
    let whole =
        format!(r#"{{"state":"succeeded","no":"t","amount_minor":500,"captured_minor":500,"currency":"USD",{AT}}}"#);
    let answers = [
        http("500 Internal Server Error", JSON, r#"{"error":"out of order"}"#),
        http("500 Internal Server Error", JSON, &whole),
        http("502 Bad Gateway", "text/html", "<html>502</html>"),
        http("404 Not Found", "text/html", "<html>404</html>"),
        http("404 Not Found", JSON, &whole),
        http("200 OK", JSON, &whole[..40]),
        http("200 OK", JSON, r#"{"error":"something went wrong"}"#),
        http("200 OK", JSON, &format!(r#"{{"state":"declined","decline":"card_declined",{AT}}}"#)),
        http("402 Payment Required", JSON, &whole),
        http("402 Payment Required", JSON, &format!(r#"{{"state":"declined",{AT}}}"#)),
        http("402 Payment Required", JSON, &format!(r#"{{"state":"declined","decline":"unheard_of",{AT}}}"#)),
        http("200 OK", "text/plain", &whole),
        http("200 OK", JSON, &whole.replace("USD", "XXX")),
        http("200 OK", JSON, &whole.replace(r#""no":"t","#, "")),
        http("200 OK", JSON, &whole.replace(r#""captured_minor":500,"#, "")),
        http("200 OK", JSON, &whole.replace("500", "99999999999999999999")),
        http("200 OK", JSON, &format!("{whole}{}", " ".repeat(65 * 1024))),
        http("302 Found", JSON, ""),
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"state\":".to_vec(),
        b"nonsense\r\n\r\n".to_vec(),
        Vec::new(),
    ];
    let mut tasks = JoinSet::new();
    for answer in answers {
        let shown = String::from_utf8_lossy(&answer).chars().take(200).collect::<String>();
        let line = saying(answer, &mut tasks).await;
        let outcome = line.authorise(&charge(1, usd(500), "pm_x")).await;
        let unknown = matches!(&outcome, Ok(Outcome::Unknown(Unknown::NotUnderstood(_) | Unknown::Broken(_))));
        assert!(unknown, "{outcome:?} of {shown}");
        let status = line.status(&ask(Kind::Capture, "k")).await;
        assert!(!matches!(status, Ok(Status::NotFound) | Err(_)), "{status:?} of {shown}");
    }
    let line = saying(http("200 OK", JSON, &whole), &mut tasks).await;
    assert!(
        matches!(line.authorise(&charge(1, usd(500), "pm_x")).await, Ok(Outcome::Settled(_))),
        "the one that is well"
    );
}

// covers D5
#[tokio::test]
async fn a_pause_of_a_year_is_kept_for_six_hours() {
    let mut tasks = JoinSet::new();
    let answer = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 31536000\r\ncontent-length: 0\r\n\r\n".to_vec();
    let line = saying(answer, &mut tasks).await;
    let request = charge(1, usd(500), "pm_x");
    let six_hours = NotSent::later(Reason::Paused, PAUSE_MAX);
    assert_eq!(line.authorise(&request).await, Err(six_hours));
    tasks.shutdown().await;
    let paused = line.authorise(&request).await.unwrap_err();
    assert_eq!(paused.reason, Reason::Paused, "nobody is asked");
    assert!(line.state().paused_for.unwrap() <= PAUSE_MAX && PAUSE_MAX == Duration::from_secs(6 * 3_600));
}

#[tokio::test]
async fn where_nobody_listens_nothing_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let not_sent = line(&url).authorise(&charge(1, usd(500), "pm_x")).await.unwrap_err();
    assert!(matches!(not_sent.reason, Reason::Unreachable(_)) && not_sent.retry_after.is_some(), "{not_sent:?}");
}

#[tokio::test]
async fn the_key_and_the_trace_are_passed_on() {
    let (mut tasks, (heard, mut asked)) = (JoinSet::new(), mpsc::unbounded_channel());
    let line = hearing(http("502 Bad Gateway", "text/html", ""), &mut tasks, heard).await;
    let request = charge(1, usd(500), "pm_x");
    assert!(matches!(line.authorise(&request).await, Ok(Outcome::Unknown(_))));
    let text = asked.recv().await.unwrap();
    assert!(text.starts_with("POST /stripe/payments HTTP/1.1\r\n"), "{text}");
    assert!(text.contains(&format!("idempotency-key: {}\r\n", request.key)), "{text}");
    assert!(text.contains(&format!("traceparent: {}\r\n", request.traceparent.unwrap())), "{text}");
    assert!(matches!(line.status(&ask(Kind::Refund, "k")).await, Ok(Status::Found(Outcome::Unknown(_)))));
    let text = asked.recv().await.unwrap();
    assert!(text.starts_with("GET /stripe/refunds HTTP/1.1\r\n") && text.contains("idempotency-key: k\r\n"), "{text}");
}
