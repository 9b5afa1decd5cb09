"""The published strength of the simple methods on real cells, so that a weakened baseline is noticed."""

import numpy as np
import pandas as pd
import pytest
from fcs_readers import readers

from magan.baselines import BASELINES
from magan.metrics.batch_distance import emd
from magan.metrics.markers import pearson

SHARED = ["CD45", "CD3", "CD4", "CD8a", "CD19", "CD14", "CD11c", "CD56", "HLA-DR"]
SOURCE_ONLY = ["CD45RA", "CD27", "CD28", "CD20", "CD38", "CD123"]


@pytest.fixture(scope="module")
def blood(mirror):
    """20,000 immune cells of blood, arcsinh units, with the marker as column name."""
    found = readers(mirror / "huimm" / "downsample.fcs")["flowio"]
    cells = pd.DataFrame(np.asarray(found.values, np.float32), columns=found.markers)
    first = [name.split("_")[0] for name in cells.columns]
    cells.columns = [
        "CD45" if f.startswith("89Y") else n.split("_")[1] if f[:3].isdigit() else f
        for f, n in zip(first, cells.columns)
    ]
    return cells.iloc[np.random.default_rng(0).permutation(len(cells))]


@pytest.mark.parametrize("name, low, high", [("knn", 0.86, 0.90), ("boosting", 0.88, 0.91), ("ridge", 0.65, 0.75)])
def test_held_out_cd4_is_recovered_as_well_as_known(name, low, high, blood, table):
    kept = [marker for marker in SHARED if marker != "CD4"]
    x1, x2, query = (
        table(blood[markers].to_numpy()[rows], markers)
        for markers, rows in (
            (kept + SOURCE_ONLY, slice(0, 7000)),
            (SHARED, slice(10000, 20000)),
            (kept + SOURCE_ONLY, slice(7000, 10000)),
        )
    )
    mapped = BASELINES[name](x1, x2, query)[:, [SHARED.index("CD4")]]
    assert low < pearson(blood[["CD4"]].to_numpy()[7000:10000], mapped[None])[0, 0] < high


def test_two_days_of_one_person_are_brought_together_better_the_freer_the_map(mirror, table):
    folder = mirror / "shaham_p1"
    markers = (folder / "markers.txt").read_text().split()
    days = [pd.read_csv(folder / f"Person1Day{day}_baseline.csv", header=None).to_numpy() for day in (1, 2)]
    days = [np.arcsinh(day / 5)[np.random.default_rng(0).permutation(len(day))] for day in days]
    (x1, query), (x2, target) = ([table(part, markers) for part in np.split(day, [len(day) * 7 // 10])] for day in days)
    score = {
        name: emd(BASELINES[name](x1, x2, query)[None], target.layers["preprocessed"]).mean()
        for name in ("identity", "combat", "zscore", "quantile")
    }
    assert score["quantile"] < 0.1 < max(score["zscore"], score["combat"]) < 0.25 < 0.5 < score["identity"]
