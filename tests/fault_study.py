"""The smallest study that runs every rule of the workflow, to be killed many times."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

MARKERS = {"T cells": ["CD3", "CD4", "CD8", "CD45RA"], "B": ["CD3", "CD4", "CD8", "CD19"]}
NETWORK = {"model": "magan", "options": {"generator_hidden": [4], "discriminator_hidden": [4]}}
STUDY = {
    "name": "tiny",
    "title": "Tiny",
    "seeds": 2,
    "training": {"steps": 40, "batch_size": 8},
    "own_data": {"blood": {"sheet": "samples.tsv"}},
    "batch": {
        "visits": {
            "cells": "blood", "markers": ["CD3", "CD4", "CD8"], "reference": "1", "correct": {}, "deploy": "network",
            "arms": {"network": NETWORK}, "baselines": ["identity"],
        }
    },
    "panels": {
        "mine": {
            "cells": "blood", "panels": list(MARKERS), "hold_out": ["CD4"], "baselines": [],
            "arms": {"rebuild": {**NETWORK, "correspondence": "shared_markers", "calibrate": 0.2}},
        }
    },
    "generation": {
        "digits": {
            "images": "digits", "classes": [3, 7], "n_train": 60, "n_test": 20, "deploy": "plain",
            "arms": {"plain": {"model": "gan", "options": {"width": 2}}},
        }
    },
    "lectures": {"optimal_discriminator": {"options": {"steps": 5, "batch_size": 16, "hidden": [4]}}},
}  # fmt: skip


SECTIONS = ("batch", "panels", "generation", "lectures")


def write(folder: Path, only: Sequence[str] = SECTIONS) -> Path:
    """Write a study, or some sections of it, with its four files into a folder; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    draw, rows = np.random.default_rng(0), []
    for i in range(4):
        panel = list(MARKERS)[i % 2]
        units = np.abs(draw.normal(2 + 0.3 * (i // 2), 1, size=(120, 4)))
        pd.DataFrame(5 * np.sinh(units), columns=MARKERS[panel]).to_csv(folder / f"sample_{i}.csv", index=False)
        rows.append({"path": f"sample_{i}.csv", "sample": f"s{i}", "panel": panel, "batch": str(1 + i // 2)})
    pd.DataFrame(rows).to_csv(folder / "samples.tsv", sep="\t", index=False)
    asked = {key: part for key, part in STUDY.items() if key in only or key not in SECTIONS}
    (folder / "study.yaml").write_text(yaml.safe_dump(asked))
    return folder / "study.yaml"
