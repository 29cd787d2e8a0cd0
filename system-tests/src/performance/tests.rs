//! The page, the plot and the check, on what was recorded.

use super::check::{better_of, compare};
use super::growth::{Growth, Point, lengths};
use super::machine::{field, memory_mib};
use super::page::{drawing, page, table};
use super::{Bench, Machine, Performance, number};

const APPEND: &str = r#"[
  { "name": "commands_per_s", "about": "commands a second, 64 callers", "value": 26000.0 },
  { "name": "postgres_es_commands_per_s", "about": "the same on postgres-es", "value": 4000.0 },
  { "name": "speedup_vs_postgres_es", "about": "commands/s over postgres-es's", "value": 6.5, "aim": { "at_least": 6.0 } },
  { "name": "p99_vs_postgres_es", "about": "p99 over postgres-es's", "value": 0.4, "aim": { "at_most": 0.334 } },
  { "name": "limit_rows_per_s", "about": "bare", "value": 60000.0 },
  { "name": "share_of_limit", "about": "share", "value": 0.71, "aim": { "at_least": 0.6 } },
  { "name": "commands_per_s_1024_callers", "about": "commands a second, 1,024 callers", "value": 42600.0 }
]"#;

const END_TO_END: &str = r#"[
  { "name": "payments_per_s", "about": "payments a second, paid and shown", "value": 812.5, "aim": { "at_least": 1500.0 } },
  { "name": "us_api", "about": "api", "value": 150.0 },
  { "name": "us_postgres_sessions", "about": "sessions", "value": 450.0 }
]"#;

fn recorded() -> Performance {
    let point = |events_count, slow: f64| {
        let found = Point {
            events_count,
            append_per_s: 30_000.0 / slow,
            rebuild_per_s: 70_000.0 / slow,
            point_read_p99_ms: 0.2 * slow,
            proof_p99_ms: 1.5 * slow,
        };
        found.rounded()
    };
    Performance {
        machine: Machine {
            cores_count: 2,
            processor: "A processor".to_owned(),
            memory_mib: 7_950,
            kernel: "6.1.0".to_owned(),
            postgres: "18.1".to_owned(),
        },
        commit: "0123456".to_owned(),
        date: "2026-01-31".to_owned(),
        benches: vec![
            Bench::found("append", APPEND).unwrap(),
            Bench::found("e2e", END_TO_END).unwrap(),
            Bench::not_run("bus", "Kafka is not there"),
        ],
        short: vec![Bench::found("append", APPEND).unwrap()],
        growth: Some(Growth {
            points: vec![point(10_000, 1.0), point(100_000, 1.1), point(1_000_000, 1.4)],
            ended: Some("the disk has no room for more".to_owned()),
            ..Growth::default()
        }),
    }
}

#[test]
fn the_page_tells_what_was_found_what_was_missed_and_what_was_not_run() {
    let page = page(&recorded());
    for line in [
        "2 cores of A processor, 7,950 MiB of memory, Linux 6.1.0, Postgres 18.1; everything on this one machine, whoever asks included.",
        "| commands a second, 64 callers (`commands_per_s`) | 26,000 | ratio >= 6.00 | postgres-es 4,000 | 6.50 | ok |",
        "| commands a second, 1,024 callers (`commands_per_s_1024_callers`) | 42,600 | ratio >= 0.600 | bare inserts 60,000 | 0.710 | ok |",
        "| p99 over postgres-es's (`p99_vs_postgres_es`) | 0.400 | <= 0.334 |  |  | **missed** |",
        "| payments a second, paid and shown (`payments_per_s`) | 812 | >= 1,500 |  |  | **missed** |",
        "Not run: Kafka is not there.",
        "| the API: signature, decision, sealing, append | 150 | 25 % |",
        "| Postgres: sessions | 450 | 75 % |",
        "| 1,000,000 | 21,429 | 50,000 | 0.280 | 2.10 |",
        "`make bench-growth`, commit , . It ended early: the disk has no room for more.",
    ] {
        assert!(page.lines().any(|told| told == line), "{line}\nis not in\n{page}");
    }
    assert!(!page.contains("speedup"), "a ratio stands beside its figure, and not once more: {page}");
    assert!(page.lines().all(|line| line.len() <= 250), "{page}");
}

