# CI runs exactly one target: make test. Every target installs its tools into .venv* from the locked requirements.
SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON := $(shell scripts/find-python)
UV := .venv-uv/bin/uv
BIN := .venv/bin
SAM := .venv-sam/bin/sam

# Without stored bytecode, each of the hundreds of processes that the tests start would compile every import again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/.ready ## Create the environment with the dynapinot command (.venv/bin/dynapinot)

$(UV): requirements/uv.txt
	@test -n "$(PYTHON)"
	"$(PYTHON)" -m venv --clear .venv-uv
	.venv-uv/bin/python -m pip install --quiet --require-hashes -r requirements/uv.txt
	@touch $@

.venv/.ready: $(UV) requirements/dev.txt pyproject.toml
	$(UV) venv --quiet --clear --python "$(PYTHON)" .venv
	$(UV) pip install --quiet --python .venv --require-hashes -r requirements/dev.txt
	$(UV) pip install --quiet --python .venv --no-deps --no-build-isolation -e .
	@touch $@

# A separate environment for each tool that needs other versions than .venv has, with the function's Python.
.venv-%/.ready: $(UV) requirements/%.txt
	$(UV) venv --quiet --clear --python "$$(scripts/find-python 3.13)" .venv-$*
	$(UV) pip install --quiet --compile-bytecode --python .venv-$* --require-hashes -r requirements/$*.txt
	@touch $@

.PHONY: demo
demo: setup ## Replicate a table to an embedded Kinesis and show the rows that Pinot would show
	$(BIN)/dynapinot demo

.PHONY: demo-pinot
demo-pinot: setup ## Replicate a table to a real Pinot (needs Docker)
	docker compose up --detach --wait --wait-timeout 600 --force-recreate --renew-anon-volumes
	$(BIN)/dynapinot demo \
	  --controller http://127.0.0.1:9000 --broker http://127.0.0.1:8099 \
	  --dynamodb-endpoint http://127.0.0.1:8000 \
	  --kinesis-endpoint http://127.0.0.1:4567 --kinesis-endpoint-of-pinot http://kinesis:5000

.PHONY: demo-pinot-down
demo-pinot-down: ## Stop and remove the services of demo-pinot
	docker compose down --volumes

.PHONY: build
build: .venv-sam/.ready ## Build the function for Lambda into .aws-sam/build, with the tables in TABLES=… (src/tables)
	@scripts/put-tables "$(TABLES)"
	PATH="$(CURDIR)/.venv-sam/bin:$$PATH" SAM_CLI_TELEMETRY=0 $(LAMBDA_WHEELS) \
	  $(SAM) build --build-dir "$(BUILD_DIR)" $(BUILD_OPTIONS)
	scripts/put-tables "$(TABLES)" "$(BUILD_DIR)"
# TABLES of the environment names folders for --only, and is not taken.
TABLES := src/tables
BUILD_DIR := .aws-sam/build
# By default, sam lets pip download this machine's wheels with hashes, and then replaces them by Lambda's without hashes.
LAMBDA_WHEELS := PIP_ONLY_BINARY=:all: \
  PIP_PLATFORM="manylinux2014_aarch64 manylinux_2_17_aarch64 manylinux_2_28_aarch64 manylinux_2_34_aarch64"

.PHONY: check
check: setup ## Lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Each process begins with consecutive files, so that the tests of a file share their set-up.
TWO_PROCESSES := -n 2 --dist worksteal

.PHONY: test
test: check .venv-sam/.ready .venv-checkov/.ready .venv-aws/.ready .venv-runtime/.ready .venv-ministack/.ready .venv-bench/.ready ## Everything CI runs
	$(BIN)/pytest $(TWO_PROCESSES) --cov --cov-report=term

FAST := not template and not engines and not bench and not slow

.PHONY: test-fast
test-fast: setup ## The tests without the template's tools, the real engines and the long random histories
	$(BIN)/pytest $(TWO_PROCESSES) -m "$(FAST)"

.PHONY: load-proof
load-proof: setup ## Load a table of a million items while it is written to, killed three times (about 10 minutes, 4 GB)
	LOAD_ITEMS=$(LOAD_ITEMS) ENGINES_HEAP_MB=6000 $(BIN)/pytest tests/engines/test_load.py -q --log-cli-level=INFO \
	  -k "brings and scan"
LOAD_ITEMS := 1000000

.venv-oldest/.ready: $(UV) requirements/dev.txt pyproject.toml
	$(UV) venv --quiet --clear --python "$$(scripts/find-python 3.11)" .venv-oldest
	$(UV) pip install --quiet --python .venv-oldest --require-hashes -r requirements/dev.txt
	$(UV) pip install --quiet --python .venv-oldest --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: test-oldest
test-oldest: .venv-oldest/.ready ## The same on Python 3.11
	.venv-oldest/bin/pytest $(TWO_PROCESSES) -m "$(FAST)"

.PHONY: bench
bench: .venv-bench/.ready ## Measure what a change costs, beside the usual alternatives
	PYTHONPATH=src .venv-bench/bin/python -m bench run $(BENCH_OPTIONS)

.PHONY: bench-compare
bench-compare: .venv-bench/.ready ## Compare two results of make bench: OLD=… NEW=…
	PYTHONPATH=src .venv-bench/bin/python -m bench compare $(OLD) $(NEW)

.PHONY: model
model: .venv-bench/.ready ## Show what a result means for lag and cost: RESULT=… (by default that of docs/performance.md)
	PYTHONPATH=src .venv-bench/bin/python -m bench model $(RESULT)

.PHONY: performance
performance: .venv-bench/.ready ## Write a result's tables and plot into docs/performance.md: RESULT=…
	PYTHONPATH=src .venv-bench/bin/python -m bench page $(RESULT)

.PHONY: pictures
pictures: setup ## Draw the pictures of the documentation that show no measurement
	$(BIN)/python scripts/draw_load_timeline.py

.PHONY: audit
audit: .venv-audit/.ready ## Look for known vulnerabilities in everything locked (asks the Python Package Index)
	set -e; for locked in src/requirements.txt requirements/*.txt; do \
	  echo "$$locked"; .venv-audit/bin/pip-audit $(AUDIT_OPTIONS) --requirement "$$locked"; done
# Strict: a package that the service does not know is a failure. Otherwise a service without data would find nothing.
AUDIT_OPTIONS := --strict --disable-pip --require-hashes --progress-spinner off

.PHONY: lock
lock: $(UV) ## Lock the newest versions of everything in requirements/*.in
	$(UV) pip compile --quiet --upgrade $(LOCK) --python-version 3.11 requirements/src.in -o src/requirements.txt
	$(UV) pip compile --quiet --upgrade $(LOCK) --python-version 3.11 requirements/dev.in -o requirements/dev.txt
	$(UV) pip compile --quiet --upgrade $(LOCK) --python-version 3.11 requirements/uv.in -o requirements/uv.txt
	set -e; for each in $(TOOLS); do \
	  $(UV) pip compile --quiet --upgrade $(LOCK) --python-version 3.13 requirements/$$each.in -o requirements/$$each.txt; done
TOOLS := sam checkov audit aws runtime ministack bench
LOCK := --universal --generate-hashes --no-emit-index-url --no-header --no-annotate

.PHONY: clean
clean: ## Remove everything that these targets created
	rm -rf .venv .venv-* .aws-sam .cache .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
