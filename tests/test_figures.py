"""Tests of magan.figures: what is drawn, and that a study with missing pieces is still drawn."""

import io
import re
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import synthetic
from matplotlib.text import Text
from records import assert_recorded, described
from scipy.integrate import trapezoid

from magan import keys
from magan.figures import METHOD_COLOURS, save
from magan.figures.embedding import coordinates
from magan.figures.forest import _written
from magan.figures.style import PALE
from magan.tasks.batch_correction.batch_effects import before
from magan.tasks.heldout_markers.figures import LEAST_GAP
from magan.tasks.registry import MERGING, TASKS
from magan.titles import title

FIGURES = {name: drawing for task in (*TASKS.values(), MERGING) for name, drawing in task.figures.items()}

DIGEST = "3f8a1c0b" * 8
EFFECTS = {"dataset": "person_2", "reference": "day_1"}

BASELINES = {"ridge regression": "ridge", "nearest cells (kNN)": "knn", "gradient boosting": "boosting"}


@pytest.fixture(scope="module")
def metrics():
    return synthetic.metrics()


@pytest.fixture(scope="module")
def summary(metrics):
    return synthetic.summarise(metrics)


def arguments(name, metrics, summary):
    """What a figure is drawn from, on the whole made-up study."""
    truth, arm, baseline = synthetic.heldout_cells()
    return {
        "heldout_markers": lambda: ((metrics, summary), {}),
        "heldout_bars": lambda: ((summary,), {"dataset": summary["dataset"][summary["task"] == "heldout"].iloc[0]}),
        "biaxial": lambda: ((*by_two_markers(), metrics), {}),
        "population_seeds": lambda: ((metrics,), {"dataset": "person_2"}),
        "heldout_scatter": lambda: ((truth, {"magan": arm, "knn": baseline}), {}),
        "batch_effects": lambda: (tuple(before(synthetic.batch_cells()[0])), EFFECTS),
        "batch_scores": lambda: ((summary,), {"dataset": "person_2"}),
        "batch_densities": lambda: (synthetic.batch_cells(), {}),
        "umap": lambda: (synthetic.batch_cells(300), {}),
        "digit_outcomes": lambda: ((metrics,), {}),
        "digit_grid": lambda: ((*synthetic.digit_images(), metrics), {}),
        "translation_grid": lambda: ((*synthetic.translated_images(), metrics), {}),
        "translation_scores": lambda: ((metrics, summary), {"dataset": "emoji"}),
        "translation_retrieval": lambda: ((summary,), {"dataset": "emoji"}),
        "generation_grid": lambda: ((*synthetic.made_images(), metrics), {}),
        "generation_scores": lambda: ((metrics, summary), {"dataset": "mnist"}),
        "generation_modes": lambda: ((metrics,), {"dataset": "mnist"}),
        "matching_scores": lambda: ((metrics, summary), {"dataset": "snare"}),
        "matching_cells": lambda: (synthetic.matching_cells(), {}),
        "panel_verdicts": lambda: ((synthetic.verdicts(),), {"asked": {"usable": 0.8, "as a trend": 0.5}}),
        "panel_calibration": lambda: ((synthetic.audits(),), {}),
        "panel_umap": lambda: ((synthetic.merged_cells(),), {}),
        "loss_curves": lambda: ((synthetic.curves(),), {}),
    }[name]()


def by_two_markers():
    """Truth and the maps of two arms: of both, seed 0 is the only seed, moved by 0 and by 1."""
    truth, mapped = synthetic.batch_cells()
    truth.uns |= {"biaxial": ["CD0", "CD1"], "dataset": "person_2"}
    maps = {}
    for arm, step in (("magan", 0), ("magan_alone", 1)):
        maps[arm] = mapped.copy()
        maps[arm].uns["arm"] = arm
        maps[arm].layers["seed_0"] = mapped.X + step
    return truth, maps


def draw(name, *args, **options):
    return FIGURES[name].draw(*args, digest=DIGEST, **options)


def words(figure):
    """All text of a figure, as one string."""
    figure.canvas.draw()
    return "\n".join(text.get_text() for text in figure.findobj(Text) if text.get_visible())


def outside(figure):
    """The words that the edge of a figure cuts."""
    figure.draw_without_rendering()
    shown = [text for text in figure.findobj(Text) if text.get_visible() and re.search(r"[^\W\d]", text.get_text())]
    places = {text.get_text(): text.get_window_extent() for text in shown}
    low, high = -1, np.array([figure.bbox.width, figure.bbox.height]) + 1  # a pixel is lost to rounding
    return [words for words, box in places.items() if (box.min < low).any() or (box.max > high).any()]


