//! Rules and dashboards name only metrics and labels that are on a real page.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;
use system_tests::branch::{Branch, fresh};
use system_tests::client::Request;
use system_tests::dashboards::{ALL, Dashboard};
use system_tests::metered::{self, OURS, RELAYED, SIGNED, WITH_WORK};
use system_tests::promql::{Named, shown};
use system_tests::tree::Tree;

use super::rules::{self, Made, Rule};
use crate::operations::{page as shown_by, until};

/// What Prometheus itself adds.
const OF_THE_SCRAPE: [&str; 2] = ["instance", "job"];

/// Every series that can be asked for, with its labels.
struct Known(BTreeMap<String, BTreeSet<String>>);

impl Known {
    fn with(rules: &[Rule]) -> Self {
        let recorded = rules.iter().filter_map(|rule| match &rule.made {
            Made::Record(name) => Some((name.clone(), rule.labels())),
            Made::Alert(_) => None,
        });
        Self(recorded.chain([("up".to_owned(), BTreeSet::new())]).collect())
    }

    fn labels(&self, metric: &str) -> Option<BTreeSet<String>> {
        let ours = metered::labels(metric).map(|labels| labels.into_iter().map(str::to_owned).collect());
        let mut labels: BTreeSet<String> = ours.or_else(|| self.0.get(metric).cloned())?;
        labels.extend(OF_THE_SCRAPE.map(str::to_owned));
        Some(labels)
    }

    /// What is amiss with a query, and with the labels that are shown of its answer.
    fn amiss(&self, query: &str, shown: &BTreeSet<String>) -> Vec<String> {
        let (named, mut amiss, mut had) = (Named::of(query), Vec::new(), BTreeSet::new());
        if named.metrics.is_empty() {
            amiss.push("asks for nothing".to_owned());
        }
        for (metric, selected) in &named.metrics {
            match self.labels(metric) {
                Some(labels) => {
                    amiss.extend(selected.difference(&labels).map(|label| format!("{metric} has no label {label}")));
                    had.extend(labels);
                }
                None => amiss.push(format!("there is no metric {metric}")),
            }
        }
        amiss.extend(named.grouped.difference(&had).map(|label| format!("grouped by {label}, which nothing has")));
        let left = if named.is_grouped { &named.grouped } else { &had };
        amiss.extend(shown.difference(left).map(|label| format!("shows {label}, which the answer has not")));
        amiss
    }
}

fn of_rules(known: &Known, rules: &[Rule]) -> Vec<String> {
    let of = |rule: &Rule| {
        let amiss = known.amiss(&rule.asks, &rule.shown()).into_iter();
        amiss.map(|amiss| format!("{:?}: {amiss}", rule.made)).collect::<Vec<_>>()
    };
    rules.iter().flat_map(of).collect()
}

fn of_dashboard(known: &Known, dashboard: &Dashboard) -> Vec<String> {
    let queries = dashboard.panels.iter().flat_map(|panel| panel.queries.iter().map(move |query| (panel.title, query)));
    let mut amiss: Vec<String> = queries
        .flat_map(|(title, query)| {
            known.amiss(query.asks, &shown(query.legend)).into_iter().map(move |amiss| format!("{title}: {amiss}"))
        })
        .collect();
    for (metric, label) in dashboard.choices {
        if !known.labels(metric).is_some_and(|labels| labels.contains(*label)) {
            amiss.push(format!("{metric} has no label {label} to choose from"));
        }
    }
    amiss
}

#[test]
fn every_query_of_rules_and_dashboards_names_only_what_there_is() {
    let rules = rules::all(&rules::tree());
    let known = Known::with(&rules);
    let mut amiss = of_rules(&known, &rules);
    for dashboard in ALL {
        amiss.extend(of_dashboard(&known, dashboard).into_iter().map(|amiss| format!("{}: {amiss}", dashboard.name)));
    }
    assert!(amiss.is_empty(), "\n{}\n", amiss.join("\n"));
}

