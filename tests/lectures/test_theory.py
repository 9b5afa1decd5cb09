"""Experiments on known distributions: their closed forms, and that they judge what they should."""

import numpy as np
import pandas as pd
import pytest
import torch

from magan.lectures import (
    LECTURES,
    f_divergences,
    js_against_wasserstein,
    mode_collapse,
    optimal_discriminator,
    result_table,
)
from magan.lectures.mixtures import GRID, f_divergence, mixtures
from magan.losses.f_divergence import DIVERGENCES


def holds(name: str, points: pd.DataFrame) -> dict[str, str]:
    rows = LECTURES[name].check_claims(points)
    return {f"{row['arm']}: {row['quantity']}": row["holds"] for row in rows.to_dict("records")}


def test_a_trained_discriminator_comes_near_the_best_and_its_value_near_the_divergence():
    points = optimal_discriminator.optimal_discriminator([0, 1], steps=300, batch_size=256, hidden=(16, 16))
    value = result_table.by_seed(points, "value", "two Gaussians")
    limit = result_table.values(points, "best value", "two Gaussians")["value"].item()
    # Two unit Gaussians 2 apart: JSD by Monte Carlo, independent of the quadrature.
    x = np.random.default_rng(0).normal(-1, 1, 400_000)
    jsd = np.log(2) - np.log1p(np.exp(2 * x)).mean()  # E_p log(2 p / (p + q)), the same on both sides
    assert limit == pytest.approx(-2 * np.log(2) + 2 * jsd, abs=5e-3)
    assert (value < limit + 5e-4).all()  # nothing is above the best, but for sampling
    assert value.mean() == pytest.approx(limit, abs=0.02)
    assert result_table.by_seed(points, "error", "two Gaussians").mean() < 0.05


def test_seeds_of_an_experiment_alone_and_among_others_agree():
    small = {"steps": 5, "batch_size": 16, "hidden": (4,)}
    together = optimal_discriminator.optimal_discriminator([3, 5], **small)
    alone = optimal_discriminator.optimal_discriminator([5], **small)
    for pair in optimal_discriminator.PAIRS:
        own = result_table.by_seed(together, "value", pair)
        np.testing.assert_allclose(own[1], result_table.by_seed(alone, "value", pair)[0], rtol=1e-5)


def test_the_value_of_a_discriminator_that_missed_its_limit_is_told():
    parts = []
    for pair in optimal_discriminator.PAIRS:
        parts.append(result_table.points("best value", -1.0, arm=pair))
        parts.append(result_table.points("value", [-1.02, -1.03], seeds=[0, 1], arm=pair))
        parts.append(result_table.points("error", [0.01, 0.02], seeds=[0, 1], arm=pair))
    assert set(holds("optimal_discriminator", result_table.table(parts)).values()) == {"yes", "no"}


def test_parallel_lines_are_log_2_apart_and_moved_mixtures_less():
    distances = np.array([0.0, 0.5, 3.0, 10.0])
    np.testing.assert_allclose(
        js_against_wasserstein._js("parallel lines", distances), np.log(2) * np.array([0, 1, 1, 1])
    )
    js = js_against_wasserstein._js("mixture", distances)
    assert js[0] == pytest.approx(0, abs=1e-9) and js[3] == pytest.approx(np.log(2), rel=1e-6)
    assert (np.diff(js) > 0).all()


def test_the_samples_of_either_pair_are_moved_by_the_distance():
    moved = torch.tensor([0.0, 2.0])
    batch = {"uniform": torch.rand(2, 9, 2), "normal": torch.randn(2, 9, 2)}
    batch["uniform"][..., 1], batch["normal"][..., 1] = batch["uniform"][..., 0], batch["normal"][..., 0]
    for arm, n in (("parallel lines", 2), ("mixture", 1)):
        first, second = js_against_wasserstein._pair(arm, moved, batch)
        assert first.shape == (2, 9, n)
        gap = (second - first).mean(1)
        torch.testing.assert_close(gap[:, 0], moved)
        assert gap[:, 1:].abs().max() < 1e-6 if n == 2 else True


def test_a_critic_of_slope_one_tells_the_distance_and_a_steeper_one_no_more():
    moved = torch.tensor([3.0, 3.0])
    batch = {"uniform": torch.rand(2, 500, 2), "normal": torch.randn(2, 500, 2), "alpha": torch.rand(2, 500)}
    first, second = js_against_wasserstein._pair("parallel lines", moved, batch)
    networks = {
        "discriminator": lambda x: 0 * x[..., :1],
        "critic": lambda x: torch.tensor([-1.0, -7.0])[:, None, None] * x[..., :1],
    }
    js, w = js_against_wasserstein._estimates(networks, first, second, batch["alpha"])
    np.testing.assert_allclose(w, [3, 3], rtol=1e-5)
    np.testing.assert_allclose(js, 0, atol=1e-6)  # a discriminator that knows nothing


@pytest.mark.parametrize("name", f_divergences.TRAINED)
def test_the_best_gaussian_of_a_divergence_is_worse_at_every_step_aside(name):
    p, (mean, sd) = mixtures([f_divergences.REAL]).density(GRID), f_divergences.best(name)

    def distance(m, s):
        return f_divergence(DIVERGENCES[name].f, p, mixtures([[(m, s, 1.0)]]).density(GRID)).item()

    least = distance(mean, sd)
    assert all(distance(mean + a, sd + b) > least for a, b in ((0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01)))


