//! Requests by route, method and status: counted without a lock, whatever comes.

use std::{
    collections::HashMap,
    sync::OnceLock,
    time::{Duration, Instant},
};

use axum::{
    body::HttpBody as _,
    extract::{MatchedPath, Request},
    http::{Method, StatusCode},
    response::Response,
};
use meters::{Histogram, Kind, Page, REQUEST_TIMES, SECONDS};

const SERVICE: &str = "daybook";

/// What found no route.
const UNMATCHED: &str = "unmatched";

/// A client may invent methods without end; the label must not grow with them.
const METHODS: [&str; 8] = ["OTHER", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The same of statuses, which are ours: one that is not here is counted as the first of its class.
#[rustfmt::skip]
const STATUSES: [u16; 30] = [
    100, 200, 201, 202, 204, 206, 300, 301, 304, 400, 401, 403, 404, 405, 406, 408, 409, 410, 411, 412, 413, 414, 415,
    422, 429, 431, 500, 501, 503, 504,
];

const BYTES: [u64; 7] = [0, 256, 1_024, 4_096, 16_384, 65_536, 1_048_576];

/// All of them. A cell is made when its first request comes, and is there for good.
pub(super) struct Requests {
    routes: Vec<Route>,
    numbers: HashMap<String, usize>,
}

struct Route {
    path: String,
    asked: [OnceLock<Box<Asked>>; METHODS.len()],
}

/// One route by one method.
pub(super) struct Asked {
    request_bytes: Histogram,
    response_bytes: Histogram,
    answered: [OnceLock<Box<Histogram>>; STATUSES.len()],
}

impl Requests {
    /// For these routes, as axum writes them, and for what matches none.
    pub(super) fn of<'p>(paths: impl IntoIterator<Item = &'p str>) -> Self {
        let mut requests = Self { routes: Vec::new(), numbers: HashMap::new() };
        for path in [UNMATCHED].into_iter().chain(paths) {
            if !requests.numbers.contains_key(path) {
                requests.numbers.insert(path.to_owned(), requests.routes.len());
                requests.routes.push(Route { path: path.to_owned(), asked: Default::default() });
            }
        }
        requests
    }

    /// Where a request is counted. The path is the route's pattern: raw paths would make a series for each id.
    pub(super) fn asked(&self, request: &Request) -> Option<&Asked> {
        let matched = request.extensions().get::<MatchedPath>();
        let number = matched.and_then(|path| self.numbers.get(path.as_str()).copied()).unwrap_or_default();
        let asked = self.routes.get(number)?.asked.get(method(request.method()))?;
        Some(asked.get_or_init(|| Box::new(Asked::new())))
    }

    pub(super) fn write(&self, page: &mut Page) {
        let ours = [("service", SERVICE)];
        for (names, own) in [(HTTP, &ours[..]), (GATEWAY, &[])] {
            let [requests, duration, request_bytes, response_bytes] = names;
            let mut family = page.family(requests, Kind::Counter, "HTTP requests answered, by route and status");
            self.each_answered(own, |labels, took| {
                family.series(labels, took.count());
            });
            let mut family = page.family(duration, Kind::Histogram, "From the head of a request to that of its answer");
            self.each_answered(own, |labels, took| {
                family.histogram(labels, took);
            });
            let help = "Bodies of requests whose length is told before";
            let mut family = page.family(request_bytes, Kind::Histogram, help);
            self.each_asked(own, |labels, asked| {
                family.histogram(labels, &asked.request_bytes);
            });
            let help = "Bodies of answers whose length is known before";
            let mut family = page.family(response_bytes, Kind::Histogram, help);
            self.each_asked(own, |labels, asked| {
                family.histogram(labels, &asked.response_bytes);
            });
        }
    }

    fn each_asked(&self, own: &[(&str, &str)], mut write: impl FnMut(&[(&str, &str)], &Asked)) {
        for Route { path, asked } in &self.routes {
            for (method, asked) in METHODS.iter().zip(asked).filter_map(|(method, cell)| Some((method, cell.get()?))) {
                write(&[own, &[("method", *method), ("path", path.as_str())]].concat(), asked);
            }
        }
    }

    fn each_answered(&self, own: &[(&str, &str)], mut write: impl FnMut(&[(&str, &str)], &Histogram)) {
        self.each_asked(own, |labels, asked| {
            for (status, took) in STATUSES.iter().zip(&asked.answered) {
                if let Some(took) = took.get() {
                    write(&[labels, &[("status", status.to_string().as_str())]].concat(), took);
                }
            }
        });
    }
}

/// What `http_…` is called, and the same as an older platform calls it.
const HTTP: [&str; 4] =
    ["http_requests_total", "http_request_duration_seconds", "http_request_size_bytes", "http_response_size_bytes"];
const GATEWAY: [&str; 4] = [
    "payment_gateway_http_requests_total",
    "payment_gateway_http_request_duration_seconds",
    "payment_gateway_http_request_size_bytes",
    "payment_gateway_http_response_size_bytes",
];

impl Asked {
    fn new() -> Self {
        let bytes = || Histogram::new(&BYTES, 0);
        Self {
            request_bytes: bytes(),
            response_bytes: bytes(),
            answered: std::array::from_fn(|_status| OnceLock::new()),
        }
    }

    pub(super) fn came(&self, request: &Request) {
        if let Some(length) = request.body().size_hint().exact() {
            self.request_bytes.observe(length);
        }
    }

    pub(super) fn answered(&self, response: &Response, begun: Instant) {
        if let Some(length) = response.body().size_hint().exact() {
            self.response_bytes.observe(length);
        }
        self.took(response.status(), begun.elapsed());
    }

    fn took(&self, status: StatusCode, time: Duration) {
        if let Some(took) = self.answered.get(number_of(status)) {
            took.get_or_init(|| Box::new(Histogram::new(&REQUEST_TIMES, SECONDS))).took(time);
        }
    }
}

fn method(method: &Method) -> usize {
    METHODS.iter().position(|known| *known == method.as_str()).unwrap_or_default()
}

fn number_of(status: StatusCode) -> usize {
    let code = status.as_u16();
    STATUSES.binary_search(&code).or_else(|_unknown| STATUSES.binary_search(&(code / 100 * 100))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_without_a_place_of_their_own_are_counted_with_their_class() {
        assert!(STATUSES.is_sorted());
        for (status, counted) in [(200, 200), (226, 200), (404, 404), (418, 400), (503, 503), (599, 500), (999, 100)] {
            assert_eq!(STATUSES[number_of(StatusCode::from_u16(status).unwrap())], counted);
        }
    }

    #[test]
    fn methods_without_end_have_one_place() {
        for (name, counted) in [("GET", "GET"), ("BREW", "OTHER"), ("OTHER", "OTHER"), ("get", "OTHER")] {
            assert_eq!(METHODS[method(&Method::from_bytes(name.as_bytes()).unwrap())], counted);
        }
    }
}
