"""Figures for print: sizes, letters, and what is in the picture and in the metadata."""

import re

import numpy as np
import pytest
import synthetic
from matplotlib.collections import PathCollection
from matplotlib.text import Text
from PIL import Image
from test_figures import DIGEST, FIGURES, arguments, by_two_markers, draw, words

from magan import keys
from magan.figures import save
from magan.figures.style import PRINT, printed, shrunk

WIDTHS = {"one_column": 3.5, "two_columns": 7.2}  # inches
LETTERS = {"one_column": 6, "two_columns": 9}  # points


@pytest.fixture(scope="module")
def tables():
    metrics = synthetic.metrics()
    return metrics, synthetic.summarise(metrics)


def in_print(name, column, tables):
    args, options = arguments(name, *tables)
    with printed(PRINT[column]):
        return shrunk(draw(name, *args, **options), PRINT[column].shrink)


@pytest.mark.parametrize("column", PRINT)
@pytest.mark.parametrize("name", [name for name in FIGURES if "umap" not in name])
def test_a_figure_fits_its_column_and_has_readable_letters_and_no_digest(name, column, tables):
    figure = in_print(name, column, tables)
    assert figure.get_figwidth() <= WIDTHS[column] + 1e-9
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= LETTERS[column]
    assert DIGEST[:12] not in words(figure)


def test_what_is_drawn_after_print_is_for_the_page_again(tables):
    in_print("batch_scores", "one_column", tables)
    args, options = arguments("batch_scores", *tables)
    assert f"data {DIGEST[:12]}" in words(draw("batch_scores", *args, **options))


def test_text_stays_text_and_the_digest_is_in_the_metadata_alone(tables, tmp_path):
    figure = in_print("heldout_bars", "one_column", tables)
    for suffix in ("svg", "pdf", "png"):
        save(figure, tmp_path / f"a.{suffix}", 300, f"data {DIGEST}")
    drawing = (tmp_path / "a.svg").read_text()
    assert ">HLA-DR</text>" in drawing and drawing.count(DIGEST) == 1 and f"<dc:description>data {DIGEST}" in drawing
    written = (tmp_path / "a.pdf").read_bytes()
    assert f"/Subject (data {DIGEST})".encode() in written and b"/FontFile2" in written and b"/Type3" not in written
    (box,) = re.findall(rb"/MediaBox \[ ?0 0 ([\d.]+) ", written)
    assert float(box) == pytest.approx(3.5 * 72)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width == 1050 and picture.info["Description"] == f"data {DIGEST}"
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_shrinking_keeps_the_picture():
    """Everything a figure shows in one size lies at the same share of its width in another."""
    truth, mapped = by_two_markers()
    whole, small = (draw("biaxial", truth, mapped, synthetic.metrics()) for _ in range(2))
    shrunk(small, 0.5)
    for figure in (whole, small):
        figure.canvas.draw()
    for a, b in zip(whole.axes, small.axes):
        np.testing.assert_allclose(a.get_position().bounds, b.get_position().bounds, atol=0.02)
        for x, y in zip(a.findobj(PathCollection), b.findobj(PathCollection)):
            np.testing.assert_allclose(y.get_sizes(), x.get_sizes() / 4)


def test_each_arm_is_drawn_by_its_own_median_seed():
    truth, mapped = by_two_markers()
    figure = draw("biaxial", truth, mapped, synthetic.metrics())
    titles = [axes.get_title("left") for axes in figure.axes]
    assert titles == ["day_1\nreference", "day_2\nas measured", "day_2\nMAGAN", "day_2\nMAGAN alone"]
    points = [np.sort(axes.collections[0].get_offsets()[:, 0]) for axes in figure.axes]
    np.testing.assert_allclose(points[3] - points[2], 1, atol=1e-5)
    measured = truth[truth.obs[keys.BATCH] == "day_2"].to_df(keys.PREPROCESSED)["CD0"]
    np.testing.assert_allclose(points[1], np.sort(measured), atol=1e-5)


def test_an_arm_whose_seeds_failed_says_so_where_its_cells_would_be():
    truth, mapped = by_two_markers()
    mapped["magan_alone"].layers["seed_0"] = np.full(mapped["magan"].shape, np.nan)
    figure = draw("biaxial", truth, mapped, synthetic.metrics())
    assert [text.get_text() for text in figure.axes[3].texts] == ["failed"] and not figure.axes[2].texts


def test_a_bar_is_as_long_as_the_share_of_seeds_whose_populations_stay(tables):
    metrics = tables[0].copy()
    chosen = (metrics["metric"] == "label_transfer") & (metrics["arm"] == "magan_alone")
    chosen &= metrics["seed"].astype(str).str.isdigit()
    metrics.loc[chosen, "value"] = (np.arange(chosen.sum()) < 2).astype(float)  # two seeds of all
    figure = draw("population_seeds", metrics, dataset="person_2")
    lengths = [bar.get_width() for bar in figure.axes[0].patches]
    assert lengths == [1.0, 2 / chosen.sum()]
    assert f"2 of {chosen.sum()} seeds" in words(figure)


@pytest.mark.parametrize("name", ["heldout_bars", "heldout_markers", "loss_curves"])
def test_the_key_of_a_narrow_figure_is_as_narrow(name, tables):
    figure = in_print(name, "one_column", tables)
    figure.set_dpi(300)  # at few pixels, letters are rounded to wider ones
    figure.canvas.draw()
    (legend,) = figure.legends
    assert legend.get_window_extent().width <= figure.bbox.width
