# The front door. Each target sets up what it needs on a fresh Debian machine with Rust, Node and apt.

CARGO ?= cargo
ARGS ?=
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

.PHONY: demo test databases test-python test-server test-pages screenshots types bench bench-pages bench-full chaos fuzz run dev forge web setup browser

# The whole life of an installation against a simulated Jira Cloud; `make demo ARGS=--script` checks itself and ends.
demo: setup web
	HOURBOOK_LOG=$${HOURBOOK_LOG:-warn} $(CARGO) run --release --features demo -- demo $(ARGS)

# Everything that has to hold before a change lands.
test: test-server test-pages

# What has to hold on Forge as on Connect; what only Connect has stands in modules of that name.
BY_FORGE := lifecycle:: suspended:: wiping:: sync:: webhooks:: odd_days:: writing:: reading:: tags:: reports:: backups:: moving::

test-server: setup web databases $(TARGET_DIR)/test-python
	$(CARGO) fmt --all --check
	$(CARGO) clippy --quiet --workspace --all-targets --features demo -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --quiet --workspace --no-deps --document-private-items
	$(CARGO) test --workspace --features demo
	HOURBOOK_TEST_BACKEND=postgres $(CARGO) test --features demo --test it -- --skip cluster::
	HOURBOOK_TEST_HOST=forge $(CARGO) test --features demo --test it -- $(BY_FORGE) --skip ::connect::

# Types, lints and unit tests of the front end, and its pages in a real browser against the real server.
test-pages: setup web browser
	$(CARGO) build --quiet --features demo
	$(TARGET_DIR)/debug/hourbook openapi > $(TARGET_DIR)/openapi.json
	cd frontend && npm run --silent check && npm run --silent check:types -- $(abspath $(TARGET_DIR))/openapi.json
	HOURBOOK_FORGE_APP_ID=ari:cloud:ecosystem::app/00000000-0000-0000-0000-000000000000 \
	HOURBOOK_BASE_URL=https://hourbook.example.com $(TARGET_DIR)/debug/hourbook forge $(TARGET_DIR)/forge-test
	cd $(TARGET_DIR)/forge-test && node $(CURDIR)/frontend/build/forge-manifest.cjs
	cd frontend && npm test --silent && npm run --silent e2e

# The folder that `forge deploy` takes, in FORGE_DIR: HOURBOOK_FORGE_APP_ID and HOURBOOK_BASE_URL say which app and server.
FORGE_DIR ?= $(TARGET_DIR)/forge
forge: setup web
	$(CARGO) run --quiet --release -- forge $(FORGE_DIR)

# Types of the API for the front end, from the server's own document.
types: setup frontend/node_modules/.package-lock.json
	$(CARGO) run --quiet --features demo -- openapi > $(TARGET_DIR)/openapi.json
	cd frontend && npm run --silent types -- $(abspath $(TARGET_DIR))/openapi.json -o src/api/schema.d.ts

# Every page and state in light, dark and narrow, into frontend/test-results/screenshots; two of them into the README.
screenshots: setup web browser
	$(CARGO) build --quiet --features demo
	cd frontend && npm run --silent screenshots

# Figures, written to BENCHMARKS.md.
bench: setup web databases target/bench-python
	$(CARGO) bench --bench bench

# The same with ten million worklogs in the reports.
bench-full: setup web databases target/bench-python
	HOURBOOK_BENCH_LARGE=1 $(CARGO) bench --bench bench

# Figures of the pages in a real browser, written to their section of BENCHMARKS.md.
bench-pages: setup web browser
	$(CARGO) build --release --features demo
	cd frontend && npm run --silent bench

# DuckDB, a peer of the report engine.
target/bench-python:
	@python3 -m venv --help >/dev/null 2>&1 || (apt-get update -qq && apt-get install -y -qq python3-venv)
	python3 -m venv $@.new && $@.new/bin/pip install --quiet duckdb==2.0.0 && mv $@.new $@

# The copy under fire for ten minutes, with new seeds; CHAOS_SEED=7 replays one.
chaos: setup web
	CHAOS_SECS=$${CHAOS_SECS:-600} $(CARGO) test --features demo --test it chaos::the -- --nocapture

# Whatever comes from outside, with coverage: a minute for each target. What is found goes into tests/fuzz/found.
FUZZ_SECS ?= 60
fuzz: setup
	@command -v cargo-fuzz >/dev/null || $(CARGO) install --locked cargo-fuzz
	@cd tests/fuzz && for target in $$(ls corpus); do mkdir -p found/$$target; echo "== $$target"; \
	  $(CARGO) fuzz run --sanitizer none --fuzz-dir . $$target found/$$target corpus/$$target -- \
	    -max_total_time=$(FUZZ_SECS) -print_final_stats=1 -verbosity=0 || exit 1; done

# A server for development on loopback. Makes a master key once.
run: setup web data/master.key
	HOURBOOK_MASTER_KEYS="$$(cat data/master.key)" \
	HOURBOOK_BASE_URL=$${HOURBOOK_BASE_URL:-http://127.0.0.1:8080} \
	$(CARGO) run --release -- serve

# The pages on their own, rebuilt as they are edited, against a running demo: DEMO_LINKS is the file that
# `hourbook demo --links FILE` wrote.
dev: frontend/node_modules/.package-lock.json
	cd frontend && npm run --silent dev

data/master.key:
	mkdir -p data
	umask 077 && printf 'local:%s' "$$(head -c 32 /dev/urandom | base64)" > $@

# The front end, built when something of it changed. The server carries what is in frontend/dist.
web: frontend/dist/manifest.json

frontend/node_modules/.package-lock.json: frontend/package-lock.json
	@command -v npm >/dev/null || (echo "npm is missing: install Node.js 20 or newer"; exit 1)
	cd frontend && npm ci --no-audit --no-fund
	@touch $@

frontend/dist/manifest.json: frontend/node_modules/.package-lock.json frontend/index.html frontend/vite.config.ts $(shell find frontend/src frontend/build -type f)
	cd frontend && npm run --silent build

# SQLite and PostgreSQL's client library are built from source by cargo; for that, a C compiler and OpenSSL's headers
# have to be there.
setup:
	@(command -v cc && pkg-config --exists openssl) >/dev/null 2>&1 || \
	  (apt-get update -qq && apt-get install -y -qq build-essential libssl-dev pkg-config)

# Debian's PostgreSQL and PgBouncer, which the tests start themselves, in temporary folders.
databases:
	@(ls /usr/lib/postgresql/*/bin/postgres && command -v pgbouncer && command -v setpriv) >/dev/null 2>&1 || \
	  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	  postgresql pgbouncer util-linux procps)

# A real S3 server for the tests.
test-python: $(TARGET_DIR)/test-python
$(TARGET_DIR)/test-python:
	@python3 -m venv --help >/dev/null 2>&1 || (apt-get update -qq && apt-get install -y -qq python3-venv)
	@mkdir -p $(TARGET_DIR)
	@rm -rf $@.new && python3 -m venv $@.new
	@$@.new/bin/python -m pip install --quiet moto==5.2.5 flask==3.1.2 flask-cors==6.0.1 boto3
	@mv $@.new $@

# Debian's Chromium, for the tests of the pages.
browser:
	@command -v chromium >/dev/null || (apt-get update -qq && \
	  apt-get install -y -qq --no-install-recommends chromium fonts-liberation)
