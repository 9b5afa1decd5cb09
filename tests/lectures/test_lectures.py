"""What holds of every experiment; a new one is covered by being in LECTURES."""

import os

import numpy as np
import pandas as pd
import pytest
from records import RECORDED, assert_recorded, described
from small_lectures import SMALL

from magan.figures import save
from magan.figures.lectures import OF_LECTURE
from magan.images.arrays import digits
from magan.lectures import LECTURES, result_table
from magan.stages.atomic_files import write_table
from magan.stages.lectures import read_points

NAMES = sorted(LECTURES)


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_gives_points_of_both_seeds_once_each(name, small_runs):
    points = small_runs[name]
    assert tuple(points.columns) == result_table.POINTS
    assert set(points["seed"].dropna()) == {0, 1}
    assert not points.duplicated(["arm", "seed", "quantity", "item", "x"]).any()
    assert points["value"].notna().all()


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_claims_something_and_is_judged(name, small_runs):
    numbers = LECTURES[name].check_claims(small_runs[name])
    assert tuple(numbers.columns) == result_table.NUMBERS
    assert set(numbers["holds"]) <= {"yes", "no", ""}
    assert (numbers["holds"] != "").any()
    assert ((numbers["claim"] != "") == (numbers["holds"] != "")).all()
    inside = numbers[numbers["low"].notna()]
    assert ((inside["low"] <= inside["mean"] + 1e-12) & (inside["mean"] <= inside["high"] + 1e-12)).all()


@pytest.fixture(scope="module")
def recorded_points(small_runs) -> dict[str, pd.DataFrame]:
    """The points of `small_runs` as they are recorded; MAGAN_RECORD=1 records them anew."""
    path = RECORDED / "lectures.tsv.gz"
    if os.environ.get("MAGAN_RECORD"):
        together = pd.concat({name: small_runs[name] for name in NAMES}, names=["lecture"]).reset_index("lecture")
        settings = {"method": "gzip", "mtime": 0}
        together.to_csv(path, sep="\t", index=False, float_format="%.5g", compression=settings)
    read = pd.read_csv(path, sep="\t", dtype={"seed": "Int64"}, keep_default_na=False, na_values={"seed": "", "x": ""})
    return {name: of.drop(columns="lecture").reset_index(drop=True) for name, of in read.groupby("lecture")}


@pytest.mark.parametrize("name", [name for name in NAMES if not LECTURES[name].of_images])
def test_an_experiment_gives_the_recorded_points(name, small_runs, recorded_points):
    """To a hundredth of a quantity's spread, a few of a hundred points excepted: processors round in their ways.

    Not for experiments on images: a classifier of a few steps names an image otherwise when a sum is rounded otherwise.
    """
    expected, found = recorded_points[name], small_runs[name]
    labels = ["arm", "seed", "quantity", "item", "x"]
    pd.testing.assert_frame_equal(found[labels], expected[labels], check_dtype=False, rtol=1e-4)
    for quantity, rows in expected[expected["quantity"] != "seconds"].groupby("quantity"):
        values = rows["value"].to_numpy()
        close = np.isclose(found.loc[rows.index, "value"], values, rtol=2e-3, atol=0.01 * values.std() + 1e-5)
        assert close.mean() > 0.96, quantity


@pytest.mark.parametrize("name", NAMES)
def test_recorded_points_are_judged_and_drawn_as_recorded_with_their_digest(name, recorded_points):
    numbers = LECTURES[name].check_claims(recorded_points[name])
    lines = described(OF_LECTURE[name].draw(recorded_points[name], numbers, digest="ab" * 16))
    table = numbers.to_csv(sep="\t", index=False, float_format="%.4g").splitlines()
    assert_recorded(f"lecture_{name}", [*table, *lines])
    assert any("data abababababab" in line for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_points_survive_a_file(name, small_runs, tmp_path):
    write_table(small_runs[name], tmp_path / "table.tsv")
    again = read_points(tmp_path / "table.tsv")
    pd.testing.assert_frame_equal(again, small_runs[name], check_dtype=False)
    pd.testing.assert_frame_equal(LECTURES[name].check_claims(again), LECTURES[name].check_claims(small_runs[name]))


def test_every_experiment_has_a_figure_and_every_figure_an_experiment():
    assert list(OF_LECTURE) == list(LECTURES)


def test_a_figure_can_be_saved_as_it_is_drawn(small_runs, tmp_path):
    name = "js_against_wasserstein"
    figure = OF_LECTURE[name].draw(small_runs[name], LECTURES[name].check_claims(small_runs[name]), digest="")
    save(figure, tmp_path / "figure.png", dpi=30)
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_seeds_of_an_experiment_on_images_alone_and_among_others_agree(small_runs):
    name = "vanishing_gradient"
    alone = LECTURES[name].run([1], digits(), **SMALL[name])
    own = small_runs[name][small_runs[name]["seed"] == 1].reset_index(drop=True)
    np.testing.assert_allclose(alone["value"], own["value"], rtol=2e-3, atol=1e-4)
