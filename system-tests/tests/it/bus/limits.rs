//! What is too large for the bus is refused when it is written.

use std::sync::Arc;

use event_store::{Act, Answer, Failure, Outcome, PAYLOAD_LIMIT, Verdict};
use system_tests::tally::{Tally, TallyCommand};

use super::desk::Desk;

fn of_size(bytes: usize) -> Act {
    let command = TallyCommand::Add { amount: 1, note: "n".repeat(bytes) };
    let stream: Arc<str> = format!("of-{bytes}").into();
    Act::deciding(move |books| {
        books.tell::<Tally>(&stream, &command)?.unwrap();
        Ok(Verdict::Accepted(Answer { status: 200, body: String::new() }))
    })
}

// covers E11
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_the_broker_would_not_take_is_refused_when_it_is_written() {
    let desk = Desk::new(81).await;
    let refused = desk.store.execute(of_size(PAYLOAD_LIMIT)).await;
    assert!(matches!(refused, Err(Failure::TooLarge { .. })), "{refused:?}");
    let talkative = Act { metadata: vec![("user_agent", "n".repeat(70_000))], ..of_size(10) };
    let refused = desk.store.execute(talkative).await;
    assert!(matches!(refused, Err(Failure::TooLarge { .. })), "{refused:?}");
    // With its frame, the largest payload there can be.
    let largest = desk.store.execute(of_size(PAYLOAD_LIMIT - 60)).await.unwrap();
    let Outcome::Accepted { position: 1, .. } = largest else { panic!("{largest:?}") };
    desk.relay_all(1).await;
    desk.assert_holds(1).await;
}
