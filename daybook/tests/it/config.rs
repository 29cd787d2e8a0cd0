//! Settings: shown without their secrets, refused where they are not safe.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::{Child, Output, Stdio},
    time::{Duration, Instant},
};

use embedded_postgres::{Cluster, DATABASE};

use crate::server::{Home, free_address};

const KEY: &str = "f0e1d2c3b4a5968778695a4b3c2d1e0f00112233445566778899aabbccddeeff";
const TOKEN: &str = "3f9c1b7de05a48268bd17c64";
const NOWHERE: &str = "postgresql://clerk:canary-password@127.0.0.1:1/daybook";

/// What a command says with this environment, and whether it ended well.
fn say(home: &Home, arguments: &[&str], environment: &[(&str, &str)]) -> (String, bool) {
    let mut command = home.daybook(arguments);
    let Output { stdout, stderr, status } = command.envs(environment.iter().copied()).output().unwrap();
    (String::from_utf8([stdout, stderr].concat()).unwrap(), status.success())
}

fn file(home: &Home, name: &str, text: &str) -> String {
    let path = home.0.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn every_setting_is_shown_with_its_origin_and_no_secret_is() {
    let home = Home::new();
    let (password, token) = (file(&home, "url", NOWHERE), file(&home, "token", &format!("{TOKEN}\n")));
    let settings = file(
        &home,
        "settings",
        &format!(
            "# of this house\nDAYBOOK_LISTEN=127.0.0.1:1234\nDATABASE_URL_FILE={password}\nDAYBOOK_RATE_PER_KEY=7\n"
        ),
    );
    let environment = [
        ("DAYBOOK_MASTER_KEY", KEY),
        ("DAYBOOK_METRICS_TOKEN_FILE", token.as_str()),
        ("DAYBOOK_CONFIG", settings.as_str()),
        ("DAYBOOK_RATE_PER_KEY", "8"),
    ];
    let (said, is_well) = say(&home, &["config", "show", "--rate-per-merchant", "9"], &environment);
    assert!(is_well, "{said}");
    for (name, value, origin) in [
        ("DAYBOOK_LISTEN", "127.0.0.1:1234", "file"),
        ("DATABASE_URL", "[secret]", "its own file"),
        ("DAYBOOK_METRICS_TOKEN", "[secret]", "its own file"),
        ("DAYBOOK_MASTER_KEY", "[secret]", "environment"),
        ("DAYBOOK_RATE_PER_KEY", "8", "environment"),
        ("DAYBOOK_RATE_PER_MERCHANT", "9", "command line"),
        ("DAYBOOK_CHANNEL_DEADLINE_MS", "10000", "default"),
        ("DAYBOOK_KAFKA_BROKERS", "-", "not set"),
    ] {
        let line =
            said.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap_or_else(|| panic!("{said}"));
        assert!(line.contains(value) && line.ends_with(origin), "{line}");
    }
    for secret in [KEY, TOKEN, "canary-password"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn a_setting_nobody_knows_or_can_take_is_named() {
    let home = Home::new();
    for (text, words) in [
        ("DAYBOOK_LISTN=127.0.0.1:1\n", "there is no setting DAYBOOK_LISTN"),
        ("DAYBOOK_LISTEN\n", "line 1 is no NAME=value"),
        ("DAYBOOK_RATE_PER_KEY=many\n", "--rate-per-key"),
        ("DAYBOOK_WITHOUT_PROCESSES=perhaps\n", "takes true or false"),
    ] {
        let settings = file(&home, "settings", text);
        let (said, is_well) = say(&home, &["--config", &settings, "config", "check", "--database-url", NOWHERE], &[]);
        assert!(!is_well && said.contains(words), "{text}: {said}");
    }
    let (said, is_well) = say(&home, &["--config", "/nowhere/settings", "config", "check"], &[]);
    assert!(!is_well && said.contains("/nowhere/settings"), "{said}");
}

// covers C6
#[test]
fn metrics_are_not_shown_to_other_machines_without_a_token() {
    let home = Home::new();
    let environment = [("DATABASE_URL", NOWHERE), ("DAYBOOK_MASTER_KEY", KEY)];
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:40003"] {
        for command in [&["serve", "--listen", listen][..], &["config", "check", "--listen", listen]] {
            let (said, is_well) = say(&home, command, &environment);
            assert!(!is_well && said.contains("so could /metrics") && said.lines().count() == 1, "{said}");
        }
    }
    for (token, words) in
        [("short", "too plain"), ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "too plain"), (TOKEN, "may be started")]
    {
        let command = ["config", "check", "--listen", "0.0.0.0:0", "--metrics-token", token];
        let (said, is_well) = say(&home, &command, &environment);
        assert!(said.contains(words) && is_well == (token == TOKEN), "{said}");
        assert!(!said.contains(token) && !said.contains("canary-password"), "{said}");
    }
}

/// A server on the Postgres of this home, until it is dropped.
struct Served(Child, String);

impl Served {
    fn start(home: &Home, url: &str, environment: &[(&str, &str)]) -> Self {
        let listen = free_address();
        let mut command = home.daybook(&["serve", "--listen", &listen]);
        command.env("DATABASE_URL", url).envs(environment.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped());
        Self(command.spawn().unwrap(), listen)
    }

    /// What it answers, once it listens.
    fn get(&self, path: &str, headers: &str) -> String {
        let begun = Instant::now();
        let mut stream = loop {
            match TcpStream::connect(&self.1) {
                Ok(stream) => break stream,
                Err(error) => assert!(begun.elapsed() < Duration::from_secs(20), "it never listened: {error}"),
            }
        };
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}connection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

// covers B8, C6
#[test]
fn a_token_opens_the_metrics_and_a_role_that_nothing_binds_keeps_a_server_from_serving() {
    let home = Home::new();
    let _dev = home.serve();
    let cluster = Cluster::running(&home.0.join("postgres")).unwrap().unwrap();
    let (url, key) = (cluster.url(DATABASE), home.0.join("master.key").display().to_string());
    let environment = [("DAYBOOK_MASTER_KEY_FILE", key.as_str()), ("DAYBOOK_METRICS_TOKEN", TOKEN)];
    {
        let served = Served::start(&home, &url, &environment);
        for (headers, status) in [
            ("", "401"),
            ("authorization: Bearer 3f9c1b7de05a48268bd17c65\r\n", "401"),
            (&*format!("authorization: Basic {TOKEN}\r\n"), "401"),
            (&*format!("authorization: Bearer {TOKEN}\r\n"), "200"),
        ] {
            let answer = served.get("/metrics", headers);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
            assert_eq!(answer.contains("http_requests_total"), status == "200", "{answer}");
        }
        assert!(served.get("/livez", "").starts_with("HTTP/1.1 200"), "probes need none");
    }
    let (said, is_well) = say(&home, &["config", "check", "--database-url", &url], &environment);
    assert!(is_well && said.contains("its role bound"), "{said}");
    let mut connection = cluster.connect(DATABASE).unwrap();
    for (spoil, words, repair) in [
        ("ALTER ROLE daybook_app SUPERUSER", "is a superuser", "ALTER ROLE daybook_app NOSUPERUSER"),
        ("ALTER ROLE daybook_app BYPASSRLS", "bypasses row security", "ALTER ROLE daybook_app NOBYPASSRLS"),
        (
            "GRANT DELETE ON ALL TABLES IN SCHEMA log TO daybook_app",
            "may change events",
            "REVOKE DELETE ON ALL TABLES IN SCHEMA log FROM daybook_app",
        ),
        (
            "ALTER DATABASE daybook SET statement_timeout = '1s'",
            "sets statement_timeout = 1s",
            "ALTER DATABASE daybook RESET statement_timeout",
        ),
        (
            "ALTER DATABASE daybook SET synchronous_commit = local",
            "sets synchronous_commit = local",
            "ALTER DATABASE daybook RESET synchronous_commit",
        ),
    ] {
        connection.query(spoil).unwrap();
        let listen = free_address();
        for command in [&["config", "check"][..], &["serve"]] {
            let command = [command, &["--listen", &listen, "--database-url", &url]].concat();
            let (said, is_well) = say(&home, &command, &environment);
            let last = said.lines().last().unwrap_or_default();
            assert!(!is_well && last.contains(words), "{spoil}: {said}");
        }
        connection.query(repair).unwrap();
    }
    let (said, is_well) = say(&home, &["config", "check", "--database-url", &url], &environment);
    assert!(is_well, "{said}");
}
