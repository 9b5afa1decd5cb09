import torch

from magan.networks.counter_rng import BITS, normal, scramble, seeds, uniform


def some_seeds(n: int = 1000) -> torch.Tensor:
    return seeds(torch.rand(2, n, 2, generator=torch.Generator().manual_seed(0)), n, stream=0)


def test_the_mixer_is_splitmix64():
    golden = 0x9E3779B97F4A7C15 - 2**64
    # The first three numbers that SplitMix64 gives when it is started from 0.
    known = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    counter = torch.tensor([golden, 2 * golden + 2**64, 3 * golden + 2**64])
    assert [int(x) % 2**64 for x in scramble(counter)] == known


def test_uniform_numbers_fill_the_unit_interval_evenly():
    x = uniform(some_seeds(), (50,))
    assert x.shape == (2, 1000, 50)
    assert x.min() > 0 and x.max() < 1
    share = torch.histc(x, 10, 0, 1) / x.numel()
    torch.testing.assert_close(share, torch.full((10,), 0.1), rtol=0, atol=0.003)  # 3 standard errors: .0028


def test_normal_numbers_have_the_moments_of_the_normal_distribution():
    x = normal(some_seeds(), (50,)).double()
    for power, moment, error in ((1, 0, 0.01), (2, 1, 0.02), (3, 0, 0.04), (4, 3, 0.1)):
        assert abs((x**power).mean() - moment) < error


def test_seeds_streams_and_places_are_independent_of_one_another():
    own = some_seeds()
    sides = {
        "samples": (uniform(own, (20,))[:, :-1], uniform(own, (20,))[:, 1:]),
        "streams": (uniform(own, (20,)), uniform(own, (20,), stream=1)),
        "places": (uniform(own, (20,))[..., :-1], uniform(own, (20,))[..., 1:]),
    }
    for a, b in sides.values():
        assert abs(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]) < 0.02  # 4 standard errors


def test_a_second_copy_of_the_rows_gets_seeds_of_its_own_and_leaves_the_first_as_it_was():
    numbers = torch.rand(2, 5, 2, generator=torch.Generator().manual_seed(1))
    once, twice = seeds(numbers, 5, 3), seeds(numbers, 10, 3)
    assert torch.equal(twice[:, :5], once)
    assert twice.unique().numel() == 20


def test_a_row_has_its_numbers_whatever_rows_are_beside_it():
    own = some_seeds(10)
    assert torch.equal(uniform(own[:1, 3:4], (4,)), uniform(own, (4,))[:1, 3:4])


def test_a_row_mapped_over_gives_what_it_gives_in_the_whole():
    own = some_seeds(10)
    assert torch.equal(torch.vmap(lambda seed: uniform(seed, (3, 2)))(own), uniform(own, (3, 2)))


def test_uniform_numbers_are_the_middles_of_equal_intervals():
    places = uniform(some_seeds(), (5,)).double() * 2**BITS
    assert ((places - places.floor()) == 0.5).all()
