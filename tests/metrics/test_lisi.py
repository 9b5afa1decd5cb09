import importlib.util

import numpy as np
import pytest

from magan.metrics import lisi

LABELS = np.resize(["a", "b"], 200)
CENTRES = np.where(LABELS == "a", 0.0, 8.0)[:, None]


def draw(seed):
    return CENTRES + 5 + np.random.default_rng(seed).normal(size=(200, 4))


def test_whether_it_is_installed_is_known_without_importing_it():
    assert lisi.installed() == (importlib.util.find_spec("scib_metrics") is not None)


@pytest.fixture(scope="module")
def found():
    pytest.importorskip("scib_metrics")
    turned = draw(2)[::-1]  # populations change places
    broken = np.full((200, 4), np.nan)
    return lisi.scores(np.stack([draw(1), draw(1) + 30, turned[:, ::-1], broken]), LABELS, draw(0), LABELS)


def test_mixed_sides_score_one_and_sides_apart_zero(found):
    assert found["ilisi"][0] > 0.9 and found["ilisi"][1] < 0.01
    assert found["bras"][0] > found["bras"][1]


def test_pure_neighbourhoods_score_one_and_populations_that_change_places_less(found):
    assert found["clisi"][0] > 0.99 > 0.5 > found["clisi"][2]


def test_a_broken_replicate_is_nan(found):
    assert all(np.isnan(values[3]) and np.isfinite(values[:3]).all() for values in found.values())


def test_few_cells_or_one_population_are_nan():
    pytest.importorskip("scib_metrics")
    few = lisi.scores(draw(1)[None, :30], LABELS[:30], draw(0)[:30], LABELS[:30])
    assert all(np.isnan(values).all() for values in few.values())
    one = lisi.scores(draw(1)[None], np.full(200, "a"), draw(0), np.full(200, "a"))
    assert np.isnan(one["clisi"]).all() and np.isfinite(one["ilisi"]).all()
