import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from magan.losses.correspondence import class_means, correlation, landmarks, shared_markers


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_shared_markers_pay_their_mean_squared_change():
    x, mapped = draw(3, 6, 2), draw(3, 6, 2, seed=1)
    np.testing.assert_allclose(shared_markers(x, mapped), ((x - mapped).numpy() ** 2).mean((1, 2)))
    assert not shared_markers(x, x).any()
    assert gradcheck(shared_markers, (x.requires_grad_(), mapped.requires_grad_()))


def test_correlation_is_one_minus_pearson_averaged_over_markers():
    x, mapped = draw(3, 20, 2), draw(3, 20, 2, seed=1)
    expected = [
        np.mean([1 - np.corrcoef(a[:, k], b[:, k])[0, 1] for k in range(2)]) for a, b in zip(x.numpy(), mapped.numpy())
    ]
    paid = correlation(x, mapped)
    assert paid.shape == (3,)
    np.testing.assert_allclose(paid, expected, atol=1e-5)  # epsilon is 1e-6 of a unit variance
    assert gradcheck(correlation, (x[:, :5].clone().requires_grad_(), mapped[:, :5].clone().requires_grad_()))


def test_correlation_is_blind_to_scale_and_offset_but_not_to_direction():
    x, mapped = draw(2, 30, 3), draw(2, 30, 3, seed=1)
    scale, offset = torch.tensor([0.5, 2.0, 7.0]), torch.tensor([-3.0, 0.0, 40.0])
    torch.testing.assert_close(correlation(x, scale * mapped + offset), correlation(x, mapped), rtol=0, atol=1e-5)
    torch.testing.assert_close(correlation(x, 3 * x + 1), torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-5)
    torch.testing.assert_close(correlation(x, -x), torch.full((2,), 2.0, dtype=torch.float64), rtol=0, atol=1e-5)


def test_a_marker_that_does_not_vary_counts_as_uncorrelated_and_gives_no_gradient():
    mapped = draw(1, 8, 1).float().requires_grad_()
    paid = correlation(torch.ones(1, 8, 1), mapped)
    paid.sum().backward()
    torch.testing.assert_close(paid.detach(), torch.ones(1))
    assert mapped.grad.abs().max() < 1e-3


def test_a_map_that_collapsed_to_a_point_gets_a_gradient_of_bounded_size():
    x, mapped = draw(1, 8, 1).float(), torch.ones(1, 8, 1).requires_grad_()
    paid = correlation(x, mapped)
    paid.sum().backward()
    torch.testing.assert_close(paid.detach(), torch.ones(1))
    assert 0 < mapped.grad.abs().max() < 1e-6**-0.5  # the root of epsilon stands below


def class_means_by_hand(mapped, labels, target, target_labels, n_labels) -> float:
    gaps = []
    for label in range(n_labels):
        a, b = mapped[labels == label], target[target_labels == label]
        if len(a) and len(b):
            gaps.append(np.mean((a.mean(0) - b.mean(0)) ** 2))
    return float(np.mean(gaps)) if gaps else 0.0


def test_class_means_are_compared_class_by_class():
    mapped, target = draw(3, 12, 4), draw(3, 12, 4, seed=1)
    labels = torch.randint(-1, 3, (3, 12), generator=torch.Generator().manual_seed(2))
    others = torch.randint(-1, 3, (3, 12), generator=torch.Generator().manual_seed(3))
    paid = class_means(mapped, labels, target, others, 3)
    tensors = [t.numpy() for t in (mapped, labels, target, others)]
    np.testing.assert_allclose(paid, [class_means_by_hand(*(t[r] for t in tensors), 3) for r in range(3)])
    assert gradcheck(lambda m, t: class_means(m, labels, t, others, 3), (mapped.requires_grad_(), target))


def test_class_means_ignore_unknown_labels():
    mapped, target, labels = draw(1, 6, 2), draw(1, 6, 2, seed=1), torch.tensor([[0, 0, 1, 1, -1, -1]])
    noisy = mapped.clone()
    noisy[:, 4:] += 100
    torch.testing.assert_close(
        class_means(noisy, labels, target, labels, 2), class_means(mapped, labels, target, labels, 2)
    )
    torch.testing.assert_close(
        class_means(mapped, labels, target, labels, 2), class_means(mapped[:, :4], labels[:, :4], target, labels, 2)
    )


def test_class_means_ignore_classes_of_one_side():
    mapped, target = draw(1, 6, 2), draw(1, 6, 2, seed=1)
    both, only_zero = torch.tensor([[0, 0, 0, 1, 1, 1]]), torch.tensor([[0, 0, 0, 0, 0, 0]])
    zero_alone = class_means(mapped[:, :3], both[:, :3], target, only_zero, 1)
    torch.testing.assert_close(class_means(mapped, both, target, only_zero, 2), zero_alone)
    assert class_means(mapped, both - both, target, both - both + 1, 2) == 0  # nothing in common


def test_class_means_of_images_are_those_of_their_pixels():
    mapped, target, labels = draw(2, 6, 1, 3, 3), draw(2, 6, 1, 3, 3, seed=1), torch.tensor([[0, 1, 0, 1, 0, 1]] * 2)
    torch.testing.assert_close(
        class_means(mapped, labels, target, labels, 2),
        class_means(mapped.flatten(2), labels, target.flatten(2), labels, 2),
    )


def test_landmarks_are_satisfied_by_any_turn_stretch_and_shift_of_the_world():
    x, known = draw(2, 9, 3), draw(2, 4, 3, seed=1)
    turn = torch.linalg.qr(draw(3, 3, seed=2)).Q
    assert landmarks(x, known, 2 * x @ turn + 5, 2 * known @ turn + 5).tolist() == pytest.approx([0, 0], abs=1e-5)


def test_landmarks_are_broken_by_a_map_that_ties_the_pairs_and_swaps_all_else():
    """Two clouds, one pair in each: the pairs are kept, the clouds change places."""
    clouds = torch.cat([draw(1, 20, 2) - 5, draw(1, 20, 2, seed=1) + 5], 1)
    known = torch.tensor([[[-5.0, -5], [5, 5]]], dtype=torch.float64)
    assert float(landmarks(clouds, known, -clouds, known)) > 1.9
    assert float(landmarks(clouds, known, clouds, known)) < 1e-5


def test_landmark_distances_are_mean_squared_differences():
    rng = np.random.default_rng(0)
    x, known, mapped, partners = (rng.normal(size=(1, n, 2, 3)) for n in (7, 4, 7, 4))
    far = [((a[0][:, None] - b[0][None]) ** 2).mean((2, 3)) for a, b in ((x, known), (mapped, partners))]
    r = [np.corrcoef(far[0][:, k], far[1][:, k])[0, 1] for k in range(4)]
    ours = landmarks(*map(torch.from_numpy, (x, known, mapped, partners)))
    assert float(ours) == pytest.approx(1 - np.mean(r), abs=1e-4)
