//! Every write behind the gate: what each request asks for, planned and carried out.

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::Response,
    routing::post,
};
use gate::{Problem, rules};

use crate::{
    before,
    carry_out::{carry_out, is_dry_run},
    routes::{Api, ROUTES, Route, Work},
};

/// All of them, behind the gate.
pub fn router(api: Api) -> Router {
    ROUTES
        .iter()
        .fold(Router::new(), |router, route| {
            let serve = move |State(api): State<Arc<Api>>, request: Request| enter(*route, api, request);
            router.route(route.path, post(serve))
        })
        .with_state(Arc::new(api))
}

async fn enter(route: Route, api: Arc<Api>, request: Request) -> Response<Body> {
    let begun = Instant::now();
    let api = &*api;
    let response = api.gate.pass(route.entrance, request, move |call| async move {
        match route.work {
            Work::Many(serve) => serve(api, &call).await,
            Work::One(planner) => {
                if call.key.is_none() && !is_dry_run(&call)? {
                    return Err(Problem::turned_away(rules::IDEMPOTENCY_KEY_MISSING));
                }
                match planner(api, &call).await {
                    Ok(plan) => carry_out(api, &call, plan).await,
                    Err(problem) => before::answered_or(api, &call, problem).await,
                }
            }
        }
    });
    let response = response.await;
    api.tally.took(route.words, response.status().is_success(), begun.elapsed());
    response
}
