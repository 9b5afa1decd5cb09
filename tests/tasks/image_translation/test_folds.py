import numpy as np
import pytest
from anndata import AnnData

from magan import keys
from magan.errors import InputError
from magan.images.arrays import from_images, pixels
from magan.tasks.image_translation import folds as image_translation_folds
from magan.tasks.image_translation.settings import Translation

SHAPE = (1, 4, 4)


def images(words, seed=0, classes="ab", shape=SHAPE) -> AnnData:
    """Random bytes; the first two pixels tell the set and the row, so that an image is known wherever it turns up."""
    values = np.random.default_rng(seed).integers(0, 256, (len(words), *shape), dtype=np.uint8)
    values.reshape(len(words), -1)[:, :2] = np.stack([np.full(len(words), seed), np.arange(len(words))], 1)
    labels = [classes[i % len(classes)] for i in range(len(words))] if classes else None
    return from_images(values, labels, names=[f"{seed}:{i}" for i in range(len(words))], pairs=words)


def both(n=60, own_1=0, own_2=0, **changed):
    """Two sets with n things in common, in other orders, and some that only one of them has."""
    words = [f"w{i}" for i in range(n)]
    first = [*words, *[""] * own_1]
    second = [*np.random.default_rng(9).permutation(words), *[f"only{i}" for i in range(own_2)]]
    return images(first, 0, **changed), images(second, 1, **changed)


def parts_of(first, second, **changed):
    asked = {"n_test": 10, **changed}
    batch_size = asked.pop("batch_size", 8)
    settings = Translation(images_1="first", images_2="second", arms={}, **asked)
    parts = image_translation_folds.split(settings, [first, second], batch_size)
    (x1, x2), query = parts.train["images"], parts.query["images"]
    return x1, x2, query, parts.truth


def rows(x: AnnData) -> list[int]:
    return [int(row) for row in np.asarray(x.X)[:, 1]]


def things(x: AnnData, of: AnnData) -> list[str]:
    """What the images of a training domain or query show, by their own pixels."""
    return list(of.obs[keys.PAIR].iloc[rows(x)])


@pytest.mark.parametrize("n_pairs", [0, 7])
def test_a_thing_is_on_both_sides_only_if_its_pair_is_told(n_pairs):
    first, second = both(own_1=5, own_2=9)
    x1, x2, _, _ = parts_of(first, second, n_pairs=n_pairs)
    on_1, on_2 = set(things(x1, first)) - {""}, set(things(x2, second))
    assert len(on_1 & on_2) == n_pairs
    for x, of in ((x1, first), (x2, second)):
        told = x.obs[keys.PAIR] != ""
        assert told.sum() == n_pairs and set(x.obs[keys.PAIR][told]) == on_1 & on_2
        assert list(x.obs[keys.PAIR][told]) == [w for w, is_told in zip(things(x, of), told) if is_told]


def test_everything_that_is_no_test_image_is_trained_on_and_the_domains_are_of_one_size():
    first, second = both(own_1=5, own_2=9)
    x1, x2, _, _ = parts_of(first, second, n_pairs=4)
    assert x1.n_obs == x2.n_obs == 4 + (60 - 10 - 4 + 5 + 9) // 2
    assert {*things(x1, first), *things(x2, second)} >= {f"only{i}" for i in range(9)}
    x1, x2, _, _ = parts_of(*both(own_2=500))
    assert x1.n_obs == 50 and x2.n_obs == 500  # all of what both know go where there is little


def test_a_test_thing_is_in_neither_training_domain_and_its_partner_is_the_truth():
    first, second = both(own_1=5, own_2=9)
    x1, x2, query, truth = parts_of(first, second, n_pairs=4)
    asked = things(query, first)
    assert len(asked) == 10 and not set(asked) & {*things(x1, first), *things(x2, second)}
    assert list(query.obs) == [] and not query.layers
    ours = truth[truth.obs[keys.DOMAIN] == "1"]
    assert list(ours.obs_names) == list(query.obs_names) and set(ours.obs[keys.SPLIT]) == {"test"}
    np.testing.assert_array_equal(ours.X, pixels(query))
    partner = [list(second.obs[keys.PAIR]).index(word) for word in asked]
    np.testing.assert_array_equal(ours.layers[keys.TRUTH], pixels(second)[partner])
    real = truth[(truth.obs[keys.DOMAIN] == "2") & (truth.obs[keys.SPLIT] == "test")]
    np.testing.assert_array_equal(real.X, ours.layers[keys.TRUTH])


