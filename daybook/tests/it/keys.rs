//! Keys, tokens and the demo merchant: what opens the door, what refuses to start.

use std::{
    process::Output,
    time::{Duration, Instant},
};

use crate::server::{Home, Server, free_address};

const NOWHERE: &str = "postgresql://nobody@127.0.0.1:1/daybook";

/// The one line a start ended in.
fn refused(output: Output) -> String {
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    said
}

fn serve(home: &Home, environment: &[(&str, &str)]) -> String {
    let mut command = home.daybook(&["serve", "--listen", &free_address()]);
    refused(command.env("DATABASE_URL", NOWHERE).envs(environment.iter().copied()).output().unwrap())
}

// covers C6
#[test]
fn a_server_without_a_good_master_key_does_not_start() {
    let home = Home::new();
    assert!(serve(&home, &[]).contains("no master key is named"));
    let file = home.0.join("absent.key").display().to_string();
    assert!(serve(&home, &[("DAYBOOK_MASTER_KEY_FILE", &file)]).contains(&file));
    for (key, sentence) in [
        ("0".repeat(64), "too plain to be a secret"),
        ("0123456789abcdef".repeat(4), "too plain to be a secret"),
        ("0123456789abcdef".to_owned(), "not 64 hexadecimal digits"),
        ("x".repeat(64), "not 64 hexadecimal digits"),
        (String::new(), "not 64 hexadecimal digits"),
    ] {
        let said = serve(&home, &[("DAYBOOK_MASTER_KEY", &key)]);
        assert!(said.contains(sentence), "{said}");
        assert!(key.is_empty() || !said.contains(&key), "a key is never shown: {said}");
    }
}

// covers C6
#[test]
fn the_demo_merchant_is_never_served_to_other_machines() {
    let home = Home::new();
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:40003"] {
        let said = refused(home.daybook(&["dev", "--listen", listen]).output().unwrap());
        assert!(said.contains("a merchant whose key everybody knows"), "{said}");
    }
    assert!(!home.0.join("postgres").exists(), "nothing was started");
}

/// The status of a registration tried with a token.
fn registration(server: &Server, token: &str) -> String {
    let headers = format!("authorization: Bearer {token}\r\ncontent-type: application/json\r\n");
    let answer = server.post(
        "/api/v1/merchants?dry_run=true",
        &headers,
        r#"{"name":"Corner Theatre","email":"owner@example.com"}"#,
    );
    answer.split(' ').nth(1).unwrap().to_owned()
}

// covers G4
#[test]
fn a_token_opens_the_door_until_it_is_revoked() {
    let home = Home::new();
    let server = home.serve();
    let (said, code) = home.say(&["token", "create", "--role", "operator", "--email", "ops@example.com"]);
    assert_eq!(code, Some(0), "{said}");
    let token = said.lines().next().unwrap();
    let names: Vec<&str> = said.lines().nth(2).unwrap().split([' ', ',']).take(2).collect();
    assert_eq!(registration(&server, token), "200");
    assert_eq!(registration(&server, &token.replacen("dbt_", "dbt_0", 1)), "401");

    let (again, code) = home.say(&["token", "create", "--role", "support", "--email", "OPS@example.com"]);
    assert_eq!(code, Some(0), "{again}");
    assert!(again.contains(names[0]), "one person is one operator, however the address is written: {again}");

    assert_eq!(home.say(&["token", "revoke", names[0], names[1]]).1, Some(0));
    let revoked = Instant::now();
    while registration(&server, token) != "401" {
        assert!(revoked.elapsed() < Duration::from_millis(500), "a revoked token opens the door too long");
    }
    assert_eq!(registration(&server, again.lines().next().unwrap()), "200", "the other token was not revoked");
    let (said, code) = home.say(&["token", "revoke", names[0], "TOK00000000000000000000000000000000"]);
    assert_ne!(code, Some(0), "{said}");
}

