# make demo: the main job. make test: every test. Each installs what it needs first; `make help` lists the rest.
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
DURE_DATA ?= var
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
# Verifiers, state machines and must-fail cases have to hold where `assert` does not exist. The tests' own assertions
# still do there, since pytest rewrites them; the canary in tests/test_house.py makes sure of it.
OPTIMISED := -k "(must_fail or refus or bad_input or machine or admission or blocks or canary) \
	and not (2000_steps or sube or whole_run or test_build)"
# The kills and damages; each test of theirs ends in a state that is whole.
FAULTS := tests/faults tests/ledger/test_crash.py tests/ledger/test_store.py tests/wallets/test_journal.py \
	$(wildcard tests/services/demo/test_kill*.py)

.PHONY: help setup servers demo lint check test bench fuzz faults soak long lock clean

help:
	@echo "make demo    a Seoul morning on the embedded chain, into $(DURE_DATA)/"
	@echo "make test    lint, types, artefacts, every test, and the refusals once more under python -O"
	@echo "make bench   figures of this machine, into bench.json"
	@echo "make fuzz    the large budgets; hours"
	@echo "make faults  kill -9, torn writes, flipped bits"
	@echo "make soak    the demo with 2,000, 10,000 and 20,000 riders: time and memory"
	@echo "make long    fuzz and soak"
	@echo "make lock    write requirements.lock anew"
	@echo "make clean   remove what the others made"

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml requirements.lock scripts/setup.sh
	PY=$(PY) VENV=$(VENV) sh scripts/setup.sh
	touch $@

servers:
	sh scripts/servers.sh
	PY=$(PY) sh scripts/engines.sh

demo: setup
	$(BIN)/dure --data $(DURE_DATA) demo

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: setup
	$(BIN)/python -m contracts.build --check

test: lint check servers
	$(PYTEST) -m "not long"
	PYTHONOPTIMIZE=1 $(PYTEST) -m "not long" $(OPTIMISED) -W "ignore:assertions not in test modules"

bench: setup
	$(BIN)/python -m tests.bench --out bench.json

fuzz: setup servers
	$(PYTEST) -m long --timeout 0 -v --durations 0

faults: setup servers
	$(PYTEST) --timeout 0 -v $(FAULTS)

soak: setup
	$(BIN)/python -m tests.soak --out soak.json

long: fuzz soak

lock: setup
	$(BIN)/pip-compile --quiet --strip-extras --extra dev --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --allow-unsafe --no-header --output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) .engines $(DURE_DATA) bench.json soak.json build *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache
