"""Tests of the figures of translated and of made images."""

import numpy as np
import pandas as pd
import pytest
import synthetic
from matplotlib.figure import Figure
from matplotlib.text import Text

from magan import keys
from magan.figures import sample_grid
from magan.figures.pictures import laid, ranked, typical
from magan.tasks.registry import MERGING, TASKS

FIGURES = {name: drawing for task in (*TASKS.values(), MERGING) for name, drawing in task.figures.items()}


@pytest.fixture(scope="module")
def metrics():
    return synthetic.metrics()


@pytest.fixture(scope="module")
def summary(metrics):
    return synthetic.summarise(metrics)


def draw(name: str, *args, **options) -> Figure:
    return FIGURES[name].draw(*args, digest="0" * 12, **options)


def words(figure: Figure) -> str:
    figure.canvas.draw()
    return "\n".join(text.get_text() for text in figure.findobj(Text) if text.get_visible())


def seeds_in_order(metrics: pd.DataFrame, arm: str, score: str, best_is_low: bool) -> list[int]:
    rows = metrics[(metrics["arm"] == arm) & (metrics["metric"] == score) & (metrics["group"] == keys.ALL)]
    rows = rows[rows["seed"] != keys.CONSENSUS]
    return rows.sort_values("value", ascending=best_is_low)["seed"].tolist()


def test_pictures_lie_in_rows_with_a_gap_and_dark_ink():
    axes = Figure().subplots()
    images = np.arange(6.0).reshape(2, 3, 1, 1, 1) / 5 * np.ones((1, 1, 1, 2, 2))
    laid(axes, images, ["a", "b"])
    (picture,) = axes.images
    canvas = np.asarray(picture.get_array())
    assert canvas.shape == (5, 8) and picture.get_cmap().name == "gray_r"
    np.testing.assert_allclose(canvas[0, [0, 3, 6]], [0, 0.2, 0.4])
    np.testing.assert_allclose(canvas[3, [0, 3, 6]], [0.6, 0.8, 1.0])
    assert (canvas[2] == 0).all() and [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "b"]


def test_colours_stand_on_white_and_a_missing_pixel_is_dark():
    axes = Figure().subplots()
    images = np.zeros((1, 2, 3, 2, 2))
    images[0, 0], images[0, 1, 0] = np.nan, 1.0
    laid(axes, images)
    canvas = np.asarray(axes.images[0].get_array())
    assert canvas.shape == (2, 5, 3) and (canvas[:, 2] == 1).all() and (canvas[:, :2] == 0).all()
    np.testing.assert_array_equal(canvas[0, 4], [1, 0, 0])


def test_seeds_are_ranked_by_the_first_score_there_is_and_its_direction(metrics):
    _, mapped = synthetic.made_images()
    order = seeds_in_order(metrics, "wgan_gp", "frechet", best_is_low=True)
    found = ranked(mapped["wgan_gp"], metrics, ("l1", "frechet"))
    assert [(rank, seed) for rank, seed, _, _ in found] == [
        (rank, order[i]) for rank, i in (("best", 0), ("median", 2), ("worst", -1))
    ]
    assert typical(mapped["wgan_gp"], metrics, ("frechet",))[1] == order[2]
    assert typical(mapped["wgan_gp"], metrics, ("ssim",))[:2] == ("", 0)
    assert typical(mapped["began"], metrics, ("frechet",)) is None


def test_a_translation_shows_the_first_arm_three_times_and_the_others_once(metrics):
    truth, mapped = synthetic.translated_images()
    text = words(draw("translation_grid", truth, mapped, metrics))
    assert [text.count(name) for name in ("magan\n", "cyclegan\n", "input", "truth")] == [3, 1, 1, 1]
    best = metrics[
        (metrics["task"] == "translation") & (metrics["arm"] == "magan") & (metrics["metric"] == "retrieved")
    ]
    best = best[(best["group"] == keys.ALL) & (best["seed"] != keys.CONSENSUS)]["value"].max()
    assert f"best ({best:.2f})".replace("0.", ".") in text and "seeds ranked by: partner first" in text


def test_a_translation_without_partners_has_no_truth(metrics):
    truth, mapped = synthetic.translated_images()
    truth.layers[keys.TRUTH][:] = np.nan
    assert "truth" not in words(draw("translation_grid", truth, mapped, metrics))


def test_a_translation_of_which_nothing_is_left_says_so(metrics):
    truth, mapped = synthetic.translated_images()
    for one in mapped.values():
        one.layers.clear()
    assert "Every seed of every arm failed." in words(draw("translation_grid", truth, mapped, metrics))