def heights(figure):
    """Every y that is drawn with a line or a marker."""
    return np.concatenate([np.asarray(line.get_ydata(), float) for axes in figure.axes for line in axes.lines])


SLOW = [pytest.param(name, marks=pytest.mark.slow if "umap" in name else ()) for name in FIGURES]


@pytest.mark.parametrize("name", SLOW)
def test_every_figure_is_drawn_as_recorded_is_readable_in_print_and_names_its_data(name, metrics, summary):
    args, options = arguments(name, metrics, summary)
    figure = draw(name, *args, **options)
    assert_recorded(f"figure_{name}", described(figure, places="umap" not in name))
    assert f"data {DIGEST[:12]}" in words(figure)
    assert figure.get_figwidth() <= 7.2
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 9
    assert not outside(figure)


@pytest.mark.parametrize("name", [name for name in FIGURES if FIGURES[name].suffix == "svg"])
def test_the_same_data_give_the_same_bytes(name, metrics, summary, tmp_path):
    for copy in "ab":
        args, options = arguments(name, metrics, summary)
        save(draw(name, *args, **options), tmp_path / f"{copy}.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_text_of_an_svg_stays_text(metrics, summary, tmp_path):
    save(draw("heldout_markers", metrics, summary), tmp_path / "a.svg")
    assert ">HLA-DR</text>" in (tmp_path / "a.svg").read_text()


def test_drawing_leaves_no_setting_behind(metrics, summary):
    before = dict(mpl.rcParams)
    draw("heldout_markers", metrics, summary)
    assert dict(mpl.rcParams) == before


def test_figures_do_not_touch_pyplot():
    code = "import sys, magan.figures; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_method_has_a_colour_of_its_own():
    assert len(set(METHOD_COLOURS.values())) == len(METHOD_COLOURS) >= 4


# -- held-out markers


def test_every_seed_mean_and_baseline_is_drawn_at_its_r(metrics, summary):
    one = metrics[metrics["dataset"] == "control_1"]
    drawn = heights(draw("heldout_markers", one, summary))
    r = one[(one["metric"] == "pearson") & (one["feature"] != keys.ALL) & (one["seed"] != keys.CONSENSUS)]
    table = summary[(summary["dataset"] == "control_1") & (summary["metric"] == "pearson")]
    means = table.loc[(table["feature"] != keys.ALL) & table["arm"].isin(["magan", "cyclegan"]), "mean"]
    for value in (*r["value"], *means):
        assert np.isclose(drawn, value, rtol=0, atol=1e-12).any()


def test_markers_are_sorted_by_the_r_of_knn(metrics, summary):
    axes = draw("heldout_markers", metrics, summary).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["CD45RA", "CD4", "CD8", "HLA-DR"]


def test_every_baseline_is_named_at_the_right_edge_and_no_name_covers_another(metrics, summary):
    axes = draw("heldout_markers", metrics, summary).axes[0]
    named = {text.get_text(): text for text in axes.texts if text.get_text() in BASELINES}
    assert sorted(named, key=lambda name: named[name].xyann[1]) == list(BASELINES)
    places = sorted(text.xyann[1] for text in named.values())
    assert min(np.diff(places)) >= LEAST_GAP * np.ptp(axes.get_ylim()) * (1 - 1e-9)
    for name, text in named.items():
        r = metrics[
            (metrics["method"] == BASELINES[name]) & (metrics["feature"] == "HLA-DR") & (metrics["metric"] == "pearson")
        ]
        assert text.xy[1] == r["value"].iloc[0]  # the last marker is the one nearest to the edge
        assert text.xyann[0] > axes.get_xlim()[1]


def test_a_key_of_many_arms_and_the_names_of_lines_at_the_top_are_whole(metrics, summary):
    arms = metrics[metrics["arm"] == "magan"]
    more = [arms.assign(arm=f"magan_with_option_{i}") for i in range(6)]
    high = metrics["arm"] == keys.BASELINE
    table = pd.concat([metrics.assign(value=metrics["value"].mask(high, 0.99)), *more], ignore_index=True)
    figure = draw("heldout_markers", table, synthetic.summarise(table))
    assert not outside(figure)
    axes = figure.axes[0]
    heading = axes._left_title.get_window_extent()
    names = [text for text in axes.texts if text.get_text() in BASELINES]
    assert names and not any(name.get_window_extent().overlaps(heading) for name in names)


def test_baselines_differ_in_shade_and_in_dash(metrics, summary):
    figure = draw("heldout_markers", metrics, summary)
    lines = {line.get_label(): line for line in figure.legends[0].get_lines()}
    baselines = [lines[name] for name in BASELINES]
    assert len({line.get_color() for line in baselines}) == 3
    assert len({str(line._dash_pattern) for line in baselines}) == 3


def test_the_line_of_chance_stands_beside_foscttm_alone(metrics, summary):
    dashed = [
        [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"]
        for axes in draw("matching_scores", metrics, summary, dataset="snare").axes
    ]
    assert dashed == [[0.5], [0.945]]  # the other is what real cells reach


def test_a_method_that_failed_is_said_to_have(metrics, summary):
    assert "TraVeLGAN failed" in words(draw("heldout_markers", metrics, summary))
    assert words(draw("batch_scores", summary, dataset="person_2")).count("failed") == 12  # two methods, six scores
    assert words(draw("matching_scores", metrics, summary, dataset="snare")).count("failed") == 2
    assert "failed (20 seeds)" in words(draw("digit_outcomes", metrics))
    truth, arm, _ = synthetic.heldout_cells()
    arm.uns["error"] = "no seed was finite"
    assert words(draw("heldout_scatter", truth, {"magan": arm})).count("failed") == 4
    cells, mapped = synthetic.batch_cells()
    mapped.uns["error"] = "no seed was finite"
    assert "no seed was finite" in words(draw("batch_densities", cells, mapped))
    assert "no seed was finite" in words(draw("umap", cells, mapped))
    curves = synthetic.curves() | {"travelgan": synthetic.curves()["magan"].iloc[:0]}
    assert "TraVeLGAN (failed)" in words(draw("loss_curves", curves))


def test_one_marker_one_seed_and_no_baseline_are_drawn(metrics):
    few = metrics[(metrics["seed"] == 0) & metrics["feature"].isin(["CD4", keys.ALL]) & (metrics["arm"] == "magan")]
    text = words(draw("heldout_markers", few, synthetic.summarise(few)))
    assert "1 seed per arm" in text and "CD4" in text


def test_tables_read_back_from_a_file_are_drawn_alike(metrics, summary):
    tables = []
    for table in (metrics, summary):
        file = io.StringIO(table.to_csv(sep="\t", index=False))
        tables.append(pd.read_csv(file, sep="\t", float_precision="round_trip", dtype={"seed": str}))
    np.testing.assert_array_equal(
        heights(draw("heldout_markers", *tables)), heights(draw("heldout_markers", metrics, summary))
    )


@pytest.mark.parametrize("name", ["heldout_markers", "batch_scores", "digit_outcomes", "loss_curves"])
def test_a_study_without_the_task_says_so(name, metrics, summary):
    args = {"heldout_markers": (metrics.iloc[:0], summary.iloc[:0]), "batch_scores": (summary.iloc[:0],)}
    args |= {"digit_outcomes": (metrics.iloc[:0],), "loss_curves": ({},)}
    text = words(draw(name, *args[name], **({"dataset": "x"} if name == "batch_scores" else {})))
    assert "No " in text


def test_the_scatter_shows_the_r_of_its_points():
    truth, arm, _ = synthetic.heldout_cells()
    text = words(draw("heldout_scatter", truth, {"magan": arm}, markers=["CD4"]))
    r = np.corrcoef(truth[:, "CD4"].layers[keys.PREPROCESSED][:, 0], arm[:, "CD4"].X[:, 0])[0, 1]
    assert f"r {r:.2f}".replace("0.", ".") in text


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("constant", ["measured", "predicted"])
def test_a_constant_has_no_r(constant):
    truth, arm, _ = synthetic.heldout_cells()
    cells = truth if constant == "measured" else arm
    cells.X[:-1, 0] = 1.0
    cells.X[-1, 0] = 1.0 if constant == "predicted" else 2.0  # else the axes have no width
    arm = arm[:-1].copy()
    assert "r nan" in words(draw("heldout_scatter", truth, {"magan": arm}, markers=["CD4"]))


def heldout_of(n_markers: int, baselines: tuple[str, ...] = ()) -> pd.DataFrame:
    """One seed of magan, and baselines, on many markers."""
    rows = [("magan", "magan", 0), *((name, keys.BASELINE, "") for name in baselines)]
    return pd.DataFrame(
        [
            ("heldout", "d", method, arm, seed, keys.ALL, f"m{i}", "pearson", (i + 3 * k) / 200)
            for k, (method, arm, seed) in enumerate(rows)
            for i in range(n_markers)
        ],
        columns=list(keys.METRICS),
    )


@pytest.mark.parametrize(("n_markers", "width"), [(4, 5), (60, 0.6 * 0.8 * 460 / 60), (100, 2.8)])
def test_points_are_as_wide_as_their_lane_allows_between_two_bounds(n_markers, width):
    table = heldout_of(n_markers)
    (axes,) = draw("heldout_markers", table, synthetic.summarise(table)).axes
    (seeds,) = [line for line in axes.lines if len(line.get_xdata()) == n_markers > 1 and line.get_alpha() == 0.55]
    assert seeds.get_markersize() == pytest.approx(width / 2)


def test_six_baselines_and_a_ceiling_are_drawn_as_recorded():
    table = heldout_of(1, ("ridge", "knn", "boosting", "extra_trees", "knn_draw", "identity", keys.CEILING))
    table["arm"] = table["arm"].where(table["method"] != keys.CEILING, keys.CEILING)
    lines = described(draw("heldout_markers", table, synthetic.summarise(table)))
    assert_recorded("figure_heldout_baselines", [line for line in lines if line.startswith("  line")])


def test_the_dashed_line_of_the_scatter_is_where_a_prediction_equals_the_measurement():
    truth, arm, _ = synthetic.heldout_cells()
    for axes in draw("heldout_scatter", truth, {"magan": arm}).axes:
        (line,) = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert line.get_slope() == 1 and line.get_xy1()[0] == line.get_xy1()[1]
        assert axes.get_xlim() == axes.get_ylim()


def test_a_line_at_no_correlation_is_drawn_where_a_marker_is_predicted_the_wrong_way_round(metrics, summary):
    few = metrics[metrics["dataset"] == "control_1"]
    wrong = few.assign(value=few["value"].where(few["feature"] != "CD4", -0.3))
    for table, expected in ((few, 0), (wrong, 1)):
        (axes,) = draw("heldout_markers", table, summary).axes
        level = [line for line in axes.lines if list(line.get_xydata().ravel()) == [0, 0, 1, 0]]
        assert len(level) == expected


def test_a_bar_reaches_from_the_low_to_the_high_end_of_the_interval_in_the_row_of_its_method(summary):
    figure = draw("batch_scores", summary, dataset="person_2")
    emd = summary[(summary["dataset"] == "person_2") & (summary["metric"] == "emd") & (summary["feature"] == keys.ALL)]
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    bars = {
        names[int(line.get_ydata()[0])]: list(line.get_xdata())
        for line in figure.axes[0].lines
        if len(line.get_xdata()) == 2 and len(set(line.get_xdata())) == 2 and line.get_linewidth() > 1
    }
    rows = emd[(emd["group"] == keys.ALL) & (emd["arm"] == emd["method"]) & np.isfinite(emd["low"])]
    assert len(rows) and {title(row.arm): [row.low, row.high] for row in rows.itertuples()}.items() <= bars.items()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0004, ".00"),
        (0.001, ".001"),
        (0.05, ".050"),
        (-0.0996, "-.100"),
        (0.1, ".10"),
        (3.14159, "3.14"),
        (12.3, "12"),
    ],
)
def test_small_scores_have_three_decimals_and_large_ones_none(value, text):
    assert _written(value) == text


