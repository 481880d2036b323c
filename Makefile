# `make demo` and `make test` need Python 3.11 or newer and make; everything else is set up here.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test chaos chaos-full lint requirements clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/.ready ## make the virtual environment with the hashed requirements and the real servers

$(VENV)/.ready: requirements.txt pyproject.toml guard/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Sternway needs Python 3.11 or newer; choose one with 'make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3'" >&2; exit 1; }
	@echo "setting up $(VENV) (about a minute, once)"
	@$(PYTHON) -m venv $(VENV) || { echo "this Python has no venv: on Debian, install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e guard
	@touch $@

demo: setup ## one bad release, from the alert to the verified recovery (ARGS="--fault latency")
	@$(BIN)/sternway demo $(ARGS)

test: setup ## the tests, on two processes (ARGS="-n 0 -k saga" for some of them, on one)
	@$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

chaos: setup ## every part killed at every point: a sample of 25 minutes (ARGS="--seed 7 --only 'kill -9 mesh'")
	@$(BIN)/python -m tests.chaos --worlds 3 --minutes 25 $(ARGS)

chaos-full: setup ## all of the matrix on three worlds, about an hour and a half; writes docs/reference/chaos.md
	@$(BIN)/python -m tests.chaos --full --worlds 3 --report docs/reference/chaos.md $(ARGS)

lint: setup ## formatting, types and the arrows between the rooms
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports

requirements: ## pin the requirements anew (needs uv)
	uv pip compile pyproject.toml --universal --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --no-emit-package sternway-guard --extra local --extra predict --extra learn --group dev --upgrade -o requirements.txt

clean: ## remove the virtual environment and the caches
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache
