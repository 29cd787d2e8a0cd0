//! The baseline: the same door and payment, on postgres-es's own store.
//!
//! Who asks, the signature, the fingerprint, the reading of the body and the sealing are done by the same code. The
//! idempotency record and the data key are written by a trigger in the transaction of the event, which is the cheapest
//! way there is: no round trip and no flush more than postgres-es makes anyway.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::serve::ListenerExt as _;
use axum::{Router, routing};
use domain::channel::Channel;
use domain::currency::Currency;
use domain::free_text::{FreeText, OrderNo};
use domain::id::PaymentId;
use domain::merchant::Merchant;
use domain::money::Money;
use domain::payment::{
    Agreed, Initiate, Payment, PaymentCommand, attempt::CaptureMode, event::Purpose, origin::Origin,
};
use event_store::{Database, Framework, Store, Upcasters};
use gate::{Amount, Body as _, Call, Caller, Entrance, Gate, Limits, Problem as Turned, Rate, Reply, Scope, Url, body};
use postgres_es::{PostgresCqrs, default_postgress_pool, postgres_cqrs};
use sqlx::{Executor as _, PgConnection};
use vault::{MasterKey, Vault};

use crate::Problem;
use crate::server::MASTER_KEY;

const TABLES: &str = "
    create schema baseline;
    create table baseline.events (
        aggregate_type text not null, aggregate_id text not null, sequence bigint check (sequence >= 0) not null,
        event_type text not null, event_version text not null, payload json not null, metadata json not null,
        primary key (aggregate_type, aggregate_id, sequence));
    create table baseline.answers (
        scope text not null, key text not null, fingerprint bytea not null, status smallint not null, body text not null,
        recorded_at timestamptz not null, primary key (scope, key));
    create table baseline.data_keys (id uuid not null primary key, wrapped bytea not null);
    create function baseline.remember() returns trigger language plpgsql as $$
    begin
        insert into baseline.answers values (new.metadata ->> 'actor', new.metadata ->> 'key', sha256('request'), 200,
            rpad('{', 240, 'a'), clock_timestamp());
        insert into baseline.data_keys values ((new.metadata ->> 'data_key')::uuid, repeat('k', 73)::bytea);
        return null;
    end $$;
    create trigger remember after insert on baseline.events for each row execute function baseline.remember();
";

body! {
    struct CreatePayment {
        required order_no: OrderNo = "ORDER-1", "As the ledger has it.";
        required amount: Amount = 10000, "As the ledger has it.";
        required currency: Currency = "USD", "As the ledger has it.";
        required channel: Channel = "stripe", "As the ledger has it.";
        optional subject: FreeText = "Two tickets", "As the ledger has it.";
        optional body: FreeText = "Row 7, seats 1 and 2", "As the ledger has it.";
        optional callback_url: Url = "https://example.com/callback", "As the ledger has it.";
        optional return_url: Url = "https://example.com/return", "As the ledger has it.";
    }
}

#[derive(Clone)]
struct Baseline {
    gate: Gate,
    framework: Arc<PostgresCqrs<Framework<Payment>>>,
}

/// Makes its tables in the same database; its unqualified table name is found by the search path of the database.
pub(crate) async fn make_tables(superuser: &mut PgConnection) -> Result<(), Problem> {
    superuser.execute(TABLES).await?;
    let name: String = sqlx::query_scalar("select current_database()::text").fetch_one(&mut *superuser).await?;
    superuser.execute(format!("alter database {name} set search_path = baseline, public").as_str()).await?;
    Ok(())
}

/// A process of its own, as the ledger's server is.
pub(crate) async fn serve(url: &str, address: &str) -> Result<(), Problem> {
    let store = Store::open(Database::parse(url)?, Upcasters::default(), event_store::Limits::default());
    let rate = Rate { per_second: 100_000_000, burst: 200_000_000 };
    let limits = Limits { per_key: rate, per_merchant: rate, ..Limits::default() };
    let gate = Gate::new(store, Vault::new(&MasterKey::parse(MASTER_KEY)?), None, limits);
    let framework = Arc::new(postgres_cqrs(default_postgress_pool(url).await, Vec::new(), ()));
    let router = Router::new()
        .route("/readyz", routing::get(async || "ready"))
        .route("/api/v1/payments", routing::post(enter))
        .with_state(Baseline { gate, framework });
    let listener = tokio::net::TcpListener::bind(address).await?;
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    Ok(axum::serve(listener, router).await?)
}

async fn enter(State(baseline): State<Baseline>, request: Request) -> axum::response::Response {
    let gate = baseline.gate.clone();
    let entrance = Entrance { scope: Scope::TakePayments, body_max: 64 * 1024, counted: None };
    gate.pass(entrance, request, |call| async move { baseline.pay(&call).await }).await
}

impl Baseline {
    async fn pay(&self, call: &Call) -> Result<Reply, Turned> {
        let Caller::Merchant { merchant_id, livemode, .. } = call.caller else { return Err(Turned::unknown()) };
        let body = CreatePayment::parse(&call.body)?;
        let (merchant, _version) = self.gate.store.read::<Merchant>(&merchant_id.to_string().into()).await?;
        let payment_id = PaymentId::derive(merchant_id, livemode, body.order_no.as_str());
        let envelope = self.gate.vault.envelope();
        let data_key = self.gate.vault.wrapped(&envelope, None);
        let purpose = Purpose {
            subject: body.subject,
            description: body.body.map(|text| envelope.seal(text.as_str(), None)),
            customer_email: None,
            callback_url: body.callback_url.map(|url| url.0),
            return_url: body.return_url.map(|url| url.0),
            metadata: std::collections::BTreeMap::new(),
        };
        let amount = Money::new(body.amount.0, body.currency);
        let answer = serde_json::json!({
            "code": 0, "message": "the payment was accepted", "data": {
                "payment_no": payment_id, "order_no": body.order_no.as_str(), "status": "pending",
                "amount": body.amount.0, "currency": body.currency, "captured": 0, "refunded": 0, "livemode": livemode,
            },
        });
        let initiate = Initiate {
            agreed: Agreed { payment_id, merchant_id, livemode, order_no: body.order_no, amount },
            channel: body.channel,
            capture_mode: CaptureMode::Automatic,
            method: None,
            purpose,
            origin: Origin::default(),
            terms: merchant.terms(livemode, body.channel, body.currency),
        };
        let metadata = HashMap::from([
            ("actor".to_owned(), merchant_id.to_string()),
            ("key".to_owned(), call.key.as_ref().map_or_else(String::new, |key| key.0.to_string())),
            ("data_key".to_owned(), data_key.id.to_string()),
            ("request_id".to_owned(), call.visit.request_id.clone()),
            ("trace_id".to_owned(), call.visit.trace_id.clone()),
        ]);
        let command = PaymentCommand::Initiate(Box::new(initiate));
        let done = self.framework.execute_with_metadata(&payment_id.to_string(), command, metadata).await;
        done.map(|()| Reply::new(200, answer.to_string())).map_err(|_failure| Turned::unknown())
    }
}
