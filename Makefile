# make demo: the main job. make test: every test. Both install what they need into .venv first.
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.PHONY: demo test lint bench fuzz soak faults long clean setup lock

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml requirements.lock scripts/setup.sh
	PY=$(PY) VENV=$(VENV) sh scripts/setup.sh
	touch $@

demo: setup
	$(BIN)/dure --data $${DURE_DATA:-var} demo

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest -n $(WORKERS) -m "not long"

bench: setup
	$(BIN)/python -m tests.bench --out bench.json

fuzz soak faults long: setup
	DURE_BUDGET=$@ $(BIN)/python -m pytest -n $(WORKERS) -m "long" --timeout 0

lock: setup
	$(BIN)/pip-compile --quiet --strip-extras --extra dev --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --allow-unsafe --no-header --output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) var bench.json build *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache
