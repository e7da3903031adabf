# settled: what one does here starts with make; `make` alone lists it.
#
# Needs Python 3.11 or newer, and Node.js 20 or newer with npm for the browser client's build and tests; they are
# looked for, and on Debian (as root or with sudo) installed. Kept to what GNU make 3.81 knows, for macOS.

PORT    ?= 8000
LEDGER  ?=
JOBS    ?= 6
TESTS   ?=
BENCH   ?=
SOAK    ?=
WAITERS ?=
ZOMBIES ?=
SEED    ?= 0
SCHEDULES ?= 100000
WITHIN  ?= 120

VENV    := .venv
BUILD   := build
BIN     := $(VENV)/bin
TESTENV := $(BUILD)/testenv
PEERS   := $(BUILD)/peers
HARMED  := $(BUILD)/zombies
SOURCES := $(shell find src -type f ! -path '*/__pycache__/*')
PIP     := python -m pip --quiet --disable-pip-version-check
CORES   ?= $(shell getconf _NPROCESSORS_ONLN)

# What is imported is compiled once, and not again in each of the thousand processes that the tests start.
export PYTHONDONTWRITEBYTECODE :=

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo trafficlens test test-py test-simulation test-js build-js lint format bench bench-check bench-postgres \
	soak zombies zombies-all waiters simulate model clean $(VENV)

help: ## list the targets
	@sed -n 's/^\([a-z.$$()A-Z-]*\):.*## /\1	/p' Makefile | sed 's/$$(VENV)/$(VENV)/' | expand -t 16

demo: $(VENV)/.demo ## run the demo on http://127.0.0.1:8000, TrafficLens beside it (PORT=, LEDGER=, TRAFFIC_SOURCE=)
	PYTHONPATH=examples LEDGER='$(LEDGER)' exec $(BIN)/settled demo --also trafficlens --port $(PORT) \
		$(if $(LEDGER),--ledger '$(LEDGER)')

trafficlens: $(VENV)/.demo ## run TrafficLens by itself (PORT=, LEDGER=, TRAFFIC_SOURCE=)
	PYTHONPATH=examples LEDGER='$(LEDGER)' exec $(BIN)/python -m trafficlens --port $(PORT)

test: lint test-js test-py test-simulation ## lint, then every test, against the built wheel (JOBS=, WITHIN=)

test-py: $(TESTENV)/.wheel ## the Python tests against the built wheel (TESTS= what to pass on to pytest)
	@$(TESTENV)/bin/python tests/browser/chromium.py >/dev/null || tools/apt.sh chromium fonts-liberation || \
		echo 'Chromium is missing: the tests in tests/browser are skipped' >&2
	@$(TESTENV)/bin/python tests/servers.py || tools/apt.sh postgresql pgbouncer || \
		echo 'PostgreSQL is missing: its tests are skipped' >&2
	@missing="$$($(TESTENV)/bin/python -m tests.brokers)" || tools/apt.sh $$missing || \
		echo "$$missing missing: tests in tests/engines are skipped" >&2
	@command -v spin >/dev/null || tools/apt.sh spin || echo 'Spin is missing: tests/simulation/test_model.py is skipped' >&2
	$(TESTENV)/bin/python tools/check_wheel.py $(BUILD)/dist/*.whl
	$(TESTENV)/bin/python -m pytest -n $(JOBS) $(TESTS)

test-simulation: $(TESTENV)/.wheel ## of 100,000 simulated schedules as many as two minutes hold (WITHIN= seconds; nothing: all)
	$(TESTENV)/bin/python -W ignore -m tests.simulation --schedules $(SCHEDULES) --jobs $(CORES) \
		$(if $(WITHIN),--within $(WITHIN))

test-js: js/node_modules/.ready ## the browser client: types, sizes, that what is committed is what is built, tests
	cd js && npx --no-install tsc
	"$$(tools/node.sh)" js/build.mjs --check
	"$$(tools/node.sh)" js/build.mjs --modules
	"$$(tools/node.sh)" --test $$(find js/test -name '*.test.*js')

build-js: js/node_modules/.ready ## build what the wheel serves from js/src
	"$$(tools/node.sh)" js/build.mjs

js/node_modules/.ready: js/package.json js/package-lock.json
	"$$(tools/node.sh)" --version >/dev/null
	command -v npm >/dev/null || tools/apt.sh npm
	cd js && npm ci --ignore-scripts --no-audit --no-fund
	touch $@

lint: $(VENV)/.ready ## style, types and import layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.ready ## put the code into the house's style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.ready ## measure against the hand-written pattern (BENCH= what to pass on)
	$(BIN)/python -m bench.speed.run $(BENCH)

bench-postgres: $(PEERS)/.ready ## the same on PostgreSQL, against other task queues and pgbench (BENCH= what to pass on)
	$(PEERS)/bin/python -m bench.speed.run --only postgres $(BENCH)

waiters: $(VENV)/.ready bench/waiters/node_modules/.ready ## does a waiting client ever hang? (WAITERS= what to pass on)
	@$(BIN)/python tests/browser/chromium.py >/dev/null || tools/apt.sh chromium fonts-liberation
	$(BIN)/python -m bench.waiters.run $(WAITERS)

bench/waiters/node_modules/.ready: bench/waiters/package.json bench/waiters/package-lock.json bench/waiters/requirements.txt
	"$$(tools/node.sh)" --version >/dev/null
	command -v npm >/dev/null || tools/apt.sh npm
	cd bench/waiters && npm ci --ignore-scripts --no-audit --no-fund
	$(BIN)/$(PIP) install --no-deps --require-hashes --target bench/waiters/node_modules/.python -r bench/waiters/requirements.txt
	touch $@

soak: $(VENV)/.ready ## the demo under load and under fire, every task watched (SOAK= --minutes 60, LEDGER=postgresql://…)
	$(BIN)/python -m bench.soak.run $(if $(LEDGER),--ledger '$(LEDGER)') $(SOAK)

bench-check: $(VENV)/.ready ## fail if settled has become much slower beside the same by hand (half a minute)
	$(BIN)/python -m bench.speed.check

zombies: $(HARMED)/.ready $(HARMED)-arq/.ready ## what a waiting page is told, faults × some systems, 15 minutes (ZOMBIES= options)
	$(HARMED)/bin/python -m bench.zombies.run $(ZOMBIES)
	$(HARMED)/bin/python -m bench.zombies.report bench/results/zombies.json bench/results

zombies-all: $(HARMED)/.ready $(HARMED)-arq/.ready ## the same for every system, for docs/evidence: an hour and a half
	$(HARMED)/bin/python -m bench.zombies.run --systems all --json docs/evidence/zombies.json $(ZOMBIES)
	$(HARMED)/bin/python -m bench.zombies.report

simulate: $(VENV)/.ready ## the contract under simulated trouble (SEED=, SCHEDULES=, CORES= processes); a seed is a run
	$(BIN)/python -W ignore -m tests.simulation --seed $(SEED) --schedules $(SCHEDULES) --jobs $(CORES)

model: $(VENV)/.ready ## check the protocol's model with Spin, and that it finds the bugs planted in it
	command -v spin >/dev/null && command -v cc >/dev/null || tools/apt.sh spin gcc libc6-dev
	$(BIN)/python -m model.check

clean: ## remove what was built and installed here
	rm -rf $(VENV) $(BUILD) js/node_modules js/dist bench/waiters/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV): $(VENV)/.ready ## the development environment: settled from src, and every tool

$(VENV)/.demo: pyproject.toml
	"$$(tools/python.sh)" -m venv $(VENV)
	$(BIN)/$(PIP) install --upgrade 'pip>=25.1'
	$(BIN)/$(PIP) install --editable '.[demo]'
	touch $@

$(VENV)/.ready: $(VENV)/.demo
	$(BIN)/$(PIP) install --group dev
	touch $@

$(TESTENV)/.ready: pyproject.toml
	"$$(tools/python.sh)" -m venv $(TESTENV)
	$(TESTENV)/bin/$(PIP) install --upgrade 'pip>=25.1'
	$(TESTENV)/bin/$(PIP) install --group test
	touch $@

# Other task queues must not be able to break the development environment.
$(PEERS)/.ready: pyproject.toml
	"$$(tools/python.sh)" -m venv $(PEERS)
	$(PEERS)/bin/$(PIP) install --upgrade 'pip>=25.1'
	$(PEERS)/bin/$(PIP) install --editable . --group peers
	touch $@

# The systems that `make zombies` harms, and one that cannot be installed beside them.
$(HARMED)/.ready: pyproject.toml
	"$$(tools/python.sh)" -m venv $(HARMED)
	$(HARMED)/bin/$(PIP) install --upgrade 'pip>=25.1'
	$(HARMED)/bin/$(PIP) install --editable . --group zombies
	$(HARMED)/bin/python -m bench.zombies.servers || tools/apt.sh redis-server postgresql
	touch $@

$(HARMED)-arq/.ready: pyproject.toml
	"$$(tools/python.sh)" -m venv $(HARMED)-arq
	$(HARMED)-arq/bin/$(PIP) install --upgrade 'pip>=25.1'
	$(HARMED)-arq/bin/$(PIP) install --group zombies-arq
	touch $@

# By way of the source distribution, so that this one is known to be whole too.
$(BUILD)/.dist: $(VENV)/.ready pyproject.toml LICENSE $(wildcard README.md) $(SOURCES)
	rm -rf $(BUILD)/dist
	$(BIN)/python -m build --outdir $(BUILD)/dist >$(BUILD)/dist.log 2>&1 || { cat $(BUILD)/dist.log; exit 1; }
	touch $@

$(TESTENV)/.wheel: $(TESTENV)/.ready $(BUILD)/.dist
	$(TESTENV)/bin/$(PIP) install --no-deps --force-reinstall $(BUILD)/dist/*.whl
	touch $@
