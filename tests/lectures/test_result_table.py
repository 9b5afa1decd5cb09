import numpy as np
import pandas as pd

from magan.lectures import LECTURES, result_table


def test_points_have_a_row_for_every_seed_and_place():
    rows = result_table.points(
        "height", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], seeds=[7, 9], x=[0, 1, 2], arm="a", item="b"
    )
    assert list(rows.columns) == list(result_table.POINTS)
    assert rows[["seed", "x", "value"]].to_numpy().tolist() == [
        [7, 0, 1], [7, 1, 2], [7, 2, 3], [9, 0, 4], [9, 1, 5], [9, 2, 6],
    ]  # fmt: skip
    assert set(rows["arm"]) == {"a"} and set(rows["item"]) == {"b"}


def test_what_is_not_random_has_no_seed_and_what_is_one_value_no_place():
    rows = result_table.points("limit", 3.5)
    assert rows["seed"].isna().all() and rows["x"].isna().all() and rows["value"].tolist() == [3.5]


def test_the_value_of_each_seed_comes_in_the_order_of_the_seeds_without_what_has_none():
    table = result_table.table(
        [
            result_table.points("a", [2.0, 1.0], seeds=[5, 3]),
            result_table.points("a", 9.0),
            result_table.points("b", 8.0),
        ]
    )
    assert result_table.by_seed(table, "a").tolist() == [1.0, 2.0]


def test_pictures_are_kept_pixel_by_pixel_as_levels_of_grey():
    rows = pd.concat(result_table.pictures("row", np.array([[-1.0, 0.0], [1.0, 0.5]])))
    assert rows["item"].tolist() == ["row|0", "row|0", "row|1", "row|1"]
    assert rows["value"].tolist() == [0.0, 0.5, 1.0, 0.75]


def test_a_number_is_the_mean_over_seeds_in_its_interval():
    row = result_table.number("height", np.array([1.0, 2.0, 3.0]), "at least 1", True, "a")
    assert (row["mean"], row["n_seeds"], row["holds"]) == (2.0, 3, "yes")
    assert 1.0 <= row["low"] < 2.0 < row["high"] <= 3.0


def test_one_seed_has_no_interval_and_a_number_without_claim_holds_nothing():
    row = result_table.number("height", np.array([1.0]))
    assert np.isnan(row["low"]) and np.isnan(row["high"]) and row["holds"] == "" and row["claim"] == ""


def test_every_experiment_is_named_as_its_function():
    assert all(lecture.run.__name__ == name for name, lecture in LECTURES.items())
