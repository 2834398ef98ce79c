# Everything starts from a machine with Rust and nothing else; see README.md.
SHELL := /bin/bash
HOLDFAST := target/debug/holdfast
ARGS ?=
ONLY ?=

.PHONY: help setup build build-failpoints demo test torture torture-short bench bench-short bench-soak bench-overload bench-cala bench-unchecked build-bench abuse simulate planted run lint verify doctor requirements clean-state

help: ## Show this list.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

setup: ## Install what is missing: Postgres, nats-server, a C compiler.
	@scripts/setup

build: setup ## Build the binary.
	cargo build --locked --bin holdfast

demo: build ## Drive the running system like real clients, account for every unit, verify. ARGS="--scale 2 --json"
	@$(HOLDFAST) demo $(ARGS)

run: build ## Leave the embedded system serving, with tokens and curl lines to try.
	@$(HOLDFAST) dev $(ARGS)

# Everything at once first: the same features for all, so nothing is compiled twice; the binary that the tests start comes with it.
test: setup ## Run all tests. ARGS="name_of_a_test"
	cargo test --locked --workspace --all-targets --no-run
	cargo test --locked --workspace --doc $(ARGS)
	@scripts/with-test-servers cargo test --locked --workspace --all-targets $(ARGS)

# With a test among the targets, so that features, and with them all that is compiled, are those of `make test`.
build-failpoints: setup ## Build the binary again, with named points at which torture kills it.
	cargo build --locked --workspace --bin holdfast --test house --features holdfast-api/failpoints
	mkdir -p target/failpoints && cp target/debug/holdfast target/failpoints/holdfast
	cargo build --locked --workspace --bin holdfast --bin torture --test house

torture: build-failpoints ## Break everything on purpose under load, check what is left. ARGS="--seed 7 --scenario kill_roles"
	@target/debug/torture --report target/torture.json $(ARGS)

torture-short: build-failpoints ## The same in a few minutes: the scenarios that CI runs.
	@target/debug/torture --short --seconds 12 --report target/torture.json $(ARGS)

build-bench: setup
	cargo build --release --locked --workspace --bin holdfast --bin bench

bench-unchecked: build-bench ## Build the program without the check of tokens, for P8 alone. It refuses the production profile.
	cargo build --release --locked --workspace --bin holdfast --features holdfast-api/unchecked-tokens
	mkdir -p target/unchecked && cp target/release/holdfast target/unchecked/holdfast
	cargo build --release --locked --workspace --bin holdfast --bin bench

bench-cala: ## Build the reference of P14, a workspace of its own (a few minutes, once).
	cargo build --release --locked --manifest-path bench/cala/Cargo.toml --target-dir target/cala

bench: build-bench ## Measure every figure beside its reference (docs/performance.md). ONLY=P7,P8 ARGS="--seconds 3"
	@target/release/bench $(if $(ONLY),--only $(ONLY)) $(ARGS)

bench-short: build-bench ## The same as a quick look.
	@target/release/bench --short $(if $(ONLY),--only $(ONLY)) $(ARGS)

bench-soak: build-bench ## 70 % of the maximum for half an hour. ARGS="--minutes 10"
	@target/release/bench soak $(ARGS)

bench-overload: build-bench ## More than the maximum: what is refused, what becomes of the rest.
	@target/release/bench overload $(ARGS)

simulate: ## Simulate 20,000 seeds: processes, faults and time in one thread each. ARGS="--seed 7 --trace"
	cargo build --locked --workspace --bin simulation --test seeds
	@target/debug/simulation $(if $(ARGS),$(ARGS),--seeds 20000)

planted: ## Plant each known fault in a copy; the command that its header names must fail. ARGS="--found-by simulation"
	@scripts/planted $(ARGS)

lint: ## Formatting and clippy with the project's lints.
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

verify: build ## Check every invariant on the embedded databases.
	@$(HOLDFAST) verify $(ARGS)

doctor: build ## Show every setting that protects data.
	@$(HOLDFAST) doctor $(ARGS)

requirements: ## Print which requirements no test names. ARGS=--all
	cargo run --locked -q -p holdfast-tests --bin requirements -- $(ARGS)

abuse: ## Schemathesis, fuzz targets, isolation matrix. ARGS="--seed 7 --seconds 300 --only fuzz"
	@scripts/abuse $(ARGS)

clean-state: ## Delete what the embedded servers have stored. There is no way back.
	@[ ! -d .holdfast ] || find .holdfast -mindepth 1 -maxdepth 1 ! -name bin -exec rm -rf {} +
