# The daily words. CI runs exactly what a person runs.
# What is built is built with the features of the whole workspace, so that it is built once.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: run demo test check bench bench-check bench-growth bench-append bench-http bench-e2e bench-costs bench-read bench-audit bench-bus performance kafka db map proof dashboards mutants nightly setup help

# rustup's own directory, for a shell that has not been told of it yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

TARGET := $(or $(CARGO_TARGET_DIR),target)

run: ## build, start a Postgres in .daybook/ (or use DATABASE_URL), migrate, serve on 127.0.0.1:40003
	@scripts/setup
	cargo build --release -p daybook
	@exec $(TARGET)/release/daybook dev

demo: ## watch a ledger at work: a Postgres of its own, a few thousand payments, a report; under a minute once it is built
	@scripts/setup --own-postgres
	cargo build --release -p daybook
	@exec $(TARGET)/release/daybook demo

test: ## every test, on a Postgres and a Kafka of its own; TEST=name runs those with the name
	@scripts/setup --own-postgres
	@scripts/kafka fetch || [ "$$DAYBOOK_REQUIRE_KAFKA" != 1 ]
	@scripts/promtool fetch || [ "$$DAYBOOK_REQUIRE_PROMTOOL" != 1 ]
	cargo test --workspace --no-run
	$(TARGET)/debug/daybook postgres run -- cargo test --workspace --no-fail-fast $(TEST)

check: ## format, lints, the rules of the house: fast, needs no Postgres
	@scripts/setup --no-postgres
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --quiet -p system-tests --test it architecture

bench: ## every bench, one after the other: one table, docs/performance.md; half an hour, on a machine with nothing else to do
	@scripts/setup --own-postgres
	@scripts/kafka fetch || echo 'make bench: Kafka cannot be had here: the bus is left out' >&2
	cargo build --release -p daybook -p system-tests
	$(TARGET)/release/performance bench

bench-check: ## the short benches beside the ratios in docs/performance.json: more than 15 % worse fails
	@scripts/setup --own-postgres
	cargo build --release -p daybook -p system-tests
	$(TARGET)/release/performance check

bench-growth: ## the same questions at 10^4 to 10^7 events, drawn in docs/growth.svg; DAYBOOK_GROWTH_EVENTS, DAYBOOK_GROWTH_MINUTES
	@scripts/setup --own-postgres
	cargo build --release -p daybook -p system-tests
	$(TARGET)/release/performance growth

performance: ## redraw docs/performance.md and docs/growth.svg from docs/performance.json
	@cargo run --quiet -p system-tests --bin performance render

bench-append: ## how fast the log takes commands, beside postgres-es and bare inserts
	@scripts/setup --own-postgres
	cargo run --release -p system-tests --bin bench-append

bench-http: ## how fast payments come in over HTTP, beside postgres-es and bare inserts
	@scripts/setup --own-postgres
	cargo build --release -p daybook -p system-tests
	cargo run --release -p system-tests --bin bench-http

bench-e2e: ## how fast payments are taken from request to captured and shown, everything on
	@scripts/setup --own-postgres
	cargo build --release -p daybook -p system-tests
	cargo run --release -p system-tests --bin bench-http -- --end-to-end

bench-costs: ## what scrapes and traces cost a server at half its load
	@scripts/setup --own-postgres
	cargo build --release -p daybook -p system-tests
	cargo run --release -p system-tests --bin bench-http -- --costs

bench-audit: ## how fast the log is checked and proven on a million events, and what its tree costs
	@scripts/setup --own-postgres
	cargo build --release -p daybook -p system-tests
	cargo run --release -p system-tests --bin bench-audit

bench-read: ## how fast read models are built, kept up and asked, on a million events
	@scripts/setup --own-postgres
	cargo run --release -p system-tests --bin bench-read

bench-bus: ## how fast the log goes through a real Kafka, and what its absence costs
	@scripts/setup --own-postgres
	@scripts/kafka fetch
	cargo run --release -p system-tests --bin bench-bus

kafka: ## fetch Apache Kafka itself for tests and benches; scripts/kafka start runs one on 127.0.0.1:40092
	@scripts/kafka fetch

db: ## psql into the development database (or DATABASE_URL)
	@cargo build --quiet --release -p daybook
	@exec $(TARGET)/release/daybook postgres psql

map: ## redraw the map in ARCHITECTURE.md
	@cargo run --quiet -p system-tests --bin map

proof: ## redraw the table of rows in docs/proof.md
	@cargo run --quiet -p system-tests --bin proof

dashboards: ## redraw the dashboards in deploy/grafana
	@cargo run --quiet -p system-tests --bin dashboards

# Each mutant costs a build, about 6 s of a processor with this profile, so the unit tests are asked first, which take no
# time; the others only of what lived. In a shuffled order, so that a run cut short is a fair sample.
mutants: ## change the rules one line at a time and see the tests notice; SHARD=0/8 for a part
	@command -v cargo-mutants >/dev/null || cargo install --locked cargo-mutants --version 27.1.0
	PROPTEST_CASES=16 cargo mutants $(MUTANTS) -- --lib -- --skip exploration || { lived=$$?; [ $$lived -eq 2 ] || [ $$lived -eq 3 ]; }
	PROPTEST_CASES=64 cargo mutants $(MUTANTS) --iterate

MUTANTS = --package domain --profile mutants --jobs 1 --shuffle --timeout 60 --output $(TARGET) \
	$(if $(SHARD),--shard $(SHARD) --sharding round-robin)

nightly: ## the long way: more cases of every property, more kills, then every bench
	PROPTEST_CASES=20000 DAYBOOK_PROCESS_KILLS=500 DAYBOOK_SERVER_KILLS=100 DAYBOOK_HTTP_DEATHS=256 \
	DAYBOOK_DISCONNECTS=10000 DAYBOOK_SLOW_SOCKETS=10000 DAYBOOK_HOT_SECONDS=600 \
	DAYBOOK_EXPORT_ROWS=1000000 DAYBOOK_HLEDGER_EVENTS=700000 DAYBOOK_FAULTED_PAYMENTS=2000 DAYBOOK_CANCEL_RACES=1000 \
	DAYBOOK_REMITTED_PAYMENTS=1000 DAYBOOK_WAITING_SAGAS=100000 DAYBOOK_REACTION_DEATHS=1000 \
	DAYBOOK_RELAY_DEATHS=120 DAYBOOK_BROKER_KILLS=100 DAYBOOK_BROKER_AWAY_SECONDS=1800 DAYBOOK_REQUIRE_KAFKA=1 $(MAKE) test
	DAYBOOK_SOAK_SECONDS=3600 DAYBOOK_SOAK_SEED=$$(date +%s) DAYBOOK_REQUIRE_KAFKA=1 $(MAKE) test TEST=soak
	scripts/with-server scripts/fuzz-api 400
	scripts/rolling-upgrade "$$(git rev-parse HEAD~20)"
	$(MAKE) bench

setup: ## install what is missing on this machine
	@scripts/setup

help: ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'
