# Everything a newcomer needs stands on python3 (3.11 or later, with venv) and make. `make` prints this file's help.

PYTHON ?= python3
DATA_DIR ?= .ringoff
PORT ?= 8080
SECONDS ?= 60
SEED ?= 1
ASTERISK_ROOT ?= $(CURDIR)/.asterisk-root
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALLED := .venv/.installed
INSTALLED_DEV := .venv/.installed-dev
INSTALLED_CONTRACT := .venv-contract/.installed
INSTALLED_RIVALS := .venv-rivals/.installed

.DEFAULT_GOAL := help
.PHONY: help install install-dev run test test-slow test-tools check proof proof-tools sip-tools pgbouncer-tools browser-tools screenshots assets contract chaos multihost wire format bench lock clean asterisk

help: ## Print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Make .venv with .venv/bin/ringoff from requirements.lock

install-dev: $(INSTALLED_DEV) ## Add the tools for tests and checks from requirements-dev.lock

run: $(INSTALLED) ## Start the server with a demo campaign and watch it dial (PORT=8080, DATA_DIR=.ringoff)
	$(BIN)/ringoff up --demo --data-dir $(DATA_DIR) --port $(PORT)

test: test-tools ## Run the tests, without those that take long each (8 minutes on two cores)
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: test-tools ## Run those that take long: chaos, every schedule, upgrades, fail-overs (15 minutes)
	$(BIN)/python -m pytest -n 2 -m slow

test-tools: $(INSTALLED_DEV) proof-tools sip-tools browser-tools pgbouncer-tools asterisk

check: $(INSTALLED_DEV) ## Run the whole static gate: lint, format, types, floors, house rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -p no:randomly tests/style

proof: $(INSTALLED_DEV) proof-tools ## Check the model of docs/proof in every interleaving, and that each of its mutants breaks
	$(BIN)/python -m pytest -p no:randomly -s tests/proof

# Never fails: without spin the model's tests are skipped, and say so.
proof-tools:
	@if command -v spin >/dev/null && command -v gcc >/dev/null; then :; \
	elif test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
	    { apt-get update -qq && apt-get install -qq -y --no-install-recommends spin gcc libc6-dev; } >/dev/null 2>&1 \
	        || echo "spin and gcc could not be installed: the tests of the model will be skipped"; \
	else echo "spin or gcc is missing: the tests of the model will be skipped (Debian: apt-get install spin gcc libc6-dev)"; fi

# Never fails: without an Asterisk its tests are skipped, and say so.
asterisk: ## Bring an Asterisk from Debian sid into .asterisk-root for the tests of its driver (root, a minute, 600 MB)
	@sh tests/support/asterisk_root.sh "$(ASTERISK_ROOT)"

# Never fails: without sipp the tests against a SIP peer are skipped, and say so.
sip-tools:
	@if command -v sipp >/dev/null; then :; \
	elif test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
	    { apt-get update -qq && apt-get install -qq -y --no-install-recommends sip-tester; } >/dev/null 2>&1 \
	        || echo "sipp could not be installed: the tests against a SIP peer will be skipped"; \
	else echo "sipp is missing: the tests against a SIP peer will be skipped (Debian: apt-get install sip-tester)"; fi

# Never fails: without PgBouncer the tests through it are skipped, and say so.
pgbouncer-tools:
	@if command -v pgbouncer >/dev/null || test -x /usr/sbin/pgbouncer; then :; \
	elif test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
	    { apt-get update -qq && apt-get install -qq -y --no-install-recommends pgbouncer; } >/dev/null 2>&1 \
	        || echo "pgbouncer could not be installed: the tests through it will be skipped"; \
	else echo "pgbouncer is missing: the tests through it will be skipped (Debian: apt-get install pgbouncer)"; fi

# Never fails: without a browser the tests of the dashboard in one are skipped, and say so.
browser-tools:
	@if command -v chromium >/dev/null; then :; \
	elif test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
	    { apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core; } >/dev/null 2>&1 \
	        || echo "chromium could not be installed: the tests in a browser will be skipped"; \
	else echo "chromium is missing: the tests in a browser will be skipped (Debian: apt-get install chromium)"; fi

screenshots: $(INSTALLED_DEV) browser-tools ## Take the pictures of docs/images again, of a demo in a real browser
	$(BIN)/python -m tests.browser.screenshots docs/images

assets: $(INSTALLED_DEV) ## Copy the dashboard's libraries again from npm, as vendor/package-lock.json names them (needs npm)
	npm ci --prefix vendor --no-audit --no-fund --ignore-scripts
	$(BIN)/python -m tests.support.vendored vendor/node_modules src/ringoff/dashboard/static/vendor

contract: $(INSTALLED_DEV) $(INSTALLED_CONTRACT) ## Throw generated requests at a real server for a minute
	$(BIN)/python -m tests.contract.fuzz .venv-contract/bin/schemathesis

chaos: $(INSTALLED_DEV) ## Order, dial and kill for a while, then count what broke the promise (SECONDS=60, SEED=1)
	$(BIN)/python -m tests.chaos --seconds $(SECONDS) --seed $(SEED)

multihost: $(INSTALLED_DEV) ## The same on many hosts, made of network namespaces, with fail-overs (root, SECONDS=60, SEED=1)
	$(BIN)/python -m tests.multihost --seconds $(SECONDS) --seed $(SEED)

wire: $(INSTALLED_DEV) sip-tools ## Order while a SIP carrier is dialled, then judge the packets between them (root, SECONDS=60, SEED=1)
	$(BIN)/python -m tests.wire --seconds $(SECONDS) --seed $(SEED)

format: $(INSTALLED_DEV) ## Rewrite the code in the house format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(INSTALLED_DEV) $(INSTALLED_RIVALS) ## Measure the promises of docs/benchmarks.md on this machine (ONLY=terminate, ROWS=200000)
	$(BIN)/python -m bench

lock: ## Resolve the dependencies again and rewrite the lock files (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url --group pyproject.toml:build --output-file requirements-build.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url pyproject.toml --group build --output-file requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url pyproject.toml --group build --group dev --constraints requirements.lock \
	    --output-file requirements-dev.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url --group pyproject.toml:contract --output-file requirements-contract.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url --group pyproject.toml:rivals --output-file requirements-rivals.lock

clean: ## Remove the environment, the caches and the demo's data
	rm -rf .venv .venv-contract .venv-rivals .ringoff .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The build backends are locked too (sippy comes as its source): nothing is fetched that the hashes do not cover.
$(INSTALLED): requirements-build.lock requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install --require-hashes -r requirements-build.lock
	$(PIP) install --require-hashes --no-build-isolation -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(INSTALLED_DEV): $(INSTALLED) requirements-dev.lock
	$(PIP) install --require-hashes --no-build-isolation -r requirements-dev.lock
	@touch $@

# In an environment of its own: its pytest plugin would slow down every start of the tests.
$(INSTALLED_CONTRACT): requirements-contract.lock
	test -x .venv-contract/bin/python || $(PYTHON) -m venv .venv-contract
	.venv-contract/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements-contract.lock
	@touch $@

# In an environment of its own, so that nothing of ours can lean on what the benchmark compares with.
$(INSTALLED_RIVALS): requirements-rivals.lock
	test -x .venv-rivals/bin/python || $(PYTHON) -m venv .venv-rivals
	.venv-rivals/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements-rivals.lock
	@touch $@
