# Two commands: `make run` and `make test`. Both make .venv first, from exact pins.
PYTHON ?= python3
BIN := .venv/bin
STUDY ?= demo
PORT ?= 5000
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: run test lint suite page site ui clean

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

# The committed page of a study is its last run's: make page STUDY=demo.
page:
	cp results/$(STUDY)/report.html reports/$(STUDY)/index.html

# The documents as a site: results/site/index.html.
site: .venv/made
	NO_MKDOCS_2_WARNING=1 mkdocs build --quiet

ui: .venv/made
	magan ui --port $(PORT)

.venv/made: envs/constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint envs/constraints.txt --editable ".[demo,docs,gates,originals,peers,postgres,dev]"
	touch $@

clean:
	rm -rf .venv results logs .snakemake
