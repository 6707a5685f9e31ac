# The front door. Each target sets up what it needs on a fresh Debian machine with Rust, Node and apt.

CARGO ?= cargo
ARGS ?=

.PHONY: demo test bench bench-full chaos fuzz run setup

# The whole life of an installation against a simulated Jira Cloud; `make demo ARGS=--script` checks itself and ends.
demo: setup
	HOURBOOK_LOG=$${HOURBOOK_LOG:-warn} $(CARGO) run --release --features demo -- demo $(ARGS)

# Everything that has to hold before a change lands.
test: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --quiet --workspace --all-targets --features demo -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --quiet --workspace --no-deps --document-private-items
	$(CARGO) test --workspace --features demo

# Figures, written to BENCHMARKS.md.
bench: setup target/bench-python
	$(CARGO) bench --bench bench

# The same with ten million worklogs in the reports.
bench-full: setup target/bench-python
	HOURBOOK_BENCH_LARGE=1 $(CARGO) bench --bench bench

# DuckDB, a peer of the report engine.
target/bench-python:
	@python3 -m venv --help >/dev/null 2>&1 || (apt-get update -qq && apt-get install -y -qq python3-venv)
	python3 -m venv $@.new && $@.new/bin/pip install --quiet duckdb==2.0.0 && mv $@.new $@

# The copy under fire for ten minutes, with new seeds; CHAOS_SEED=7 replays one.
chaos: setup
	CHAOS_SECS=$${CHAOS_SECS:-600} $(CARGO) test --features demo --test it chaos::the -- --nocapture

# Whatever comes from outside, with coverage: a minute for each target. What is found goes into tests/fuzz/found.
FUZZ_SECS ?= 60
fuzz: setup
	@command -v cargo-fuzz >/dev/null || $(CARGO) install --locked cargo-fuzz
	@cd tests/fuzz && for target in $$(ls corpus); do mkdir -p found/$$target; echo "== $$target"; \
	  $(CARGO) fuzz run --sanitizer none --fuzz-dir . $$target found/$$target corpus/$$target -- \
	    -max_total_time=$(FUZZ_SECS) -print_final_stats=1 -verbosity=0 || exit 1; done

# A server for development on loopback. Makes a master key once.
run: setup data/master.key
	HOURBOOK_MASTER_KEYS="$$(cat data/master.key)" \
	HOURBOOK_BASE_URL=$${HOURBOOK_BASE_URL:-http://127.0.0.1:8080} \
	$(CARGO) run --release -- serve

data/master.key:
	mkdir -p data
	umask 077 && printf 'local:%s' "$$(head -c 32 /dev/urandom | base64)" > $@

# SQLite and TLS are built from source by cargo: a C compiler is all that has to be there.
setup:
	@command -v cc >/dev/null || (apt-get update -qq && apt-get install -y -qq build-essential)
