"""Tests of magan.tasks.panel_merging.figures, and of the ceiling among the held-out markers."""

import numpy as np
import pandas as pd
import pytest
import synthetic
from matplotlib.collections import PathCollection
from matplotlib.text import Text

from magan import keys
from magan.tasks.heldout_markers.figures import FIGURES as HELDOUT
from magan.tasks.panel_merging.figures import FIGURES as MERGED

ASKED = {"usable": 0.8, "as a trend": 0.5}


def draw(name, *args, **options):
    return (MERGED | HELDOUT)[name].draw(*args, digest="0" * 64, **options)


def words(axes) -> list[str]:
    return [text.get_text() for text in axes.findobj(Text) if text.get_text()]


def points(axes, shape: str) -> list[tuple[float, float]]:
    return [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() == shape]


def test_every_marker_stands_at_its_expected_r_with_the_shape_of_its_word_and_its_truth():
    first, second = draw("panel_verdicts", synthetic.verdicts(), asked=ASKED).axes
    assert [label.get_text() for label in first.get_yticklabels()] == ["CD197", "CD45RO"]  # the best first
    assert points(first, "o") == [(0.9025, 0)] and points(first, "s") == [(0.675, 1)]
    assert points(first, "|") == [(0.91, 0), (0.7, 1)]
    assert points(second, "X")[0] == (0.36, 0) and "?, .90" not in words(second)
    assert {".99, .97", ".97, .95"} <= set(words(first))


def test_bars_reach_from_the_lowest_to_the_claimed_r_and_lines_stand_where_a_word_begins():
    first, _ = draw("panel_verdicts", synthetic.verdicts(), asked=ASKED).axes
    spans = [tuple(line.get_xdata()) for line in first.lines if line.get_marker() in ("None", None, "")]
    assert {(0.6, 0.75), (0.855, 0.95)} <= set(spans) and {(0.8, 0.8), (0.5, 0.5)} <= set(spans)


def test_data_without_truth_are_drawn_without_it():
    figure = draw("panel_verdicts", synthetic.verdicts(truth=False), asked=ASKED)
    assert not any(points(axes, "|") for axes in figure.axes)
    assert "r with the truth" not in words(figure)
    assert "No panel lacks a marker." in words(draw("panel_verdicts", synthetic.verdicts()[:0], asked=ASKED))


def test_calibration_is_the_mean_and_the_share_inside_of_each_tenth_of_the_cells():
    above, failed, below, _ = draw("panel_calibration", synthetic.audits()).axes
    truth, mapped = synthetic.audits()["A given markers of B"]
    real, told = truth.X[:, 0].astype(float), mapped.X[:, 0].astype(float)
    lowest = np.argsort(told)[:60]
    x, y = above.lines[0].get_xdata()[0], above.lines[0].get_ydata()[0]
    assert x == pytest.approx((told[lowest].mean() - real.mean()) / real.std(), abs=1e-4)
    assert y == pytest.approx((real[lowest].mean() - real.mean()) / real.std(), abs=1e-4)
    inside = np.abs(told - real)[lowest] <= 1.645
    assert below.lines[0].get_ydata()[0] == pytest.approx(inside.mean(), abs=0.02)
    assert above.lines[-1].get_slope() == 1 and above.lines[-1].get_xy1() == (0, 0)
    assert list(below.lines[-1].get_ydata()) == [0.9, 0.9]
    assert any("nominal .90" in word for word in words(below)) and "failed" in words(failed)


def test_merged_cells_are_drawn_by_panel_population_and_confidence(monkeypatch):
    cells = synthetic.merged_cells()
    monkeypatch.setattr("magan.tasks.panel_merging.figures.coordinates", lambda values, seed: values[:, :2])
    figure = draw("panel_umap", cells)
    panel, population, confidence = figure.axes[:3]
    assert [axes.get_title("left") for axes in (panel, population, confidence)] == [
        "by panel",
        "by population",
        "by confidence",
    ]
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["A", "B"]
    (shown,) = [c for c in confidence.collections if isinstance(c, PathCollection)]
    assert sorted(shown.get_array()) == pytest.approx(np.linspace(0, 1, cells.n_obs))
    at = {tuple(np.round(place, 4)): value for place, value in zip(shown.get_offsets(), shown.get_array())}
    spread = cells.X.std(axis=0)[:2]
    for i in (0, 7, 50):
        place = tuple(np.round(np.asarray(cells.X[i, :2] / spread, float), 4))
        assert at[place] == pytest.approx(cells.obs[keys.CONFIDENCE].iloc[i])


def test_cells_of_no_known_population_are_drawn_in_two_panels(monkeypatch):
    monkeypatch.setattr("magan.tasks.panel_merging.figures.coordinates", lambda values, seed: values[:, :2])
    cells = synthetic.merged_cells()
    del cells.obs[keys.CELL_TYPE]
    assert [a.get_title("left") for a in draw("panel_umap", cells).axes[:2]] == ["by panel", "by confidence"]


def test_the_ceiling_is_a_line_of_its_own_with_its_name():
    metrics = synthetic.metrics()
    metrics = metrics[metrics["dataset"] == "day_2"]
    one = metrics[(metrics["method"] == "knn") & (metrics["metric"] == "pearson")]
    ceiling = one.assign(method=keys.CEILING, arm=keys.CEILING, value=0.987)
    whole = pd.concat([metrics, ceiling], ignore_index=True)
    summary = synthetic.summarise(metrics)
    (axes,) = draw("heldout_markers", whole, summary).axes
    lines = [line for line in axes.lines if list(line.get_ydata()) == [0.987, 0.987]]
    assert len(lines) == one["feature"].ne(keys.ALL).sum() and "regression on the truth" in words(axes)
    (without,) = draw("heldout_markers", metrics, summary).axes
    assert "regression on the truth" not in words(without)