def test_the_curve_of_retrieval_goes_through_the_means(summary):
    (axes,) = draw("translation_retrieval", summary, dataset="emoji").axes
    own = summary[(summary["arm"] == "magan") & (summary["metric"] == "retrieved")].set_index("group")["mean"]
    drawn = [list(line.get_ydata()) for line in axes.lines]
    assert [own[f"first {k}"] for k in (1, 2, 5, 10)] in drawn and len(drawn) == 3
    text = words(axes.figure)
    assert "no correction .28" in text and "TraVeLGAN" not in text


def test_every_score_that_is_known_has_a_panel_with_its_floor(metrics, summary):
    figure = draw("translation_scores", metrics, summary, dataset="emoji")
    titles = [axes.get_title(loc="left").strip() for axes in figure.axes if axes.get_title(loc="left")]
    assert titles == ["partner first by pixels", "difference of pixels", "Fréchet distance", "density"]
    lines = [list(line.get_xdata()) for line in figure.axes[2].lines]
    assert [9.7, 9.7] in lines
    means = summary[(summary["metric"] == "frechet") & (summary["arm"] == "magan")]
    assert [means["mean"].item()] in lines


def test_samples_of_a_conditional_arm_stand_in_rows_of_their_class(metrics):
    truth, mapped = synthetic.made_images()
    figure = draw("generation_grid", truth, mapped, metrics)
    text = words(figure)
    order = seeds_in_order(metrics, "cgan", "frechet", best_is_low=True)
    assert f"cgan\nseed {order[2]}, Fréchet" in text and "began: failed" in text
    canvas = np.asarray(figure.axes[3].images[0].get_array())  # real, wgan_gp, mm_gan, cgan
    rows = canvas[: 10 * 15].reshape(-1, canvas.shape[1])
    # Five rows of "3" and then five of "7", which alone has ink below its bar at the right.
    foot = [rows[15 * r + 9 : 15 * r + 14, 9:11].sum() for r in range(10)]
    assert max(foot[:3]) == 0 < min(foot[5:8])


def test_samples_that_were_given_an_image_stand_below_it(metrics):
    truth, mapped = synthetic.made_images()
    mapped["cgan"].uns[keys.GIVEN] = np.array(["x"])
    canvas = np.asarray(draw("generation_grid", truth, mapped, metrics).axes[3].images[0].get_array())
    np.testing.assert_allclose(canvas[:14, :14], truth.X[0].reshape(14, 14))
    np.testing.assert_allclose(canvas[30:44, :14], truth.X[8].reshape(14, 14))


def test_a_dropped_class_is_crossed_out(metrics):
    figure = draw("generation_modes", metrics, dataset="mnist")
    crosses = [[text.get_position() for text in axes.texts if text.get_text() == "×"] for axes in figure.axes[:2]]
    arms = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    # Three of five seeds of mm_gan drop the "3", so its median seed does.
    assert crosses == [[(0, arms.index("mm_gan"))]] * 2 and "began" not in arms


@pytest.mark.parametrize(
    ("name", "tables", "told"),
    [
        ("translation_scores", 2, "No method was scored."),
        ("translation_retrieval", 1, "No true partner is known."),
        ("generation_scores", 2, "No method was scored."),
        ("generation_modes", 1, "The classes of the images are not known."),
    ],
)
def test_a_study_without_the_scores_says_so(metrics, summary, name, tables, told):
    given = (metrics, summary) if tables == 2 else (metrics if "modes" in name else summary,)
    assert told in words(draw(name, *(table.iloc[:0] for table in given), dataset="x"))


def test_frames_lie_from_left_to_right():
    axes = Figure().subplots()
    frames = np.arange(4)[:, None, None] / 4 + np.zeros((1, 1, 4, 2, 3))
    laid(axes, frames)
    (picture,) = axes.images
    np.testing.assert_array_equal(picture.get_array()[0], np.repeat(np.arange(4) / 4, 3))


def test_a_grid_of_samples_has_a_row_for_each_seed():
    rows = {f"seed {seed}": np.full((3, 4), seed / 10) for seed in (1, 5)}
    figure = sample_grid(rows, shape=(1, 2, 2), title="step 7")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["seed 1", "seed 5"]
    assert axes.images[0].get_array()[[0, 4], 0].tolist() == [0.1, 0.5] and "step 7" in words(figure)
