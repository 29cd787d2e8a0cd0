//! The way of every request: known, counted, read, proven, allowed, served, answered.

use std::{
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes},
    extract::{FromRequestParts as _, MatchedPath, Query, RawPathParams, Request},
    http::{HeaderMap, HeaderValue, Response, header, request::Parts},
};
use chrono::Utc;
use domain::refusal::Rule;
use event_store::{Store, crash};
use futures_util::FutureExt as _;
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, watch};
use vault::Vault;

use crate::{
    answer::Reply,
    asked,
    audits::{self, Audits},
    caller::{self, Caller, Demo},
    forwarded::Proxies,
    idempotency::IdempotencyKey,
    json,
    looks::{Look, Looks},
    old_keys::OldKeys,
    problem::Problem,
    rate::{self, Rate, Rates},
    rules,
    said::{accept, if_match, is_json, read, room},
    scope::Scope,
    shutter::Shutter,
    signature::Signed,
    visit::Visit,
};

/// How many bytes of bodies there may be at once, of requests let in or not.
const BODIES: usize = 64 * 1024 * 1024;

/// Room for every header the door puts on an answer.
const MARKS: usize = 8;

/// Every bound of the door in one place.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests being served at once; more are sent away at once.
    pub at_once: usize,
    pub per_key: Rate,
    pub per_merchant: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            at_once: 2_048,
            per_key: Rate { per_second: 1_000, burst: 2_000 },
            per_merchant: Rate { per_second: 2_000, burst: 4_000 },
        }
    }
}

/// What a route asks of whoever comes in.
#[derive(Clone, Copy, Debug)]
pub struct Entrance {
    pub scope: Scope,
    pub body_max: usize,
    /// The list in the body whose every item counts as a request; none where the whole counts as one.
    pub counted: Option<&'static str>,
}

/// The door of one server. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    pub store: Store,
    pub vault: Vault,
    demo: Option<Demo>,
    old_keys: Arc<OldKeys>,
    proxies: Proxies,
    places: Arc<Semaphore>,
    /// One permit for each byte of a body that may be in memory.
    bodies: Arc<Semaphore>,
    keys: Arc<Rates>,
    merchants: Arc<Rates>,
    audits: Arc<Audits>,
    looks: Arc<Looks>,
    pub shutter: Shutter,
}

/// A request that was let in.
#[derive(Debug)]
pub struct Call {
    pub caller: Caller,
    pub visit: Arc<Visit>,
    pub key: Option<IdempotencyKey>,
    /// What makes it this request and no other.
    pub fingerprint: [u8; 32],
    pub if_match: Option<i64>,
    pub body: Map<String, Value>,
    /// The same as it was sent, byte by byte.
    pub sent: Bytes,
    /// The formats the caller can read, as it says.
    pub accept: Option<String>,
    /// Where the request came from, as proxies tell it that are believed.
    pub address: Option<IpAddr>,
    /// The log is shown up to here and no further: where it ended when an auditor's session began.
    pub upto: Option<i64>,
    path: Vec<(String, String)>,
    query: Vec<(String, String)>,
    /// Method, path and query, as they were sent.
    pub(crate) asked: (String, String),
}

