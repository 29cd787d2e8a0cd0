//! A ledger, its server and its operator: merchants come here to be registered.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::client::{Answer, Caller, Client, Request};
use crate::database::Ledger;
use crate::server::{Server, daybook};

type Problem = Box<dyn std::error::Error + Send + Sync>;

static OF_ALL: OnceCell<Branch> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(1);

#[derive(Debug)]
pub struct Branch {
    pub ledger: Ledger,
    pub server: Server,
    /// May do everything.
    pub operator: Caller,
}

/// Registered, active, allowed every channel and a few currencies, at a fee of one percent.
#[derive(Clone, Debug)]
pub struct Merchant {
    pub id: String,
    pub test: Caller,
    pub live: Caller,
}

/// A word nobody has used before, for order numbers and keys.
pub fn fresh(word: &str) -> String {
    format!("{word}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Branch {
    /// The one that most tests share: each brings a merchant of its own.
    ///
    /// # Errors
    /// Where it cannot be set up.
    pub async fn of_all() -> Result<&'static Self, Problem> {
        OF_ALL.get_or_try_init(|| Self::own(&[])).await
    }

    /// One of a test's own.
    ///
    /// # Errors
    /// Where it cannot be set up.
    pub async fn own(environment: &[(&str, &str)]) -> Result<Self, Problem> {
        Self::on(Ledger::fresh().await?, environment).await
    }

    /// One on a given ledger.
    ///
    /// # Errors
    /// Where it cannot be set up.
    pub async fn on(ledger: Ledger, environment: &[(&str, &str)]) -> Result<Self, Problem> {
        let server = Server::start(ledger.superuser_url(), environment).await?;
        let operator = token(&ledger, "operator")?;
        Ok(Self { ledger, server, operator })
    }

    /// Somebody with one role.
    ///
    /// # Errors
    /// Where the command line refuses.
    pub fn staff(&self, role: &str) -> Result<Caller, Problem> {
        token(&self.ledger, role)
    }

    pub fn client(&self) -> Client {
        self.server.client()
    }

    /// Asks as the operator, under a fresh key.
    ///
    /// # Errors
    /// Where there is no answer, or not the one that is good.
    pub async fn operate(&self, path: &str, body: &Value) -> Result<Answer, Problem> {
        let request = Request::post(path, body).keyed(fresh("operate")).by(&self.operator);
        let answer = self.client().send(&request).await?;
        if answer.status == 200 { Ok(answer) } else { Err(format!("{path}: {}", answer.body).into()) }
    }

    /// One that has only been registered.
    ///
    /// # Errors
    /// As [`Branch::operate`].
    pub async fn newcomer(&self) -> Result<Merchant, Problem> {
        let profile = json!({ "name": "Corner Theatre", "email": format!("{}@example.com", fresh("owner")) });
        let answer = self.operate("/api/v1/merchants", &profile).await?;
        let told = answer.json();
        let of_mode = |livemode: bool| {
            let keys = told.pointer("/data/keys").and_then(Value::as_array)?;
            let key_id = keys.iter().find(|key| key.get("livemode") == Some(&livemode.into()))?.get("key_id")?;
            let shown = told.pointer("/shown_once/keys").and_then(Value::as_array)?;
            caller(shown.iter().find(|key| key.get("key_id") == Some(key_id))?)
        };
        let (test, live) = (of_mode(false).ok_or("no test key")?, of_mode(true).ok_or("no production key")?);
        Ok(Merchant { id: answer.data("merchant_id"), test, live })
    }

    /// One that may do what merchants do.
    ///
    /// # Errors
    /// As [`Branch::operate`].
    pub async fn merchant(&self) -> Result<Merchant, Problem> {
        let merchant = self.newcomer().await?;
        let at = |what: &str| format!("/api/v1/merchants/{}/{what}", merchant.id);
        self.operate(&at("activate"), &json!({})).await?;
        self.operate(&at("channels"), &json!({ "channel": "stripe", "allowed": true })).await?;
        for currency in ["USD", "JPY"] {
            self.operate(&at("currencies"), &json!({ "currency": currency, "allowed": true })).await?;
            let fees = json!({ "channel": "stripe", "currency": currency, "rate_bps": 100 });
            self.operate(&at("fees"), &fees).await?;
        }
        Ok(merchant)
    }
}

/// A key as it is shown once.
pub fn caller(shown: &Value) -> Option<Caller> {
    let text = |name: &str| shown.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Caller::Merchant {
        key_id: text("key_id")?,
        api_key: text("api_key")?,
        signing_secret: text("signing_secret")?,
    })
}

fn token(ledger: &Ledger, role: &str) -> Result<Caller, Problem> {
    let email = format!("{}@example.com", fresh(role));
    let mut command = daybook()?;
    command.args(["token", "create", "--role", role, "--email", &email]).env("DATABASE_URL", ledger.superuser_url());
    let output = command.output()?;
    let said = String::from_utf8(output.stdout)?;
    let shown = said.lines().find(|line| line.starts_with("dbt_"));
    shown
        .map(|token| Caller::Token(token.to_owned()))
        .ok_or_else(|| format!("no token: {}", String::from_utf8_lossy(&output.stderr)).into())
}
