# Everything runs in its own environment, .venv; `make prove` and `make test` need only Python 3.11 or 3.12 and the registries.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV   := .venv
RUN    := $(VENV)/bin

.PHONY: prove test test-all lint clean

prove: $(VENV)/.user
	$(RUN)/prover prove examples/first.lean

test: $(VENV)/.dev
	$(RUN)/pytest -m "not slow"

test-all: $(VENV)/.dev
	$(RUN)/pytest

lint: $(VENV)/.dev
	$(RUN)/ruff check
	$(RUN)/ruff format --check
	$(RUN)/mypy

clean:
	rm -rf $(VENV) *.egg-info .mypy_cache .pytest_cache .ruff_cache

$(RUN)/python:
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || (echo "Python 3.11 or 3.12 is needed; give it as make PYTHON=…" >&2; exit 1)
	$(PYTHON) -m venv $(VENV)

$(VENV)/.user: $(RUN)/python pyproject.toml
	$(RUN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.dev: $(RUN)/python pyproject.toml
	$(RUN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ $(VENV)/.user
