"""Units of training: there and back, and what the identity means in each."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm

from magan.baselines.quantile import quantile_map
from magan.data.domain import Domain
from magan.data.scaling import SCALINGS, from_tensors, scaling, tensors
from magan.errors import InputError


def domain(n=400, seed=0, zeros=0.3, markers=("CD3", "CD4"), shift=0.0) -> Domain:
    random = np.random.default_rng(seed)
    values = random.gamma(2.0, 1.0, (n, len(markers))) + shift
    values[random.random(values.shape) < zeros] = 0
    return Domain("x1", torch.from_numpy(values.astype(np.float32)), tuple(markers))


@pytest.mark.parametrize("name", sorted(SCALINGS))
def test_scaling_and_unscaling_give_the_measurement_back(name):
    own = domain()
    one = scaling(name, own, domain(seed=1))
    back = one.unscaled(one.scaled(own.values))
    tolerance = 0.05 if name == "ranks" else 1e-5  # quantiles between which is interpolated
    np.testing.assert_allclose(back.numpy(), own.values.numpy(), atol=tolerance)


@pytest.mark.parametrize("name", sorted(SCALINGS))
def test_a_scaling_survives_being_taken_apart(name):
    own = domain()
    one = scaling(name, own, domain(seed=1))
    again = from_tensors(tensors(one))
    torch.testing.assert_close(again.scaled(own.values), one.scaled(own.values), rtol=0, atol=0)


def test_trained_ranks_are_normal_whatever_the_share_of_zeros():
    for zeros in (0.1, 0.6):
        own = domain(zeros=zeros)
        scores = scaling("ranks", own, own).trained(own.values).numpy()
        assert all(kstest(column, norm.cdf).pvalue > 0.99 for column in scores.T)


def test_ranks_keep_the_order_of_cells():
    own = domain()
    scores = scaling("ranks", own, own).trained(own.values).numpy()
    values = own.values.numpy()
    for score, value in zip(scores.T, values.T):
        assert (np.diff(value[np.argsort(score)]) >= 0).all()


def test_the_identity_between_ranks_is_the_quantile_map():
    own, other, new = domain(zeros=0.0), domain(seed=1, zeros=0.0, shift=1.0), domain(seed=2, zeros=0.0)
    mapped = scaling("ranks", other, own).unscaled(scaling("ranks", own, other).scaled(new.values)).numpy()
    columns = zip(own.values.numpy().T, other.values.numpy().T, new.values.numpy().T)
    expected = np.stack([quantile_map(*column) for column in columns], axis=1)
    inside = np.abs(new.values.numpy() - np.median(own.values.numpy(), 0)) < 2
    np.testing.assert_allclose(mapped[inside], expected[inside], atol=0.05)


def test_zeros_map_to_zeros_when_the_target_has_more():
    own, other = domain(zeros=0.2), domain(seed=1, zeros=0.5)
    scores = scaling("ranks", own, other).scaled(torch.zeros(1, 2))
    np.testing.assert_array_equal(scaling("ranks", other, own).unscaled(scores).numpy(), 0)


def test_values_beyond_the_training_range_go_on_rising():
    own = domain()
    one = scaling("ranks", own, own)
    far = own.values.max(0).values + torch.tensor([[1.0], [2.0], [3.0]])
    assert (one.scaled(far).diff(dim=0) > 0).all()
    np.testing.assert_allclose(one.unscaled(one.scaled(far)).numpy(), far.numpy(), atol=0.3)


@pytest.mark.parametrize("name", ["pooled", "each", "ranks"])
def test_a_constant_marker_is_named(name):
    flat = Domain("x1", torch.ones(10, 1), ("CD8",))
    with pytest.raises(InputError, match="marker 'CD8' is constant in the training cells; leave it out"):
        scaling(name, flat, flat)
