"""The batch default where the right answer is known, and every method by Open Problems' scores.

    python benchmarks/batches.py --mirror FOLDER [--part NAME ...] [--again]

Writes reports/batch_benchmark: scenarios.tsv (is the answer of ``method: auto`` right?), scores.tsv (a row for each
data set, method and score) and README.md, which is made of the two. FOLDER has the data sets as ``data.mirror`` does.
A part that the tables have already is not run again, so that an interrupted run goes on where it stopped; ``--again``
runs it anew. Parts are the names of scenarios, and ``scores``. All of it takes some ten minutes of a core. Nothing is
chosen here.
"""

import argparse
import subprocess
import time
import warnings
from pathlib import Path

import pandas as pd
from batch_cells import measured
from batch_page import page
from batch_scenarios import SCENARIOS
from batch_scores import METHODS, mapped_by, scored

ROOT = Path(__file__).parents[1]
HERE = ROOT / "reports" / "batch_benchmark"
COLUMNS = {
    "scenarios": ("part", "scenario", "right is", "found", "right", "seconds", "commit"),
    "scores": ("dataset", "method", "score", "value", "seconds", "commit"),
}


def table(name: str) -> pd.DataFrame:
    path = HERE / f"{name}.tsv"
    return pd.read_csv(path, sep="\t") if path.exists() else pd.DataFrame(columns=COLUMNS[name])


def put(name: str, rows: list[tuple], old: pd.DataFrame) -> None:
    """Write rows after those of ``old``, and the page anew."""
    new = pd.DataFrame(rows, columns=COLUMNS[name])
    found = pd.concat([old, new], ignore_index=True) if len(old) else new
    found.to_csv(HERE / f"{name}.tsv", sep="\t", index=False, float_format="%.6g")
    (HERE / "README.md").write_text(page(table("scenarios"), table("scores")))


def commit() -> str:
    """The commit of the code, with a mark where ``magan`` or this folder differ from it."""
    git = ["git", "-C", str(ROOT)]
    name = subprocess.check_output([*git, "rev-parse", "--short", "HEAD"], text=True).strip()
    return name + ("+" if subprocess.call([*git, "diff", "--quiet", "HEAD", "--", "magan", "benchmarks"]) else "")


def run_scenario(name: str, mirror: Path) -> None:
    start = time.process_time()
    rows = list(SCENARIOS[name](mirror))
    spent = time.process_time() - start
    old = table("scenarios")
    put("scenarios", [(name, *row, round(spent), commit()) for row in rows], old[old["part"] != name])
    for row in rows:
        print(name, *row, sep="\t", flush=True)


def run_scores(mirror: Path, again: bool) -> None:
    for sample in measured(mirror):
        for method in METHODS:
            old = table("scores")
            same = (old["dataset"] == sample.name) & (old["method"] == method)
            if same.any() and not again:
                continue
            start = time.process_time()
            found = scored(sample, mapped := mapped_by(method, sample))
            spent = time.process_time() - start
            rows = [(sample.name, method, score, value, round(spent, 1), commit()) for score, value in found.items()]
            put("scores", rows, old[~same])
            print(sample.name, method, mapped.shape, *(f"{value:.3f}" for value in found.values()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mirror", type=Path, required=True)
    parser.add_argument("--part", nargs="+", choices=[*SCENARIOS, "scores"], default=[*SCENARIOS, "scores"])
    parser.add_argument("--again", action="store_true")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    HERE.mkdir(parents=True, exist_ok=True)
    for name in asked.part:
        if name == "scores":
            run_scores(asked.mirror, asked.again)
        elif asked.again or name not in set(table("scenarios")["part"]):
            run_scenario(name, asked.mirror)


if __name__ == "__main__":
    main()
