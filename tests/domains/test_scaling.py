"""Units of training: there and back, and what the identity means in each."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm

from magan.batch_maps.quantile import along, quantile_curve
from magan.domains.domain import Domain
from magan.domains.monotone_map import mapped, monotone_map
from magan.domains.scaling import SCALINGS, from_tensors, scalings, tensors
from magan.errors import InputError


def domain(n=400, seed=0, zeros=0.3, markers=("CD3", "CD4"), shift=0.0) -> Domain:
    random = np.random.default_rng(seed)
    values = random.gamma(2.0, 1.0, (n, len(markers))) + shift
    values[random.random(values.shape) < zeros] = 0
    return Domain("x1", torch.from_numpy(values.astype(np.float32)), tuple(markers))


def scaling(name: str, own: Domain, other: Domain):
    return scalings(name, own, other)[0]


@pytest.mark.parametrize("name", sorted(SCALINGS))
def test_scaling_and_unscaling_give_the_measurement_back(name):
    own = domain()
    one = scaling(name, own, domain(seed=1))
    back = one.unscaled(one.scaled(own.values))
    tolerance = 0.05 if name in ("ranks", "monotone") else 1e-5  # quantiles between which is interpolated
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
    expected = np.stack([along(values, *quantile_curve(source, target)) for source, target, values in columns], axis=1)
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


def test_features_keep_their_weights_when_scaled_as_a_whole():
    values = torch.randn(400, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([4.0, 2.0, 1.0]) + 7
    own = Domain("x1", values, ("a", "b", "c"))
    one = scaling("whole", own, own)
    scaled = one.scaled(values)
    torch.testing.assert_close(scaled.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(scaled.var(0).mean(), torch.tensor(1.0))
    torch.testing.assert_close(scaled.std(0) / scaled.std(0)[0], values.std(0) / values.std(0)[0])
    torch.testing.assert_close(one.unscaled(scaled), values)


@pytest.mark.parametrize("name", ["pooled", "each", "whole", "ranks", "monotone"])
def test_a_constant_marker_is_named(name):
    flat = Domain("x1", torch.ones(10, 1), ("CD8",))
    with pytest.raises(InputError, match="marker 'CD8' is constant in the training cells; leave it out"):
        scaling(name, flat, flat)


def test_the_identity_between_monotone_scalings_is_the_shrunken_map():
    own, other, new = domain(zeros=0.0), domain(seed=1, zeros=0.0, shift=1.0), domain(seed=2, zeros=0.0)
    one, two = scalings("monotone", own, other)
    got = two.unscaled(one.scaled(new.values)).numpy()
    columns = zip(own.values.numpy().T, other.values.numpy().T, new.values.numpy().T)
    expected = np.stack([mapped(value, *monotone_map(a, b)) for a, b, value in columns], axis=1)
    inside = np.abs(new.values.numpy() - np.median(own.values.numpy(), 0)) < 2
    np.testing.assert_allclose(got[inside], expected[inside], atol=0.05)


@pytest.mark.parametrize("zeros", [(0.2, 0.5), (0.5, 0.2)])
def test_zeros_stay_zeros_along_the_shrunken_map(zeros):
    own, other = domain(zeros=zeros[0], n=1000), domain(zeros=zeros[1], n=1000, seed=1)
    one, two = scalings("monotone", own, other)
    np.testing.assert_allclose(two.unscaled(one.scaled(torch.zeros(1, 2))).numpy(), 0, atol=0.1)


def test_the_map_gives_as_many_exact_zeros_as_the_target_has():
    """Otherwise a discriminator, or a reader, tells the batches apart by their zeros alone."""
    own, other, new = domain(zeros=0.2, n=2000), domain(zeros=0.5, n=2000, seed=1), domain(zeros=0.2, n=2000, seed=2)
    one, two = scalings("monotone", own, other)
    mapped_cells = two.unscaled(one.scaled(new.values))
    np.testing.assert_allclose((mapped_cells == 0).float().mean(0), 0.5, atol=0.05)
    assert (torch.sort(new.values, dim=0).values.diff(dim=0) >= 0).all()
    order = new.values.argsort(dim=0)
    assert (mapped_cells.gather(0, order).diff(dim=0) >= -1e-6).all()


def test_a_marker_of_one_domain_alone_is_scored_by_its_own_ranks():
    own, other = domain(), domain(seed=1, markers=("CD4", "CD8"))
    one, alone = scalings("monotone", own, other)[0], scalings("ranks", own, other)[0]
    torch.testing.assert_close(one.quantiles[:, 0], alone.quantiles[:, 0])
    assert not torch.equal(one.quantiles[:, 1], alone.quantiles[:, 1])
