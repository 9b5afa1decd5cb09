# Two commands: `make run` and `make test`. Both make .venv first, from exact pins.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: run test ui clean

run: .venv/made
	snakemake --cores all
	@echo
	@echo "report:          reports/demo/index.html"
	@echo "tracking store:  results/mlflow.db   (make ui opens it)"

test: .venv/made
	ruff check .
	ruff format --check .
	basedpyright --pythonpath $(BIN)/python
	snakefmt --check Snakefile workflow
	snakemake --lint
	OMP_NUM_THREADS=1 pytest -q -n auto --dist loadfile --no-loadscope-reorder

ui: .venv/made
	mlflow ui --backend-store-uri sqlite:///results/mlflow.db

.venv/made: envs/constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint envs/constraints.txt --editable ".[workflow,demo,peers,dev]"
	touch $@

clean:
	rm -rf .venv results logs .snakemake
