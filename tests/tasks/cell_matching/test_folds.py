import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.datasets import registry
from magan.errors import InputError
from magan.tasks.cell_matching.folds import split
from magan.tasks.cell_matching.settings import Matching
from magan.tasks.folds import Folds


def cells(prefix: str, n: int = 60, n_features: int = 3, pairs: int = 50) -> AnnData:
    values = np.random.default_rng(len(prefix)).normal(size=(n, n_features)).astype(np.float32)
    words = [f"p{i}" if i < pairs else "" for i in range(n)]
    obs = pd.DataFrame(
        {keys.BATCH: "1", keys.SAMPLE: prefix, keys.CELL_TYPE: np.where(values[:, 0] > 0, "high", "low")},
        index=[f"{prefix}:{i}" for i in range(n)],
    )
    obs[keys.PAIR] = words
    var = pd.DataFrame(index=[f"{prefix}_{i}" for i in range(n_features)])
    return AnnData(values, obs=obs, var=var, layers={keys.PREPROCESSED: values.copy()})


ASKED = {"n_pairs": 8, "n_draws": 3, "batch_size": 10}


def matching(first: AnnData, second: AnnData, batch_size: int, **asked) -> Folds:
    return split(Matching(cells_1="rna", cells_2="atac", arms={}, **asked), [first, second], batch_size)


def test_the_told_pairs_are_pairs_and_no_other_is_in_the_files():
    first, second = cells("rna"), cells("atac", n_features=4)
    parts = matching(first, second, **ASKED)
    assert list(parts.train) == ["draw_1", "draw_2", "draw_3"]
    for x1, x2 in parts.train.values():
        told = set(x1.obs[keys.PAIR]) - {""}
        assert len(told) == 8 and told == set(x2.obs[keys.PAIR]) - {""}
        for word in told:
            np.testing.assert_array_equal(
                x2[x2.obs[keys.PAIR] == word].X, second[second.obs[keys.PAIR] == word].X
            )  # fmt: skip


def test_neither_order_nor_name_nor_population_tells_which_cells_belong_together():
    first, second = cells("rna"), cells("atac", n_features=4)
    parts = matching(first, second, **ASKED)
    x1, x2 = parts.train["draw_1"]
    assert not (x2.X == second.X).all(axis=1).sum() > 10
    assert not set(x2.obs_names) & set(second.obs_names) and not set(x2.obs_names) & set(x1.obs_names)
    for x in (x1, x2, parts.query["draw_1"]):
        assert keys.CELL_TYPE not in x.obs
    assert keys.PAIR not in parts.query["draw_1"].obs


def test_every_draw_tells_other_pairs_and_the_seed_decides_which():
    def told(seed):
        parts = matching(cells("rna"), cells("atac"), **ASKED, split_seed=seed)
        return [frozenset(x1.obs[keys.PAIR]) for x1, _ in parts.train.values()]

    assert len(set(told(0))) == 3 and told(0) == told(0) and told(0) != told(1)


def test_every_cell_is_mapped_once_a_draw_and_the_truth_knows_its_own_measurement():
    first, second = cells("rna"), cells("atac", n_features=4)
    parts = matching(first, second, **ASKED)
    names = [name for query in parts.query.values() for name in query.obs_names]
    assert len(set(names)) == len(names) == 180
    answers = parts.truth[names]
    own = second.layers[keys.PREPROCESSED]
    np.testing.assert_array_equal(answers.layers[keys.PREPROCESSED][:50], own[:50])
    assert np.isnan(answers.layers[keys.PREPROCESSED][50:60]).all()  # cells without a pair
    x1, _ = parts.train["draw_2"]
    assert list(answers.obs[keys.KNOWN_PAIR][60:120]) == list(x1.obs[keys.PAIR] != "")
    assert (parts.truth.obs[keys.DOMAIN] == "2").sum() == 60 and not parts.truth.obs[keys.KNOWN_PAIR][180:].any()


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"n_pairs": 50}, "cells_1 and cells_2 have 50 common pairs and n_pairs asks for 50 of them"),
        ({"batch_size": 61}, "cells_1 has 60 cells, fewer than a minibatch; lower training.batch_size"),
    ],
)
def test_too_little_to_train_or_score_is_refused(change, sentence):
    with pytest.raises(InputError, match=sentence):
        matching(cells("rna"), cells("atac"), **{**ASKED, **change})


def test_sets_that_cannot_be_paired_are_refused_with_the_remedy():
    twice = cells("rna")
    twice.obs.iloc[3, twice.obs.columns.get_loc(keys.PAIR)] = "p5"
    with pytest.raises(InputError, match="cells_1: pair 'p5' is there twice"):
        matching(twice, cells("atac"), **ASKED)
    without = cells("atac")
    del without.obs[keys.PAIR]
    with pytest.raises(InputError, match="cells_2 has no obs column 'pair'"):
        matching(cells("rna"), without, **ASKED)
    with pytest.raises(InputError, match="feature 'rna_0' is in both"):
        matching(cells("rna"), cells("rna"), **ASKED)


def test_snare_is_one_set_of_cells_twice(mirror, tmp_path):
    rna, atac = (registry.load(f"snare_{name}", mirror=mirror, cache=tmp_path) for name in ("rna", "atac"))
    assert rna.shape == (1047, 10) and atac.shape == (1047, 19)
    assert list(rna.obs[keys.PAIR]) == list(atac.obs[keys.PAIR])
    assert rna.obs[keys.CELL_TYPE].value_counts().to_dict() == {"H1": 379, "GM": 324, "BJ": 201, "K562": 143}
    np.testing.assert_allclose(np.linalg.norm(atac.layers[keys.PREPROCESSED], axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(rna.X[0, 0], np.load(mirror / "snare" / "SNAREseq_rna_feat.npy")[0, 0], rtol=1e-6)
