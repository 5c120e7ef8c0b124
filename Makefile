# Everything starts here; `make` alone lists the targets.
# PYTHON=python3.13 chooses the interpreter; CACHE=FOLDER shares downloads between clones.

PYTHON ?= python3
VENV ?= .venv
CACHE ?= .cache
HISTORY ?= $(CACHE)/history

# One more than processors, as many tests wait.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

# Ports for demo and stack, if the usual ones are taken.
PORT ?=
PROMETHEUS_PORT ?=
ALERTMANAGER_PORT ?=
NOTIFICATIONS_PORT ?=

LOCK = $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --no-strip-extras \
	--generate-hashes --no-emit-index-url --custom-compile-command "make lock"
PYTEST = $(VENV)/bin/python -m pytest
export TEST_TOOLS = $(abspath $(CACHE)/tools/native)

# A virtual environment belongs to one version of Python and to one place, so its marks name both:
# after an upgrade of the system, or where the clone was moved, it is made again.
MARK := $(VENV)/$(shell $(PYTHON) -I -S -c 'import os, sys, zlib; print("%s-%08x" % ( \
	sys.implementation.cache_tag, zlib.crc32(os.fsencode(os.path.realpath(sys.argv[1])))))' \
	$(VENV) 2>/dev/null)

# Programs that start again and again are not to be compiled each time.
unexport PYTHONDONTWRITEBYTECODE
# What a shell sets for other programs: places to import from, no assertions, warnings as errors.
unexport PYTHONHOME PYTHONOPTIMIZE PYTHONPATH PYTHONSAFEPATH PYTHONWARNINGS

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: $(firstword $(wildcard $(MARK).dev) $(MARK).run) ## run the exporter on a simulated CallTools; nothing to configure
	@$(VENV)/bin/python -m exporter demo $(if $(PORT),--web.listen-address=127.0.0.1:$(PORT)) \
		|| { code=$$?; [ $$code -ne 1 ] || echo 'For another port: make demo PORT=15458' >&2; exit $$code; }

.PHONY: stack
stack: $(firstword $(wildcard $(MARK).dev) $(MARK).run) ## the same with Prometheus, rules and Alertmanager: watch a queue empty and its notification arrive
	@$(VENV)/bin/python scripts/stack.py $(CACHE) \
		$(if $(PORT),--exporter=$(PORT)) \
		$(if $(PROMETHEUS_PORT),--prometheus=$(PROMETHEUS_PORT)) \
		$(if $(ALERTMANAGER_PORT),--alertmanager=$(ALERTMANAGER_PORT)) \
		$(if $(NOTIFICATIONS_PORT),--notifications=$(NOTIFICATIONS_PORT))

# The tests of one file share a worker, and with it what the file sets up once.
.PHONY: test
test: $(MARK).dev ## run all checks and tests, with coverage, as CI does
	@$(MAKE) -j 3 lint tools collect
	@$(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder --cov

# Else each worker compiles all tests, traced for coverage.
.PHONY: collect
collect: $(MARK).dev ## compile the tests, and report what cannot be imported
	@found=$$($(PYTEST) --collect-only -qq 2>&1) || { printf '%s\n' "$$found" >&2; exit 1; }

.PHONY: test-matrix
test-matrix: $(MARK).dev ## run the tests that depend on Prometheus with 2.42, 2.53 and 3, from Debian
	@$(VENV)/bin/python scripts/test_matrix.py $(CACHE)

.PHONY: install-test
install-test: $(MARK).dev ## run the unit tests with the oldest libraries allowed, and with the newest
	@$(VENV)/bin/python scripts/install_test.py $(CACHE)

.PHONY: image-test
image-test: $(MARK).dev ## build the image and run it, without a container engine (as root)
	@$(PYTEST) -m image -rP tests/e2e

.PHONY: venv
venv: $(MARK).dev ## only set up the environment for development

.PHONY: unit
unit: $(MARK).dev ## run the fast tests
	@$(PYTEST) -q tests/unit

.PHONY: lint
lint: $(MARK).dev ## check style, formatting and types
	@$(VENV)/bin/ruff check --quiet
	@$(VENV)/bin/ruff format --check --quiet
	@$(VENV)/bin/mypy $(wildcard exporter grafana prometheus tests scripts benchmarks)

.PHONY: format
format: $(MARK).dev ## format the code
	@$(VENV)/bin/ruff check --quiet --fix-only
	@$(VENV)/bin/ruff format --quiet

.PHONY: rules
rules: $(MARK).dev ## generate the rule files and the tables of docs/alerting.md
	@$(VENV)/bin/python -m prometheus.build

.PHONY: docs
docs: $(MARK).dev ## generate the tables of docs/ (configuration, metrics, faults)
	@$(VENV)/bin/python scripts/make_docs.py
	@$(PYTEST) -q --write-docs -k has_this_table tests/integration/test_fault_matrix.py
	@$(PYTEST) -q --write-docs tests/integration/test_account_failures.py \
		tests/e2e/rules/test_account_failures.py

.PHONY: tools
tools: $(MARK).dev ## download Prometheus, Alertmanager and a browser for the end-to-end tests
	@$(VENV)/bin/python scripts/fetch_tools.py $(CACHE)

.PHONY: lock
lock: $(MARK).dev ## update the lock files from pyproject.toml (UPGRADE=--upgrade: to the newest versions)
	@$(LOCK) $(UPGRADE) pyproject.toml -o requirements/run.txt
	@$(LOCK) $(UPGRADE) --group build -o requirements/build.txt
	@$(LOCK) $(UPGRADE) pyproject.toml --group dev -o requirements/dev.txt

.PHONY: dashboards
dashboards: $(MARK).dev ## write the dashboards' JSON from its source
	@$(VENV)/bin/python -m grafana.build

.PHONY: cluster
cluster: $(MARK).dev ## copy rules and dashboards into deploy/, for Helm and kustomize
	@$(VENV)/bin/python scripts/cluster_files.py

.PHONY: bench
bench: $(MARK).dev ## measure speed and cost, compare with peers, write benchmarks/results.md (about 12 minutes)
	@$(VENV)/bin/python scripts/fetch_peers.py $(CACHE)
	@$(VENV)/bin/python -m benchmarks $(CACHE)

.PHONY: history
history: tools ## write two weeks of a simulated call centre into HISTORY, a folder for Prometheus
	@$(VENV)/bin/python -m tests.history --tools $(CACHE)/tools/native/usr/bin $(HISTORY)

.PHONY: audit
audit: $(MARK).dev ## check the locked versions against known vulnerabilities (needs the internet)
	@$(VENV)/bin/uv tool run --quiet pip-audit --strict --disable-pip --require-hashes \
		-r requirements/run.txt -r requirements/build.txt

.PHONY: clean
clean: ## remove generated and downloaded files
	rm -rf $(wildcard $(dir $(wildcard .venv/made-by-make-venv))) .cache dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache

# One environment serves both: the development requirements include those for running.
$(MARK).run $(MARK).dev: $(MARK).%: requirements/%.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'Python 3.11 or newer is needed; PYTHON=python3.13 chooses another than $(PYTHON).' >&2; exit 1; }
	@$(PYTHON) scripts/make_venv.py $(VENV) $< $(CACHE) $@
