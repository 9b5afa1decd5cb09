import numpy as np
import pytest
from anndata import AnnData

from magan import keys
from magan.errors import InputError
from magan.metrics import tidy
from magan.tasks.registry import TASKS


def mapped(seeds=(4, 2), failed=(), error="", layers=None):
    x = AnnData(np.zeros((3, 2), dtype=np.float32))
    for name in [f"seed_{s}" for s in seeds if s not in failed] + ["consensus"] if layers is None else layers:
        x.layers[name] = np.full((3, 2), float(name[5:]) if name.startswith("seed_") else -1.0)
    x.uns |= {"task": "batch", "dataset": "d", "method": "magan", "arm": "alone", "error": error}
    x.uns |= {"seeds": np.array(seeds, dtype=int), "failed": np.array(failed, dtype=int)}
    return x


def test_maps_are_the_surviving_seeds_in_their_order_then_the_consensus():
    seeds, values = tidy.maps(mapped(seeds=(4, 2, 7), failed=(2,)))
    assert seeds == (4, 7, "consensus")
    np.testing.assert_array_equal(values[:, 0, 0], [4, 7, -1])


def test_a_baseline_is_one_map_without_a_seed():
    seeds, values = tidy.maps(mapped(seeds=(), layers=["baseline"]))
    assert seeds == ("",) and values.shape == (1, 3, 2)


def test_nothing_is_left_of_a_method_that_failed():
    assert tidy.maps(mapped(seeds=(0, 1), failed=(0, 1))).values.shape == (0, 3, 2)
    assert tidy.maps(mapped(seeds=(0, 1), error="it diverged", layers=[])).seeds == ()


def test_a_seed_that_left_neither_a_map_nor_a_failure_is_refused():
    with pytest.raises(InputError, match="layer 'seed_2' is missing though seed 2 did not fail"):
        tidy.maps(mapped(layers=["seed_4", "consensus"]))


@pytest.mark.parametrize("task", TASKS)
def test_a_method_that_failed_wholly_has_one_failed_row_per_seed(task):
    table = TASKS[task].score(AnnData(), mapped(seeds=(0, 1), error="it diverged", layers=[]))
    assert list(table.columns) == list(keys.METRICS)
    assert list(table["seed"]) == [0, 1] and set(table["metric"]) == {"failed"} and set(table["value"]) == {1}


def test_a_baseline_that_failed_has_one_row_and_one_that_did_not_has_none():
    table = tidy.failures(mapped(seeds=(), error="no shared marker", layers=[]))
    assert table[["seed", "value"]].to_numpy().tolist() == [["", 1]]
    assert not len(tidy.failures(mapped(seeds=(), layers=["baseline"])))


@pytest.mark.filterwarnings("error")
def test_the_mean_over_features_leaves_out_what_is_undefined():
    table = tidy.rows(mapped().uns, [0, 1], "emd", np.array([[1, np.nan], [np.nan, np.nan]]), "all", ["CD4", "CD8"])
    means = table[table["feature"] == keys.ALL]["value"]
    np.testing.assert_array_equal(means, [1, np.nan])
    assert list(table["feature"]) == ["CD4", "CD8", "all"] * 2 and list(table["seed"]) == [0, 0, 0, 1, 1, 1]


def test_truth_is_brought_into_the_order_of_the_map_and_a_stranger_is_refused():
    truth = AnnData(np.arange(12.0).reshape(4, 3))
    part = truth[["3", "1"], ["2", "0"]].copy()
    np.testing.assert_array_equal(tidy.same_rows(truth, part).X, part.X)
    part.obs_names = ["3", "9"]
    with pytest.raises(InputError, match="mapped row '9' is not in the truth"):
        tidy.same_rows(truth, part)


def test_every_task_has_a_score_and_a_floor():
    assert all(callable(task.score) and callable(task.floor) for task in TASKS.values())
