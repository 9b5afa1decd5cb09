import pytest
import torch

from magan.networks.progressive import (
    GrowingDiscriminator,
    GrowingGenerator,
    growth,
    levels,
    shares,
    shown,
    whole,
)
from magan.networks.replicate import Replicated
from magan.networks.resizing import enlarged, framed, shrunk


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_levels_reach_the_power_of_two_that_holds_the_image():
    sides = {4: 1, 5: 2, 8: 2, 14: 3, 16: 3, 28: 4, 32: 4, 33: 5, 64: 5}
    assert {side: levels((1, side, 3)) for side in sides} == sides


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_level_begins_as_the_one_below_enlarged_and_ends_alone(n):
    make, z = GrowingGenerator(6, 1, 4, 4), torch.randn(3, 6)
    below, whole = make(z, torch.ones(n - 1)), make(z, torch.ones(n))
    torch.testing.assert_close(make(z, torch.tensor([1.0] * (n - 1) + [0.0])), enlarged(below))
    torch.testing.assert_close(
        make(z, torch.tensor([1.0] * (n - 1) + [0.25])), 0.75 * enlarged(below) + 0.25 * whole, rtol=1e-4, atol=1e-5
    )
    with torch.no_grad():  # nothing of the level below is left: its colours do not matter
        make.colours[n - 1].weight.add_(1)
    assert torch.equal(make(z, torch.ones(n)), whole)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_discriminator_that_begins_a_level_sees_the_image_shrunk(n):
    judge, x = GrowingDiscriminator(1, 4, 4), torch.randn(3, 1, 4 * 2**n, 4 * 2**n)
    begun = judge(x, torch.tensor([1.0] * (n - 1) + [0.0]))
    torch.testing.assert_close(begun, judge(shrunk(x), torch.ones(n - 1)))
    assert not torch.allclose(begun, judge(x, torch.ones(n)))


def test_growth_stays_then_rises_level_by_level_and_ends():
    curve = [growth(step, 3, stable_steps=4, fade_steps=2) for step in range(16)]
    assert curve == [0, 0, 0, 0, 0, 0.5, 1, 1, 1, 1, 1, 1.5, 2, 2, 2, 2]
    assert [growth(step, 3, 4, 2, start=1) for step in (0, 5, 6, 100)] == [1, 1.5, 2, 2]
    assert [growth(step, 3, 4, 0) for step in (3, 4, 8)] == [0, 1, 2]


@pytest.mark.parametrize("grown, expected", [(0.0, []), (0.25, [0.25]), (1.0, [1.0]), (2.5, [1.0, 1.0, 0.5])])
def test_shares_say_which_levels_are_in_use(grown, expected):
    assert shares(grown, torch.zeros(2, 5)).tolist() == [expected] * 2


def test_real_images_are_shown_as_the_generator_makes_them():
    x = torch.rand(2, 3, 1, 28, 28)
    full = framed(x, 32)
    assert torch.equal(shown(x, torch.ones(2, 3), 4), full)
    torch.testing.assert_close(shown(x, torch.ones(2, 0), 4), shrunk(full, 8))
    half = shown(x, torch.tensor([[1.0, 0.5]] * 2), 4)
    torch.testing.assert_close(half, (shrunk(full, 2) + enlarged(shrunk(full, 4))) / 2)


def test_a_coarse_sample_is_enlarged_to_the_full_size():
    x = torch.randn(2, 3, 1, 8, 8)
    torch.testing.assert_close(whole(x, 4), enlarged(x, 4))
    assert whole(x, 2) is x


def test_copies_grow_together():
    make = Replicated(lambda: GrowingGenerator(6, 2, 3, 4), [0, 1])
    for n in range(3):
        assert make(torch.randn(2, 5, 6), torch.ones(2, n)).shape == (2, 5, 2, 4 * 2**n, 4 * 2**n)
