# Every target does the set-up it needs. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	command -v $$python >/dev/null && $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$python && break; done)
BIN := .venv/bin
ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.PHONY: help setup check test test-long bench demo lock clean

help: ## show the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: .venv/ready ## make .venv with the locked packages and the command `tactful`

.venv/ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Tactful needs Python 3.11, 3.12 or 3.13" >&2; exit 1; }
	@echo "Setting up .venv with $(PYTHON) (once; a few minutes on a new machine)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

check: setup ## format, lint, strict types, architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/pytest -q tests/test_architecture.py

test: setup ## every test that fits into eight minutes, on the real servers
	$(BIN)/pytest -q -m "not long" --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS)

test-long: setup ## the rest: long property runs, faults, fuzzing
	$(BIN)/pytest -q -m long $(ARGS)

bench: setup ## decisions beside an empty route and the tutorials' stack, journeys beside bare Temporal, models beside plain ones
	$(BIN)/tactful bench $(ARGS)

demo: setup ## the story, on real servers; ARGS=--once ends after it
	$(BIN)/tactful demo $(ARGS)

lock: setup ## resolve requirements.lock again, for Python 3.11 to 3.13
	$(PYTHON) -m venv build/lock && build/lock/bin/pip install --quiet uv
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --extra postgres --extra dev \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		--output-file requirements.lock pyproject.toml

clean: ## remove .venv and what tools left behind; data directories stay
	rm -rf .venv build dist *.egg-info .pytest_cache .hypothesis .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