/// What somebody sent who need not be known here.
#[derive(Debug)]
pub struct Letter {
    pub visit: Arc<Visit>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Call {
    /// A part of the path, by the name it has in the route.
    pub fn path(&self, name: &str) -> &str {
        self.path.iter().find(|(known, _value)| known == name).map_or("", |(_name, value)| value)
    }

    /// The first part of the path that has a name in the route, with that name.
    pub fn first_path(&self) -> Option<(&str, &str)> {
        self.path.first().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The key as text; none is the empty one, which is nobody's.
    pub fn key_text(&self) -> &str {
        self.key.as_ref().map_or("", |key| &*key.0)
    }

    pub fn query(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl Gate {
    /// `demo` opens the door with a key everybody knows: for development on this machine only.
    pub fn new(store: Store, vault: Vault, demo: Option<Demo>, limits: Limits) -> Self {
        Self {
            vault,
            demo,
            old_keys: Arc::default(),
            proxies: Proxies::default(),
            places: Arc::new(Semaphore::new(limits.at_once)),
            bodies: Arc::new(Semaphore::new(BODIES)),
            keys: Arc::new(Rates::new("key", limits.per_key)),
            merchants: Arc::new(Rates::new("merchant", limits.per_merchant)),
            audits: Arc::new(Audits::new(store.clone(), audits::IDLE)),
            looks: Arc::new(Looks::new(store.clone(), audits::IDLE)),
            shutter: Shutter::default(),
            store,
        }
    }

    /// The same door, behind these proxies: their word is taken for who stands behind them.
    #[must_use]
    pub fn behind(self, proxies: Proxies) -> Self {
        Self { proxies, ..self }
    }

    /// The same door; an auditor's session ends when nothing was asked for so long, and looks are told of as often.
    #[must_use]
    pub fn with_audits_resting(self, idle: Duration) -> Self {
        let (audits, looks) = (Audits::new(self.store.clone(), idle), Looks::new(self.store.clone(), idle));
        Self { audits: Arc::new(audits), looks: Arc::new(looks), ..self }
    }

    /// Closes auditors' sessions that are over, and tells of looks that are, until told to stop; then all.
    pub async fn close_audits(&self, stop: watch::Receiver<bool>) {
        tokio::join!(self.audits.run(stop.clone()), self.looks.run(stop));
    }

    /// Lets a request in, has it served, and answers, whatever happens on the way.
    pub async fn pass<F, S>(&self, entrance: Entrance, request: Request, serve: S) -> Response<Body>
    where
        F: Future<Output = Result<Reply, Problem>> + Send,
        S: FnOnce(Call) -> F + Send,
    {
        let (mut parts, body) = request.into_parts();
        let visit = Arc::new(Visit::of(&parts));
        let mut marks = HeaderMap::with_capacity(MARKS);
        visit.mark(&mut marks);
        let (is_let_in, whose) = (AtomicBool::new(false), OnceLock::new());
        let served = async {
            self.shutter.must_be_open()?;
            let _room =
                self.bodies.try_acquire_many(room(&parts.headers, entrance.body_max)).map_err(|_full| full())?;
            let mut call = self.admit(entrance, &mut parts, body, &visit, &mut marks).await?;
            if let Caller::Merchant { merchant_id, .. } = &call.caller {
                whose.get_or_init(|| *merchant_id);
            }
            let _place = self.places.try_acquire().map_err(|_full| full())?;
            is_let_in.store(true, Ordering::Relaxed);
            crash::point("request.admitted");
            let Caller::Operator { operator_id: who, .. } = call.caller else { return serve(call).await };
            let session = self.audits.enter(&call.caller, &visit).await?;
            call.upto = session.as_ref().map(|session| session.head);
            let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
            let question = asked::question(route, call.path.iter().map(|(_name, value)| value.as_str()), call.query());
            let reply = serve(call).await?;
            match session {
                Some(session) => session.asked(question, reply.rows()),
                None if reply.shows_personal_values() => {
                    let look = Look { who, route, question, rows: reply.rows() };
                    self.looks.before_showing(look, &visit).await?;
                }
                None => {}
            }
            Ok(reply)
        };
        let served = whatever_happens(served, &visit, &is_let_in).await;
        let response = answered(served, &visit, marks);
        visit.note(whose.get(), response.status());
        response
    }

    /// Takes in what a partner sends us unasked: as it came, within bounds. Whoever serves it finds out whether it is true.
    pub async fn take_in<F, S>(&self, body_max: usize, request: Request, serve: S) -> Response<Body>
    where
        F: Future<Output = Result<Reply, Problem>> + Send,
        S: FnOnce(Letter) -> F + Send,
    {
        let (parts, body) = request.into_parts();
        let visit = Arc::new(Visit::of(&parts));
        let mut marks = HeaderMap::with_capacity(MARKS);
        visit.mark(&mut marks);
        let is_let_in = AtomicBool::new(false);
        let served = async {
            self.shutter.must_be_open()?;
            let _room = self.bodies.try_acquire_many(room(&parts.headers, body_max)).map_err(|_full| full())?;
            let _place = self.places.try_acquire().map_err(|_full| full())?;
            let body = read(body, &parts.headers, body_max).await?;
            is_let_in.store(true, Ordering::Relaxed);
            serve(Letter { visit: Arc::clone(&visit), headers: parts.headers, body }).await
        };
        let served = whatever_happens(served, &visit, &is_let_in).await;
        let response = answered(served, &visit, marks);
        visit.note(None, response.status());
        response
    }

    async fn admit(
        &self,
        entrance: Entrance,
        parts: &mut Parts,
        body: Body,
        visit: &Arc<Visit>,
        marks: &mut HeaderMap,
    ) -> Result<Call, Problem> {
        crash::point("request.come");
        let now = Utc::now();
        let keys = (self.demo, &*self.old_keys);
        let known = caller::identify(&parts.headers, &self.store, &self.vault, keys, now).await?;
        if !entrance.scope.is_granted_to(&known.caller) {
            return Err(Problem::turned_away(rules::SCOPE_MISSING));
        }
        let key = IdempotencyKey::of(&parts.headers)?;
        let body = read(body, &parts.headers, entrance.body_max).await?;
        let path_and_query = parts.uri.path_and_query().map_or("/", |whole| whole.as_str()).to_owned();
        let method = parts.method.as_str().to_owned();
        let signed = Signed {
            method: &method,
            path_and_query: &path_and_query,
            key: key.as_ref().map_or("", |key| &*key.0),
            body: &body,
        };
        known.prove(&parts.headers, &signed, now)?;
        crash::point("request.proven");
        // Only what is proven is counted: nobody uses up another's rate with a key alone.
        self.count(&known.caller, 1, marks)?;
        let sent = body.clone();
        let body = self.object(&body, &parts.headers)?;
        if let Some(Value::Array(items)) = entrance.counted.and_then(|list| body.get(list)) {
            let more = items.len().saturating_sub(1).min(entrance.body_max);
            self.count(&known.caller, u32::try_from(more).unwrap_or(u32::MAX), marks)?;
        }
        let fingerprint =
            self.vault.fingerprint(&[method.as_bytes(), path_and_query.as_bytes(), json::canonical(&body).as_bytes()]);
        let Query(query) = Query::try_from_uri(&parts.uri)
            .map_err(|_not_readable| Problem::turned_away(rules::PARAMETER_MALFORMED))?;
        let if_match = if_match(&parts.headers)?;
        let accept = accept(&parts.headers);
        let address = self.proxies.address(&parts.extensions, &parts.headers);
        let path = RawPathParams::from_request_parts(parts, &())
            .await
            .map_err(|_not_text| Problem::turned_away(rules::ROUTE_UNKNOWN))?;
        let path = path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let (caller, visit, asked) = (known.caller, Arc::clone(visit), (method, path_and_query));
        Ok(Call {
            caller,
            visit,
            key,
            fingerprint,
            if_match,
            body,
            sent,
            accept,
            address,
            upto: None,
            path,
            query,
            asked,
        })
    }

    /// Counts so many more requests at once, by key and by merchant: both or neither. Tells what is left now.
    fn count(&self, caller: &Caller, requests: u32, marks: &mut HeaderMap) -> Result<(), Problem> {
        if requests == 0 {
            return Ok(());
        }
        let (key, merchant) = match caller {
            Caller::Merchant { merchant_id, key_id, livemode } => {
                ((key_id.uuid(), *livemode), Some((merchant_id.uuid(), *livemode)))
            }
            Caller::Operator { operator_id, .. } => ((operator_id.uuid(), true), None),
        };
        let now = Instant::now();
        rate::forget(marks);
        let of_key = self.keys.take(key, requests, now);
        self.keys.tell(marks, of_key)?;
        let Some(merchant) = merchant else { return Ok(()) };
        let told = self.merchants.tell(marks, self.merchants.take(merchant, requests, now));
        if told.is_err() {
            self.keys.give_back(key, requests);
        }
        told
    }

    /// A body is one JSON object; none is the empty one.
    fn object(&self, body: &Bytes, headers: &HeaderMap) -> Result<Map<String, Value>, Problem> {
        if body.is_empty() {
            return Ok(Map::new());
        }
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if is_json(content_type) {
            json::parse(body)
        } else {
            Err(Problem::turned_away(rules::CONTENT_TYPE_UNSUPPORTED))
        }
    }
}

fn full() -> Problem {
    Problem::later(rules::OVERLOADED, 1)
}

/// Serves; a panic becomes an answer that says what is known.
async fn whatever_happens(
    served: impl Future<Output = Result<Reply, Problem>>,
    visit: &Visit,
    is_let_in: &AtomicBool,
) -> Result<Reply, Problem> {
    AssertUnwindSafe(served).catch_unwind().await.unwrap_or_else(|_panic| {
        tracing::error!(request_id = visit.request_id, "a request ended in a panic");
        let is_let_in = is_let_in.load(Ordering::Relaxed);
        Err(if is_let_in { Problem::broken() } else { Problem::turned_away(rules::INTERNAL) })
    })
}

fn answered(served: Result<Reply, Problem>, visit: &Visit, marks: HeaderMap) -> Response<Body> {
    crash::point("request.before_answer");
    let mut response = match served {
        Ok(reply) => reply.response(visit),
        Err(problem) => problem.response(visit),
    };
    response.headers_mut().reserve(MARKS);
    response.headers_mut().extend(marks);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Answers a request that found no route.
pub fn turn_away(request: Request, rule: &'static Rule) -> Response<Body> {
    let (parts, _unread) = request.into_parts();
    let visit = Visit::of(&parts);
    let mut response = Problem::turned_away(rule).response(&visit);
    visit.mark(response.headers_mut());
    response
}
