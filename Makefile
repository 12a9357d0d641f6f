# Two commands are enough on a fresh machine: `make search` and `make test`.
# Each sets up what it needs in `.venv`; nothing outside this folder is changed.

PYTHON ?= python3
OUTPUT ?= runs/$(shell date +%Y%m%d-%H%M%S)
ARGS ?=
WORKERS ?= 2

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SEARCH_STAMP := .venv/.search-stamp
DEV_STAMP := .venv/.dev-stamp

.DEFAULT_GOAL := help
.PHONY: help venv install search test test-slow slow-tests test-all lint format type check bench data clean

help:  ## Show this list.
	@grep -E '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:.*## /|/' | \
		awk -F'|' '{ printf "  make %-10s %s\n", $$1, $$2 }'
	@echo
	@echo '  make search ARGS="--agent q-learning --seed 1" OUTPUT=runs/mine'

venv: $(BIN)/python  ## Make the virtual environment only.

install: $(DEV_STAMP)  ## Install everything for searching, testing and developing.

search: $(SEARCH_STAMP)  ## Search a network for handwritten digits; ARGS and OUTPUT change it.
	$(BIN)/nas-env search --output $(OUTPUT) $(ARGS)

test: $(DEV_STAMP)  ## Run the tests but those that are slow or expensive.
	$(BIN)/python -m pytest -n $(WORKERS) -m "not expensive and not slow" $(ARGS)

test-slow: $(DEV_STAMP)  ## Run the slow tests, those of tests/slow_tests.txt.
	$(BIN)/python -m pytest -n $(WORKERS) -m "slow and not expensive" $(ARGS)

slow-tests: $(DEV_STAMP)  ## Measure all tests; write tests/slow_tests.txt and docs/ci.md.
	rm -f runs/test-times.json
	$(BIN)/python -m pytest -n $(WORKERS) -m "not expensive" --note-times runs/test-times.json $(ARGS)
	$(BIN)/python -m tests.support.ci_page runs/test-times.json

test-all: $(DEV_STAMP)  ## Run all tests.
	$(BIN)/python -m pytest -n $(WORKERS) -m "expensive or not expensive" $(ARGS)

lint: $(DEV_STAMP)  ## Check style and format.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(DEV_STAMP)  ## Repair style and format where that is safe.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(DEV_STAMP)  ## Check types.
	$(BIN)/mypy

check: lint type test  ## Lint, types and tests.

bench: $(DEV_STAMP)  ## Measure, and write the pages under docs/benchmarks; ARGS names some.
	$(BIN)/python -m scripts.bench $(ARGS)

data: $(DEV_STAMP)  ## Make the embedded data sets again from scikit-learn and MNIST.
	$(BIN)/python -m scripts.data datasets

clean:  ## Remove caches and the virtual environment; runs are kept.
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed. Use: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

$(SEARCH_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt torch
	$(PIP) install -c constraints.txt -e '.[agents,data]'
	@touch $@

$(DEV_STAMP): $(SEARCH_STAMP)
	$(PIP) install -c constraints.txt -e '.[all,dev]'
	@touch $@
