# Two commands: `make run` and `make test`. Both set up what they need first.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: help run test lint bench clean

help:
	@echo "make run    start the home (the demo home while no key is configured)"
	@echo "make test   run every check and test"
	@echo "make bench  measure what the design promises"
	@echo "make clean  remove the virtual environment; your data stays"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make run PYTHON=python3.11"; exit 1; }
	@echo "making the virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml setup.cfg constraints.txt | $(BIN)/python
	@echo "installing (a minute or two)"
	@$(PIP) install --editable . --constraint constraints.txt
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@$(PIP) install --editable '.[test]' --constraint constraints.txt
	@touch $@

run: $(VENV)/.installed
	@exec $(BIN)/energy up

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest -n auto --dist loadgroup

bench: $(VENV)/.installed-test
	@for bench in benchmarks/*.py; do echo "== $$bench"; $(BIN)/python $$bench || exit 1; done

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
