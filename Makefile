# The commands of the README. Each installs what it needs: Rust, Node 20, make and a C compiler are enough.
.PHONY: demo test bench lint contracts solidity-test
.DEFAULT_GOAL := demo

CARGO ?= cargo
NPM_STAMP := solidity/node_modules/.package-lock.json
MORPHO := solidity/out/packages/Morpho.json

demo: contracts
	$(CARGO) build --bin harrier
	@$(CARGO) run --quiet --bin harrier -- demo $(ARGS)

test: contracts solidity-test
	$(CARGO) test $(ARGS)

bench: contracts
	$(CARGO) bench $(ARGS)

lint: contracts
	node solidity/compile.js --check
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings

solidity-test: contracts
	cd solidity && node forge.js test

# Packages by their lock file, and the third-party contracts that come as sources only, compiled.
contracts: $(MORPHO)

$(MORPHO): $(NPM_STAMP) solidity/compile.js
	node solidity/compile.js --packages

$(NPM_STAMP): solidity/package.json solidity/package-lock.json
	cd solidity && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@
