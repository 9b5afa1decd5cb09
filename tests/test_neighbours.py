"""The most similar cells of the panel that measured a marker, and their samples."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from sklearn.metrics import pairwise_distances

from magan import keys, nearest_cells
from magan.errors import InputError

MARKERS = ["CD3", "CD4", "CD8", "CD19"]


def merged(offset: float = 0.0) -> AnnData:
    """Panel A lacks CD19, and its units are moved by ``offset``; panel B has two samples."""
    draw = np.random.default_rng(0)
    state = draw.normal(size=(240, 1)) + 3 * (draw.random((240, 1)) < 0.5)
    measured = (state @ [[1, 0.5, -0.7, 0.9]] + 0.2 * draw.normal(size=(240, 4))).astype(np.float32)
    panel = np.repeat(["A", "B"], 120)
    measured[:120, 3] = np.nan
    measured[:120] += offset
    obs = pd.DataFrame({keys.PANEL: panel, keys.SAMPLE: np.where(np.arange(240) % 2, "s1", "s2")})
    obs.index = [f"c{i}" for i in range(240)]
    return AnnData(np.nan_to_num(measured), obs=obs, var=pd.DataFrame(index=MARKERS), layers={keys.MEASURED: measured})


def test_neighbours_are_those_of_all_pairs_by_the_shared_markers(monkeypatch):
    monkeypatch.setattr("magan.neighbours.best_matching", lambda *_: "identity")
    cells = merged()
    found = nearest_cells(cells, "A", "B", n=3, cells=["c7", "c100"])
    x = cells.layers[keys.MEASURED][:, :3].astype(float)
    sd = x[120:].std(axis=0)
    every = pairwise_distances(x[[7, 100]] / sd, x[120:] / sd)
    order = every.argsort(axis=1)[:, :3]
    assert found["neighbour"].tolist() == [f"c{120 + i}" for i in order.ravel()]
    assert found["cell"].tolist() == ["c7"] * 3 + ["c100"] * 3 and found["rank"].tolist() == [1, 2, 3] * 2
    np.testing.assert_allclose(found["distance"], np.take_along_axis(every, order, axis=1).ravel())
    assert found["sample"].tolist() == [["s2", "s1"][int(name[1:]) % 2] for name in found["neighbour"]]


def test_units_that_differ_between_the_panels_change_no_neighbour_much():
    plain, moved = (nearest_cells(merged(offset), "A", "B", n=5) for offset in (0.0, 20.0))
    same = (
        plain.groupby("cell")["neighbour"]
        .agg(set)
        .combine(moved.groupby("cell")["neighbour"].agg(set), lambda a, b: len(a & b))
    )
    assert len(plain) == 120 * 5 and same.mean() > 2.5


def test_what_cannot_be_answered_is_refused():
    cells = merged()
    for arguments, said in (
        (("A", "C"), "there is no panel 'C'"),
        (("A", "B", 121), "n is 121 and panel 'B' has 120 cells"),
        (("A", "B", 2, ["c130"]), "panel 'A' has no cell 'c130'"),
    ):
        with pytest.raises(InputError, match=said):
            nearest_cells(cells, *arguments)
    with pytest.raises(InputError, match="not of merged panels; read the file"):
        nearest_cells(AnnData(cells.X), "A", "B")
    cells.layers[keys.MEASURED][:120, :3] = np.nan
    with pytest.raises(InputError, match="share no marker"):
        nearest_cells(cells, "A", "B")
