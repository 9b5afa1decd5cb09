import pytest
import torch

from magan.networks.image_pool import exchange

R, B, N = 2, 3, 5


def by_hand(pool: list, fakes: list, n_seen: int, coins: list, places: list) -> list:
    """One replicate, one sample after another, as the paper's authors keep their 50 images."""
    shown = []
    for i, fake in enumerate(fakes):
        if n_seen + i < N:
            pool[n_seen + i] = fake
            shown.append(fake)
        elif coins[i] < 0.5:
            at = int(places[i] * N)
            shown.append(pool[at])
            pool[at] = fake
        else:
            shown.append(fake)
    return shown


def test_samples_are_kept_shown_again_and_replaced_one_after_another():
    draw = torch.Generator().manual_seed(0)
    pool, held = torch.zeros(1, N, 1, 2), [[None] * N for _ in range(R)]
    for step in range(20):
        fake = torch.randn(R, B, 1, 2, generator=draw)
        coin, place = (torch.rand(R, B, generator=draw) for _ in range(2))
        shown, pool = exchange(pool, fake, torch.tensor([step * B]), coin, place)
        for r in range(R):
            expected = by_hand(held[r], list(fake[r]), step * B, coin[r].tolist(), place[r].tolist())
            assert torch.equal(shown[r], torch.stack(expected))
    assert torch.equal(pool, torch.stack([torch.stack(own) for own in held]))


def test_once_full_half_of_what_is_shown_is_of_the_past():
    draw = torch.Generator().manual_seed(0)
    fake, coin, place = torch.ones(1, 2000, 1), *(torch.rand(1, 2000, generator=draw) for _ in range(2))
    n = 10**6  # so many that nothing is shown twice
    shown, _ = exchange(torch.zeros(1, n, 1), fake, torch.tensor([float(n)]), coin, place)
    assert (shown == 0).float().mean().item() == pytest.approx(0.5, abs=0.03)


def test_a_pool_is_left_as_it_was_given():
    pool = torch.zeros(1, 2, 1)
    exchange(pool, torch.ones(2, 1, 1), torch.zeros(1), torch.zeros(2, 1), torch.zeros(2, 1))
    assert not pool.any()