# -- batches


def test_every_marker_is_drawn_and_the_largest_batch_effect_comes_first():
    truth, mapped = synthetic.batch_cells(n_markers=14)  # the shift grows with the marker's number
    titles = [axes.get_title(loc="left") for axes in draw("batch_densities", truth, mapped).axes]
    assert titles[:2] == ["CD13", "CD12"]
    assert len([title for title in titles if title]) == 14


def test_a_density_has_an_area_of_one_even_for_a_marker_that_does_not_vary():
    truth, mapped = synthetic.batch_cells(n_markers=1)
    truth.layers[keys.PREPROCESSED][:] = 1.0
    (axes,) = draw("batch_densities", truth, mapped).axes
    for line in axes.lines:
        x, y = line.get_data()
        assert trapezoid(y, x) == pytest.approx(1, abs=0.02)


def test_the_floor_is_a_line_at_its_value(summary):
    figure = draw("batch_scores", summary, dataset="person_2")
    lines = [list(line.get_xdata()) for line in figure.axes[0].lines]
    floor = summary[(summary["arm"] == keys.FLOOR) & (summary["metric"] == "emd")]["mean"].item()
    assert [floor, floor] in lines


def test_rows_keep_the_order_of_the_table(summary):
    figure = draw("batch_scores", summary.iloc[::-1], dataset="person_2")
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    forward = [tick.get_text() for tick in draw("batch_scores", summary, dataset="person_2").axes[0].get_yticklabels()]
    n = sum(name in ("MAGAN", "MAGAN alone", "CycleGAN") for name in names)
    assert names == forward[:n][::-1] + forward[n:][::-1]