#[test]
fn a_query_for_what_there_is_not_is_seen() {
    let rules = rules::all(&rules::tree());
    let known = Known::with(&rules);
    let none = BTreeSet::new();
    for (query, told) in [
        ("sum(rate(payments_total[5m]))", "there is no metric payments_total"),
        ("payment_gateway_payment_total{state=\"success\"}", "payment_gateway_payment_total has no label state"),
        ("sum by (merchant) (saga_started_total)", "grouped by merchant, which nothing has"),
        ("daybook:payments:rate5m{instance_id=\"a\"}", "daybook:payments:rate5m has no label instance_id"),
        ("payment_gateway_payment_amount_sum{le=\"1\"}", "payment_gateway_payment_amount_sum has no label le"),
        ("vector(1)", "asks for nothing"),
    ] {
        assert_eq!(known.amiss(query, &none), [told], "{query}");
    }
    let lost = known.amiss("sum by (status) (payment_gateway_payment_total)", &shown("{{channel}}"));
    assert_eq!(lost, ["shows channel, which the answer has not"]);
}

#[test]
fn the_dashboards_are_as_they_are_drawn() {
    let tree: Tree = rules::tree();
    for dashboard in ALL {
        let kept = tree.text(&dashboard.path()).unwrap_or_default();
        assert!(kept == dashboard.drawn(), "{} is not as it is drawn: run `make dashboards`", dashboard.path());
    }
    let kept = tree.under(system_tests::dashboards::FOLDER, "").count();
    assert_eq!(kept, ALL.len(), "a file nobody draws");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shown_now_and_then_is_shown_where_there_is_something_to_show() {
    let directory = crate::audit::Directory::fresh();
    let key = directory.at("checkpoint.key");
    let mut made = system_tests::server::daybook().unwrap();
    assert!(made.args(["audit", "key"]).arg(&key).args(["--name", "example.com/ledger"]).status().unwrap().success());
    let key = key.display().to_string();
    let environment = [
        ("DAYBOOK_WITHOUT_PROCESSES", "false"),
        ("DAYBOOK_WITHOUT_AUDIT", "false"),
        ("DAYBOOK_CHECKPOINT_KEY_FILE", key.as_str()),
        // Nobody listens there: the relay waits, and says how much it has on its way.
        ("DAYBOOK_KAFKA_BROKERS", "127.0.0.1:9"),
    ];
    let branch = Branch::own(&environment).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let body = json!({ "order_no": fresh("shown"), "amount": 12_345, "currency": "USD", "channel": "stripe",
                       "capture": "manual" });
    let pay = Request::post("/api/v1/payments", &body).keyed(fresh("key")).by(&merchant.test);
    assert_eq!(branch.client().send(&pay).await.unwrap().verdict(), "200");
    let wanted = || SIGNED.into_iter().chain(RELAYED).chain(WITH_WORK).chain(OURS);
    let has_all =
        |page: &system_tests::exposition::Exposition| wanted().find(|(name, _labels)| !page.has(name)).is_none();
    let page = until("every metric is shown", Duration::from_secs(60), async || {
        Some(shown_by(&branch.server).await).filter(has_all)
    })
    .await;
    for (name, labels) in wanted() {
        assert_eq!(page.labels(name), labels.iter().copied().collect(), "{name}");
    }
    assert_eq!(page.sum("ledger_trial_balance_is_zero", &[]), 1.0);
    assert_eq!(page.sum("daybook_check_state", &[("check", "database")]), 0.0);
    assert!(page.sum("audit_checkpoint_size", &[]) > 0.0);
    // Somebody puts a hand on the books: it is seen.
    let mut behind = branch.ledger.superuser().await.unwrap();
    let off = "insert into read.accounts_v1 select 'bank', 'XTS', false, coalesce(max(id), 0) + 1, 'asset', null, 1, 1, 0, 1, 1, 1 \
               from read.accounts_v1";
    sqlx::query(off).execute(&mut behind).await.unwrap();
    until("books off balance are seen", Duration::from_secs(90), async || {
        (shown_by(&branch.server).await.sum("ledger_trial_balance_is_zero", &[]) == 0.0).then_some(())
    })
    .await;
}
