import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.errors import InputError
from magan.images.arrays import rotate
from magan.tasks.folds import Folds
from magan.tasks.rotated_digits import folds as rotated_digits_folds
from magan.tasks.rotated_digits.settings import Digits

SHAPE = (1, 8, 8)
ASKED = {"classes": ["3", "7"], "degrees": 120.0, "n_pairs": 4, "n_test": 6}


def images(n: int = 150) -> AnnData:
    pixels = np.random.default_rng(0).random((n, 64)).astype(np.float32)
    obs = pd.DataFrame({keys.CELL_TYPE: np.array(["1", "3", "7"])[np.arange(n) % 3]}, index=[f"i{i}" for i in range(n)])
    return AnnData(pixels, obs=obs, uns={keys.IMAGE: {"shape": list(SHAPE)}})


def turned(x: np.ndarray) -> np.ndarray:
    return rotate(x.reshape(-1, *SHAPE), 120.0).reshape(len(x), -1)


def split(adata: AnnData, batch_size: int = 8, **changed) -> Folds:
    settings = Digits(images="digits", arms={}, **{**ASKED, **changed})
    return rotated_digits_folds.split(settings, [adata], batch_size)


def parts_of(**changed):
    parts = split(images(), **changed)
    (x1, x2), query = parts.train["digits"], parts.query["digits"]
    return x1, x2, query, parts.truth


def test_only_the_known_pairs_are_in_both_domains():
    x1, x2, _, _ = parts_of()
    for x in (x1, x2):
        assert set(x.obs_names[x.obs[keys.PAIR] != ""]) == set(x1.obs_names) & set(x2.obs_names)
        assert list(x.obs[keys.PAIR][x.obs[keys.PAIR] != ""].value_counts()) == [1] * 8
    of_pairs = x1[x1.obs[keys.PAIR] != ""].obs[keys.CELL_TYPE]
    assert of_pairs.value_counts().to_dict() == {"3": 4, "7": 4}


def test_a_pair_is_one_image_and_its_rotation():
    x1, x2, _, _ = parts_of()
    known = x1.obs_names[x1.obs[keys.PAIR] != ""]
    np.testing.assert_allclose(x2[known].X, turned(x1[known].X), atol=1e-6)
    assert not np.allclose(x2[known].X, x1[known].X)


def test_domain_1_is_upright_and_domain_2_is_turned():
    adata = images()
    x1, x2, query, _ = parts_of()
    np.testing.assert_array_equal(x1.X, adata[x1.obs_names].X)
    np.testing.assert_array_equal(query.X, adata[query.obs_names].X)
    np.testing.assert_allclose(x2.X, turned(adata[x2.obs_names].X), atol=1e-6)


def test_only_the_asked_classes_are_there():
    x1, x2, _, truth = parts_of()
    for x in (x1, x2, truth):
        assert set(x.obs[keys.CELL_TYPE]) == {"3", "7"}


def test_query_images_are_nowhere_in_training_nor_are_the_test_targets():
    x1, x2, query, truth = parts_of()
    training = set(x1.obs_names) | set(x2.obs_names)
    targets = truth[(truth.obs[keys.DOMAIN] == "2") & (truth.obs[keys.SPLIT] == "test")]
    judged = {name.removesuffix(":2") for name in targets.obs_names}
    assert len(query) == len(judged) == 12
    assert not training & set(query.obs_names) and not training & judged and not judged & set(query.obs_names)


def test_a_query_says_nothing_of_its_class():
    _, _, query, _ = parts_of()
    assert not list(query.obs) and not query.layers and tuple(query.uns[keys.IMAGE]["shape"]) == SHAPE


def test_the_truth_knows_what_a_query_image_looks_like_turned():
    _, x2, query, truth = parts_of()
    upright = truth[truth.obs[keys.DOMAIN] == "1"]
    assert list(upright.obs_names) == list(query.obs_names) and set(upright.obs[keys.SPLIT]) == {"test"}
    np.testing.assert_allclose(upright.layers[keys.TRUTH], turned(query.X), atol=1e-6)
    targets = truth[truth.obs[keys.DOMAIN] == "2"]
    assert np.isnan(targets.layers[keys.TRUTH]).all()
    training = targets[targets.obs[keys.SPLIT] == "train"]
    assert [name.removesuffix(":2") for name in training.obs_names] == list(x2.obs_names)
    np.testing.assert_array_equal(training.X, x2.X)


def test_the_training_images_of_a_class_may_be_limited():
    x1, x2, _, _ = parts_of(n_train=5)
    for x in (x1, x2):
        assert x.obs[keys.CELL_TYPE].value_counts().to_dict() == {"3": 9, "7": 9}  # 5 and 4 pairs


def test_without_pairs_the_domains_share_no_image():
    x1, x2, _, _ = parts_of(n_pairs=0)
    assert not set(x1.obs_names) & set(x2.obs_names)
    assert set(x1.obs[keys.PAIR]) == set(x2.obs[keys.PAIR]) == {""}


def test_the_division_is_drawn_by_its_seed():
    one, same, other = (list(parts_of(split_seed=seed)[2].obs_names) for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize(
    "changed, sentence",
    [
        ({"classes": ["3", "8"]}, "digits.classes: no cell_type is '8'; there are 1, 3, 7"),
        ({"n_test": 24}, "class 3 has 50 images, too few for 24 test images; lower n_test"),
        (
            {"batch_size": 43},
            "domain 1 has 42 training samples, fewer than a minibatch of 43; lower training.batch_size",
        ),
    ],
)
def test_digits_that_cannot_be_divided_are_refused_with_the_reason(changed, sentence):
    with pytest.raises(InputError) as error:
        parts_of(**changed)
    assert str(error.value) == sentence


def test_digits_kept_as_bytes_that_pair_with_other_sets_are_divided_like_any():
    adata = images()
    adata.X = (adata.X * 255).astype(np.uint8)
    adata.obs[keys.PAIR] = [f"row{i}" for i in range(adata.n_obs)]
    parts = split(adata)
    (x1, x2), (y1, y2) = parts.train["digits"], parts_of()[:2]
    for x, y in ((x1, y1), (x2, y2)):
        assert x.X.dtype == np.float32 and list(x.obs_names) == list(y.obs_names)
        assert list(x.obs[keys.PAIR]) == list(y.obs[keys.PAIR])
    np.testing.assert_array_equal(x1.X, adata[x1.obs_names].X / np.float32(255))
    assert parts.truth.X.max() <= 1 + 1e-6


def test_the_one_fold_is_gathered_as_it_is():
    _, _, query, truth = parts_of()
    query.layers["seed_0"] = query.X + 1
    whole = rotated_digits_folds.join({"digits": query})
    assert list(whole.obs_names) == list(truth.obs_names[truth.obs[keys.DOMAIN] == "1"])
    np.testing.assert_array_equal(whole.layers["seed_0"], query.X + 1)
    assert set(whole.obs[keys.FOLD]) == {"digits"}
