"""Two panels of a lab's own files through the whole workflow: a sheet in, every marker on every cell out."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml
from running import quick_run

from magan import keys

pytestmark = pytest.mark.slow
PANELS = {"T cells": ["CD3", "CD4", "CD8", "CD45RA"], "B": ["CD3", "CD4", "CD8", "CD19"]}
MARKERS = ["CD3", "CD4", "CD8", "CD45RA", "CD19"]
STUDY = {
    "name": "two",
    "title": "Two panels",
    "seeds": 2,
    "training": {"steps": 60, "batch_size": 32, "learning_rate": 0.01},
    "own_data": {"blood": {"sheet": "samples.tsv"}},
    "panels": {
        "mine": {
            "cells": "blood",
            "panels": list(PANELS),
            "hold_out": ["CD3", "CD4"],
            "baselines": [],
            "arms": {
                "rebuild": {
                    "model": "magan",
                    "correspondence": {"name": "shared_markers", "rebuild": 5.0},
                    "predict": "expected",
                    "calibrate": 0.2,
                    "options": {"generator_hidden": [16], "discriminator_hidden": [8]},
                }
            },
        }
    },
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """Four files of two panels; CD19 follows from the shared markers, CD45RA does not."""
    folder, draw, rows = tmp_path_factory.mktemp("two"), np.random.default_rng(0), []
    for i in range(4):
        panel = list(PANELS)[i % 2]
        kind = draw.integers(2, size=(300, 1))  # T cells and others
        units = np.abs(np.where(kind, [4, 3, 4, 2, 0.2], [0.3, 0.3, 0.5, 2, 3]) + 0.4 * draw.normal(size=(300, 5)))
        table = pd.DataFrame(5 * np.sinh(units), columns=MARKERS)[PANELS[panel]]
        table.to_csv(folder / f"sample_{i}.csv", index=False)
        rows.append({"path": f"sample_{i}.csv", "sample": f"s{i}", "panel": panel, "batch": "1"})
    pd.DataFrame(rows).to_csv(folder / "samples.tsv", sep="\t", index=False)
    (folder / "two.yaml").write_text(yaml.safe_dump(STUDY))
    done = quick_run(folder, "results/two/panels/mine/files.tsv", study=folder / "two.yaml")
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


def test_every_marker_is_on_every_cell_in_the_units_of_the_files(finished):
    merged = anndata.read_h5ad(finished / "results/two/panels/mine/merged.h5ad")
    assert merged.shape == (1200, 5) and set(merged.var_names) == set(MARKERS)
    assert merged.obs[keys.PANEL].value_counts().to_dict() == dict.fromkeys(PANELS, 600)
    of_b = merged[merged.obs[keys.PANEL] == "B"]
    assert np.isnan(of_b[:, "CD45RA"].layers[keys.MEASURED]).all() and np.isfinite(of_b.X).all()
    file = pd.read_csv(finished / "sample_1.csv")
    of_file = merged[merged.obs[keys.SAMPLE] == "s1", file.columns]
    np.testing.assert_allclose(of_file.X, np.arcsinh(file / 5), atol=1e-5)
    assert merged.uns[keys.CYTOF]["cofactor"] == 5 and merged.obs[keys.CONFIDENCE].between(0, 1).all()


def test_the_verdicts_tell_the_marker_that_follows_from_the_one_that_does_not(finished):
    table = pd.read_csv(finished / "results/two/panels/mine/verdicts.tsv", sep="\t").set_index("marker")
    assert list(table.index) == ["CD19", "CD45RA"] and list(table["panel"]) == ["T cells", "B"]
    assert table.loc["CD45RA", "verdict"] == "not usable" and abs(table.loc["CD45RA", "claimed"]) < 0.3
    assert table.loc["CD19", "verdict"] == "usable"


def test_files_that_are_no_fcs_files_are_named(finished):
    table = pd.read_csv(finished / "results/two/panels/mine/files.tsv", sep="\t")
    assert set(table["status"]) == {"not written"} and table["reason"].str.startswith("it is no FCS file").all()


def test_both_panels_were_audited_before_they_were_merged(finished):
    for audit in ("mine_T-cells_B", "mine_B_T-cells"):
        scores = pd.read_csv(finished / "results/two/heldout" / audit / "metrics.tsv", sep="\t")
        assert {"CD3", "CD4"} <= set(scores.loc[scores["metric"] == "coverage", "feature"])
