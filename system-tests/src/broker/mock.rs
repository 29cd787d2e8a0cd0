//! librdkafka's mock of Kafka, where the real one cannot be made to fail so.

use std::sync::mpsc::{Receiver, Sender, channel};

use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

type Problem = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Down,
    Up,
    /// The next thing a producer sends is answered as if another had taken its place.
    BreakProducers,
}

/// Starts one with topics of so many partitions. Its address, and where it takes orders; it ends with them.
pub(super) fn start(topics: &[(&str, usize)]) -> Result<(String, Sender<Order>), Problem> {
    let topics: Vec<(String, i32)> = topics
        .iter()
        .map(|(name, count)| Ok(((*name).to_owned(), i32::try_from(*count)?)))
        .collect::<Result<_, Problem>>()?;
    let (told, tell) = channel();
    let (orders, ordered) = channel();
    std::thread::spawn(move || {
        if let Err(problem) = run(&topics, &told, &ordered) {
            drop(told.send(Err(problem)));
        }
    });
    Ok((tell.recv()??, orders))
}

fn run(
    topics: &[(String, i32)],
    told: &Sender<Result<String, Problem>>,
    ordered: &Receiver<Order>,
) -> Result<(), Problem> {
    let mock = MockCluster::new(1)?;
    for (name, partitions) in topics {
        mock.create_topic(name, *partitions, 1)?;
    }
    told.send(Ok(mock.bootstrap_servers()))?;
    for order in ordered {
        match order {
            Order::Down => mock.broker_down(1)?,
            Order::Up => mock.broker_up(1)?,
            Order::BreakProducers => {
                let fenced = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH];
                mock.request_errors(RDKafkaApiKey::Produce, &fenced);
            }
        }
    }
    Ok(())
}
