"""Is everything there that `make run` promised? Exits with a sentence if not."""

import sqlite3
import sys
from pathlib import Path

import pandas as pd
import yaml

study = yaml.safe_load(Path("config/config.yaml").read_text())
metrics = pd.read_csv("results/demo/metrics.tsv", sep="\t", keep_default_na=False)

missing = []
for task in ("heldout", "batch", "digits"):
    for dataset, settings in study[task].items():
        seeds = {str(seed) for seed in range(settings.get("seeds", study["seeds"]))}
        own = metrics[(metrics["task"] == task) & (metrics["dataset"] == dataset) & (metrics["metric"] != "failed")]
        for arm in settings["arms"]:
            if not seeds <= set(own.loc[own["arm"] == arm, "seed"]):
                missing.append(f"scores of {task}/{dataset}/{arm}")
        if not {"magan", "cyclegan", "discogan", "travelgan"} <= set(own["method"]):
            missing.append(f"an aligner in {task}/{dataset}")
        for name in settings.get("baselines", []):
            if name not in set(own["method"]):
                missing.append(f"baseline {task}/{dataset}/{name}")
        if not list(Path(f"results/demo/figures/{task}/{dataset}").glob("*.svg")):
            missing.append(f"figures of {task}/{dataset}")

page = Path("results/demo/report.html")
if not page.is_file() or "data:image/" not in page.read_text():
    missing.append("the report with its figures")

n_children = sum(
    len(settings["arms"]) * settings.get("seeds", study["seeds"])
    for task in ("heldout", "batch", "digits")
    for settings in study[task].values()
)
store = sqlite3.connect("results/mlflow.db")
(found,) = store.execute(
    "select count(*) from tags t join runs r on r.run_uuid = t.run_uuid "
    "where t.key = 'kind' and t.value = 'seed' and r.lifecycle_stage = 'active'"
).fetchone()
if found != n_children:
    missing.append(f"{n_children} runs of seeds in the store (it has {found})")

if missing:
    sys.exit("not there: " + "; ".join(missing))
print(f"{len(metrics)} scores, {found} runs of seeds, figures and report: all there")
