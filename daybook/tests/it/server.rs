//! A `daybook dev` of one test: own home, free port, ended and removed afterwards.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// What our own environment may say of another ledger.
const OURS: [&str; 12] = [
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "DAYBOOK_LISTEN",
    "DAYBOOK_MASTER_KEY",
    "DAYBOOK_MASTER_KEY_FILE",
    "DAYBOOK_TOKEN",
    "DAYBOOK_CONFIG",
    "JAEGER_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "DAYBOOK_METRICS_TOKEN",
    "DAYBOOK_METRICS_TOKEN_FILE",
    "RUST_LOG",
];

static HOME_COUNT: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Home(pub(crate) PathBuf);

impl Home {
    pub(crate) fn new() -> Self {
        let number = HOME_COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("daybook-it-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The binary with this home and nothing of our own environment's ledgers.
    pub(crate) fn daybook(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_daybook"));
        command.args(arguments).env("DAYBOOK_HOME", &self.0);
        for name in OURS {
            command.env_remove(name);
        }
        command
    }

    /// Standard output and standard error of a command that ends by itself, and its code.
    pub(crate) fn say(&self, arguments: &[&str]) -> (String, Option<i32>) {
        let output = self.daybook(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (String::from_utf8(said).unwrap(), output.status.code())
    }

    fn log_file(&self) -> PathBuf {
        self.0.join("server.log")
    }

    /// What the last server has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap()
    }

    pub(crate) fn serve(&self) -> Server {
        let listen = free_address();
        let mut command = self.daybook(&["dev", "--listen", &listen]);
        let log = fs::File::create(self.log_file()).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().starts_with("Daybook ")), "it ended before it served");
        Server { child, listen }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.say(&["postgres", "stop", "--now"]);
        fs::remove_dir_all(&self.0).unwrap();
    }
}

pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) listen: String,
}

impl Server {
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = self.connect();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Asks until the answer has these words.
    pub(crate) fn until(&self, path: &str, words: &str) -> String {
        let begun = Instant::now();
        loop {
            let answer = self.get(path);
            if answer.contains(words) {
                return answer;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "never {words:?}: {answer}");
        }
    }

    pub(crate) fn post(&self, path: &str, headers: &str, body: &str) -> String {
        let mut stream = self.connect();
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n{headers}");
        write!(stream, "{head}connection: close\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.listen).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    pub(crate) fn end(&mut self, signal: &str) -> ExitStatus {
        crate::server::signal(self.child.id(), signal);
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

pub(crate) fn signal(pid: u32, signal: &str) {
    let status = Command::new("kill").args(["-s", signal, &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

pub(crate) fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
