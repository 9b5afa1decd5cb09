"""Train every seed, some at a time, and once more where its weights turned NaN."""

from collections.abc import Callable, Sequence

from magan.networks.replicate import role_seed

# (seeds, the seeds of their random numbers, "first" or "again") -> the seeds that broke
Attempt = Callable[[Sequence[int], Sequence[int], str], list[int]]
Status = dict[int, tuple[str, str]]  # seed -> ("ok", "retried" or "failed", detail)


def every_seed(attempt: Attempt, seeds: Sequence[int], at_once: int) -> Status:
    """Train ``at_once`` seeds together, then the next, and return the status of each seed.

    A seed that breaks is trained again with a derived seed; this changes no other seed.
    """
    status: Status = {}
    for start in range(0, len(seeds), at_once):
        group = seeds[start : start + at_once]
        failed = attempt(group, group, "first")
        derived = dict(zip(failed, (role_seed(seed, "retry") for seed in failed)))
        failed_twice = attempt(failed, list(derived.values()), "again") if failed else []
        status |= dict.fromkeys(group, ("ok", ""))
        for seed, rng_seed in derived.items():
            status[seed] = ("retried", f"weights turned NaN; trained again with seed {rng_seed}")
        for seed in failed_twice:
            status[seed] = ("failed", "weights turned NaN, and again when retried with a derived seed")
    return status
