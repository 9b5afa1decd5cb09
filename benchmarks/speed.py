"""How fast MAGAN trains, as a share of what the processor can do.

    python benchmarks/speed.py

Trains the authors' networks (924 k parameters at 20 markers, minibatches of
100) on one thread and prints replicate-steps per second, the rate of a
1024-cube float32 product, and the ratio of the two in floating-point
operations. With a CUDA device it also trains a hundred seeds as one job and
one seed in a plain loop, and prints both rates against the card's own.
"""

import argparse
import statistics
import time

import torch

from magan.domains.minibatches import Table, batches
from magan.models import MODELS
from magan.networks.replicate import Replicated
from magan.training.fit import Watch, fit

MARKERS, CELLS, BATCH = 20, 1000, 100


def steps_per_second(n_seeds: int, steps: int, device: str) -> float:
    """Replicate-steps per second of MAGAN with shared markers, the first tenth of the steps not counted."""
    torch.manual_seed(0)
    rows = tuple(torch.arange(CELLS) for _ in range(n_seeds))
    tables = [Table({name: torch.randn(CELLS, MARKERS)}, rows) for name in ("x1", "x2")]
    recipe = MODELS["magan"]({"x1": (MARKERS,), "x2": (MARKERS,)}, correspondence=kept)
    marks: list[tuple[int, float]] = []

    def record(step: int, terms: dict) -> None:
        if device != "cpu":
            torch.cuda.synchronize()
        marks.append((step, time.perf_counter()))

    seeds = list(range(n_seeds))
    drawn = batches(tables, recipe.noise, batch_size=BATCH, seeds=seeds, device=device)
    fit(recipe, drawn, seeds=seeds, steps=steps, device=device, watch=Watch(record, every=max(1, steps // 10)))
    (first, start), (last, end) = marks[1], marks[-1]
    return n_seeds * (last - first) / (end - start)


def kept(G12, G21, batch):
    """Squared change of all markers, both ways."""
    one = (batch["x1"] - batch["x12"]).square().flatten(1).mean(1)
    return one + (batch["x2"] - batch["x21"]).square().flatten(1).mean(1)


def flop_of_a_step() -> float:
    """Floating-point operations of one replicate-step: two for each weight and sample of each product.

    A generator step sends a minibatch twice through each generator and once
    through each discriminator, and gradients back to the samples (the
    discriminators' weights are frozen); a discriminator step runs each
    generator once and each discriminator on real and generated samples, with
    gradients of its weights.
    """
    recipe = MODELS["magan"]({"x1": (MARKERS,), "x2": (MARKERS,)})
    size = {role: sum(p.numel() for p in Replicated(b, [0]).parameters()) for role, b in recipe.networks.items()}
    G, D = size["generator_12"] + size["generator_21"], size["discriminator_1"] + size["discriminator_2"]
    generator_step = 2 * G * 3 + D * 2  # forward; backward to weights and samples; D forward and back to samples
    discriminator_step = G + 2 * D * 3
    return 2.0 * BATCH * (generator_step + discriminator_step)


def matrix_rate(device: str, size: int = 1024) -> float:
    """Median GFLOP/s of a float32 product of two ``size``-cube matrices."""
    a, b = torch.randn(size, size, device=device), torch.randn(size, size, device=device)
    times = []
    for _ in range(25):
        start = time.perf_counter()
        a @ b
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 2 * size**3 / statistics.median(times[5:]) / 1e9


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    flop = flop_of_a_step()
    before = matrix_rate("cpu")
    rate = steps_per_second(arguments.seeds, arguments.steps, "cpu")
    peak = (before + matrix_rate("cpu")) / 2  # the clock drifts, so it is read on both sides
    print(f"one CPU thread, {arguments.seeds} seeds: {rate:.1f} replicate-steps/s")
    print(f"1024-cube float32 product: {peak:.1f} GFLOP/s; a step: {flop / 1e9:.2f} GFLOP")
    print(f"share of the arithmetic limit: {rate * flop / peak / 1e9:.2f}")
    if torch.cuda.is_available():
        torch.backends.cuda.matmul.allow_tf32 = True
        many, one = steps_per_second(100, 2000, "cuda"), steps_per_second(1, 2000, "cuda")
        card = matrix_rate("cuda", 8192)
        print(f"{torch.cuda.get_device_name()}: {many:.0f} replicate-steps/s for 100 seeds, {one:.0f} for one")
        print(f"ratio {many / one:.1f}; share of the TF32 rate ({card:.0f} GFLOP/s): {many * flop / card / 1e9:.3f}")


if __name__ == "__main__":
    main()
