# Everything runs in .venv; a target installs what it needs, with the versions pinned in constraints.txt.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := pyproject.toml constraints.txt
NODE := tests/clients/node
PROGRAMS := bind9-dnsutils curl iproute2 iptables

.DEFAULT_GOAL := help
.PHONY: help demo test check format lint types imports fix bench golden docs clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	$(PYTHON) -m venv --upgrade-deps $(VENV)  # older pips write scripts that import re: 4 ms for each command

$(VENV)/.demo: $(SOURCES) | $(BIN)/python
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.test: $(SOURCES) | $(BIN)/python
	$(PIP) install --constraint constraints.txt --editable '.[test]'
	@touch $@ $(VENV)/.demo

$(VENV)/.dev: $(SOURCES) | $(BIN)/python
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.test $(VENV)/.demo

demo: $(VENV)/.demo ## Install kubesim and play the Services walkthrough on a cluster that goes afterwards
	@PATH="$(abspath $(BIN)):$$PATH" bash docs/walkthrough.sh

# The tests that drive the JavaScript client are skipped where there is no npm.
$(NODE)/node_modules/.installed: $(NODE)/package.json
	@if command -v npm > /dev/null; then \
		npm install --prefix $(NODE) --no-package-lock --no-audit --no-fund --ignore-scripts --silent && touch $@; \
	fi

# Real programs that tests hold ours to. Root of a Debian gets those that are missing; elsewhere the tests are skipped.
$(VENV)/.programs: Makefile | $(BIN)/python
	@if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		missing=$$(for each in $(PROGRAMS); do dpkg -s $$each > /dev/null 2>&1 || echo $$each; done); \
		if [ -n "$$missing" ]; then \
			{ timeout 120 apt-get update -qq; \
			DEBIAN_FRONTEND=noninteractive timeout 300 apt-get install -qq --no-install-recommends $$missing; } \
			> /dev/null 2>&1 || echo "not installed, their tests are skipped: $$missing"; \
		fi; \
	fi
	@touch $@

test: $(VENV)/.test $(VENV)/.programs $(NODE)/node_modules/.installed ## Install what the tests need and run them all
	$(BIN)/python -m pytest --numprocesses auto

check: format lint types imports test ## All that must hold before a change is submitted

format: $(VENV)/.dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.dev
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

imports: $(VENV)/.dev
	$(BIN)/lint-imports

fix: $(VENV)/.dev ## Format the code and mend what can be mended without thinking
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.test ## Measure, against raw limits and named peers
	$(BIN)/python -m tests.bench

golden: $(VENV)/.test ## Replay recorded kubectl sessions (GOLDEN=directory with replay.py, CLI=kubectl for the real one)
	@tests/golden/replay.sh $(GOLDEN) --cli $(or $(CLI),kubesim)

docs: $(VENV)/.demo ## Write the generated pages and modules
	$(BIN)/python -m kubesim.cli.reference > docs/cli.md
	$(BIN)/python docs/capture.py README.md
	$(BIN)/python -m kubesim.storage.sql_schema > kubesim/storage/sql_sqlite_statements.py

clean: ## Remove what was made
	rm -rf $(VENV) $(NODE)/node_modules build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
