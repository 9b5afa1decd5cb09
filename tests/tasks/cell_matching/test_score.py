import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.tasks.cell_matching import score as cell_matching_score

LINE = np.arange(8.0)[:, None]


def cells(n: int = 200, n_features: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, n_features))


def test_a_perfect_map_leaves_no_sample_closer_and_a_random_one_half_of_them():
    own = cells(400)
    random = np.random.default_rng(1).permutation(own)
    perfect, chance = cell_matching_score.foscttm(np.stack([own, random]), own)
    assert perfect == 0 and chance == pytest.approx(0.5, abs=0.04)


def test_a_constant_map_is_chance_in_foscttm():
    own = cells(50)
    assert cell_matching_score.foscttm(np.zeros((1, 50, 3)), own)[0] == pytest.approx(0.5, abs=1e-12)
    assert cell_matching_score.foscttm(np.tile(own.mean(0), (1, 50, 1)), own)[0] == pytest.approx(0.5, abs=1e-12)


def test_foscttm_of_a_swap_is_counted_by_hand():
    mapped = LINE.copy()
    mapped[[0, 1]] = mapped[[1, 0]]
    # Cell 0 lies on 1, nearer than its own at distance 1, and 2 is as near as its own; cell 1 lies on 0 alone.
    there = [1.5 / 7, 1 / 7]
    assert cell_matching_score.foscttm(mapped[None], LINE)[0] == pytest.approx(2 * sum(there) / 8 / 2)


def test_foscttm_equals_counting_cell_by_cell():
    own, mapped = cells(30), cells(30, seed=1)
    shares = []
    for i in range(30):
        for a, b in ((mapped[i], own), (own[i], mapped)):
            distance = np.sqrt(((a - b) ** 2).sum(axis=1))
            shares.append((distance < distance[i]).sum() / 29)
    assert cell_matching_score.foscttm(mapped[None], own)[0] == pytest.approx(np.mean(shares))


def test_scores_do_not_change_when_the_space_is_turned():
    own, mapped = cells(60), cells(60) + 0.5 * cells(60, seed=3)
    turn = np.linalg.qr(cells(3, 3, seed=5))[0]
    for score in (cell_matching_score.foscttm, cell_matching_score.matched):
        assert score(mapped[None], own)[0] == pytest.approx(score((mapped @ turn)[None], own @ turn)[0])


def test_matched_is_one_for_the_truth_and_ten_in_n_by_chance():
    own = cells(500)
    random = np.random.default_rng(2).permutation(own)
    perfect, chance, constant = cell_matching_score.matched(np.stack([own, random, np.zeros_like(own)]), own)
    assert perfect == 1 and chance == pytest.approx(10 / 500, abs=0.02) and constant == pytest.approx(10 / 500)


def test_label_accuracy_takes_the_vote_of_the_five_nearest():
    target = np.array([[0.0], [0.1], [0.2], [0.3], [0.4], [9.0], [9.1], [9.2], [9.3], [9.4]])
    labels = np.repeat(["a", "b"], 5)
    mapped = np.array([[0.2], [9.2], [9.2]])
    assert cell_matching_score.label_accuracy(mapped[None], np.array(["a", "b", "a"]), target, labels)[
        0
    ] == pytest.approx(2 / 3)
    assert cell_matching_score.label_accuracy(mapped[None], np.array(["a", "", "a"]), target, labels)[0] == 0.5
    assert np.isnan(cell_matching_score.label_accuracy(mapped[None], np.array(["", "", ""]), target, labels)[0])


def test_a_map_with_a_nan_has_no_score():
    own = cells(20)
    broken = own.copy()
    broken[3, 1] = np.nan
    labels = np.repeat(["a", "b"], 10)
    assert np.isnan(cell_matching_score.foscttm(broken[None], own)[0]) and np.isnan(
        cell_matching_score.matched(broken[None], own)[0]
    )
    assert np.isnan(cell_matching_score.label_accuracy(broken[None], labels, own, labels)[0])


