# `make help` lists the targets. Everything is installed into .venv from the locked files, whose hashes pip checks.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?=
ROWS ?= 20000
CHAIN := build/chain
PEERS := build/peers
# A real node for `make test-chain`: this binary, or whatever node answers at the address NODE (with a funded key in NODE_KEY,
# where it is no test node).
ANVIL ?= $(CHAIN)/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil
NODE ?=
NODE_KEY ?=
VYPER ?= $(CHAIN)/vyper/bin/vyper
# Everything that kills, cuts the power or fills the disk; `make test` runs it in its short form.
CRASHES := tests/ledger/crash tests/journeys/test_crashes.py tests/journeys/test_full_disk.py
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-virtualenv

.DEFAULT_GOAL := help
.PHONY: help demo serve test test-crash test-s3 test-witness test-interop test-chain test-scale contract lint lock translations bench bench-contracts clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "The venv module is missing: apt install python3-venv"; exit 2; }

$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing the exchange into $(VENV) …"
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.tested: requirements-test.lock pyproject.toml | $(BIN)/python
	@echo "Installing the exchange and its test tools into $(VENV) …"
	@$(PIP) --require-hashes -r requirements-test.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed ## the whole journey on a generated sample, or on DATA=file-or-folder
	@$(BIN)/exchange demo --rows $(ROWS) $(if $(DATA),--data "$(DATA)")

serve: $(VENV)/.installed ## start the exchange on http://127.0.0.1:8000 (home: ./var)
	@$(BIN)/exchange init
	@$(BIN)/exchange serve

test: $(VENV)/.tested ## install and pass all tests
	@$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder $(ARGS)

test-crash: $(VENV)/.tested ## kill -9 at every write, errors, power cuts and full disks, in full (needs strace; all of it as root)
	@EXCHANGE_TEST_CRASHES=whole $(BIN)/python -m pytest $(CRASHES) $(ARGS)

test-s3: $(VENV)/.tested ## the object-store suite on a real one-node Ceph RADOS gateway (needs Debian's ceph packages)
	@bash tests/s3/ceph.sh $(BIN)/python -m pytest tests/exchange/test_objects.py tests/exchange/audit/test_tiles.py $(ARGS)

test-chain: $(VENV)/.tested $(VYPER) $(if $(NODE),,$(ANVIL)) ## anchoring on a real node, and the contract compiled anew (needs npm, or NODE=address)
	@EXCHANGE_TEST_VYPER=$(abspath $(VYPER)) $(if $(NODE),EXCHANGE_TEST_NODE=$(NODE) EXCHANGE_TEST_NODE_KEY=$(NODE_KEY),EXCHANGE_TEST_ANVIL=$(abspath $(ANVIL))) \
		$(BIN)/python -m pytest tests/chain $(ARGS)

test-scale: build/scale/.installed ## the same bytes from Dask, Ray Data and Spark, in an environment of its own (Spark needs Java 17)
	@build/scale/bin/python -m pytest tests/contracts/desensitization/test_runners.py -p no:cacheprovider $(ARGS)

build/scale/.installed: requirements-scale.lock
	@$(PYTHON) -m venv build/scale
	@build/scale/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-scale.lock
	@touch $@

contract: $(VENV)/.tested $(VYPER) ## compile the contract's source into its artefact
	@$(BIN)/python tests/chain/recompile.py $(abspath $(VYPER)) > $(CHAIN)/AnchorChain.json
	@cp $(CHAIN)/AnchorChain.json ledger/anchors/ethereum/AnchorChain.json

# The compiler and the passkey library need different versions of one package, so it has an environment of its own.
$(CHAIN)/vyper/bin/vyper: requirements-contract.lock
	@$(PYTHON) -m venv $(CHAIN)/vyper
	@$(CHAIN)/vyper/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-contract.lock
	@touch $@

$(CHAIN)/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil:
	@npm install --silent --ignore-scripts --no-save --no-audit --no-fund --prefix $(CHAIN) @foundry-rs/anvil-linux-amd64@1.7.1

test-witness: $(VENV)/.tested ## receipts, policies and cosignatures judged by another implementation (needs Go and its module proxy)
	@cd tests/ledger/foreign && go build -o $(abspath build)/foreign .
	@EXCHANGE_TEST_TORCHWOOD=$(abspath build)/foreign $(BIN)/python -m pytest tests/ledger/test_foreign.py $(ARGS)

# Without a module proxy Debian's golang-golang-x-mod-dev has the sources.
test-interop: $(VENV)/.tested ## exported tiles verified by Go's golang.org/x/mod/sumdb (needs Go, and its module proxy or Debian's package)
	@cd tests/ledger/foreign && { go build -o $(abspath build)/tiles ./tiles || GO111MODULE=off GOPATH=/usr/share/gocode go build -o $(abspath build)/tiles ./tiles; }
	@EXCHANGE_TEST_SUMDB=$(abspath build)/tiles $(BIN)/python -m pytest -s tests/ledger/tiles/test_interop.py $(ARGS)

lint: $(VENV)/.tested ## ruff, mypy (strict on the three libraries), import-linter, djlint
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict ledger contracts valuation
	@$(BIN)/lint-imports
	@$(BIN)/djlint --lint --quiet exchange/templates

lock: $(BIN)/python ## renew the locked requirements
	@$(PIP) uv
	@$(BIN)/uv pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --group build --group test --extra s3 --extra ethereum --extra timestamps --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements-test.lock
	@$(BIN)/uv pip compile --group peers --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements-peers.lock
	@$(BIN)/uv pip compile --group contract --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements-contract.lock
	@$(BIN)/uv pip compile --group scale --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements-scale.lock

translations: $(VENV)/.tested ## find the texts of the pages anew and compile the Chinese ones; write what is missing into messages.po
	@mkdir -p build
	@$(BIN)/pybabel --quiet extract -F babel.cfg -k lazy_gettext -k lazy_pgettext:1c,2 -k lazy_ngettext:1,2 --no-location --sort-output -o build/messages.pot .
	@$(BIN)/pybabel --quiet update -i build/messages.pot -d exchange/translations -l zh --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --no-wrap
	@$(BIN)/pybabel --quiet compile -d exchange/translations -l zh

bench: $(VENV)/.tested ## print one JSON line a figure, measured against a peer or a limit in the same run
	@$(BIN)/python -m benchmarks

bench-contracts: $(VENV)/.tested ## policies beside a Cedar engine and an ODRL engine, where these can be installed
	@$(MAKE) --silent $(PEERS)/.installed || echo "The peers cannot be installed here; the figures say so." >&2
	@BENCH_PEERS=$(PEERS)/bin/python $(BIN)/python -m benchmarks contracts

$(PEERS)/.installed: requirements-peers.lock
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-peers.lock
	@touch $@

bench-%: $(VENV)/.tested # bench-exchange, bench-web, bench-desensitization and bench-ledger print the figures of one part
	@$(BIN)/python -m benchmarks $*

clean: ## remove the virtual environment and the demo's data
	@rm -rf $(VENV) demo-data demo-data-earlier var
