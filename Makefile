# Two commands: `make run` serves the showcase, `make test` checks everything. Each does its own set-up, and does it once.
# The rest are parts of them: `make help`.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
BENCH  := benchmarks/.venv
EXECUTIONS ?= 100000
MINUTES ?= 1
SOCKETS ?= 2000
SERVER ?= uvicorn

ifneq ($(shell command -v uv 2>/dev/null),)
create  := uv venv --quiet --python $(PYTHON) $(VENV)
install := uv pip install --quiet --python $(BIN)/python
else
create  := $(PYTHON) -m venv $(VENV)
install := $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

.PHONY: help run run-cluster test check unit live autobahn sweep matrix churn cycles memory coverage optimized fuzz docs bench faults soak load mutation fmt system clean
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

run: $(VENV)/.run  ## serve the showcase on 127.0.0.1:8000, or on the next free port
	@$(BIN)/python tools/serve.py

run-cluster: $(VENV)/.dev  ## serve it twice, behind a Redis of its own: kill one server, and the page goes on at the other
	@$(BIN)/python tools/cluster.py

test: system check $(VENV)/.autobahn  ## everything: style, types, unit tests with coverage, documentation, real servers and browsers
	+$(MAKE) --no-print-directory --jobs=2 --output-sync=target live unit

check: $(VENV)/.dev  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright

unit: $(VENV)/.dev  ## the tests that need no server: these alone cover every line and branch
	$(BIN)/python -m pytest --cov --ignore=tests/live

live: system $(VENV)/.autobahn  ## the tests on real servers, clients and browsers
	$(BIN)/python -m pytest tests/live

autobahn: $(VENV)/.autobahn  ## the Autobahn test suite over our echo and over a raw ASGI one, on each server; GROUPS="9 12 13" SERVERS=granian for others
	$(BIN)/python -m tests.autobahn.run $(if $(GROUPS),--groups $(GROUPS)) $(if $(SERVERS),--servers $(SERVERS))

sweep: $(VENV)/.dev  ## cancel the work of every scene at each of its awaits, in four ways, and count them
	$(BIN)/python -m tests.sweeps.scenes

matrix: $(VENV)/.dev  ## twelve faults at eight stages on every server; writes the table into docs/topics/reliability.md
	$(BIN)/python -m tests.faults.matrix

churn: system $(VENV)/.dev  ## 10,000 sockets opened and killed on a real server, and what they leave behind
	LIVE_CYCLES=10000 $(BIN)/python -m pytest tests/live/test_churn.py -s -k "connecting and uvicorn and not h11 and not legacy"

faults: system $(VENV)/.dev  ## what channels lose, repeat and tell of when links and brokers fail: full loads, and the table
	LIVE_FAULTS=full $(BIN)/python -m pytest tests/live/test_channel_faults.py -q -s

soak: $(VENV)/.dev  ## 2,000 sockets and 200 requests a second through a proxy that does harm; MINUTES=15 SERVER=granian SOCKETS=500 for others
	$(BIN)/python -m tests.live.soak --minutes $(MINUTES) --sockets $(SOCKETS) --server $(SERVER)

load: $(VENV)/.dev  ## 10,000 open sockets on one process, and others that come and go meanwhile; SERVERS="uvicorn hypercorn granian"
	$(BIN)/python -m tests.live.load $(SERVERS)

mutation: $(VENV)/.dev  ## does each test file notice when its module is wrong? TARGETS="codec/cookies.py" for some
	$(BIN)/python tools/mutation.py $(TARGETS)

cycles: $(VENV)/.dev  ## 100,000 subscriptions that come and go, and the models of channels and of presence, for 100,000 and 5,000 steps
	SHALLOT_CYCLES=100000 $(BIN)/python -m pytest tests/channels/test_bounds.py -s
	SHALLOT_MODEL_STEPS=100000 $(BIN)/python -m pytest tests/channels/test_model.py tests/channels/test_presence_model.py

memory: $(VENV)/.dev  ## 5,000 idle sockets on uvicorn, against a hand-written ASGI function
	$(BIN)/python -m benchmarks.idle_memory

coverage: $(VENV)/.dev  ## each module alone, by its own test file
	$(BIN)/python tools/own_coverage.py

optimized: $(VENV)/.dev  ## the unit tests with the package compiled as python -O does: without its asserts, and with those of the tests
	$(BIN)/python -m pytest -p optimized -q $(addprefix --ignore=tests/,live fuzz typing guard test_docs.py test_exports.py test_imports.py test_layers.py test_lint.py)

fuzz: $(VENV)/.dev  ## fuzz the parsers and the engine; EXECUTIONS=1000000 for each, TARGETS="cookies json" for some of them
	$(BIN)/python tests/fuzz/run.py --executions $(EXECUTIONS) $(TARGETS)

docs: $(VENV)/.dev  ## write docs/reference anew from the docstrings
	$(BIN)/python tools/reference.py

bench: $(BENCH)/.ready  ## measure beside the peers, in an environment of their own; ARGS="--quick timing" for some of it
	PYTHONPATH=src $(BENCH)/bin/python -m benchmarks $(ARGS)

fmt: $(VENV)/.dev  ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

system:
	@tools/system_packages

clean:  ## remove everything that was made here, the virtual environment included
	rm -rf $(VENV) $(BENCH) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*
	find . -name __pycache__ -prune -exec rm -rf {} +

# Set-up. A stamp is older than pyproject.toml only where that changed since.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "shallot needs Python 3.11 or later: make PYTHON=/path/to/python3.11 ...")'
	$(create)

$(VENV)/.run: pyproject.toml | $(BIN)/python
	$(install) --editable '.[standard]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(install) --editable '.[dev]'
	@touch $@ $(VENV)/.run

# What drives Autobahn's cases, in a folder of its own below the environment; where neither runner installs, its tests are skipped.
$(VENV)/.autobahn: $(VENV)/.dev
	@$(BIN)/python -m tests.autobahn.judges
	@touch $@

# The earlier package has our name, so it lives in a folder of its own. 1.0.0: 2.0.0 drops the values of a route's tags.
$(BENCH)/.ready: benchmarks/requirements.txt pyproject.toml
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --requirement $< --editable '.[standard]'
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --no-deps --target $(BENCH)/earlier shallot==1.0.0
	@touch $@
