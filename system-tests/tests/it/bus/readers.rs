//! What a reader that is not ours makes of the messages.

use std::collections::BTreeMap;
use std::process::Command;

use super::desk::{Desk, broker};

/// `kcat` reads the whole topic: key, headers and payload, a line each.
pub(super) fn read(brokers: &str, topic: &str) -> Vec<(String, BTreeMap<String, String>, String)> {
    let kcat = Command::new("kcat")
        .args(["-C", "-q", "-e", "-b", brokers, "-t", topic, "-f", "%k\x1f%h\x1f%s\x1e"])
        .output()
        .expect("kcat is not there: `make kafka` installs it");
    assert!(kcat.status.success(), "{}", String::from_utf8_lossy(&kcat.stderr));
    let text = String::from_utf8(kcat.stdout).unwrap();
    let records = text.split_terminator('\x1e').map(|record| {
        let mut parts = record.splitn(3, '\x1f').map(str::to_owned);
        let (key, headers, payload) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        // kcat joins headers by commas, which metadata may hold: it is the last one.
        let (headers, metadata) = headers.split_once(",daybook_metadata=").unwrap_or((&headers, ""));
        let mut named: BTreeMap<String, String> = headers
            .split(',')
            .map(|header| header.split_once('=').unwrap())
            .map(|(n, v)| (n.into(), v.into()))
            .collect();
        named.insert("daybook_metadata".to_owned(), metadata.to_owned());
        (key, named, payload)
    });
    records.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kcat_reads_cloud_events_with_the_payload_as_the_log_has_it() {
    if !broker().await.is_real() {
        return;
    }
    let mut desk = Desk::new(121).await;
    let head = desk.add(500).await;
    desk.relay_all(head).await;
    let (brokers, topic) = (desk.kafka.brokers.clone(), desk.topic.name.clone());
    let read = tokio::task::spawn_blocking(move || read(&brokers, &topic)).await.unwrap();
    type Row = (i64, String, String, String, String, String, String);
    let rows: Vec<Row> = sqlx::query_as(
        "select position, event_id::text, aggregate_type || '.' || event_type, aggregate_type || '/' || aggregate_id, \
             coalesce(merchant_id::text, 'ledger'), payload::text, metadata::text from log.events order by position",
    )
    .fetch_all(&desk.behind)
    .await
    .unwrap();
    let events: BTreeMap<&str, _> =
        read.iter().filter(|(key, ..)| !key.is_empty()).map(|it| (it.1["ce_position"].as_str(), it)).collect();
    assert_eq!(i64::try_from(events.len()).unwrap(), head);
    for (position, id, event_type, subject, key, payload, metadata) in rows {
        let (found_key, headers, found) = events[position.to_string().as_str()];
        assert_eq!((found_key, found), (&key, &payload));
        let expected = [
            ("ce_specversion", "1.0"),
            ("ce_id", &id),
            ("ce_source", "/daybook"),
            ("ce_type", &event_type),
            ("ce_subject", &subject),
            ("ce_partitionkey", &key),
            ("content-type", "application/json"),
            ("daybook_metadata", &metadata),
        ];
        for (name, value) in expected {
            assert_eq!(headers[name], value, "{name} of position {position}");
        }
    }
}