def test_the_truth_holds_the_real_training_images_of_domain_2_in_the_unit_interval():
    first, second = both()
    _, x2, _, truth = parts_of(first, second)
    real = truth[(truth.obs[keys.DOMAIN] == "2") & (truth.obs[keys.SPLIT] == "train")]
    np.testing.assert_array_equal(real.X, pixels(x2))
    assert truth.X.dtype == np.float32 and truth.X.max() <= 1 and np.isnan(real.layers[keys.TRUTH]).all()
    assert list(real.obs[keys.CELL_TYPE]) == list(x2.obs[keys.CELL_TYPE])
    assert list(truth.uns[keys.IMAGE]["shape"]) == list(SHAPE) and truth.obs_names.is_unique


def test_of_very_many_real_images_some_are_there_to_judge_by(monkeypatch):
    first, second = both(own_2=100)
    monkeypatch.setattr(image_translation_folds, "JUDGING", 30 * 16 * 4)
    _, x2, _, truth = parts_of(first, second)
    real = truth[(truth.obs[keys.DOMAIN] == "2") & (truth.obs[keys.SPLIT] == "train")]
    assert real.n_obs == 30 and x2.n_obs == 100
    assert {row.tobytes() for row in real.X} <= {row.tobytes() for row in pixels(x2)}


def test_bytes_stay_bytes_for_training():
    x1, x2, query, _ = parts_of(*both())
    assert {x.X.dtype for x in (x1, x2, query)} == {np.dtype(np.uint8)}


def test_paired_domains_are_nothing_but_pairs_row_by_row():
    first, second = both(own_1=20, own_2=20)
    x1, x2, query, _ = parts_of(first, second, paired=True)
    assert things(x1, first) == things(x2, second) == list(x1.obs[keys.PAIR]) == list(x2.obs[keys.PAIR])
    assert x1.n_obs == 50 and not set(things(x1, first)) & set(things(query, first))
    assert parts_of(first, second, paired=True, n_train=12)[0].n_obs == 12


def test_told_pairs_come_first_and_row_by_row():
    first, second = both()
    x1, x2, _, _ = parts_of(first, second, n_pairs=6, n_train=15)
    assert things(x1, first)[:6] == things(x2, second)[:6] == list(x1.obs[keys.PAIR][:6])
    assert x1.n_obs == x2.n_obs == 6 + 15


def test_sets_without_a_common_thing_are_tested_on_images_of_their_own():
    first, second = images([""] * 40, 0), images([f"x{i}" for i in range(50)], 1)
    x1, x2, query, truth = parts_of(first, second)
    assert (x1.n_obs, x2.n_obs, query.n_obs) == (30, 40, 10)
    assert not set(rows(x1)) & set(rows(query)) and np.isnan(truth.layers[keys.TRUTH]).all()
    real = truth[(truth.obs[keys.DOMAIN] == "2") & (truth.obs[keys.SPLIT] == "test")]
    trained = {row.tobytes() for row in pixels(x2)}
    assert real.n_obs == 10 and not trained & {row.tobytes() for row in real.X}
    assert set(x1.obs[keys.PAIR]) == set(x2.obs[keys.PAIR]) == {""}


def test_images_without_classes_have_none_and_the_truth_says_so():
    x1, _, _, truth = parts_of(*both(classes=""))
    assert keys.CELL_TYPE not in x1.obs and set(truth.obs[keys.CELL_TYPE]) == {""}


def test_only_the_asked_classes_are_there():
    first, second = both(classes="abc")
    x1, x2, query, truth = parts_of(first, second, classes=["a", "c"], n_test=5)
    for x in (x1, x2, truth):
        assert set(x.obs[keys.CELL_TYPE]) == {"a", "c"}
    assert set(first.obs[keys.CELL_TYPE].iloc[rows(query)]) <= {"a", "c"}


def test_size_and_channels_are_of_every_image():
    first, second = both(shape=(3, 8, 8))
    x1, x2, query, truth = parts_of(first, second, size=4, channels=1)
    for x in (x1, x2, query, truth):
        assert list(x.uns[keys.IMAGE]["shape"]) == [1, 4, 4] and x.n_vars == 16
    row = int(query.obs_names[0].split(":")[1])
    grey = (pixels(first)[row].reshape(3, 8, 8) * np.array([0.299, 0.587, 0.114])[:, None, None]).sum(axis=0)
    expected = grey.reshape(4, 2, 4, 2).mean(axis=(1, 3)).ravel()
    np.testing.assert_allclose(pixels(query)[0], expected, atol=1.01 / 255)


def test_what_an_image_shows_is_known_to_the_truth_alone():
    first, second = both()
    first.layers[keys.OBJECT] = (first.X > 99).astype(np.uint8)
    x1, _, query, truth = parts_of(first, second)
    assert not x1.layers and not query.layers
    np.testing.assert_array_equal(truth.layers[keys.OBJECT][:10], (query.X > 99).astype(np.float32))
    assert np.isnan(truth.layers[keys.OBJECT][10:]).all()


