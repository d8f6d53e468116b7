# Every verb of this repository. `make` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
IMAGE ?= rekey:dev

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1mmake %-13s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(STAMP) ## make .venv with the program `rekey` and all tools, exactly as locked
	@:

$(STAMP): requirements/dev.txt pyproject.toml operator/rekey/__init__.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Rekey needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make install PYTHON=python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
	  { echo "cannot make .venv; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "installing into .venv (exact versions, checked hashes): one to three minutes"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: demo
demo: install ## a whole cluster and two rotations, live; Ctrl-C cleans up
	@$(BIN)/python -m tests.demo

.PHONY: check
check: install ## style, types, imports, layout: one to three minutes
	@$(BIN)/python -m tests.verify check

.PHONY: test
test: install ## check, then every test but the long ones, with one summary
	@$(BIN)/python -m tests.verify test

.PHONY: test-full
test-full: install ## the same with the long ones
	@$(BIN)/python -m tests.verify test-full

.PHONY: cluster
cluster: install ## start the test cluster and say how to reach it
	@$(BIN)/python -m tests.cluster up

.PHONY: cluster-down
cluster-down: install ## stop it and remove its data
	@$(BIN)/python -m tests.cluster down

.PHONY: bench
bench: install ## all figures of docs/performance.md, tables and JSON: up to an hour
	@$(BIN)/python -m benchmarks.mass_rotation
	@$(BIN)/python -m benchmarks.scale_out
	@$(BIN)/python -m benchmarks.hundred_thousand
	@$(BIN)/python -m benchmarks.hundred_thousand_tokens
	@$(BIN)/python -m benchmarks.key_rotation
	@PYTHONPATH=clients/python $(BIN)/python -m benchmarks.kit_rotations

.PHONY: generate
generate: install ## write crds/ and the generated pages of docs/ from the code
	@$(BIN)/python -c 'from pathlib import Path; from rekey.app import generate; print(*generate.write(Path()) or ["nothing changed"], sep="\n")'

.PHONY: lock
lock: install ## resolve requirements/*.in anew into exact, hashed *.txt
	@for name in run build dev; do \
	  $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --no-header requirements/$$name.in --output-file requirements/$$name.txt; \
	done

.PHONY: image
image: ## build the container image $(IMAGE)
	docker build --tag $(IMAGE) .

.PHONY: clean
clean: ## remove what the other verbs made here (not the cached servers)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
