//! Apache Kafka itself for tests and benches: to be killed and started again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bus::Kafka;

mod mock;

use mock::Order;

use crate::say::say;
use crate::tree::root;

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// Set where a run without the real broker would be worth nothing.
const REQUIRED: &str = "DAYBOOK_REQUIRE_KAFKA";
const READY_WITHIN: Duration = Duration::from_secs(60);
/// A line on standard input, or its end, ends the broker, so that none outlives the tests.
const LEASH: &str = r#""$0" "$@" & echo $!; read -r signal; kill -s "${signal:-KILL}" $!; wait $!"#;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A broker.
pub struct Broker {
    pub address: String,
    node: Node,
}

enum Node {
    Real { data: PathBuf, port: u16, running: Option<(Child, ChildStdin)> },
    Mock(std::sync::mpsc::Sender<Order>),
}

impl Broker {
    /// Kafka where it was fetched (`make kafka`); else, and not without saying so, librdkafka's mock of it.
    ///
    /// # Errors
    /// It does not start; or it was not fetched, and this run is worth nothing without it.
    pub fn start() -> Result<Self, Problem> {
        if root().join(".daybook/kafka/libs").is_dir() {
            return Self::real();
        }
        if std::env::var(REQUIRED).is_ok_and(|set| set == "1") {
            return Err(format!("{REQUIRED}=1 and Kafka is not there: run `make kafka`").into());
        }
        say("WARNING: Kafka is not there (make kafka): these tests run against a mock, which proves far less");
        Self::mock(&[])
    }

    /// The mock, with topics of so many partitions, for faults that a real broker cannot be talked into.
    ///
    /// # Errors
    /// It does not start.
    pub fn mock(topics: &[(&str, usize)]) -> Result<Self, Problem> {
        let (address, orders) = mock::start(topics)?;
        Ok(Self { address, node: Node::Mock(orders) })
    }

    /// The next thing a producer sends is answered as if its place were not the next one: it may send nothing more.
    ///
    /// # Errors
    /// This is no mock.
    pub fn break_producers(&self) -> Result<(), Problem> {
        match &self.node {
            Node::Mock(orders) => Ok(orders.send(Order::BreakProducers)?),
            Node::Real { .. } => Err("a real broker breaks nobody on demand".into()),
        }
    }

    fn real() -> Result<Self, Problem> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let data = std::env::temp_dir().join(format!("daybook-kafka-{}-{number}", std::process::id()));
        let formatted = script().arg("format").arg(&data).status()?;
        if !formatted.success() {
            return Err("the broker's directory could not be made".into());
        }
        let port = two_ports()?;
        let node = Node::Real { data, port, running: None };
        let mut broker = Self { address: format!("127.0.0.1:{port}"), node };
        broker.restart()?;
        Ok(broker)
    }

    pub fn kafka(&self) -> Kafka {
        Kafka::at(&self.address)
    }

    pub fn is_real(&self) -> bool {
        matches!(self.node, Node::Real { .. })
    }

    /// Ends it as `kill -9` does. A mock is only cut off.
    ///
    /// # Errors
    /// It cannot be reached.
    pub fn kill(&mut self) -> Result<(), Problem> {
        match &mut self.node {
            Node::Real { running, .. } => {
                if let Some((mut leash, orders)) = running.take() {
                    drop(orders);
                    leash.wait()?;
                }
            }
            Node::Mock(orders) => orders.send(Order::Down)?,
        }
        Ok(())
    }

    /// Starts it again on the data it had, and waits until it answers.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self) -> Result<(), Problem> {
        match &mut self.node {
            Node::Real { data, port, running } => {
                let log = std::fs::File::create(data.with_extension("log"))?;
                let mut leash = Command::new("sh");
                leash
                    .args(["-c", LEASH])
                    .arg(root().join("scripts/kafka"))
                    .arg("run")
                    .arg(&*data)
                    .arg(port.to_string());
                let mut leash = leash.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn()?;
                let mut pid = String::new();
                BufReader::new(leash.stdout.take().ok_or("no output to read")?).read_line(&mut pid)?;
                let orders = leash.stdin.take().ok_or("no orders can be given")?;
                *running = Some((leash, orders));
                wait_until_started(&data.with_extension("log"))
            }
            Node::Mock(orders) => Ok(orders.send(Order::Up)?),
        }
    }

    /// Lets it end as it would for an operator.
    ///
    /// # Errors
    /// It cannot be reached.
    pub fn end_well(&mut self) -> Result<(), Problem> {
        if let Node::Real { running, .. } = &mut self.node
            && let Some((mut leash, mut orders)) = running.take()
        {
            writeln!(orders, "TERM")?;
            leash.wait()?;
        }
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.kill());
        if let Node::Real { data, .. } = &self.node {
            // Left behind, they would be found in the directory for what is temporary.
            drop(std::fs::remove_dir_all(data));
            drop(std::fs::remove_file(data.with_extension("log")));
            drop(std::fs::remove_file(data.with_extension("properties")));
        }
    }
}

fn script() -> Command {
    Command::new(root().join("scripts/kafka"))
}

/// One for clients, and the next one for the controller.
fn two_ports() -> Result<u16, Problem> {
    for _try in 0..50 {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let Some(second) = first.checked_add(1) else { continue };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, second)).is_ok() {
            return Ok(first);
        }
    }
    Err("no two ports are free".into())
}

fn wait_until_started(log: &Path) -> Result<(), Problem> {
    let until = Instant::now() + READY_WITHIN;
    loop {
        let said = std::fs::read_to_string(log)?;
        if said.contains("Kafka Server started") {
            return Ok(());
        }
        if Instant::now() > until || said.contains("Exiting Kafka") {
            return Err(format!("the broker did not start: {said}").into());
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
}