@pytest.fixture
def truth():
    """Two draws of 40 cells, other ones told in each, and the 40 real cells."""
    own = np.concatenate([cells(20) - 4, cells(20, seed=1) + 4]).astype(np.float32)
    labels = np.repeat(["low", "high"], 20)
    parts = [("draw_1", range(3)), ("draw_2", range(20, 23)), ("", ())]
    obs = pd.DataFrame(
        {
            keys.DOMAIN: np.repeat(["1", "1", "2"], 40),
            keys.FOLD: np.repeat([fold for fold, _ in parts], 40),
            keys.KNOWN_PAIR: [i in told for _, told in parts for i in range(40)],
            keys.CELL_TYPE: np.tile(labels, 3),
        },
        index=[f"{fold}:{i}" for fold, _ in parts for i in range(40)],
    )
    values = np.tile(own, (3, 1))
    x = AnnData(values, obs=obs, layers={keys.PREPROCESSED: values})
    x.uns[keys.DATASET] = "made"
    return x


@pytest.fixture
def mapped(truth):
    """Seed 0 is right in the first draw and turned about in the second; seed 1 is right in both."""
    x = truth[truth.obs[keys.DOMAIN] == "1"].copy()
    x.layers.clear()
    x.obs = x.obs[[keys.FOLD]]
    x.layers["seed_0"], x.layers["seed_1"] = x.X.copy(), x.X.copy()
    x.layers["seed_0"][40:] *= -1
    x.layers["consensus"] = (x.layers["seed_0"] + x.layers["seed_1"]) / 2
    x.uns |= {"task": "matching", "dataset": "made", "method": "magan", "arm": "magan", "error": ""}
    x.uns |= {"seeds": np.array([0, 1]), "failed": np.array([], dtype=int)}
    return x


def test_draws_are_groups_and_all_is_their_mean(truth, mapped):
    table = cell_matching_score.score(truth, mapped)
    values = table.set_index(["metric", "group", "seed"])["value"]
    assert set(table["group"]) == {"all", "draw_1", "draw_2"}
    assert values["foscttm", "draw_1", 0] == 0 < 0.5 < values["foscttm", "draw_2", 0]
    for metric in ("foscttm", "matched", "label_accuracy"):
        parts = [values[metric, draw, 0] for draw in ("draw_1", "draw_2")]
        assert values[metric, "all", 0] == pytest.approx(np.mean(parts))
    assert values["label_accuracy", "all", 1] == 1 and values["label_accuracy", "draw_2", 0] == 0


def test_cells_whose_pair_was_told_do_not_count(truth, mapped):
    changed = mapped.copy()
    told = truth.obs.loc[mapped.obs_names, keys.KNOWN_PAIR].to_numpy()
    for layer in changed.layers:
        changed.layers[layer][told] = 99.0
    pd.testing.assert_frame_equal(cell_matching_score.score(truth, mapped), cell_matching_score.score(truth, changed))


def test_cells_without_a_pair_count_for_labels_alone(truth, mapped):
    rows = (truth.obs[keys.DOMAIN] == "1") & (truth.obs_names.str.endswith(":10"))
    truth.layers[keys.PREPROCESSED][rows.to_numpy()] = np.nan
    changed = mapped.copy()
    changed.layers["seed_1"][(mapped.obs_names.str.endswith(":10"))] = 4.0
    values = cell_matching_score.score(truth, changed).set_index(["metric", "group", "seed"])["value"]
    assert values["foscttm", "all", 1] == 0 and values["label_accuracy", "all", 1] == pytest.approx(36 / 37)


def test_no_cell_votes_for_its_own_label_in_the_floor(truth):
    """Of six cells that lie close, each has two of its label and three of the second label as its five neighbours.

    A cell that also voted for itself would win: its farthest neighbour, of the second label, would lose its vote.
    """
    real = truth[truth.obs[keys.DOMAIN] == "2"][:12].copy()
    place = np.array([0.0, 0.1, 0.2, 1.0, 1.1, 1.2])
    real.layers[keys.PREPROCESSED] = np.concatenate([place, place + 100])[:, None] * np.float32([1, 0, 0])
    real.obs[keys.CELL_TYPE] = ["a", "a", "a", "b", "b", "b"] * 2
    assert cell_matching_score.floor(real)["value"].item() == 0


def test_the_floor_is_how_well_real_cells_tell_each_others_labels(truth):
    table = cell_matching_score.floor(truth)
    assert list(table["metric"]) == ["label_accuracy"] and table["value"].item() == 1
    truth.obs[keys.CELL_TYPE] = ""
    assert cell_matching_score.floor(truth).empty
