# Everything that a developer or CI does. `make` alone shows the list.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
PYTEST := $(BIN)/python -m pytest
FAST := tests/unit tests/property tests/scenarios tests/sim
TYPED := common serverproxy clientproxy tests scripts/docs.py scripts/manpages.py scripts/demo $(patsubst %/__init__.py,%,$(wildcard bench/__init__.py))

.PHONY: help setup debian format lint types check test test-full test-e2e fuzz cov mutations bench demo docs install uninstall deb lock clean

install uninstall: export PYTHON := $(if $(filter file,$(origin PYTHON)),,$(PYTHON))

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' Makefile | awk -F ':.*## ' '{ printf "make %-10s %s\n", $$1, $$2 }'

setup: $(STAMP) ## Make .venv with everything that the lock file names (once)

$(STAMP): requirements-dev.lock pyproject.toml scripts/make-venv
	@scripts/make-venv "$(PYTHON)"
	@touch $@

debian: ## Install the Debian packages that the tests need, where that is permitted
	@scripts/install-debian-packages

format: setup ## Format all Python files
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix-only --quiet .

lint: setup ## Check format, style, import contracts and spelling
	@$(BIN)/ruff format --check --quiet . || { echo "make format mends this"; exit 1; }
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-logo
	@git ls-files -z --cached --others --exclude-standard | xargs -0 $(BIN)/codespell

types: setup ## Check types
	@$(BIN)/mypy $(TYPED)

check: lint types ## Lint, types, import contracts and the fast tests, on all cores
	@$(PYTEST) -q -n auto $(FAST)

test: debian check ## Everything that CI runs: check and all the rest, real players among it
	@$(PYTEST) -n 3 --dist loadfile --no-loadscope-reorder -m "not alone" tests/e2e tests/integration
	@$(PYTEST) -m alone tests/e2e

test-full: export STRIPECAST_FULL = 1
test-full: test ## The same with the full lengths of time

test-e2e: setup debian ## Real servers and players as processes
	@$(PYTEST) tests/e2e

fuzz: setup ## Property and fuzz tests with many more examples (bounded)
	@HYPOTHESIS_PROFILE=deep $(PYTEST) -q $(wildcard tests/property tests/fuzz)

cov: setup ## Coverage of the fast tests and the integration tests
	@$(BIN)/coverage run -m pytest -q $(FAST) $(wildcard tests/integration)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

mutations: setup ## Take each rule of what is done about failures out: some test has to notice
	@$(BIN)/python -m tests.mutations

bench: setup ## Measure what docs/performance.md quotes
	@$(BIN)/python -m bench

demo: export DEMO_SOURCE = $(value SOURCE)
demo: setup ## Show it: a source, a server proxy, four client proxies (SOURCE=rtsp://… for your camera)
	@$(BIN)/python -m scripts.demo

docs: setup ## Make the shipped configuration, its JSON Schemas and docs/configuration.md from the code
	@$(BIN)/python -m scripts.docs

install: ## Into /opt/stripecast, with commands, units and man pages (DESTDIR, PREFIX=/usr/local)
	@scripts/install

uninstall: ## Remove what make install has put there; your configuration stays
	@scripts/uninstall

deb: ## Build a Debian package in dist/ (needs dpkg-dev and debhelper)
	@scripts/make-deb

lock: ## Pin the newest versions that pyproject.toml allows (needs uv)
	@uv pip compile pyproject.toml -q --upgrade --universal --python-version 3.11 --all-extras --group dev \
		--generate-hashes --no-header --no-annotate -o requirements-dev.lock
	@uv pip compile pyproject.toml -q --upgrade --universal --python-version 3.11 --all-extras \
		--constraints requirements-dev.lock --generate-hashes --no-header --no-annotate -o requirements.lock
	@uv pip compile -q --upgrade --universal --python-version 3.11 --group build \
		--constraints requirements-dev.lock --generate-hashes --no-header --no-annotate -o requirements-build.lock

clean: ## Remove .venv and all caches
	@rm -rf .venv .coverage* .*_cache .hypothesis dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