@pytest.mark.slow
def test_a_umap_keeps_two_kinds_of_cells_apart():
    kind = np.repeat([0, 1], 60)
    cells = np.random.default_rng(0).normal(size=(120, 5)) + 20 * kind[:, None]
    place = coordinates(cells.astype(np.float32), 0)
    between = np.linalg.norm(place[kind == 0].mean(0) - place[kind == 1].mean(0))
    within = max(place[kind == k].std(0).max() for k in (0, 1))
    assert between > 5 * within


def test_the_umap_does_without_populations():
    truth, mapped = synthetic.batch_cells(300, populations=False)
    assert len(draw("umap", truth, mapped).axes) == 2


@pytest.mark.slow
def test_the_umap_writes_nothing_over_its_points_and_leaves_unnamed_cells_grey():
    truth, mapped = synthetic.batch_cells(300)
    truth.obs[keys.CELL_TYPE] = truth.obs[keys.CELL_TYPE].replace({"NK cells": "other"})
    figure = draw("umap", truth, mapped)
    figure.canvas.draw()
    assert not any(axes.texts for axes in figure.axes)
    keys_below = [legend for row in figure.subfigs for legend in row.legends]
    assert [text.get_text() for text in keys_below[1].get_texts()][-1] == "other"
    assert keys_below[1].get_lines()[-1].get_color() == PALE
    for row, legend in zip(figure.subfigs, keys_below):
        assert all(legend.get_window_extent().y1 <= axes.get_window_extent().y0 for axes in row.axes)


