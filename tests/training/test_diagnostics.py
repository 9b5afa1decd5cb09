import numpy as np
import pytest
import torch

from magan.training.diagnostics import DIVERSITY, Sign, below, diversity, signs

BLIND = {"discriminator/adversarial": 2 * np.log(2)}


def curve(*values: float) -> dict[int, float]:
    return {100 * i: value for i, value in enumerate(values)}


@pytest.mark.parametrize(
    "values, place",
    [
        ([1, 0, 0, 0, 0, 1], 4),
        ([0, 0, 0, 1, 0, 0, 0, 0], 7),
        ([0, 0, 0, 1, 0, 0, 0], None),
        ([0, 0, 0, np.nan, 0, 0, 0], None),
        ([0.5] * 9, None),  # on the bound is not below it
        ([], None),
    ],
)
def test_a_run_below_the_bound_fires_once_it_is_long_enough(values, place):
    assert below(values, 0.5, patience=4) == place


def test_a_discriminator_wins_when_it_pays_a_tenth_of_what_a_blind_one_does():
    (sign,) = signs({"discriminator/adversarial": curve(1.4, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1)}, BLIND)
    assert sign == Sign("discriminator wins", "discriminator/adversarial", 500, True)
    assert not signs({"discriminator/adversarial": curve(*[0.15] * 9)}, BLIND)


def test_a_sign_that_passed_is_told_as_such():
    (sign,) = signs({"discriminator/adversarial": curve(0.1, 0.1, 0.1, 0.1, 1.0)}, BLIND)
    assert sign.step == 300 and not sign.lasted


def test_a_mode_collapse_is_half_the_real_diversity_lost_in_either_direction():
    curves = {DIVERSITY + "_12": curve(*[0.4] * 4), DIVERSITY + "_21": curve(*[0.6] * 4)}
    assert signs(curves, {}) == [Sign("mode collapse", DIVERSITY + "_12", 300, True)]


def test_a_game_that_is_not_bounded_is_not_judged():
    assert not signs({"discriminator/adversarial": curve(*[-5.0] * 9)}, {})


def test_diversity_is_the_ratio_of_mean_distances():
    random = np.random.default_rng(0)
    made, real = random.normal(size=(2, 5, 1, 2, 2)), random.normal(size=(7, 1, 2, 2))

    def apart(x):
        x = x.reshape(len(x), -1)
        return np.mean([np.linalg.norm(a - b) for i, a in enumerate(x) for b in x[i + 1 :]])

    expected = [apart(one) / apart(real) for one in made]
    got = diversity(torch.from_numpy(made), torch.from_numpy(real))
    np.testing.assert_allclose(got, expected, rtol=1e-10)


def test_samples_that_are_all_alike_have_no_diversity_and_real_ones_all_of_it():
    real = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    made = torch.stack([real, real[:1].expand(6, 3), 2 * real])
    torch.testing.assert_close(diversity(made, real), torch.tensor([1.0, 0.0, 2.0]))
