"""Each score against a computation by other means: scipy, scikit-learn, or a count by hand."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import mannwhitneyu, wasserstein_distance
from sklearn.linear_model import LinearRegression

from magan.metrics import open_problems as op


def side(seed, n=120, shift=0.0):
    random = np.random.default_rng(seed)
    labels = np.where(np.arange(n) % 3 == 0, "B", "T")
    return random.normal(1, 0.8, (n, 2)) + (labels == "B")[:, None] * [3, 0] + shift, labels


def test_emd_is_scipys_between_histograms():
    x, y = side(0), side(1, shift=0.4)
    edges = np.arange(-1000, 1001) / 10
    expected = []
    for name in ("B", "T"):
        for marker in range(2):
            counts = [np.histogram(v[kind == name, marker], edges)[0] for v, kind in (x, y)]
            expected.append(wasserstein_distance(edges[:-1], edges[:-1], *counts))
    assert op.emd_mean_ct([(x, y)]) == pytest.approx(np.mean(expected), abs=1e-9)
    assert op.emd_mean_ct([(x, x)]) == 0
    samples = [("ill", x), ("ill", y), ("well", y)]
    assert op.emd_mean_ct(op.vertical(samples)) == pytest.approx(op.emd_mean_ct([(x, y)]))


def test_batch_r2_is_that_of_a_linear_regression():
    x, y = side(0), side(1, shift=0.4)
    batch = np.repeat([0.0, 1.0], 120)[:, None]
    both, labels = np.concatenate([x[0], y[0]]), np.concatenate([x[1], y[1]])

    def r2(rows):
        return [LinearRegression().fit(batch[rows], v[rows]).score(batch[rows], v[rows]) for v in both.T]

    whole, of_types = op.average_batch_r2(x, y)
    assert whole == pytest.approx(np.mean(r2(labels != "")))
    assert of_types == pytest.approx(np.mean([r2(labels == name) for name in ("B", "T")]))


def test_peaks_that_a_map_makes_or_takes_are_inconsistent():
    x, y = (np.random.default_rng(seed).normal(size=(600, 3)) for seed in (0, 1))
    labels = np.repeat("T", 600)
    assert op.ratio_consistent_peaks((x, labels), x, (y, labels)) == 1
    after = x.copy()
    after[::2, 0] += 6
    assert op.ratio_consistent_peaks((x, labels), after, (y, labels)) == pytest.approx(2 / 3)
    after[:, 1] = 0
    assert op.ratio_consistent_peaks((x, labels), after, (y, labels)) == pytest.approx(1 / 3)


def test_flowsom_similarity_is_counted_by_hand():
    clusters = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    labels = np.array(list("TTTBTTBBBB"))
    which = np.array([0, 0, 1, 1, 0, 0, 0, 1, 1, 1])
    # Cluster 0: T 100 against 50 per cent, B 0 against 50; cluster 1: T 67 against 0, B 33 against 100.
    assert op.flowsom_mapping_similarity(clusters, labels, which) == pytest.approx(100 - 0.4 * 100 - 0.6 * 400 / 3)


def test_lisi_is_that_of_weights_found_cell_by_cell():
    random = np.random.default_rng(0)
    cells, labels = random.normal(size=(150, 2)), np.where(random.random(150) < 0.4, "1", "2")
    expected = []
    for i in range(150):
        d = np.sqrt(((cells - cells[i]) ** 2).sum(axis=1))
        near = np.argsort(d)[1:91]

        def weights(rate, d=d[near]):
            w = np.exp(-rate * (d - d.min()))
            return w / w.sum()

        rate = brentq(lambda r: -(weights(r) * np.log(weights(r))).sum() - np.log(30), 1e-6, 50)
        shares = [weights(rate)[labels[near] == name].sum() for name in ("1", "2")]
        expected.append(1 / np.square(shares).sum())
    assert op.lisi(cells, labels) == pytest.approx(np.median(expected), rel=1e-5)
    apart = np.concatenate([cells, cells + 100])
    assert op.scaled_lisi(apart, np.repeat(["1", "2"], 150), np.repeat(["T", "B"], 150)) == pytest.approx((0, 1))


def test_functional_markers_are_those_of_the_rank_sum_test():
    random = np.random.default_rng(0)
    groups, batches = np.tile(["a", "b"], 10), np.repeat(["1", "2"], 10)
    before = random.normal(size=(20, 6)) + (groups == "a")[:, None] * [3, 3, 0, 0, 0, 3]
    after = before.copy()
    after[:, 0] = random.normal(size=20)

    def found(x, column):
        of = [(x[(groups == "a") & (batches == b), column], x[(groups == "b") & (batches == b), column]) for b in "12"]
        return all(mannwhitneyu(*pair).pvalue <= 0.1 for pair in of)

    known = [c for c in range(6) if found(before, c)]
    kept, _ = op.functional_marker_preservation(before, after, groups, batches)
    assert kept == pytest.approx(np.mean([found(after, c) for c in known])) and kept < 1
    gained = before.copy()
    gained[groups == "a", 2] += 9  # significant after the correction alone: nothing was there to be preserved
    assert op.functional_marker_preservation(before, gained, groups, batches)[0] == 1
    same, change = op.functional_marker_preservation(before, before, groups, np.repeat("1", 20))
    assert (same, change) == (1, pytest.approx(0))
