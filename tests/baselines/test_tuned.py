"""Tuned regressors: the setting that is right for the data is found on training cells."""

import numpy as np
import pytest

from magan.baselines import BASELINES
from magan.baselines.tuned import SETTINGS, best_setting


@pytest.mark.parametrize("noise, expected", [(0.0, {10}), (6.0, {50, 100})])
def test_few_neighbours_are_chosen_for_a_clear_rule_and_many_for_a_noisy_rule(noise, expected):
    draw = np.random.default_rng(0)
    features = draw.normal(size=(1800, 1))
    targets = np.sin(2 * features) * [[1.0] * 6] + noise * draw.normal(size=(1800, 6))
    assert best_setting("nearest", features, targets).keywords["k"] in expected


def test_a_gain_and_an_offset_of_a_panel_do_not_matter_and_a_bent_marker_hardly(table):
    draw = np.random.default_rng(0)
    values = draw.gamma(2, 1, (900, 1)) * [[1.0, 0.7, 1.2, 1.3]] + 0.1 * draw.normal(size=(900, 4))
    x2, truth = table(values[:400], "abcm"), values[600:, 3]

    def r(distorted) -> float:
        x1, query = (table(distorted(values[rows][:, :3]), "abc") for rows in (slice(400, 600), slice(600, 900)))
        return np.corrcoef(BASELINES["knn_tuned"](x1, x2, query)[:, 3], truth)[0, 1]

    plain = r(lambda x: x)
    assert plain > 0.97 and r(lambda x: 3 * x + 2) > plain - 0.01
    assert r(lambda x: np.column_stack([x[:, :2], np.exp(2 * x[:, 2])])) > plain - 0.03


def test_every_tuned_regressor_has_settings_to_choose_from():
    tuned = [entry.options["regressor"] for entry in BASELINES.entries.values() if "tuned:" in entry.source]
    assert sorted(tuned) == sorted(SETTINGS) and all(len(settings) > 1 for settings in SETTINGS.values())
