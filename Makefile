# `make run` and `make test` set up everything that they need; `make help` lists the rest.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

LISTEN ?= 127.0.0.1:8988
DATA ?= ./data
PYTHON ?= python3
# The oldest versions that will do, as Cargo.toml and web/package.json name them too.
RUST := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
NODE := $(shell sed -n 's/.*"node": ">=\(.*\)".*/\1/p' web/package.json)
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
FUZZ_SECONDS ?= 60
SIM_SEEDS ?= 2000
KILL_ROUNDS ?= 1000
SOAK_SECONDS ?= 300
SOAK_SEED ?= $(shell date +%s)
FUZZ_TARGETS := request_head engine_payload socket_packet websocket_stream endpoint

# The builds that the test suites drive: `dev` has all checks and is there once the Rust tests have been built.
PROFILE ?= dev
BUILT := $(TARGET)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))

# What the test suites look for.
export PULSEWHEEL_BIN := $(BUILT)/pulsewheel
export PULSEWHEEL_ECHO := $(BUILT)/examples/echo
export PULSEWHEEL_ENGINE_ECHO := $(BUILT)/examples/engine_echo
export PULSEWHEEL_EXAMPLES := $(BUILT)/examples
export PULSEWHEEL_HOSTS := $(TARGET)/hosts/debug

# Workspaces of their own, of which the first three use the library: their lock files have to know what that depends on.
OTHER_WORKSPACES := benches/compare examples/hosts fuzz tests/rust-client

# The cargo features of the library, each of which has to work alone.
FEATURES := compression msgpack

# No test waits for longer than this for what does not come.
NODE_TEST := node --test --test-timeout=600000 --test-concurrency=2
NPM_CI := npm ci --no-audit --no-fund --loglevel=error

.PHONY: help
help: ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | sort | column -t -s '|'

.PHONY: run
run: run-plan build ## start the server with the dashboard on http://127.0.0.1:8988, data in ./data
	@echo "Starting the server; Ctrl+C ends it."
	$(TARGET)/release/pulsewheel serve --listen $(LISTEN) --data-dir $(DATA)

.PHONY: run-plan
run-plan: need-cc need-node
	@if [ ! -x $(TARGET)/release/pulsewheel ]; then \
		echo "Nothing is built yet. First npm installs and builds the dashboard, then cargo compiles the program."; \
		echo "The compiler takes some minutes this first time, and a few seconds later on. Then the server starts."; \
	fi

.PHONY: build
build: web need-cc ## build the program, dashboard included
	cargo build --release --locked --package pulsewheel-app

.PHONY: web
web: web/dist/index.html ## build the dashboard

