//! Checkpoints on Kafka: what was signed is told there, signed as it was.

use std::time::{Duration, Instant};

use audit::checkpoint::Note;
use audit::key::VerifierKey;
use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use system_tests::branch::{Branch, fresh};
use system_tests::broker::Broker;
use system_tests::server::Server;

use super::Directory;
use super::served::{PATIENT, branch_with, get, offline, run};
use crate::bus::desk::broker;

const SOON: Duration = Duration::from_secs(60);

/// The notes of the topic, until one is of at least this size.
fn notes(brokers: &str, topic: &str, size: u64) -> Vec<Note> {
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "auditor").set("enable.auto.commit", "false");
    let reader: BaseConsumer = config.create().unwrap();
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    reader.assign(&from).unwrap();
    let (until, mut notes) = (Instant::now() + SOON, Vec::<Note>::new());
    while Instant::now() < until && notes.last().is_none_or(|note| note.claimed().size < size) {
        if let Some(Ok(message)) = reader.poll(Duration::from_millis(100)) {
            assert_eq!(message.key(), Some(&b"example.com/ledger"[..]));
            notes.push(std::str::from_utf8(message.payload().unwrap()).unwrap().parse().unwrap());
        }
    }
    notes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_signed_is_told_on_kafka_for_anybody_to_keep() {
    let place = Directory::fresh();
    let broker = Broker::mock(&[("announced", 1), ("announced.checkpoints", 1)]).unwrap();
    let brokers = broker.kafka().brokers;
    let on_kafka = [
        ("DAYBOOK_KAFKA_BROKERS", brokers.as_str()),
        ("DAYBOOK_KAFKA_TOPIC", "announced"),
        ("DAYBOOK_KAFKA_PARTITIONS", "1"),
        // The mock has no settings to tell.
        ("DAYBOOK_KAFKA_TOPIC_MADE_ELSEWHERE", "true"),
    ];
    let (branch, public) = branch_with(&place, &on_kafka).await;
    branch.merchant().await.unwrap();
    let newest = get(&branch, &branch.operator, "/api/v1/audit/events/1/proof").await.json();
    let note: Note = newest["data"]["checkpoint"].as_str().unwrap().parse().unwrap();
    let size = note.claimed().size;
    let told = tokio::task::spawn_blocking(move || notes(&brokers, "announced.checkpoints", size)).await.unwrap();
    let last = told.last().unwrap_or_else(|| panic!("nothing was told: {}", branch.server.log().unwrap()));
    assert!(last.claimed().size >= size, "{told:?}");
    assert!(told.is_sorted_by_key(|note| note.claimed().size));
    let trusted: Vec<VerifierKey> = vec![public.parse().unwrap()];
    for note in &told {
        note.verify(&trusted).unwrap();
    }
    // It is the one anybody is shown who asks.
    let path = format!("/api/v1/audit/checkpoints?from={}&limit=1", last.claimed().size);
    let shown = get(&branch, &branch.operator, &path).await.json();
    assert_eq!(shown["data"][0]["note"], last.to_string(), "{shown}");
}

/// The newest note that the topic has, once it has one that covers this.
async fn told(branch: &Branch, topic: &str, brokers: &str) -> Vec<Note> {
    let at: i64 = sqlx::query_scalar("select max(position) from log.events")
        .fetch_one(&mut branch.ledger.superuser().await.unwrap())
        .await
        .unwrap();
    let signed = get(branch, &branch.operator, &format!("/api/v1/audit/events/{at}/proof")).await.json();
    let note: Note = signed["data"]["checkpoint"].as_str().unwrap_or_else(|| panic!("{signed}")).parse().unwrap();
    let (brokers, topic, size) = (brokers.to_owned(), format!("{topic}.checkpoints"), note.claimed().size);
    tokio::task::spawn_blocking(move || notes(&brokers, &topic, size)).await.unwrap()
}

