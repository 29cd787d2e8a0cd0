//! Taking over from the platform before: what was begun there goes on here.

mod again;
mod goes_on;
mod secrets;
mod tables;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::PgConnection;
use system_tests::branch::Branch;
use system_tests::client::Caller;
use system_tests::database::Ledger;
use system_tests::server::daybook;
use system_tests::tree::root;

static NEXT: AtomicU32 = AtomicU32::new(1);

/// The platform before, as it is shown in the documents: its files, to be changed.
pub(super) struct Old {
    pub(super) directory: PathBuf,
}

impl Old {
    pub(super) fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("daybook-import-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        for file in fs::read_dir(root().join("docs/import/example")).unwrap() {
            let path = file.unwrap().path();
            fs::copy(&path, directory.join(path.file_name().unwrap())).unwrap();
        }
        Self { directory }
    }

    pub(super) fn read(&self, table: &str) -> String {
        fs::read_to_string(self.file(table)).unwrap()
    }

    /// Something in a file becomes something else: it must be there.
    pub(super) fn change(&self, table: &str, from: &str, to: &str) {
        let text = self.read(table);
        assert!(text.contains(from), "{from} in {table}");
        fs::write(self.file(table), text.replace(from, to)).unwrap();
    }

    pub(super) fn add(&self, table: &str, row: &str) {
        fs::write(self.file(table), format!("{}{row}\n", self.read(table))).unwrap();
    }

    fn file(&self, table: &str) -> PathBuf {
        self.directory.join(format!("{table}.csv"))
    }
}

impl Drop for Old {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.directory).unwrap();
    }
}

/// What the command said, and with which status it ended.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: Option<i32>,
    pub(super) text: String,
}

impl Said {
    /// A table's line of counts.
    pub(super) fn of(&self, table: &str) -> &str {
        let line = self.text.lines().find(|line| line.starts_with(table) && line.contains(" read: "));
        let line = line.unwrap_or_else(|| panic!("nothing of {table}: {}", self.text));
        line.split(" (").next().unwrap().trim_start_matches(table).trim()
    }
}

/// Takes over from files, as the branch's operator.
pub(super) fn take_over(branch: &Branch, old: &Old, more: &[&str]) -> Said {
    let from = old.directory.display().to_string();
    let arguments = [&["--from", from.as_str(), "--source", "old"], more].concat();
    import(&branch.ledger, &branch.operator, &arguments, &[])
}

pub(super) fn import(ledger: &Ledger, operator: &Caller, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
    let Caller::Token(token) = operator else { panic!("an operator has a token") };
    let mut command = daybook().unwrap();
    command.arg("import").args(arguments).env("DATABASE_URL", ledger.superuser_url()).env("DAYBOOK_TOKEN", token);
    let Output { status, stdout, stderr } = command.envs(environment.iter().copied()).output().unwrap();
    let text = [stdout, stderr].map(|said| String::from_utf8(said).unwrap()).concat();
    Said { status: status.code(), text }
}

/// A merchant with a key it had there.
pub(super) fn with_key(api_key: &str, secret: &str) -> Caller {
    let [key_id, api_key, signing_secret] = ["", api_key, secret].map(str::to_owned);
    Caller::Merchant { key_id, api_key, signing_secret }
}

pub(super) async fn head(log: &mut PgConnection) -> i64 {
    sqlx::query_scalar("select coalesce(max(position), 0) from log.events").fetch_one(log).await.unwrap()
}

/// Everything that was taken over, told apart from what makes each event its own; how often each is there.
pub(super) async fn taken_over(log: &mut PgConnection) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "select concat_ws(' ', aggregate_type, aggregate_id, sequence, event_type, livemode, \
                case when aggregate_type = 'merchant' then '' else payload::text end), count(*) \
         from log.events where metadata ->> 'taken_over' is not null group by 1",
    )
    .fetch_all(log)
    .await
    .unwrap();
    rows.into_iter().collect()
}

/// What one account holds, debits positive, by the read model; nothing where there is none.
pub(super) async fn balance(log: &mut PgConnection, account: &str, currency: &str, livemode: bool) -> i64 {
    let balance: Option<i64> = sqlx::query_scalar(
        "select balance_minor::bigint from read.accounts where account = $1 and currency = $2 and livemode = $3",
    )
    .bind(account)
    .bind(currency)
    .bind(livemode)
    .fetch_optional(log)
    .await
    .unwrap();
    balance.unwrap_or(0)
}

pub(super) fn text_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}
