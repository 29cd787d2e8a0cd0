//! `make bench`, `bench-check`, `bench-growth`: runs benches, makes and holds their page.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use system_tests::performance::check::{self, Compared, SHORT, WORSE_BY};
use system_tests::performance::page::{BENCHES, drawing, page, table};
use system_tests::performance::{Bench, Growth, KEPT, Machine, PAGE, PLOT, Performance};
use system_tests::report::line;
use system_tests::tree::root;

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// What is worse is looked at again so often before it is believed.
const LOOKS: usize = 3;

fn main() -> Result<ExitCode, Problem> {
    match std::env::args().nth(1).as_deref() {
        Some("bench") => bench(),
        Some("check") => check(),
        Some("growth") => growth(),
        Some("render") => keep(&kept()?).map(|()| ExitCode::SUCCESS),
        _other => Err("performance bench|check|growth|render".into()),
    }
}

/// A bench's program, what it is told, and where it writes.
fn way(bench: &str) -> (&'static str, &'static [&'static str]) {
    match bench {
        "http" => ("bench-http", &[]),
        "e2e" => ("bench-http", &["--end-to-end"]),
        "costs" => ("bench-http", &["--costs"]),
        "read" => ("bench-read", &[]),
        "bus" => ("bench-bus", &[]),
        "audit" => ("bench-audit", &[]),
        _append => ("bench-append", &[]),
    }
}

fn bench() -> Result<ExitCode, Problem> {
    let mut performance = kept().unwrap_or_default();
    (performance.machine, performance.commit, performance.date) = (Machine::look()?, commit()?, today());
    performance.benches = BENCHES.iter().map(|(name, _about)| run(name, false)).collect::<Result<_, _>>()?;
    performance.short = SHORT.iter().map(|name| run(name, true)).collect::<Result<_, _>>()?;
    keep(&performance)?;
    line(&format!("\n{}\nwritten to {KEPT} and {PAGE}", table(&performance.benches)))?;
    let broken = performance.benches.iter().chain(&performance.short).any(|bench| bench.not_run.is_some());
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Runs one to its end; where it does not come to one, that is what it found.
fn run(name: &str, is_short: bool) -> Result<Bench, Problem> {
    if name == "bus" && !root().join(".daybook/kafka/libs").is_dir() {
        return Ok(Bench::not_run(name, "Kafka is not there: make kafka"));
    }
    let (program, arguments) = way(name);
    let file = PathBuf::from(format!("target/bench/{name}{}.json", if is_short { "-short" } else { "" }));
    // What an earlier run has left there is not what this one finds.
    if file.exists() {
        std::fs::remove_file(&file)?;
    }
    line(&format!("\n==> {name}{}", if is_short { ", short" } else { "" }))?;
    let mut command = Command::new(std::env::current_exe()?.with_file_name(program));
    command.args(arguments).args(is_short.then_some("--short"));
    let ended = command.status()?;
    if !ended.success() {
        return Ok(Bench::not_run(name, &format!("it ended with {ended}")));
    }
    Ok(Bench::found(name, &std::fs::read_to_string(&file)?)?)
}

fn check() -> Result<ExitCode, Problem> {
    let committed = kept()?.short;
    let mut compared = Vec::new();
    for look in 0..LOOKS {
        let again: Vec<&str> = SHORT.into_iter().filter(|name| look == 0 || is_bad(&compared, name)).collect();
        let now = again.iter().map(|name| run(name, true)).collect::<Result<Vec<Bench>, Problem>>()?;
        let seen = check::compare(&committed, &now);
        compared = if look == 0 { seen } else { check::better_of(compared, &seen) };
        if !compared.iter().any(Compared::is_too_bad) {
            break;
        }
    }
    if compared.is_empty() {
        return Err(format!("{KEPT} has no ratios of short runs: run `make bench`").into());
    }
    line(&format!("\n{:<10}{:<32}{:>12}{:>12}{:>10}", "bench", "ratio", "committed", "now", "worse by"))?;
    for Compared { bench, name, committed, now, worse_by } in &compared {
        let now = now.map_or("none".to_owned(), |now| format!("{now:.3}"));
        line(&format!("{bench:<10}{name:<32}{committed:>12.3}{now:>12}{:>8.0} %", worse_by * 100.0))?;
    }
    let bad = compared.iter().filter(|compared| compared.is_too_bad()).count();
    line(&format!("\n{bad} of {} are more than {:.0} % worse", compared.len(), WORSE_BY * 100.0))?;
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_bad(compared: &[Compared], bench: &str) -> bool {
    compared.iter().any(|compared| compared.bench == bench && compared.is_too_bad())
}

fn growth() -> Result<ExitCode, Problem> {
    let ended = Command::new(std::env::current_exe()?.with_file_name("bench-growth")).status()?;
    if !ended.success() {
        return Err(format!("the bench ended with {ended}; nothing was written").into());
    }
    let found: Growth = serde_json::from_str(&std::fs::read_to_string("target/bench/growth.json")?)?;
    let mut performance = kept().unwrap_or_default();
    if performance.commit.is_empty() {
        (performance.machine, performance.commit, performance.date) = (Machine::look()?, commit()?, today());
    }
    performance.growth = Some(Growth { commit: commit()?, date: today(), ..found });
    keep(&performance)?;
    line(&format!("written to {KEPT}, {PAGE} and {PLOT}"))?;
    Ok(ExitCode::SUCCESS)
}

fn kept() -> Result<Performance, Problem> {
    let text = std::fs::read_to_string(root().join(KEPT)).map_err(|reason| format!("{KEPT}: {reason}"))?;
    Ok(serde_json::from_str(&text)?)
}

fn keep(performance: &Performance) -> Result<(), Problem> {
    let write = |path: &str, text: &str| std::fs::write(root().join(Path::new(path)), text);
    write(KEPT, &(serde_json::to_string_pretty(performance)? + "\n"))?;
    // Of what was written, as whoever compares them reads it.
    let performance = kept()?;
    write(PAGE, &page(&performance))?;
    if let Some(drawing) = drawing(&performance) {
        write(PLOT, &drawing)?;
    }
    Ok(())
}

fn commit() -> Result<String, Problem> {
    let git = |arguments: &[&str]| Command::new("git").args(arguments).current_dir(root()).output();
    let head = String::from_utf8(git(&["rev-parse", "--short=10", "HEAD"])?.stdout)?;
    let changed = git(&["diff", "--quiet", "HEAD", "--", ".", ":!docs"])?;
    let words = if changed.status.success() { "" } else { ", with changes" };
    Ok(format!("{}{words}", head.trim()))
}

fn today() -> String {
    chrono::Utc::now().format("%Y-%m-%d").to_string()
}
