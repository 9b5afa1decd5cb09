# Two commands: `make run` and `make test`. Both make .venv first, from exact pins.
PYTHON ?= python3
BIN := .venv/bin
STUDY ?= demo
PORT ?= 5000
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: run test page ui clean

run: .venv/made
	snakemake --cores all
	@echo
	@echo "report:          results/demo/report.html"
	@echo "tracking store:  results/mlflow.db   (make ui opens it)"

# The linters run while the tests do; either fails the whole.
test: .venv/made
	$(MAKE) --no-print-directory --jobs 2 lint suite

lint: .venv/made
	ruff check .
	ruff format --check .
	snakefmt --check workflow
	snakemake --lint
	basedpyright --pythonpath $(BIN)/python

suite: .venv/made
	OMP_NUM_THREADS=1 pytest -q -n auto --dist loadfile --no-loadscope-reorder

ui: .venv/made
	magan ui --port $(PORT)

.venv/made: envs/constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint envs/constraints.txt --editable ".[demo,gates,peers,dev]"
	touch $@

clean:
	rm -rf .venv results logs .snakemake