#[test]
fn the_table_of_a_terminal_has_the_same_lines() {
    let table = table(&recorded().benches);
    assert!(table.lines().any(|line| line.starts_with("bus     not run: Kafka")), "{table}");
    let line = table.lines().find(|line| line.contains("64 callers")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[words.len() - 6..], [">=", "6.00", "postgres-es", "4,000", "6.50", "ok"], "{table}");
}

#[test]
fn what_is_kept_is_read_again_as_it_was() {
    let kept = serde_json::to_string_pretty(&recorded()).unwrap();
    assert_eq!(serde_json::from_str::<Performance>(&kept).unwrap(), recorded());
    assert!(Bench::found("append", "{\"commands_per_s\": 1}").is_err(), "no list of figures");
}

#[test]
fn a_ratio_that_is_more_than_fifteen_in_a_hundred_worse_is_too_bad_and_no_figure_is_compared() {
    let with = |speedup: f64, p99: f64, commands: f64| {
        let mut bench = Bench::found("append", APPEND).unwrap();
        for (name, value) in
            [("speedup_vs_postgres_es", speedup), ("p99_vs_postgres_es", p99), ("commands_per_s", commands)]
        {
            bench.figures.iter_mut().find(|figure| figure.name == name).unwrap().value = value;
        }
        vec![bench]
    };
    let committed = recorded().short;
    let bad = |now: &[Bench]| -> Vec<&str> {
        compare(&committed, now).iter().filter(|it| it.is_too_bad()).map(|it| it.name).collect()
    };
    assert!(bad(&with(6.5, 0.4, 1.0)).is_empty(), "a slower machine is no reason");
    assert!(bad(&with(5.6, 0.45, 26_000.0)).is_empty());
    assert_eq!(bad(&with(5.5, 0.4, 26_000.0)), ["speedup_vs_postgres_es"]);
    assert_eq!(bad(&with(60.0, 0.47, 26_000.0)), ["p99_vs_postgres_es"], "less is better here");
    assert_eq!(bad(&[]).len(), 3, "what is not found is not well");
    let twice = better_of(compare(&committed, &with(5.0, 0.4, 1.0)), &compare(&committed, &with(6.4, 0.9, 1.0)));
    assert!(twice.iter().all(|compared| !compared.is_too_bad()), "each was well once: {twice:?}");
}

#[test]
fn the_plot_has_axes_with_words_and_a_line_for_each_series() {
    let drawing = drawing(&recorded()).unwrap();
    assert_eq!(drawing.matches("<polyline").count(), 4);
    assert_eq!(drawing.matches("<circle").count(), 4 * 3 + 4);
    for words in [
        "events in the log",
        "a second",
        "milliseconds",
        ">10,000<",
        ">1,000,000<",
        "a row by its key, p99",
        "prefers-color-scheme:dark",
    ] {
        assert!(drawing.contains(words), "{words}: {drawing}");
    }
    // Nothing lies outside.
    for attribute in ["cx=\"", "x1=\"", "x2=\""] {
        for value in drawing.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!((0.0..=720.0).contains(&value.parse::<f64>().unwrap()), "{attribute}{value}");
        }
    }
    assert_eq!(super::page::drawing(&Performance::default()), None);
}

#[test]
fn the_machine_is_read_from_what_the_kernel_tells() {
    assert_eq!(
        field("processor\t: 0\nmodel name\t: Some Processor @ 2 GHz\n", "model name").unwrap(),
        "Some Processor @ 2 GHz"
    );
    assert_eq!(memory_mib("MemTotal:        8140808 kB\nMemFree: 1 kB\n"), 7_950);
}

#[test]
fn numbers_have_three_digits_that_count() {
    let told = [0.0, 0.0123, 1.5, 12.34, 812.5, 26_000.0, 1_234_567.0, -1_500.0].map(number);
    assert_eq!(told, ["0.000", "0.012", "1.50", "12.3", "812", "26,000", "1,234,567", "-1,500"]);
    assert_eq!(lengths(1_000_000), [10_000, 100_000, 1_000_000]);
}