# -- digits


def test_the_best_the_median_and_the_worst_seed_are_shown(metrics):
    truth, mapped = synthetic.digit_images()
    rows = metrics[(metrics["arm"] == "magan") & (metrics["metric"] == "identity_accuracy")]
    order = rows.sort_values("value", ascending=False)["seed"].tolist()
    text = words(draw("digit_grid", truth, mapped, metrics))
    assert all(f"{rank}: seed {order[i]}" in text for rank, i in [("best", 0), ("median", 10), ("worst", -1)])


def test_a_single_seed_is_neither_best_nor_worst(metrics):
    truth, mapped = synthetic.digit_images(n_seeds=1)
    text = words(draw("digit_grid", truth, mapped, metrics))
    assert "seed 0, digit kept" in text and "best" not in text


def test_shares_of_outcomes_add_up_to_one(metrics):
    (axes,) = draw("digit_outcomes", metrics).axes
    widths = {}
    for bar in axes.patches:
        widths[bar.get_y()] = widths.get(bar.get_y(), 0) + bar.get_width()
    np.testing.assert_allclose(list(widths.values()), 1)
    assert len(widths) == 2


# -- curves


def test_the_bold_line_is_the_mean_of_the_seeds_that_are_finite():
    curves = synthetic.curves()["magan"]
    figure = draw("loss_curves", {"magan": curves})
    axes = next(axes for axes in figure.axes if axes.get_title(loc="left") == "generator: cycle")
    bold = max(axes.lines, key=lambda line: line.get_linewidth())
    expected = curves[curves["term"] == "generator/cycle"].groupby("step")["value"].mean()
    np.testing.assert_allclose(bold.get_ydata(), expected)


def test_batch_effects_shows_each_marker_of_the_farthest_pair_and_every_sample():
    emd = pd.DataFrame({"batch_1": "a", "batch_2": ["b", "b", "c", "c"], "marker": ["CD3", "CD4"] * 2,
                        "emd": [0.4, 0.9, 0.1, 0.2], "floor": 0.05})  # fmt: skip
    samples = pd.DataFrame({"sample": ["s1", "s2", "s3"], "batch": list("abc"), "n": 5, "x": [0.0, 1, 2], "y": 0.0})
    auc = pd.DataFrame({"batch_1": "a", "batch_2": ["b", "c"], "auc": [0.91, 0.55]})
    figure = draw("batch_effects", emd, samples, auc, **EFFECTS)
    left, right = figure.axes
    drawn = [list(line.get_xdata()) for line in left.lines if line.get_marker() != "|"]
    assert drawn == [[0.4, 0.9], [0.1, 0.2]]  # of a and b first: they lie farther apart
    assert [list(line.get_xdata()) for line in right.lines] == [[0.0], [1.0], [2.0]]
    assert "a and b (classifier AUC .91)" in words(figure) and "s3" in words(figure)
