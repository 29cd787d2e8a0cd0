//! Rebuilding: beside the live build, under load, after a kill, never for the worse.

use projections::{MODELS, Swap};
use tokio::sync::watch;

use super::desk::{Desk, move_to};

// covers E5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_under_load_is_alike_at_the_same_position_and_the_old_one_answers_until_then() {
    let mut desk = Desk::new(5).await;
    desk.add(2_000).await;
    let (stop, stopping) = watch::channel(false);
    let running = tokio::spawn(desk.projections.clone().run(MODELS.to_vec(), stopping));
    desk.until("select count(*) = (select count(*) from read.builds) and count(*) > 0 from read.builds where is_live")
        .await;
    for model in MODELS {
        let (name, table) = (model.plan().name, model.plan().tables[0].name);
        let filling = desk.projections.begin(*model).await.unwrap();
        let head = desk.projections.head().await.unwrap();
        let filled = desk.projections.fill(&[(filling, head.min(1_500))], &|_model, _position| {}).await;
        let mut filled = filled.into_iter().next().unwrap().unwrap();
        desk.add(300).await;
        let shown = desk.count(&format!("select count(*) from read.{table}")).await;
        assert!(shown > 0, "{name} does not answer while it is rebuilt");
        let swap = desk.projections.swap(&mut filled, false).await.unwrap();
        assert!(matches!(&swap, Swap::Live { differences, .. } if differences.is_empty()), "{name}: {swap:#?}");
        let build =
            desk.count(&format!("select build::bigint from read.builds where model = '{name}' and is_live")).await;
        assert_eq!(build, i64::from(filled.build.build), "{name}");
    }
    let head = desk.add(200).await;
    for model in MODELS {
        let name = model.plan().name;
        desk.until(&format!("select position >= {head} from log.followers where name = '{name}'")).await;
    }
    stop.send_replace(true);
    running.await.unwrap();
    for model in MODELS {
        desk.assert_rebuilds_alike(*model).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fill_that_was_cut_off_goes_on_where_it_was() {
    let mut desk = Desk::new(6).await;
    let head = desk.add(1_000).await;
    for model in MODELS {
        let mut follow = desk.follow(*model).await;
        move_to(&mut follow, head).await;
        let begun = desk.projections.begin(*model).await.unwrap();
        let filled = desk.projections.fill(&[(begun, 400)], &|_model, _position| {}).await.pop().unwrap().unwrap();
        assert_eq!(filled.build.position, 400);
        let again = desk.projections.begin(*model).await.unwrap();
        assert_eq!((again.build.build, again.build.position), (filled.build.build, 400));
        // Somebody who believes that it is elsewhere writes nothing.
        let late = desk.projections.fill(&[(begun, 400)], &|_model, _position| {}).await.pop().unwrap();
        assert!(late.is_err(), "{}", model.plan().name);
        desk.assert_rebuilds_alike(*model).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_build_that_was_tampered_with_is_seen_and_kept_until_somebody_decides() {
    let mut desk = Desk::new(7).await;
    let head = desk.add(600).await;
    for (model, harm) in [
        ("ledger", "update read.accounts_v1 set balance_minor = balance_minor + 1 where id = 1"),
        ("merchants", "delete from read.api_keys_v1 where id = (select min(id::text)::uuid from read.api_keys_v1)"),
    ] {
        let model = projections::named(model).unwrap();
        let mut follow = desk.follow(model).await;
        move_to(&mut follow, head).await;
        desk.sql(harm).await;
        let begun = desk.projections.begin(model).await.unwrap();
        let filled = desk.projections.fill(&[(begun, head)], &|_model, _position| {}).await;
        let mut filled = filled.into_iter().next().unwrap().unwrap();
        let swap = desk.projections.swap(&mut filled, false).await.unwrap();
        let Swap::Refused { compared_at, differences } = swap else { panic!("{swap:?}") };
        assert_eq!((compared_at, differences.len()), (head, 1), "{differences:#?}");
        assert!(differences[0].only_new_count == 1 && !differences[0].rows.is_empty(), "{differences:#?}");
        let swap = desk.projections.swap(&mut filled, true).await.unwrap();
        assert!(matches!(&swap, Swap::Live { differences, .. } if differences.len() == 1), "{swap:?}");
        desk.assert_rebuilds_alike(model).await;
    }
}