#[test]
fn the_requests_of_the_contract_work_as_they_stand_on_a_development_server() {
    let home = Home::new();
    let server = home.serve();
    let headers = "x-api-key: test-api-key\r\nx-signature: test-signature\r\ncontent-type: application/json\r\n";
    let pay = |key: &str, body: &str| {
        let answer = server.post("/api/v1/payments", &format!("{headers}idempotency-key: {key}\r\n"), body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let body: serde_json::Value = serde_json::from_str(answer.rsplit("\r\n").next().unwrap()).unwrap();
        body["data"]["payment_no"].as_str().unwrap().to_owned()
    };
    let first = r#"{"order_no":"O-1","amount":10000,"currency":"USD","channel":"stripe","subject":"Two tickets",
        "body":"Row 7","callback_url":"https://example.com/callback","return_url":"https://example.com/return"}"#;
    let second = r#"{"merchant_id":"MER00000000000000000000000000000001","order_no":"O-2","amount":10000,
        "currency":"CNY","channel":"alipay","pay_method":"wap","customer_email":"ann@example.com",
        "description":"Two tickets","metadata":{"seat":"7"}}"#;
    assert!(pay("k1", first).starts_with("PAY"));
    assert_eq!(pay("k1", first), pay("k1", first));
    assert_ne!(pay("k2", second), pay("k1", first));
    let unsigned = headers.replace("test-signature", "another-signature");
    let answer = server.post("/api/v1/payments", &format!("{unsigned}idempotency-key: k3\r\n"), first);
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

/// The events of a type as `daybook log` prints them, the oldest first.
fn logged(home: &Home, kind: &str) -> Vec<serde_json::Value> {
    let (said, code) = home.say(&["log", "tail", "--no-follow", "--json", "--after", "0", "--type", kind]);
    assert_eq!(code, Some(0), "{said}");
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_token_is_issued_in_the_name_of_whoever_holds_one_and_else_in_the_consoles() {
    let home = Home::new();
    let _server = home.serve();
    let create = |role: &str, own: Option<&str>| {
        let email = format!("{role}@example.com");
        let mut command = home.daybook(&["token", "create", "--role", role, "--email", &email, "--reason", "a test"]);
        let output = command.envs(own.map(|token| ("DAYBOOK_TOKEN", token))).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), said)
    };
    let (code, said) = create("operator", None);
    assert_eq!(code, Some(0), "{said}");
    let (token, names) = (said.lines().next().unwrap(), said.lines().nth(2).unwrap());
    let operator = names.split(' ').next().unwrap();
    let (code, said) = create("analyst", Some(token));
    assert_eq!(code, Some(0), "{said}");
    let analyst = said.lines().next().unwrap();

    let issued = logged(&home, "token_issued");
    let by = |n: usize| issued[n]["payload"]["token_issued"]["by"].as_str().unwrap().to_owned();
    assert_eq!(by(0), "OPR00000000000000000000000000000000");
    assert_eq!(by(1), operator);
    for (event, actor) in issued.iter().zip(["console", operator]) {
        assert_eq!((&event["metadata"]["actor"], &event["metadata"]["reason"]), (&actor.into(), &"a test".into()));
        assert!(event["metadata"]["machine_user"].as_str().unwrap().starts_with("uid "), "{event}");
    }
    // Who may not, does nothing; nor does whoever has an old token lying about.
    for (own, words) in [(analyst, "no operator"), ("dbt_nonsense", "opens nothing")] {
        let (code, said) = create("support", Some(own));
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(words) && said.contains("nothing was done"), "{said}");
    }
    assert_eq!(logged(&home, "token_issued").len(), 2);
}

#[test]
fn the_demo_merchant_keeps_what_was_agreed_with_it_since() {
    let home = Home::new();
    let server = home.serve();
    let (said, _code) = home.say(&["token", "create", "--role", "operator", "--email", "ops@example.com"]);
    let token = said.lines().next().unwrap().to_owned();
    let close = ["merchant", "close", "MER00000000000000000000000000000001", "--reason", "enough", "--token", &token];
    assert_eq!(home.say(&close).1, Some(0));
    let before = logged(&home, "merchant").len();
    drop(server);
    // Even a closed one keeps nobody from starting.
    let again = home.serve();
    assert_eq!(logged(&home, "merchant").len(), before);
    assert!(again.get("/livez").starts_with("HTTP/1.1 200"));
}
