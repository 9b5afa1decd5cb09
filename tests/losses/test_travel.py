import itertools

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from magan.losses.travel import cosine_agreement, margin_violation, vector_gap


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def over_pairs(term, *embeddings: torch.Tensor) -> list[float]:
    """Mean of ``term(v_ij, ...)`` over the ordered pairs i != j, replicate by replicate."""
    means = []
    for points in zip(*(e.numpy() for e in embeddings)):
        pairs = itertools.permutations(range(len(points[0])), 2)
        means.append(np.mean([term(*(p[i] - p[j] for p in points)) for i, j in pairs]))
    return means


def test_the_margin_is_violated_by_what_squared_distances_lack():
    s = 0.7 * draw(3, 5, 4)
    expected = over_pairs(lambda v: max(0, 10 - v @ v), s)
    assert min(expected) > 0 and margin_violation(s, 10).shape == (3,)
    np.testing.assert_allclose(margin_violation(s, 10.0), expected)


def test_the_margin_of_the_text_is_a_distance():
    s = draw(3, 5, 4)
    np.testing.assert_allclose(
        margin_violation(s, 3.0, squared=False), over_pairs(lambda v: max(0, 3 - np.sqrt(v @ v)), s), rtol=1e-6
    )


@pytest.mark.parametrize("squared", [True, False])
def test_embeddings_pay_no_margin_once_spread_out_and_all_of_it_at_one_point(squared):
    spread, point = 100 * draw(2, 5, 4), torch.zeros(2, 5, 4, dtype=torch.float64)
    assert not margin_violation(spread, 10.0, squared).any()
    torch.testing.assert_close(
        margin_violation(point, 10.0, squared), torch.full((2,), 10.0).double(), rtol=1e-6, atol=0
    )


def test_the_vector_gap_is_a_mean_over_pairs_and_dimensions():
    s, t = draw(3, 5, 4), draw(3, 5, 4, seed=1)
    np.testing.assert_allclose(vector_gap(s, t), over_pairs(lambda v, w: np.mean((v - w) ** 2), s, t))


def test_the_cosine_agreement_is_a_mean_over_pairs():
    s, t = draw(3, 5, 4), draw(3, 5, 4, seed=1)
    cosine = over_pairs(lambda v, w: v @ w / np.sqrt((v @ v) * (w @ w)), s, t)
    np.testing.assert_allclose(cosine_agreement(s, t), cosine)


def test_moving_all_embeddings_changes_no_vector():
    s = draw(2, 5, 4)
    moved = s + torch.tensor([1.0, -2.0, 30.0, 0.0])
    np.testing.assert_allclose(vector_gap(s, moved), 0, atol=1e-12)
    np.testing.assert_allclose(cosine_agreement(s, moved), 1)


def test_growing_embeddings_keep_their_directions_and_turned_ones_lose_them():
    s = draw(2, 5, 4)
    np.testing.assert_allclose(cosine_agreement(s, 7 * s), 1)
    np.testing.assert_allclose(cosine_agreement(s, -s), -1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_samples_drawn_twice_leave_the_cosine_finite_in_value_and_gradient(dtype):
    s, t = draw(2, 6, 4).to(dtype), draw(2, 6, 4, seed=1).to(dtype)
    s[:, 1], t[:, 1] = s[:, 0], t[:, 0]
    s, t = s.requires_grad_(), t.requires_grad_()
    agreement = cosine_agreement(s, t)
    agreement.sum().backward()
    assert agreement.isfinite().all() and s.grad.isfinite().all() and t.grad.isfinite().all()


def test_a_sample_drawn_twice_has_no_direction_and_counts_as_zero():
    s = draw(1, 4, 3)
    twice = torch.cat([s, s[:, :1]], dim=1)  # 5 samples, 20 ordered pairs, 2 of them of one point
    np.testing.assert_allclose(cosine_agreement(twice, twice), 18 / 20)


def test_points_closer_than_rounding_count_as_one():
    s, t = draw(1, 4, 3), draw(1, 4, 3, seed=1)
    step = 1e-6 * draw(1, 1, 3, seed=2)
    near = cosine_agreement(torch.cat([s, s[:, :1] + step], dim=1), torch.cat([t, t[:, :1] - step], dim=1))
    same = cosine_agreement(torch.cat([s, s[:, :1]], dim=1), torch.cat([t, t[:, :1]], dim=1))
    np.testing.assert_allclose(near, same, atol=1e-5)


def test_all_samples_at_one_point_give_zero_and_no_wild_gradient():
    s = torch.ones(1, 4, 3).requires_grad_()
    agreement = cosine_agreement(s, s)
    agreement.sum().backward()
    assert agreement == 0 and s.grad.isfinite().all()


def test_gradients_are_those_of_the_values():
    s, t = draw(2, 4, 3).requires_grad_(), draw(2, 4, 3, seed=1).requires_grad_()
    assert gradcheck(lambda s: margin_violation(s, 5.0), (s,))
    assert gradcheck(lambda s: margin_violation(s, 5.0, squared=False), (s,))
    assert gradcheck(vector_gap, (s, t))
    assert gradcheck(cosine_agreement, (s, t))
