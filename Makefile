# The two commands: `make demo` and `make test`. Both make .venv themselves; a second `make install` is a no-op.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
WEB := gateway/web/dist/upload.html
WEB_SOURCES := hatch_build.py $(shell find gateway/web -name node_modules -prune -o -name 'dist*' -prune -o -type f -print)

DATA ?= demo-data
PORT ?= 8080
LIMITS ?=

.PHONY: install web demo test coverage check format images requirements clean edge-package edge-runtime plan deploy rollback verify destroy infra-check

install: $(STAMP) $(WEB)

web: $(WEB)

$(STAMP): requirements-dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "upload-gateway needs Python 3.11 or newer: set PYTHON=/path/to/python"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r requirements-dev.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

$(WEB): $(WEB_SOURCES) | $(STAMP)
	@$(BIN)/python hatch_build.py --has-node || $(PIP) --require-hashes -r requirements-node.txt
	@$(BIN)/python hatch_build.py

demo: install
	@exec $(BIN)/upload-gateway demo --port $(PORT) --data $(DATA) $(if $(LIMITS),--limits $(LIMITS))

test: install
	@scripts/test

coverage: install
	@scripts/coverage

check: install
	@scripts/check

format: install
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

images: install
	UPDATE_IMAGES=1 $(BIN)/pytest -q tests/browser/test_upload_page.py tests/browser/test_console_story.py

requirements:
	scripts/compile-requirements

# The Lambda@Edge function's zip; SETTINGS is what it is told (docs/how-to/edge.md).
SETTINGS ?= edge.json
EDGE_PYTHON ?= python3.13

edge-package: install
	@$(BIN)/python scripts/edge-package --settings $(SETTINGS) --python $(EDGE_PYTHON)

edge-runtime: install
	@$(BIN)/python scripts/edge-runtime

# One stage on AWS (docs/how-to/deploy-on-aws.md): STAGE as in infra/parameters.toml, PART regional or edge (both if left out).
RELEASE ?= $(shell git describe --always --dirty --abbrev=40 --exclude '*' 2>/dev/null || echo none)
STAGE_OPTIONS = $(if $(PART),--part $(PART)) $(if $(TOKEN_FILE),--token-file $(TOKEN_FILE)) $(if $(YES),--yes) --release $(RELEASE)

plan deploy destroy verify: install
	@$(BIN)/python scripts/stage $@ $(or $(STAGE),$(error say which: make $@ STAGE=test)) $(STAGE_OPTIONS)

rollback: install
	@PART=$(PART) scripts/rollback $(or $(STAGE),$(error say which: make rollback STAGE=test COMMIT=...)) \
		$(or $(COMMIT),$(error say which commit: the output Release before the last deployment)) $(if $(YES),--yes)

# What linters say of the templates, in an environment of their own; infra/checkov.yaml has the reasons for what is left out.
LINTERS := build/infra-linters

infra-check: $(LINTERS)/.installed
	$(LINTERS)/bin/cfn-lint infra/*.yaml infra/pipeline/account.yaml --ignore-templates infra/checkov.yaml
	@if command -v sam >/dev/null; then for template in regional edge operations; do \
		SAM_CLI_TELEMETRY=0 sam validate --lint --region us-east-1 --template infra/$$template.yaml || exit 1; done; \
	else echo "there is no sam here, so sam validate was left out"; fi
	@$(PYTHON) scripts/all-switches build/all-switches
	$(LINTERS)/bin/cfn-lint build/all-switches/regional.yaml
	$(LINTERS)/bin/checkov --config-file infra/checkov.yaml --directory infra
	$(LINTERS)/bin/checkov --config-file infra/checkov.yaml --directory build/all-switches

$(LINTERS)/.installed: requirements-infra.txt
	test -x $(LINTERS)/bin/python || $(PYTHON) -m venv $(LINTERS)
	$(LINTERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-infra.txt
	@touch $@

clean:
	rm -rf $(VENV) gateway/web/dist gateway/web/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
