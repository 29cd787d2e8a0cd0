//! docs/performance.md, made of what was measured.

use std::fmt::Write as _;

pub use super::headlines::BENCHES;
use super::headlines::HEADLINES;
use super::{Bench, Growth, Performance, number, plot};
use crate::report::{Aim, Measured};

/// Where a payment's time goes: the figures of the bench from end to end, and whose time each is.
const COSTS: [(&str, &str); 8] = [
    ("us_api", "the API: signature, decision, sealing, append"),
    ("us_processes", "the processes: reactions, calls of the channel"),
    ("us_read_models", "the read models"),
    ("us_tree", "the Merkle tree, and signing it"),
    ("us_sandbox", "the sandbox that plays the channel"),
    ("us_postgres_sessions", "Postgres: sessions"),
    ("us_postgres_rest", "Postgres: what writes and tidies behind them"),
    ("us_asker", "whoever asks: not the ledger's"),
];

/// One line of the table.
struct Row {
    about: String,
    found: f64,
    limit: String,
    baseline: String,
    ratio: String,
    verdict: &'static str,
}

/// The page.
pub fn page(performance: &Performance) -> String {
    let Performance { machine, commit, date, benches, growth, short: _ } = performance;
    let mut page = String::from("# Performance\n\n");
    let mut add = |text: &str| page.push_str(text);
    add(
        "Made by `make bench` of `docs/performance.json`, and not edited by hand. A figure hangs on the machine; a ratio is of two\n",
    );
    add(
        "things measured in turns in one run, and holds elsewhere. `make bench-check` runs the short forms again and compares their\n",
    );
    add("ratios with the committed ones: more than 15 % worse fails.\n\n");
    add(&format!(
        "{} cores of {}, {} MiB of memory, Linux {}, Postgres {}; everything on this one machine, whoever asks included.\n\
         Commit {commit}, {date}.\n\n",
        machine.cores_count,
        machine.processor,
        number_of(machine.memory_mib),
        machine.kernel,
        machine.postgres
    ));
    for (name, about) in BENCHES {
        let Some(bench) = benches.iter().find(|bench| bench.name == name) else { continue };
        add(&format!("## {name}: {about}\n\n"));
        add(&section(bench));
    }
    if let Some(costs) = benches.iter().find(|bench| bench.name == "e2e").and_then(costs) {
        add(&costs);
    }
    if let Some(growth) = growth {
        add(&growing(growth));
    }
    page
}

/// The same for a terminal.
pub fn table(benches: &[Bench]) -> String {
    let mut table = format!(
        "{:<8}{:<56}{:>12}  {:<16}{:>12}{:>9}  verdict\n",
        "bench", "figure", "found", "limit", "baseline", "ratio"
    );
    for bench in benches {
        if let Some(why) = &bench.not_run {
            writeln!(table, "{:<8}not run: {why}", bench.name).unwrap_or_default();
        }
        for Row { about, found, limit, baseline, ratio, verdict } in rows(bench) {
            let (name, found) = (&bench.name, number(found));
            let about: String = about.chars().take(54).collect();
            writeln!(table, "{name:<8}{about:<56}{found:>12}  {limit:<16}{baseline:>12}{ratio:>9}  {verdict}")
                .unwrap_or_default();
        }
    }
    table
}

fn section(bench: &Bench) -> String {
    if let Some(why) = &bench.not_run {
        return format!("Not run: {why}.\n\n");
    }
    let mut text = String::from("| figure | found | limit | baseline | ratio | |\n|---|---:|---|---|---:|---|\n");
    for Row { about, found, limit, baseline, ratio, verdict } in rows(bench) {
        let verdict = if verdict == "MISSED" { "**missed**" } else { verdict };
        writeln!(text, "| {about} | {} | {limit} | {baseline} | {ratio} | {verdict} |", number(found))
            .unwrap_or_default();
    }
    text.push('\n');
    text
}

