"""A small study on disk, as jobs leave it for `magan.tracking.collect`."""

import numpy as np
import pandas as pd

from magan import keys
from magan.tracking import EventLog, Run, collect

SEEDS = (0, 1, 2)
NOTES = {"heldout/toy": "What is asked here."}
STUDY = {"name": "study", "title": "A study", "arms": {"magan": {"steps": 100}}}


class Results:
    """A small study on disk: one arm of three seeds, the last of them failed, and one baseline."""

    def __init__(self, folder, name):
        self.folder, self.study = folder, STUDY | {"name": name}
        self.notes = NOTES
        folder.mkdir()
        draw = np.random.default_rng(0)
        log = EventLog(folder / "events.jsonl", SEEDS)
        for step in range(0, 5000, 10):
            log.metrics(step, {"generator/cycle": draw.random(3), "discriminator/real": draw.random(3)})
        for seed in SEEDS:
            log.status(seed, "failed" if seed == 2 else "ok", "not finite" if seed == 2 else "")
        log.end(seconds=60.0, steps=5000, replicates=3, device="cpu")
        (folder / "a.svg").write_text("<svg/>")
        self.artifacts = {"figures/a.svg": folder / "a.svg"}
        arm = {"task": "heldout", "dataset": "toy", "method": "magan", "arm": "magan"}
        self.runs = [
            Run(
                **arm,
                name="magan",
                events=log.path,
                params={"correspondence": {"name": "shared"}, "steps": 5000},
                data={"toy": {"a.fcs": "1" * 64}},
                deployed=True,
            ),
            Run("heldout", "toy", "knn", "knn", keys.BASELINE),
        ]
        rows = [
            (seed, group, feature, "pearson", draw.random())
            for seed in (0, 1)
            for group, feature in [("all", "all"), ("all", "CD4"), ("CD4", "all"), ("all", "HLA+DR"), ("all", "HLA*DR")]
        ]
        rows += [(seed, "all", "all", "failed", float(seed == 2)) for seed in SEEDS]
        rows += [(keys.CONSENSUS, "all", "all", "pearson", 0.55)]
        self.metrics = pd.DataFrame(rows, columns=["seed", "group", "feature", "metric", "value"]).assign(**arm)
        knn = arm | {"method": "knn", "arm": keys.BASELINE}
        row = {"group": "all", "feature": "all", "metric": "pearson", "value": 0.9, "seed": ""}
        self.metrics = pd.concat([self.metrics, pd.DataFrame([row | knn])], ignore_index=True)
        ours = {"n_seeds": 2, "n_failed": 1, "mean": 0.5, "sd": 0.1, "low": 0.4, "high": 0.6, "consensus": 0.55}
        ours |= {"best_baseline": "knn", "best_baseline_value": 0.9, "p_value": np.nan}
        every = {"group": "all", "feature": "all", "metric": "pearson"}
        theirs = dict.fromkeys(ours, np.nan) | {"n_seeds": 1, "n_failed": 0, "mean": 0.9, "best_baseline": ""}
        self.summary = pd.DataFrame([arm | every | ours, knn | every | theirs])

    def collect(self, uri, commit="abc"):
        parts = {"study": self.study, "runs": self.runs, "metrics": self.metrics, "summary": self.summary}
        return collect(uri, **parts, commit=commit, artifacts=self.artifacts, notes=self.notes)
