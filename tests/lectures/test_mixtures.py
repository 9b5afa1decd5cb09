import numpy as np
import torch

from magan.lectures.mixtures import GRID, f_divergence, integral, jensen_shannon, mixtures
from magan.losses.f_divergence import DIVERGENCES

TWO = mixtures([[(-1.0, 0.5, 0.3), (2.0, 1.0, 0.7)], [(0.0, 1.0, 1.0), (0.0, 1.0, 0.0)]])


def gaussian(mean: float, sd: float) -> np.ndarray:
    return mixtures([[(mean, sd, 1.0)]]).density(GRID)


def test_a_density_integrates_to_one_and_has_its_mean():
    density = TWO.density(GRID)
    np.testing.assert_allclose(integral(density), 1, atol=1e-9)
    np.testing.assert_allclose(integral(density * GRID), [0.3 * -1 + 0.7 * 2, 0], atol=1e-9)


def test_samples_have_the_density():
    random = torch.Generator().manual_seed(0)
    x = TWO.draw(torch.rand(2, 40_000, generator=random), torch.randn(2, 40_000, generator=random))[..., 0].numpy()
    assert x.shape == (2, 40_000)
    for own, density in zip(x, TWO.density(GRID)):
        below = [integral(np.where(edge >= GRID, density, 0)) for edge in (-1, 0, 1, 2)]
        np.testing.assert_allclose([(own <= edge).mean() for edge in (-1, 0, 1, 2)], below, atol=0.01)


def test_divergences_of_gaussians_are_their_closed_forms():
    p, q = gaussian(0.5, 1.0), gaussian(-0.5, 2.0)
    kl = {
        "kl": np.log(2 / 1) + (1 + 1) / (2 * 4) - 0.5,
        "reverse_kl": np.log(1 / 2) + (4 + 1) / 2 - 0.5,
    }
    for name, value in kl.items():
        np.testing.assert_allclose(f_divergence(DIVERGENCES[name].f, p, q), value, rtol=1e-6)
    np.testing.assert_allclose(f_divergence(DIVERGENCES["jeffrey"].f, p, q), sum(kl.values()), rtol=1e-6)
    overlap = np.sqrt(2 * 1 * 2 / (1 + 4)) * np.exp(-1 / (4 * (1 + 4)))  # of the roots of the densities
    np.testing.assert_allclose(f_divergence(DIVERGENCES["hellinger"].f, p, q), 2 - 2 * overlap, rtol=1e-6)


def test_jensen_shannon_is_half_the_js_of_f_divergences_and_log_2_of_what_does_not_meet():
    p, q = gaussian(0.5, 1.0), gaussian(-0.5, 2.0)
    np.testing.assert_allclose(2 * jensen_shannon(p, q), f_divergence(DIVERGENCES["js"].f, p, q), rtol=1e-9)
    np.testing.assert_allclose(jensen_shannon(gaussian(-7, 0.1), gaussian(7, 0.1)), np.log(2), rtol=1e-6)
    np.testing.assert_allclose(jensen_shannon(p, p), 0, atol=1e-12)
