# The two commands are `make demo` and `make test`. Both set up what is missing; both need only rustup's Rust, a C
# compiler and a network that reaches crates.io, PyPI and a Debian mirror.
.PHONY: demo test vmtest bench faultbench check fmt lint plugins-test setup
.DEFAULT_GOAL := help

WYTHE := target/release/wythe
# Counted runs of each command of a bench.
RUNS ?= 5
# Further options of faultbench: `--seed 7 --scenario 3`, `--only power --rounds 1000`, say; `--help` lists them.
FAULTS ?=

help:            ## Show the recipes
	@grep -hE '^[a-z-]+: .*##|^[a-z-]+:  +##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | column -t -s "$$(printf '\t')"

setup:           ## Add the Wasm target that the plugins are compiled for
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust from https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is missing: apt install gcc" >&2; exit 1; }
	@test -d "$$(rustc --print target-libdir --target wasm32-wasip2)" || rustup target add wasm32-wasip2

demo: setup      ## Build wythe, build the quickstart image with it, run a program in that image
	@.ci/demo $(WYTHE)

test: setup      ## Run every test
	@.ci/test

bench: setup     ## Measure, beside the peers that are installed; BENCH="--quick --only step" passes options on
	cargo build --release --package wythe-cli
	cargo build --release --package wythe-plugin --example plan_time
	cargo build --release --package wythe-sandbox --example overhead
	cargo run --release --quiet --package wythe-tests --bin bench -- --wythe $(WYTHE) --runs $(RUNS) $(BENCH)

faultbench: setup  ## Kill, fill, cut and rot stores, and look at what is left (a quarter of a second a point, an hour and more in all; root, strace, e2fsprogs)
	cargo build --release --package wythe-cli
	cargo run --release --quiet --package wythe-tests --bin faultbench -- --wythe $(WYTHE) --control $(FAULTS)

vmtest: setup    ## Run the sandbox's suite on a virtual machine with control groups of version 2 (root, qemu-system-x86, mmdebstrap; ONLY=limits:: for a part)
	@tests/vm/run $(ONLY)

check: fmt lint test  ## All that CI checks

fmt:             ## Check the formatting
	cargo fmt --all --check
	cargo fmt --manifest-path plugins/Cargo.toml --all --check

lint: setup      ## Run clippy, warnings are errors
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --manifest-path plugins/Cargo.toml --workspace --all-targets --locked -- -D warnings
