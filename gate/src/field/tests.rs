//! Given a body, what is read of it and what is said to be wrong.

use super::{
    address::{is_email, is_url},
    *,
};

body! {
    struct Parcel {
        required order_no: OrderNo = "A-1", "The order.";
        required amount: Amount = 100, "How much.";
        optional email: Email = "ann@example.com", "Whose.";
        optional metadata: Metadata = { "a": "b" }, "Anything.";
        optional lines: Vec<Line> = [{ "count": 1 }], "Inside.";
    }
}

body! {
    struct Line {
        required count: Count = 1, "How many.";
    }
}

fn problems(body: Value) -> Vec<(String, &'static str)> {
    match Parcel::parse(body.as_object().unwrap()) {
        Ok(_) => Vec::new(),
        Err(problem) => serde_json::from_str::<Value>(&problem.document(&visit())).unwrap()["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| (error["pointer"].as_str().unwrap().to_owned(), code(error["code"].as_str().unwrap())))
            .collect(),
    }
}

fn code(found: &str) -> &'static str {
    let chapters = domain::catalogue::chapters();
    let domains = chapters.iter().flat_map(|chapter| chapter.rules.iter().map(|rule| rule.code));
    rules::ALL.iter().map(|rule| rule.code).chain(domains).find(|code| *code == found).unwrap()
}

fn visit() -> crate::Visit {
    let (parts, ()) = axum::http::Request::new(()).into_parts();
    crate::Visit::of(&parts)
}

#[test]
fn what_is_whole_is_read_whole() {
    let parcel = Parcel::parse(Parcel::example().as_object().unwrap()).unwrap();
    assert_eq!((parcel.order_no.as_str(), parcel.amount), ("A-1", Amount(100)));
    assert_eq!(parcel.lines, Some(vec![Line { count: Count(1) }]));
    let bare = Parcel::parse(json!({ "order_no": "x", "amount": -1, "email": null }).as_object().unwrap()).unwrap();
    assert_eq!((bare.amount, bare.email, bare.metadata), (Amount(-1), None, None));
}

#[test]
fn everything_that_is_wrong_is_said_at_once_and_where() {
    assert_eq!(
        problems(
            json!({ "amount": "1", "nonsense/~": 1, "metadata": { "a": 1 }, "lines": [{ "count": 1 }, { "count": -1 }] })
        ),
        [
            ("/nonsense~1~0".to_owned(), "field_unknown"),
            ("/order_no".to_owned(), "field_missing"),
            ("/amount".to_owned(), "amount_malformed"),
            ("/metadata/a".to_owned(), "field_malformed"),
            ("/lines/1/count".to_owned(), "field_malformed"),
        ]
    );
}

// covers A20
#[test]
fn an_amount_is_an_integer_of_64_bits_or_nothing() {
    for amount in
        ["0.5", "1.0", "1e2", "9223372036854775808", "-9223372036854775809", "\"100\"", "null", "true", "[1]", "1e400"]
    {
        let body = format!("{{\"order_no\":\"x\",\"amount\":{amount}}}");
        let refused = crate::parse(body.as_bytes()).and_then(|object| Parcel::parse(&object));
        assert!(refused.is_err(), "{amount}");
    }
    for amount in [i64::MIN, -1, 0, i64::MAX] {
        let parcel = Parcel::parse(json!({ "order_no": "x", "amount": amount }).as_object().unwrap()).unwrap();
        assert_eq!(parcel.amount, Amount(amount));
    }
}

#[test]
fn addresses_are_addresses() {
    for good in ["a@b.co", "ann.lee+x@mail.example.com", "李@例子.中国"] {
        assert!(is_email(good), "{good}");
    }
    for bad in
        ["", "a", "a@b", "@b.co", "a@", "a b@c.co", "a@b..co", ".a@b.co", "a@-b.co", "a@b.co\n", "a@b@c.co", "<a@b.co>"]
    {
        assert!(!is_email(bad), "{bad}");
    }
    for good in ["http://localhost:8080/callback", "https://example.com", "https://example.com/a?b=c"] {
        assert!(is_url(good), "{good}");
    }
    for bad in
        ["", "/a", "ftp://a.co", "javascript:alert(1)", "http://", "https://u:p@a.co", "http://a b", "example.com"]
    {
        assert!(!is_url(bad), "{bad}");
    }
}

#[test]
fn a_card_number_is_refused_wherever_a_person_may_type() {
    let card = "4111 1111 1111 1111";
    assert_eq!(
        problems(json!({ "order_no": "x", "amount": 1, "metadata": { "a": card } })),
        [("/metadata/a".to_owned(), "card_data_rejected")]
    );
    assert_eq!(problems(json!({ "order_no": "4111111111111111", "amount": 1 })), []);
    for url in [
        "https://a.co/?card=4111111111111111&x=1",
        "https://a.co/4111-1111-1111-1111",
        "https://a.co/#4111111111111111",
    ] {
        let mut wrong = Vec::new();
        assert_eq!(Url::read(&url.into(), "/url", &mut wrong), None, "{url}");
        assert_eq!(wrong[0].rule.code, "card_data_rejected", "{url}");
    }
}

#[test]
fn the_schema_says_what_is_read() {
    let schema = Parcel::schema();
    assert_eq!(schema["required"], json!(["order_no", "amount"]));
    assert_eq!(schema["properties"]["amount"]["description"], "How much.");
    assert_eq!(schema["additionalProperties"], false);
}
