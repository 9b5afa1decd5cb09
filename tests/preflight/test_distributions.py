"""What the preflight takes of the cells to draw and compare them."""

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.consistent_markers import Files
from magan.preflight.distributions import histograms, sampled


def test_files_that_cannot_be_read_leave_nothing_to_draw():
    assert sampled(None) == {} and histograms(Files([]), None) == {}


def test_cells_are_drawn_at_random_and_the_same_in_every_run(monkeypatch):
    monkeypatch.setattr("magan.preflight.distributions.SAMPLED", 5)
    obs = pd.DataFrame({keys.BATCH: ["a", "b"] * 10}, index=[f"c{i}" for i in range(20)])
    adata = AnnData(np.arange(40.0).reshape(20, 2), obs=obs, var=pd.DataFrame({keys.TO_CORRECT: [True, False]}))
    found, random = sampled(adata), np.random.default_rng(0)
    for name, first in (("a", 0), ("b", 1)):
        assert list(found[name].obs_names) == [f"c{i}" for i in random.permutation(np.arange(first, 20, 2))[:5]]
        assert found[name].n_vars == 1
