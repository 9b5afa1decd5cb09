from magan.networks.replicate import role_seed
from magan.training.retry import every_seed

TWICE = "weights turned NaN, and again when retried with a derived seed"


def breaking(*always: int, once: tuple[int, ...] = ()):
    """An attempt in which some seeds break, and what it was asked."""
    asked = []

    def attempt(seeds, rng_seeds, time):
        asked.append((list(seeds), list(rng_seeds), time))
        return [seed for seed in seeds if seed in always or (seed in once and time == "first")]

    return attempt, asked


def test_seeds_are_trained_a_few_at_a_time():
    attempt, asked = breaking()
    assert every_seed(attempt, (4, 1, 7, 2, 9), 2) == dict.fromkeys((4, 1, 7, 2, 9), ("ok", ""))
    assert [seeds for seeds, _, _ in asked] == [[4, 1], [7, 2], [9]]
    assert all(seeds == drawn and time == "first" for seeds, drawn, time in asked)


def test_a_seed_that_breaks_is_tried_once_more_with_a_derived_seed():
    attempt, asked = breaking(7, once=(1,))
    status = every_seed(attempt, (4, 1, 7), 3)
    derived = [role_seed(seed, "retry") for seed in (1, 7)]
    assert asked[1:] == [([1, 7], derived, "again")]
    assert status == {
        4: ("ok", ""),
        1: ("retried", f"weights turned NaN; trained again with seed {derived[0]}"),
        7: ("failed", TWICE),
    }
