//! The server dies around every turn and call of every process: each is finished, once.

use std::time::{Duration, Instant};

use event_store::crash;
use sqlx::PgConnection;
use system_tests::branch::Branch;
use system_tests::say::say;
use system_tests::server::Server;
use system_tests::times::times;

use super::Outside;
use super::holding::all_holds;
use super::scenarios::{Ready, SCENARIOS, Scenario, Story, WITHIN, prepare};

/// Where a server is to die.
#[derive(Clone, Debug)]
struct Death {
    scenario: &'static Scenario,
    point: &'static str,
    nth: usize,
}

impl Death {
    fn trap(&self) -> String {
        format!("{}@{}:{}", self.point, self.scenario.process, self.nth)
    }

    /// It passes there so often at least; maybe more often.
    fn is_certain(&self) -> bool {
        let Scenario { turns, calls, .. } = self.scenario;
        self.nth <= if self.point.ends_with("call") { *calls } else { *turns }
    }
}

/// One for each scenario, each at another point; or, asked for more than there are scenarios, all that are certain, the
/// last of each point followed by later ones until the process has ended before it passes there again.
fn deaths(most: usize) -> (Vec<Death>, bool) {
    let of = |scenario: &'static Scenario| -> Vec<Death> {
        let points = crash::OF_A_PROCESS.iter();
        let all = points.flat_map(|point| (1..=scenario.turns).map(move |nth| Death { scenario, point, nth }));
        all.filter(Death::is_certain).collect()
    };
    if most > SCENARIOS.len() {
        return (SCENARIOS.iter().flat_map(of).collect(), true);
    }
    let one = |(n, scenario): (usize, &'static Scenario)| {
        let of = of(scenario);
        of[n * 3 % of.len()].clone()
    };
    (SCENARIOS.iter().enumerate().map(one).take(most).collect(), false)
}

// covers D6, D13, A10, C1, I20, I21, I24
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_at_any_turn_or_call_is_followed_by_one_that_finishes_it_once() {
    let outside = Outside::reporting().await;
    let (deaths, goes_on) = deaths(times("DAYBOOK_REACTION_DEATHS", SCENARIOS.len()));
    let mut branch = Branch::own(&outside.environment()).await.unwrap();
    let mut books = branch.ledger.superuser().await.unwrap();
    let mut died = 0;
    for death in &deaths {
        let mut death = death.clone();
        loop {
            let begun = Instant::now();
            let has_died = survive(&outside, &mut branch, &mut books, &death).await;
            assert!(has_died || !death.is_certain(), "{} was never passed", death.trap());
            if !has_died {
                break;
            }
            died += 1;
            say(&format!(
                "died at {} of {:?}, finished in {:.1?}",
                death.trap(),
                death.scenario.story,
                begun.elapsed()
            ));
            death.nth += 1;
            // The next ones that are certain have their own turn.
            if !goes_on || death.is_certain() {
                break;
            }
        }
    }
    all_holds(&branch, Some(&outside)).await;
    let all = if goes_on { "at every point each of them passes" } else { "once in each" };
    say(&format!("a server died {died} times in {} scenarios of processes, {all}", SCENARIOS.len()));
}

/// Whether it died there. Either way the story ends as it should, and everything holds.
async fn survive(outside: &Outside, branch: &mut Branch, books: &mut PgConnection, death: &Death) -> bool {
    outside.report_to(&branch.server);
    let ready = prepare(branch, books, death.scenario.story).await;
    branch.server.signal("TERM").unwrap();
    ended(&mut branch.server).await;
    ready.begin_unseen(books).await;

    let trap = death.trap();
    let soon = (ready.story == Story::NeverCaptured).then_some(("DAYBOOK_CAPTURED_WITHIN_S", "1"));
    let environment: Vec<(&str, &str)> = outside.environment().into_iter().chain(soon).collect();
    let trapped: Vec<(&str, &str)> = environment.iter().copied().chain([("DAYBOOK_CRASH_AT", &*trap)]).collect();
    let mut dying = Server::start_to_die(branch.ledger.superuser_url(), &trapped).await.unwrap();
    outside.report_to(&dying);
    let asked = ready.begin(&mut dying.client()).await;
    let has_died = until_dead(&mut dying, &ready, books).await;
    assert!(asked.is_ok() || has_died, "{trap}: {asked:?}");
    drop(dying);

    branch.server = Server::start(branch.ledger.superuser_url(), &environment).await.unwrap();
    outside.report_to(&branch.server);
    ready.begin(&mut branch.client()).await.unwrap();
    ready.until_ended(books).await;
    all_holds(branch, Some(outside)).await;
    if soon.is_some() {
        // Others have the usual time.
        branch.server.signal("TERM").unwrap();
        ended(&mut branch.server).await;
        branch.server = Server::start(branch.ledger.superuser_url(), &outside.environment()).await.unwrap();
    }
    has_died
}

/// Until the server has died, or the story has ended without.
async fn until_dead(server: &mut Server, ready: &Ready, books: &mut PgConnection) -> bool {
    let begun = Instant::now();
    while server.is_running() {
        if ready.has_ended(books).await {
            return false;
        }
        assert!(begun.elapsed() < WITHIN, "{:?} has neither ended nor killed its server", ready.story);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    true
}

async fn ended(server: &mut Server) {
    tokio::task::block_in_place(|| server.wait().unwrap());
}