def test_kl_fits_the_moments_of_the_mixture():
    parts = np.array(f_divergences.REAL)
    mean = (parts[:, 0] * parts[:, 2]).sum()
    variance = ((parts[:, 1] ** 2 + parts[:, 0] ** 2) * parts[:, 2]).sum() - mean**2
    np.testing.assert_allclose(f_divergences.best("kl"), (mean, np.sqrt(variance)), atol=1e-3)


def test_every_best_gaussian_is_the_least_of_its_column():
    p = mixtures([f_divergences.REAL]).density(GRID)
    fits = {name: mixtures([[(*f_divergences.best(name), 1.0)]]).density(GRID) for name in f_divergences.TRAINED}
    for column in f_divergences.TRAINED:
        scores = {row: f_divergence(DIVERGENCES[column].f, p, q).item() for row, q in fits.items()}
        assert min(scores, key=scores.get) == column


def test_a_short_training_by_each_divergence_moves_towards_its_fit():
    points = f_divergences.f_divergences([0], steps=150, batch_size=128, hidden=(16,))
    start = mixtures([[(0.0, 1.0, 1.0)]]).density(GRID)
    p = mixtures([f_divergences.REAL]).density(GRID)
    for name in f_divergences.TRAINED:
        assert (
            result_table.by_seed(points, "divergence", name, name)[0]
            < f_divergence(DIVERGENCES[name].f, p, start).item()
        )


def test_a_diagonal_that_is_not_least_is_told():
    names, parts = f_divergences.TRAINED, []
    for row in names:
        for column in names:
            value = 1.0 if row == column else 0.5 if (row, column) == ("kl", "js") else 2.0
            parts.append(result_table.points("divergence", [value, value], seeds=[0, 1], arm=row, item=column))
    told_of = holds("f_divergences", result_table.table(parts))
    assert told_of[": columns whose diagonal is the least"] == "no"
    assert [key for key, word in told_of.items() if word == "no"] == [
        ": columns whose diagonal is the least",
        "js: js of the Gaussian trained by it",
    ]


def test_the_ring_has_eight_distinct_centres_of_one_radius():
    centres = mode_collapse.ring_centres()
    apart = np.linalg.norm(centres[:, None] - centres, axis=2)
    assert (apart[~np.eye(8, dtype=bool)] > 1.5).all()
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 2)


@pytest.mark.parametrize("item, n", [("ring", 8), ("spiral", 20)])
def test_real_samples_cover_every_mode_with_high_quality(item, n):
    shape = mode_collapse.SHAPES[item]
    real = shape.draw(2500, torch.Generator().manual_seed(1)).numpy()
    modes, quality = mode_collapse.coverage(real[None], shape)
    assert modes[0] == n
    # Within three standard deviations of a point: 1 - exp(-9/2); of a curve it is more.
    assert quality[0] >= 1 - np.exp(-4.5) - 0.01


def test_pieces_of_the_spiral_are_equally_long():
    shape = mode_collapse.SHAPES["spiral"]
    real = shape.draw(40_000, torch.Generator().manual_seed(1)).numpy()
    nearest = ((real[:2000, None] - shape.anchors) ** 2).sum(2).argmin(1)
    counts = np.bincount(shape.piece[nearest], minlength=20)
    assert counts.min() > 60 and counts.max() < 150  # 100 each, but for noise across turns


def test_modes_are_counted_by_their_share_of_good_samples():
    shape, centres = mode_collapse.SHAPES["ring"], mode_collapse.ring_centres()
    few = np.concatenate(
        [np.repeat(centres[:1], 960, 0), np.repeat(centres[1:2], 20, 0), np.repeat(centres[2:3], 5, 0)]
    )
    far = np.full((15, 2), 9.0)
    modes, quality = mode_collapse.coverage(np.concatenate([few, far])[None], shape)
    # Of 1,000 samples a mode needs a tenth of its fair share of 125: 5 are too few.
    assert modes.tolist() == [2] and quality.tolist() == [0.985]


def test_every_arm_of_mode_collapse_trains_and_samples():
    points = mode_collapse.mode_collapse([0, 1], steps=3, batch_size=16, width=1)
    of = points[points["quantity"] == "modes"].groupby(["arm", "item"]).size()
    assert (of == 2).all() and len(of) == 2 * len(mode_collapse.ARMS)
    assert len(LECTURES["mode_collapse"].check_claims(points)) == 2 * (3 * len(mode_collapse.ARMS) - 1)


def test_a_remedy_helps_only_if_the_whole_interval_says_so():
    parts = []
    for arm, modes in {
        "GAN": [1, 2, 1, 2],
        "unrolled": [8, 8, 7, 8],
        "WGAN-GP": [8, 8, 8, 8],
        "experience replay": [1, 2, 2, 1],
    }.items():
        parts.append(result_table.points("modes", modes, seeds=range(4), arm=arm, item="ring"))
        parts.append(result_table.points("quality", [0.5] * 4, seeds=range(4), arm=arm, item="ring"))
    told_of = holds("mode_collapse", result_table.table(parts))
    more = {key.split(":")[0]: word for key, word in told_of.items() if "more than the GAN" in key}
    assert more == {"unrolled": "yes", "WGAN-GP": "yes", "experience replay": "no"}
    assert told_of["WGAN-GP: modes of the ring covered"] == "yes"
