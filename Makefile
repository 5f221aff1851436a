# `make demo` and `make test` need Debian, Python 3.11, make and package mirrors; everything else they install themselves.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
PORT ?= 8000
JOBDECK_HOME ?= instance/jobdeck
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
# Tests start a thousand processes: none should compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE
SOURCES := src tests benchmarks examples docs hatch_build.py

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: demo
demo: $(VENV)/.demo ## Run jobdeck with the example repository (PORT=8000, JOBDECK_HOME=instance/jobdeck)
	@cd examples/repository && JOBDECK_HOME='$(abspath $(JOBDECK_HOME))' JOBDECK_APP=repository:create_app \
		exec $(BIN)/jobdeck up --port $(PORT)

.PHONY: test
test: lint types contract ## Install what the checks need, then run all of them
	@tools/install-debian-packages chromium curl libatomic1 postgresql rabbitmq-server redis-server
	JOBDECK_TEST_SERVICES=required $(BIN)/python -m pytest --numprocesses 2 --dist loadgroup

.PHONY: lint
lint: $(VENV)/.dev ## Lint and check the formatting
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

.PHONY: types
types: $(VENV)/.dev ## Check the types
	$(BIN)/mypy

.PHONY: contract
contract: $(VENV)/.dev ## Check that imports point one way
	$(BIN)/lint-imports

.PHONY: format
format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

.PHONY: docs
docs: $(VENV)/.dev ## Write docs/reference/ anew from the code
	$(BIN)/python docs/build_reference.py

.PHONY: bench
bench: $(VENV)/.dev ## Measure speed beside peers (half an hour; BENCH="--scale 0.4 --write")
	@tools/install-debian-packages postgresql rabbitmq-server redis-server
	$(BIN)/python -m benchmarks $(BENCH)

.PHONY: lock
lock: $(VENV)/.uv ## Choose the newest versions of everything anew
	cd $(CURDIR) && $(BIN)/uv pip compile pyproject.toml --group demo --upgrade --generate-hashes --universal --no-emit-index-url -qo requirements.txt
	cd $(CURDIR) && $(BIN)/uv pip compile pyproject.toml --group dev --extra postgresql -c requirements.txt --upgrade --generate-hashes --universal --no-emit-index-url -qo requirements-dev.txt

.PHONY: clean
clean: ## Remove what was installed and built, not the instance folder
	rm -rf $(VENV) build dist src/jobdeck/web/static/vendor .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/.uv:
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || tools/install-debian-packages python3-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	@touch $@

$(VENV)/.demo: requirements.txt pyproject.toml hatch_build.py package-lock.json | $(VENV)/.uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.txt pyproject.toml hatch_build.py package-lock.json | $(VENV)/.uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements-dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@ $(VENV)/.demo
