import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.errors import InputError
from magan.tasks.image_generation.folds import split as split_images
from magan.tasks.image_generation.settings import Generation

N = 60


def images(split: bool = False, classes: bool = True) -> AnnData:
    """Image i has the value i everywhere."""
    obs = pd.DataFrame(index=[f"i{i}" for i in range(N)])
    if classes:
        obs[keys.CELL_TYPE] = ["3", "7", "8"] * (N // 3)
    if split:
        obs[keys.SPLIT] = ["train"] * 40 + ["test"] * 20
    x = np.repeat(np.arange(N, dtype=np.float32)[:, None] / N, 4, axis=1)
    return AnnData(x, obs=obs, uns={keys.IMAGE: {"shape": [1, 2, 2]}, keys.SOURCE: {"name": "made"}})


def parts(adata: AnnData, batch_size: int = 5, **asked):
    settings = Generation(images="made", arms={}, **{"n_test": 10, **asked})
    made = split_images(settings, [adata], batch_size)
    assert list(made.train) == list(made.query) == ["images"]
    (train,) = made.train["images"]
    return train, made.query["images"], made.truth


def test_no_image_is_both_trained_on_and_asked_for():
    train, query, _ = parts(images())
    assert query.n_obs == 10 and train.n_obs == N - 10
    assert set(train.obs_names) | set(query.obs_names) == set(images().obs_names)


def test_a_split_that_the_images_come_with_is_kept():
    train, query, _ = parts(images(split=True))
    assert {int(name[1:]) for name in query.obs_names} <= set(range(40, 60)) and query.n_obs == 10
    assert {int(name[1:]) for name in train.obs_names} == set(range(40))


def test_fewer_can_be_trained_on_and_another_division_drawn():
    train, query, _ = parts(images(), n_train=12, split_seed=1)
    assert train.n_obs == 12 and not set(train.obs_names) & set(query.obs_names)
    assert set(query.obs_names) != set(parts(images())[1].obs_names)


def test_some_classes_can_be_chosen():
    for adata in parts(images(), classes=("3", "8")):
        assert set(adata.obs[keys.CELL_TYPE]) == {"3", "8"}


def test_a_model_may_know_the_images_and_their_classes_and_nothing_else():
    train, query, _ = parts(images(split=True))
    for adata in (train, query):
        assert list(adata.obs.columns) == [keys.CELL_TYPE] and not adata.layers
        assert adata.uns[keys.IMAGE]["shape"] == [1, 2, 2]
        np.testing.assert_array_equal(adata.X[:, 0], np.float32([int(name[1:]) for name in adata.obs_names]) / N)


def test_images_without_classes_have_an_empty_one():
    assert all(set(adata.obs[keys.CELL_TYPE]) == {""} for adata in parts(images(classes=False)))


def test_the_truth_holds_the_query_the_training_images_and_the_test_images_as_real_ones():
    train, query, truth = parts(images())
    asked, real = truth[truth.obs[keys.DOMAIN] == "1"], truth[truth.obs[keys.DOMAIN] == "2"]
    assert list(asked.obs_names) == list(query.obs_names) and set(asked.obs[keys.SPLIT]) == {"test"}
    np.testing.assert_array_equal(asked.layers[keys.TRUTH], query.X)
    for split, part in (("train", train), ("test", query)):
        own = real[real.obs[keys.SPLIT] == split]
        np.testing.assert_array_equal(own.X, part.X)
        assert list(own.obs[keys.CELL_TYPE]) == list(part.obs[keys.CELL_TYPE])
    assert np.isnan(real.layers[keys.TRUTH]).all() and truth.obs_names.is_unique
    assert truth.uns[keys.IMAGE]["shape"] == [1, 2, 2] and truth.uns[keys.SOURCE] == {"name": "made"}


@pytest.mark.parametrize(
    "settings, sentence",
    [
        ({"classes": ("5",)}, "generation.classes: no cell_type is '5'; there are 3, 7, 8"),
        ({"n_test": 61}, "generation: there are 60 test images, not 61; lower n_test"),
        (
            {"n_test": 58},
            "generation has 2 training samples, fewer than a minibatch of 5; lower training.batch_size",
        ),
    ],
)
def test_what_cannot_be_divided_is_refused(settings, sentence):
    with pytest.raises(InputError) as error:
        parts(images(), **settings)
    assert str(error.value) == sentence
