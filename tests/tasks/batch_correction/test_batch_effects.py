import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.spatial.distance import pdist

from magan import keys
from magan.tasks.batch_correction.batch_effects import before, classical_scaling


def cells(shifts, n=300, samples=2):
    random = np.random.default_rng(0)
    parts = [random.normal(size=(n, 3)) + np.array([shift, 0, 0]) for shift in shifts.values()]
    obs = {keys.BATCH: np.repeat(list(shifts), n), keys.SAMPLE: [f"{b}{i % samples}" for b in shifts for i in range(n)]}
    x = AnnData(np.concatenate(parts), obs=pd.DataFrame(obs, index=np.arange(n * len(shifts)).astype(str)))
    x.layers[keys.PREPROCESSED] = x.X
    return x


def test_every_pair_of_batches_is_compared_marker_by_marker():
    found = before(cells({"a": 0, "b": 1, "c": 3}))
    table = found.emd.set_index(["batch_1", "batch_2", "marker"])
    for pair, distance in ((("a", "b"), 1), (("a", "c"), 3), (("b", "c"), 2)):
        np.testing.assert_allclose(table.loc[(*pair, "0"), "emd"], distance, atol=0.2)
        assert table.loc[(*pair, "1"), "emd"] < 3 * table.loc[(*pair, "1"), "floor"]
    auc = found.auc.set_index(["batch_1", "batch_2"])["auc"]
    assert len(auc) == 3 and auc["a", "c"] > auc["a", "b"] > 0.65


def test_batches_of_one_distribution_are_not_told_apart():
    found = before(cells({1: 0, 2: 0}))
    assert (found.emd["emd"] < 3 * found.emd["floor"]).all()
    assert 0.4 < found.auc["auc"][0] < 0.6


def test_samples_are_placed_by_their_medians():
    samples = before(cells({"a": 0, "b": 5})).samples
    assert samples[["sample", "batch", "n"]].to_numpy().tolist() == [
        ["a0", "a", 150],
        ["a1", "a", 150],
        ["b0", "b", 150],
        ["b1", "b", 150],
    ]
    of = samples.groupby("batch")["x"].mean()
    np.testing.assert_allclose(abs(of["a"] - of["b"]), 5, atol=0.3)


def test_two_samples_lie_as_far_apart_as_their_medians():
    x = cells({"a": 0, "b": 1}, samples=1)
    x.layers[keys.PREPROCESSED][:9] += 1000  # a few outliers do not move a sample
    medians = [np.median(x.layers[keys.PREPROCESSED][rows], axis=0) for rows in (slice(300), slice(300, 600))]
    np.testing.assert_allclose(pdist(before(x).samples[["x", "y"]]), np.linalg.norm(medians[0] - medians[1]))


def test_points_of_a_plane_keep_their_distances_whatever_the_number_of_markers():
    plane = np.random.default_rng(1).normal(size=(7, 2))
    turned = plane @ np.linalg.qr(np.random.default_rng(2).normal(size=(5, 5)))[0][:2] + 9
    placed = classical_scaling(turned)
    np.testing.assert_allclose(pdist(placed), pdist(plane))
    np.testing.assert_allclose(placed.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(classical_scaling(turned[::-1])[::-1], placed)


@pytest.mark.filterwarnings("error")
def test_one_batch_has_no_pair_and_one_sample_no_distance():
    found = before(cells({"a": 0}, samples=1))
    assert not len(found.emd) and not len(found.auc)
    assert found.samples[["x", "y"]].to_numpy().tolist() == [[0, 0]]


def test_without_samples_a_batch_is_one():
    x = cells({"a": 0, "b": 1})
    del x.obs[keys.SAMPLE]
    assert list(before(x).samples["sample"]) == ["a", "b"]
