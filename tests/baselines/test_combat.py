import numpy as np
import pandas as pd
import pytest
import scanpy
from anndata import AnnData

from magan.baselines.combat import combat
from magan.errors import InputError

RNG = np.random.default_rng(0)
MARKERS = [f"m{i}" for i in range(6)]


def batches(table, n1=300, n2=200):
    truth = RNG.normal(3, 1, size=(n1 + n2, 6))
    gain, offset = RNG.uniform(0.8, 1.3, size=6), RNG.normal(0, 0.5, size=6)
    return table(truth[:n1] * gain + offset, MARKERS), table(truth[n1:], MARKERS)


def test_training_cells_stand_to_the_mapped_target_as_scanpy_puts_them(table):
    x1, x2 = batches(table)
    both = np.concatenate([x1.layers["preprocessed"], x2.layers["preprocessed"]])
    obs = pd.DataFrame({"batch": pd.Categorical(["1"] * 300 + ["2"] * 200)}, index=np.arange(500).astype(str))
    common = scanpy.pp.combat(AnnData(both.astype(float), obs=obs), inplace=False)
    # Taking the target's own adjustment back must not change where source cells lie among target cells.
    slope, intercept = np.stack([np.polyfit(common[300:, m], both[300:, m], 1) for m in range(6)], axis=1)
    np.testing.assert_allclose(combat(x1, x2, x1), common[:300] * slope + intercept, atol=1e-4)


def test_query_cells_take_no_part_in_the_fit(table):
    x1, x2 = batches(table)
    query = table(np.concatenate([x1.layers["preprocessed"][:5], np.full((50, 6), 1e3)]), MARKERS)
    np.testing.assert_allclose(combat(x1, x2, query)[:5], combat(x1, x2, x1)[:5], rtol=1e-6)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_batches_that_agree_are_left_alone(table):
    x1, _ = batches(table)
    np.testing.assert_allclose(combat(x1, x1, x1), x1.layers["preprocessed"], atol=1e-5)


def test_fewer_than_two_varying_markers_are_refused(table):
    x1, x2 = batches(table)
    with pytest.raises(InputError, match="needs two markers that vary in both domains, not 1"):
        combat(x1[:, ["m0"]].copy(), x2[:, ["m0"]].copy(), x1[:, ["m0"]].copy())