web/dist/index.html: web/node_modules/.package-lock.json $(shell find web/src web/client/src web/public web/client/*.json web/*.html web/*.ts web/*.json -type f 2>/dev/null)
	cd web && npm run --silent build

%/node_modules/.package-lock.json: %/package-lock.json | need-node
	cd $* && $(NPM_CI)
	touch $@

.PHONY: test
test: lint test-rust test-simulation test-features test-web test-interop test-program test-counts test-browser ## set up everything and run all tests
	@echo "All tests have passed."

.PHONY: lint
lint: need-cc web ## check format, lints and documentation
	cargo fmt --all --check
	cargo fmt --all --check --manifest-path benches/compare/Cargo.toml
	cargo fmt --all --check --manifest-path examples/hosts/Cargo.toml
	cargo clippy --workspace --all-targets --locked -- -D warnings
	for workspace in $(OTHER_WORKSPACES); do cargo update --workspace --locked --quiet --manifest-path $$workspace/Cargo.toml; done
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	@if cargo package --list --allow-dirty --locked --package pulsewheel | grep -E '(^|/)tests(/|\.rs$$)'; then \
		echo "Tests do not belong into the package." >&2; exit 1; \
	fi

# What rustdoc knows as JSON is not stable yet, so the compiler has to be told that this is known.
.PHONY: public-api
public-api: need-rust ## compare the public interface with docs/public-api.txt (UPDATE=1 renews that)
	RUSTC_BOOTSTRAP=1 cargo rustdoc --package pulsewheel --lib --locked -- -Z unstable-options --output-format json
	PUBLIC_API_JSON=$(TARGET)/doc/pulsewheel.json UPDATE=$(UPDATE) cargo test --package pulsewheel --locked --test public_api

.PHONY: test-rust
test-rust: need-cc web ## unit, property and integration tests in Rust
	cargo test --workspace --locked

.PHONY: test-simulation
test-simulation: need-rust ## seeded worlds around the server's core, without sockets (SIM_SEED=7 replays one)
	tests/simulation/planted/run --check
	SIM_SEEDS=$(SIM_SEEDS) cargo test --profile simulation --package pulsewheel --locked --test simulation

.PHONY: planted
planted: need-rust ## plant bugs into a copy of the sources, one after the other: how many seeds find each (PLANTED="name name")
	tests/simulation/planted/run $(PLANTED)

.PHONY: test-features
test-features: need-rust ## the library without its cargo features, and with each of them alone
	cargo clippy --package pulsewheel --no-default-features --all-targets --locked -- -D warnings
	for feature in $(FEATURES); do \
		cargo clippy --package pulsewheel --no-default-features --features $$feature --all-targets --locked -- -D warnings; \
	done

.PHONY: test-small
test-small: need-rust ## the tests of the library without its cargo features
	cargo test --package pulsewheel --no-default-features --locked

.PHONY: test-web
test-web: web ## unit tests of the browser client
	cd web && npm test --silent

.PHONY: fixtures
fixtures: need-cc web
	cargo build --profile $(PROFILE) --locked --workspace --bins --examples

.PHONY: test-interop
test-interop: fixtures tests/interop/node_modules/.package-lock.json .venv/ready test-rust-client ## real Socket.IO clients against the examples
	cd tests/interop && $(NODE_TEST)
	.venv/bin/python -m unittest discover --start-directory tests/interop/python

# rust_socketio cannot do without OpenSSL: where its headers are missing it is built from source, which takes two minutes.
.PHONY: test-rust-client
test-rust-client: fixtures need-cc ## the client rust_socketio against the example
	cargo test --locked --manifest-path tests/rust-client/Cargo.toml --target-dir $(TARGET)/rust-client \
		$$(pkg-config --exists openssl 2>/dev/null || echo --features vendored)

.PHONY: test-hosts
test-hosts: need-cc tests/interop/node_modules/.package-lock.json ## hosts with dependencies of their own: TLS, tokio, axum
	cargo build --workspace --locked --manifest-path examples/hosts/Cargo.toml --target-dir $(TARGET)/hosts
	cd tests/hosts && $(NODE_TEST)

.PHONY: acceptance
acceptance: test public-api test-small test-hosts ## all tests, those of clients and browsers on the release build as well, then the longer sweeps
	$(MAKE) PROFILE=release test-interop test-program test-counts test-browser test-attacks test-kills soak

.PHONY: soak
soak: fixtures tests/interop/node_modules/.package-lock.json ## longer sweeps: ordering, lost connections, waves of clients, recovery, seeds
	cd tests/soak && $(NODE_TEST)
	SIM_FIRST=$(SOAK_SEED) SIM_SECONDS=$(SOAK_SECONDS) cargo test --profile simulation --package pulsewheel --locked --test simulation every_seed -- --nocapture

.PHONY: test-program
test-program: fixtures .venv/ready tests/interop/node_modules/.package-lock.json ## the program from outside: HTTP, imports, events, kills
	cd tests/program && $(NODE_TEST)

.PHONY: test-kills
test-kills: fixtures need-python tests/interop/node_modules/.package-lock.json ## kill the program KILL_ROUNDS times (1,000; test-program 200): nothing acknowledged is missing
	cd tests/program && KILL_ROUNDS=$(KILL_ROUNDS) node --test --test-timeout=7200000 restarts.test.mjs

.PHONY: test-counts
test-counts: fixtures need-python ## what imports count against an independent count (also of files in PULSEWHEEL_SCANS)
	$(PYTHON) tests/counts/compare.py

.PHONY: test-attacks
test-attacks: fixtures tests/interop/node_modules/.package-lock.json ## peers that want time or memory for themselves, beside healthy ones
	cd tests/attacks && $(NODE_TEST:2=1)

.PHONY: test-browser
test-browser: fixtures tests/browser/node_modules/.package-lock.json chromium ## the dashboard and the examples' pages in headless Chromium
	cd tests/browser && npm test --silent

.PHONY: screenshots
screenshots: fixtures tests/browser/node_modules/.package-lock.json chromium ## renew the pictures of the README
	cd tests/browser && npm run --silent screenshots

.PHONY: pictures
pictures: fixtures tests/browser/node_modules/.package-lock.json chromium ## take pictures of the page in all widths and looks, into tests/output/pictures
	cd tests/browser && node pictures.mjs

.PHONY: smoothness
smoothness: fixtures tests/browser/node_modules/.package-lock.json chromium ## measure the page with a thousand sessions (SLOWDOWN=4 SESSIONS=1000 RATE=200)
	cd tests/browser && node smoothness.mjs

.PHONY: chromium
chromium:
	@if [ -x "$${CHROMIUM:-/usr/bin/chromium}" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else \
		echo "Chromium is missing, so the tests in the browser are skipped. Debian: apt-get install chromium; elsewhere set CHROMIUM to its path." >&2; \
	fi

.venv/ready: tests/interop/python/requirements.txt | need-python
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

.PHONY: fuzz
fuzz: ## run every fuzz target for a minute (nightly Rust and cargo-fuzz)
	@cargo +nightly --version >/dev/null 2>&1 || { echo "Fuzzing needs the nightly toolchain: rustup toolchain install nightly" >&2; exit 1; }
	@cargo fuzz --version >/dev/null 2>&1 || { echo "Fuzzing needs cargo-fuzz: cargo install cargo-fuzz" >&2; exit 1; }
	for target in $(FUZZ_TARGETS); do \
		cargo +nightly fuzz run --sanitizer none $$target fuzz/corpus/$$target fuzz/minimised/$$target -- -dict=fuzz/dictionaries/$$target.dict -max_total_time=$(FUZZ_SECONDS) -max_len=1500 -timeout=20 -verbosity=0 -print_final_stats=1; \
	done

.PHONY: licenses
licenses: need-rust ## renew app/licenses.txt after a change of dependencies (cargo-about)
	@cargo about --version >/dev/null 2>&1 || { echo "This needs cargo-about: cargo install cargo-about --locked --features cli" >&2; exit 1; }
	cd app && cargo about generate --locked --manifest-path Cargo.toml --output-file licenses.txt about.hbs

.PHONY: bench
bench: need-rust ## measure codecs, wheel, fan-out and echo
	cargo bench --locked --package pulsewheel

.PHONY: bench-import
bench-import: build need-python ## measure imports: time, estimates, memory, cancellation (BYTES=100000000 ROUNDS=3)
	$(PYTHON) benches/import/measure.py --program $(TARGET)/release/pulsewheel --rounds $(or $(ROUNDS),3) --bytes $(or $(BYTES),100000000)

.PHONY: bench-journal
bench-journal: build need-node ## measure what it costs that sessions outlive the program (SECONDS=8)
	node benches/journal/measure.mjs $(TARGET)/release/pulsewheel $(or $(SECONDS),8)

.PHONY: compare
compare: need-rust need-node need-python ## measure beside other servers (ROUNDS=1 ONLY="floor pulsewheel" MODES="echo broadcast")
	$(PYTHON) benches/compare/runner --rounds=$(or $(ROUNDS),3) --only="$(ONLY)" --modes="$(MODES)" $(if $(CLIENTS),--clients=$(CLIENTS))

.PHONY: clean
clean: ## remove everything that was built or installed here
	cargo clean
	rm -rf .venv web/dist web/client/dist web/node_modules tests/interop/node_modules tests/browser/node_modules tests/output
	rm -rf benches/compare/target benches/compare/peers/*/node_modules benches/compare/peers/*/.venv

.PHONY: need-rust need-cc need-node need-python
need-rust:
	@command -v cargo >/dev/null || { echo "Rust is missing: cargo was not found. Rust $(RUST) or newer is needed." >&2; exit 1; }
	@version=$$(rustc --version | cut -d ' ' -f 2); printf '%s\n' $(RUST) "$$version" | sort -C -V || \
		{ echo "Rust $(RUST) or newer is needed; this is $$version. With rustup: rustup update" >&2; exit 1; }
need-cc: need-rust
	@command -v cc >/dev/null || { echo "A C compiler is missing: cc was not found (it builds SQLite). Debian: apt-get install gcc" >&2; exit 1; }
need-node:
	@command -v npm >/dev/null && command -v node >/dev/null || { echo "Node.js is missing: $(NODE) or newer with npm is needed." >&2; exit 1; }
	@version=$$(node --version | tr -d v); printf '%s\n' $(NODE) "$$version" | sort -C -V || \
		{ echo "Node.js $(NODE) or newer is needed; this is $$version." >&2; exit 1; }
need-python:
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python 3 with venv is missing. Debian: apt-get install python3-venv" >&2; exit 1; }
