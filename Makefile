# The two commands: `make demo` shows it work, `make test` shows it tested. `make help` lists the rest.
#
#   make demo ───┐
#   make install ┼── build (release, static) ── tools-build (cc, busybox: apt, only what is missing)
#   make test-vm ┘
#   make test ────── fmt, clippy, nextest (pure + netns + root tiers) ── tools-test (nft, cargo-nextest …)
#
# Tests and demo make namespaces, links and mounts of their own and need root for it: build as yourself, sudo is used for the rest.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

export PATH := $(HOME)/.cargo/bin:$(PATH)
PREFIX ?= /usr/local
TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
TRIPLE := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
RELEASE := $(TARGET_DIR)/$(TRIPLE)/release/pontoon
DEBUG := $(TARGET_DIR)/$(TRIPLE)/debug/pontoon
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo -E env PATH="$$PATH")
# cargo starts test programs by way of this runner: they are built as yourself and run as root.
RUNNER := $(if $(SUDO),CARGO_TARGET_$(shell echo '$(TRIPLE)' | tr 'a-z-' 'A-Z_')_RUNNER="$(SUDO)")

.PHONY: build demo test bench test-faults test-vm docs lint deny install help rust tools-build tools-test tools-bench tools-vm

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

build: rust tools-build ## the static release binary
	cargo build --locked --release --package pontoon
	@ls -l $(RELEASE)

demo: build ## two containers, one pings the other by name; nothing of this machine is touched
	tests/demo.sh $(RELEASE)

test: rust tools-test lint ## everything that CI checks
	cargo build --locked --workspace
	PONTOON_BIN=$(DEBUG) $(RUNNER) cargo nextest run --locked --workspace --profile ci

test-faults: rust tools-test ## SIGKILL and errors at every state-changing system call (long)
	cargo build --locked --workspace
	PONTOON_BIN=$(DEBUG) PONTOON_FAULTS=all $(RUNNER) cargo nextest run --locked --package pontoon-tests --profile faults

test-vm: build tools-vm ## cgroup v2, on a kernel of its own in qemu
	tests/vm/run.sh $(RELEASE) $(TARGET_DIR)/vm

docs: rust ## writes docs/modes/*.md and docs/isolation.md anew, from the code that they explain
	PONTOON_RENEW_DOCS=1 cargo test --quiet --locked --package pontoon pages_are_fresh

lint: rust
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

bench: build tools-bench ## what things cost, beside a floor in C and whatever of docker and podman is installed
	mkdir -p $(TARGET_DIR)/bench
	cc -O2 -Wall -static -o $(TARGET_DIR)/bench/floor tests/bench/floor.c
	cargo build --locked --release --package pontoon-tests --bin bench
	PONTOON_BIN=$(RELEASE) BENCH_TOOLS=$(TARGET_DIR)/bench $(SUDO) $(dir $(RELEASE))bench $(PART)

deny: rust ## licences and sources of all dependencies
	command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny --locked check

install: build ## to PREFIX/bin, /usr/local unless told
	$(SUDO) install -D -m 755 $(RELEASE) $(DESTDIR)$(PREFIX)/bin/pontoon

rust:
	@command -v cargo >/dev/null || { \
	  echo 'Rust is missing. Install it with: curl --proto =https --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y' >&2; exit 1; }

tools-build:
	@tests/tools.sh build

tools-test:
	@tests/tools.sh build test
	@command -v cargo-nextest >/dev/null || cargo install --locked cargo-nextest

tools-bench:
	@tests/tools.sh build test bench

tools-vm:
	@tests/tools.sh build vm
