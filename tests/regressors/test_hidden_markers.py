"""The matching of shared markers: the right distortion is undone, and none is invented."""

import numpy as np
import pytest

from magan.regressors import extra_trees, nearest
from magan.regressors.hidden_markers import best_matching


def cells(n: int, seed: int, share: float = 0.5) -> np.ndarray:
    """Three markers of two populations of which the first makes up ``share``, ``(n, 3)``."""
    draw = np.random.default_rng(seed)
    kind = (draw.random((n, 1)) < share) * np.array([[3.0, 2.0, 2.5]])
    return kind + draw.gamma(4, 0.15, (n, 1)) * np.array([[1.0, 0.8, 1.2]]) + 0.05 * draw.normal(size=(n, 3))


def skewed(n: int, seed: int) -> np.ndarray:
    """Three markers of one skewed state with little noise, ``(n, 3)``."""
    draw = np.random.default_rng(seed)
    return draw.gamma(2, 1, (n, 1)) * np.array([[1.0, 0.7, 1.3]]) + 0.1 * np.abs(draw.normal(size=(n, 3)))


@pytest.mark.parametrize("distorted", [lambda x: x + 4, lambda x: 2.5 * x + 4])
def test_an_offset_and_a_gain_are_undone(distorted):
    assert best_matching(nearest.fit, distorted(skewed(800, 0)), skewed(900, 1)) != "identity"
    assert best_matching(nearest.fit, distorted(skewed(800, 0)), skewed(900, 1), ("identity", "quantile")) == "quantile"


def test_another_mixture_of_populations_is_no_distortion():
    """Quantiles and z-scores would turn cells of the common population into cells of the rare population."""
    assert best_matching(nearest.fit, cells(800, 0, share=0.1), cells(900, 1, share=0.8)) == "identity"


def test_a_single_shared_marker_cannot_tell_and_stays_as_measured():
    assert best_matching(extra_trees.fit, cells(60, 0)[:, :1] + 5, cells(60, 1)[:, :1]) == "identity"