// covers H4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_who_reads_them_back_from_a_broker_finds_a_history_made_anew() {
    let broker = broker().await;
    if !broker.is_real() {
        return;
    }
    let (place, brokers, topic) = (Directory::fresh(), broker.kafka().brokers, fresh("announced"));
    let on_kafka = [
        ("DAYBOOK_KAFKA_BROKERS", brokers.as_str()),
        ("DAYBOOK_KAFKA_TOPIC", topic.as_str()),
        ("DAYBOOK_KAFKA_PARTITIONS", "1"),
    ];
    let (mut branch, public) = branch_with(&place, &on_kafka).await;
    branch.merchant().await.unwrap();
    let trusted: Vec<VerifierKey> = vec![public.parse().unwrap()];
    let kept = told(&branch, &topic, &brokers).await;
    let mine = kept.last().unwrap_or_else(|| panic!("nothing was told: {}", branch.server.log().unwrap())).clone();
    mine.verify(&trusted).unwrap();
    let size = mine.claimed().size;
    let file = place.at("mine").display().to_string();
    std::fs::write(&file, mine.to_string()).unwrap();
    assert_eq!(run(&branch, &["verify", "--key", &public, "--checkpoint", &file]).1, 0);

    // Whoever owns the database, the directory and the key makes history anew, and goes on as if nothing had been.
    branch.server.signal("TERM").unwrap();
    let Branch { ledger, mut server, operator } = branch;
    assert!(tokio::task::spawn_blocking(move || server.wait().unwrap().success()).await.unwrap());
    let mut owner = ledger.superuser().await.unwrap();
    let rewrite = "update log.events set payload = (payload::text || ' ')::json where position = 3; \
         truncate audit.checkpoints";
    sqlx::raw_sql(rewrite).execute(&mut owner).await.unwrap();
    audit::rebuild(&ledger.database().unwrap(), &mut owner, &|_, _| {}).await.unwrap();
    let (key, directory) = (place.at("key").display().to_string(), place.at("another").display().to_string());
    let own = [("DAYBOOK_CHECKPOINT_KEY_FILE", key.as_str()), ("DAYBOOK_CHECKPOINT_DIRECTORY", directory.as_str())];
    let server = Server::start(ledger.superuser_url(), &[PATIENT, &own, &on_kafka].concat()).await.unwrap();
    let branch = Branch { ledger, server, operator };
    branch.merchant().await.unwrap();
    let shown = told(&branch, &topic, &brokers).await;
    let theirs = shown.last().unwrap().clone();
    theirs.verify(&trusted).unwrap();
    assert!(theirs.claimed().size > size, "{theirs}");
    // The new history agrees with itself and with who has seen nothing else; whoever kept one note knows.
    let other = place.at("theirs").display().to_string();
    std::fs::write(&other, theirs.to_string()).unwrap();
    let (said, code) = run(&branch, &["verify", "--key", &public, "--checkpoint", &other]);
    assert_eq!(code, 0, "{said}");
    let (said, code) = run(&branch, &["verify", "--key", &public, "--checkpoint", &file]);
    assert_eq!(code, 16, "{said}");
    assert!(said.contains("fork") && said.contains(&format!("the checkpoint of {size} ")), "{said}");
    // Nor can it be proven that the one grew out of the other: the topic has kept both.
    assert!(shown.iter().any(|note| note == &mine), "{shown:?}");
    let after = shown.iter().find(|note| note.claimed().size > size).unwrap().claimed().size;
    let growth = format!("/api/v1/audit/consistency?from={after}&to={}", theirs.claimed().size);
    let mut growth = get(&branch, &branch.operator, &growth).await.json()["data"].clone();
    let proof = place.at("growth.json").display().to_string();
    std::fs::write(&proof, growth.to_string()).unwrap();
    assert_eq!(offline(&place, &["verify", "consistency", &proof, "--key", &public]).1, 0);
    growth["first"] = mine.to_string().into();
    std::fs::write(&proof, growth.to_string()).unwrap();
    assert_eq!(offline(&place, &["verify", "consistency", &proof, "--key", &public]).1, 30);
}
