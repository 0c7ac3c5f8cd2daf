# The two commands: `make demo` and `make test`. Both make .venv themselves; a second `make install` is a no-op.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

DATA ?= demo-data
PORT ?= 8080
LIMITS ?=

.PHONY: install demo test check format requirements clean

install: $(STAMP)

$(STAMP): requirements-dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "upload-gateway needs Python 3.11 or newer: set PYTHON=/path/to/python"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: install
	@exec $(BIN)/upload-gateway demo --port $(PORT) --data $(DATA) $(if $(LIMITS),--limits $(LIMITS))

test: install
	@scripts/test

check: install
	@scripts/check

format: install
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

requirements:
	scripts/compile-requirements

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