/// First what stands for the bench, then whatever else has an aim or tells something.
fn rows(bench: &Bench) -> Vec<Row> {
    let of_bench: Vec<_> = HEADLINES.iter().filter(|line| line.bench == bench.name).collect();
    let mut rows: Vec<Row> = of_bench
        .iter()
        .filter_map(|line| {
            let found = bench.figure(line.figure)?;
            let (baseline, ratio) = (bench.figure(line.baseline)?, bench.figure(line.ratio)?);
            let aims = [(found, ""), (ratio, "ratio ")];
            Some(Row {
                about: named(found),
                found: found.value,
                limit: limits(&aims),
                baseline: format!("{} {}", line.is, number(baseline.value)),
                ratio: number(ratio.value),
                verdict: verdict(&aims),
            })
        })
        .collect();
    let is_shown = |name: &str| of_bench.iter().any(|line| [line.figure, line.baseline, line.ratio].contains(&name));
    let is_cost = |name: &str| COSTS.iter().any(|(cost, _whose)| *cost == name);
    let others = bench.figures.iter().filter(|figure| !is_shown(&figure.name) && !is_cost(&figure.name));
    rows.extend(others.map(|figure| Row {
        about: named(figure),
        found: figure.value,
        limit: limits(&[(figure, "")]),
        baseline: String::new(),
        ratio: String::new(),
        verdict: if is_noise(bench, figure) { "within noise" } else { verdict(&[(figure, "")]) },
    }));
    rows
}

/// As it is told, and as the file names it.
fn named(figure: &Measured) -> String {
    format!("{} (`{}`)", figure.about, figure.name)
}

/// What two servers that are alike differ by as well.
fn is_noise(bench: &Bench, figure: &Measured) -> bool {
    let noise = bench.figure("noise_percent").filter(|_noise| figure.name.ends_with("_cpu_percent"));
    noise.is_some_and(|noise| figure.value.abs() <= noise.value)
}

fn limits(aims: &[(&Measured, &str)]) -> String {
    let words = aims.iter().filter_map(|(figure, of)| {
        Some(match figure.aim? {
            Aim::AtLeast(aim) => format!("{of}>= {}", number(aim)),
            Aim::AtMost(aim) => format!("{of}<= {}", number(aim)),
        })
    });
    words.collect::<Vec<_>>().join(", ")
}

fn verdict(aims: &[(&Measured, &str)]) -> &'static str {
    let mut met = aims.iter().filter_map(|(figure, _of)| Some(figure.aim?.is_met(figure.value))).peekable();
    match (met.peek().is_some(), met.all(|met| met)) {
        (false, _) => "",
        (true, true) => "ok",
        (true, false) => "MISSED",
    }
}

fn costs(bench: &Bench) -> Option<String> {
    let found: Vec<(&str, f64)> =
        COSTS.iter().filter_map(|(name, whose)| Some((*whose, bench.figure(name)?.value))).collect();
    let all: f64 = found.iter().map(|(_whose, us)| us).sum();
    if found.is_empty() {
        return None;
    }
    let mut text = String::from(
        "## Where a payment's time goes\n\nMicroseconds of a processor for one payment, from its request to captured and shown, \
         at a steady half of what\nis taken. Each part is a process of its own here, so that the kernel counts its time; in one \
         process they share a reader\nof the log and cost a little less.\n\n| whose | us a payment | share |\n|---|---:|---:|\n",
    );
    for (whose, us) in &found {
        writeln!(text, "| {whose} | {} | {:.0} % |", number(*us), us / all * 100.0).unwrap_or_default();
    }
    writeln!(text, "| together | {} | |\n", number(all)).unwrap_or_default();
    Some(text)
}

fn growing(growth: &Growth) -> String {
    let mut text = format!(
        "## As the log grows\n\n`make bench-growth`, commit {}, {}.{}\n\n![Rates and latencies over the length of the log](growth.svg)\n\n\
         | events | commands appended/s | events into all read models/s | a row by its key, p99 ms | an event with its proof, p99 ms |\n\
         |---:|---:|---:|---:|---:|\n",
        growth.commit,
        growth.date,
        growth.ended.as_ref().map(|why| format!(" It ended early: {why}.")).unwrap_or_default()
    );
    for point in &growth.points {
        let found = [point.append_per_s, point.rebuild_per_s, point.point_read_p99_ms, point.proof_p99_ms].map(number);
        writeln!(text, "| {} | {} |", number_of(point.events_count), found.join(" | ")).unwrap_or_default();
    }
    text
}

/// The plot of the page, where there is one.
pub fn drawing(performance: &Performance) -> Option<String> {
    plot::svg(&performance.growth.as_ref()?.points)
}

fn number_of(count: u64) -> String {
    number(f64::from(u32::try_from(count).unwrap_or(u32::MAX)))
}
