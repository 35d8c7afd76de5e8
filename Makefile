# `make run` and `make test` set up everything they need; `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

LISTEN ?= 127.0.0.1:8988
DATA ?= ./data
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
PYTHON ?= python3
VENV := .venv
PROGRAM := $(TARGET)/release/pulsewheel

.PHONY: help run test test-rust test-web test-interop test-program test-browser lint build web fuzz bench screenshots clean

help: ## lists these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 16

run: build ## starts the server with the dashboard on http://127.0.0.1:8988, data in ./data
	$(PROGRAM) serve --listen $(LISTEN) --data-dir $(DATA)

build: web
	@command -v cc >/dev/null || { echo "A C compiler (cc) is needed to build SQLite." >&2; exit 1; }
	cargo build --release --locked --workspace --bins

web: web/dist/index.html

web/dist/index.html: web/package-lock.json $(shell find web/src web/index.html -type f 2>/dev/null) | need-node
	cd web && npm ci --no-audit --no-fund && npm run build

.PHONY: need-node need-python need-rust
need-rust:
	@command -v cargo >/dev/null || { echo "Rust is needed: cargo was not found." >&2; exit 1; }
need-node: need-rust
	@command -v node >/dev/null && command -v npm >/dev/null || { echo "Node.js 20 or newer with npm is needed." >&2; exit 1; }
	@node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)' || { echo "Node.js 20 or newer is needed; this is $$(node --version)." >&2; exit 1; }
need-python:
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python 3 with venv is needed (Debian: apt-get install python3-venv)." >&2; exit 1; }