def test_the_division_is_drawn_by_its_seed():
    one, same, other = (list(parts_of(*both(), split_seed=seed)[2].obs_names) for seed in (1, 1, 2))
    assert one == same != other


def test_the_source_names_both_sets():
    first, second = both()
    for images_, name in ((first, "noto"), (second, "fx")):
        images_.uns[keys.SOURCE] = {"name": name, "files": {"a.npz": "0"}, "licence": name, "citation": name}
    assert parts_of(first, second)[3].uns[keys.SOURCE]["name"] == "noto and fx"


def test_the_one_fold_is_gathered_as_it_is():
    _, _, query, _ = parts_of(*both())
    whole = image_translation_folds.join({"images": query})
    assert list(whole.obs_names) == list(query.obs_names) and set(whole.obs[keys.FOLD]) == {"images"}


APART = images(["a"] * 40, 0), images(["b"] * 40, 1)


@pytest.mark.parametrize(
    "first, second, changed, sentence",
    [
        (
            *APART,
            {"n_pairs": 5},
            "images_1 and images_2 have no pair in common for n_pairs 5; give images of one thing",
        ),
        (*APART, {"paired": True}, "images_1 and images_2 have no pair in common for paired: true; give images"),
        (*APART, {"n_test": 40}, "images_1 has 40 images, too few for 40 test images; lower n_test"),
        (
            *APART,
            {"batch_size": 31},
            "images_1 has 30 training samples, fewer than a minibatch of 31; lower training.batch_size",
        ),
        (
            *both(20),
            {"n_test": 15, "n_pairs": 6},
            "images_1 and images_2 have 20 pairs in common, too few for n_test 15 and n_pairs 6; lower n_test",
        ),
        (
            *both(20),
            {"n_test": 20, "paired": True},
            "images_1 and images_2 have 20 pairs in common, too few for n_test",
        ),
        (*both(), {"size": 5}, "images_1 are 4 pixels wide or high, too small for size 5; lower size"),
        (*both(), {"classes": ["z"]}, "translation.classes: no cell_type is 'z'; there are a, b"),
        (
            both()[0],
            both(shape=(3, 4, 4))[1],
            {},
            "images_1 are 1 x 4 x 4 (channels x height x width) and images_2 3 x 4 x 4; state size and channels",
        ),
        (
            images(["w1", "w2", "w1"]),
            images(["w1"], 1),
            {},
            "images_1: pair 'w1' is there twice; give each pair one word",
        ),
    ],
)
def test_what_cannot_be_divided_is_refused_with_the_reason(first, second, changed, sentence):
    with pytest.raises(InputError) as error:
        parts_of(first, second, **changed)
    assert str(error.value).startswith(sentence)


def test_all_of_few_pairs_are_known_where_the_test_images_have_no_partner():
    first, second = both(n=9, own_1=40, own_2=30)
    x1, x2, query, truth = parts_of(first, second, n_pairs=9, test_on="unpaired")
    for x in (x1, x2):
        assert (x.obs[keys.PAIR] != "").sum() == 9
    assert set(things(query, first)) == {""} and len(query) == 10
    assert x1.n_obs == 9 + 40 - 10 and x2.n_obs == 9 + 30 - 10
    assert not set(query.obs_names) & set(x1.obs_names)
    assert np.isnan(truth[query.obs_names].layers[keys.TRUTH]).all()  # nobody knows the answers
    with pytest.raises(InputError, match="images_2 has 5 images without a partner, too few for 10 test images"):
        parts_of(*both(n=60, own_1=40, own_2=5), n_pairs=2, test_on="unpaired")


def test_pairs_are_drawn_in_each_class():
    first, second = both(n=60)
    x1, x2, _, _ = parts_of(first, second, pairs_per_class=5)
    told = x1.obs[x1.obs[keys.PAIR] != ""]
    assert told[keys.CELL_TYPE].value_counts().to_dict() == {"a": 5, "b": 5}
    assert list(told[keys.PAIR]) == [word for word in x2.obs[keys.PAIR] if word]
    assert len(set(things(x1, first)) & set(things(x2, second))) == 10
    with pytest.raises(InputError, match=r"class 'a' has \d+ pairs, too few for pairs_per_class 50; lower it, or take"):
        parts_of(first, second, pairs_per_class=50)
    with pytest.raises(InputError, match="have no classes for pairs_per_class"):
        parts_of(*both(classes=None), pairs_per_class=2)
    for asked in ({"n_pairs": 2, "pairs_per_class": 2}, {"paired": True, "pairs_per_class": 2}):
        with pytest.raises(ValueError, match="leave"):
            Translation(images_1="a", images_2="b", arms={}, **asked)
