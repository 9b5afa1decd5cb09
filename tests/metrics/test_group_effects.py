import numpy as np
import pytest

from magan.metrics.group_effects import confounded, effect, group_effect

RNG = np.random.default_rng(3)
GROUPS = np.resize(["case", "control"], 200)
LABELS = np.repeat(["a", "b"], 100)
ORIGINAL = RNG.normal(size=(200, 3))
ORIGINAL[GROUPS == "case"] += [2, 0, -1]


def deviations(x):
    """Of the groups' means within each population from their mean, by hand."""
    found = []
    for label in "ab":
        means = [x[(label == LABELS) & (group == GROUPS)].mean(axis=0) for group in ("case", "control")]
        found += [mean - (means[0] + means[1]) / 2 for mean in means]
    return np.concatenate(found)


def test_an_effect_that_stays_is_one_and_one_turned_round_minus_one():
    centred = ORIGINAL.copy()
    for label in "ab":
        for group in ("case", "control"):
            own = (label == LABELS) & (group == GROUPS)
            centred[own] -= centred[own].mean(axis=0)
    mapped = np.stack([ORIGINAL, ORIGINAL + np.array([5, -3, 1]), -ORIGINAL, centred])
    values = group_effect(ORIGINAL, mapped, LABELS, GROUPS)
    np.testing.assert_allclose(values, [1, 1, -1, 0], atol=1e-9)


def test_an_effect_cut_to_half_equals_the_definition():
    mapped = 0.5 * ORIGINAL
    d, e = deviations(ORIGINAL), deviations(mapped)
    expected = 2 * (d @ e) / (d @ d + e @ e)
    np.testing.assert_allclose(group_effect(ORIGINAL, mapped[None], LABELS, GROUPS), expected)
    np.testing.assert_allclose(expected, 0.8)


def test_cells_without_a_group_and_groups_of_few_cells_do_not_count():
    groups = GROUPS.astype(object)
    groups[:9] = "rare"
    groups[-20:] = ""
    mapped = ORIGINAL.copy()
    mapped[:9] += 100
    mapped[-20:] -= 100
    assert group_effect(ORIGINAL, mapped[None], LABELS, groups) == 1


@pytest.mark.filterwarnings("error")
def test_without_two_groups_or_without_a_difference_it_is_nan():
    for groups in (np.full(200, "case"), np.full(200, ""), np.arange(200).astype(str)):
        assert np.isnan(group_effect(ORIGINAL, ORIGINAL[None], LABELS, groups)).all()
        assert effect(ORIGINAL, ORIGINAL, groups) is None
    flat = np.ones_like(ORIGINAL)
    assert np.isnan(group_effect(flat, flat[None], LABELS, GROUPS)).all()
    broken = np.full_like(ORIGINAL, np.nan)
    np.testing.assert_array_equal(
        np.isnan(group_effect(ORIGINAL, np.stack([ORIGINAL, broken]), LABELS, GROUPS)), [False, True]
    )


def test_the_effect_of_a_marker_is_the_difference_of_its_extreme_groups_and_keeps_its_sign():
    groups = np.resize(["x", "y", "z"], 300)
    original = np.zeros((300, 2))
    original[groups == "y", 0] = 3
    original[groups == "z", 0] = 1
    mapped = original.copy()
    mapped[groups == "y", 0] = -1  # was highest, is lowest
    mapped[groups == "z", 1] = 0.5  # an effect where there was none
    found = effect(original, mapped, groups)
    np.testing.assert_allclose(found.before, [3, 0])
    np.testing.assert_allclose(found.after[0], -1)
    np.testing.assert_allclose(found.change, [4, 0.5])
    np.testing.assert_allclose(found.error, 0)


def test_the_error_of_a_change_covers_what_chance_makes_of_it():
    draws = []
    for seed in range(300):
        random = np.random.default_rng(seed)
        groups = np.repeat(["case", "control"], 40)
        original = np.repeat([1.0, 0.0], 40)[:, None]
        found = effect(original, original + random.normal(size=(80, 1)), groups)
        draws.append((found.after - found.before) / found.error)
    assert 0.9 < np.std(draws) < 1.1


@pytest.mark.parametrize(
    ("batches", "groups"),
    [("1122", "aabb"), ("1234", "aabb"), ("1122", "abcd"), ("1122", "aabc"), ([1, 1, 2], ["a", "unknown", "b"])],
)
def test_groups_that_no_batch_links_are_confounded(batches, groups):
    told = confounded(list(batches), list(groups))
    assert told.startswith("Batch and group are confounded (group") and told.endswith(".")
    assert "batch" in told


@pytest.mark.parametrize(
    ("batches", "groups"),
    [("1122", "abab"), ("112233", "abbcca"), ("1122", "aaaa"), ("1111", "abab"), ("", "")],
)
def test_groups_that_batches_link_are_not(batches, groups):
    assert confounded(list(batches), list(groups)) == ""


def test_the_sentence_names_who_is_where():
    told = confounded(["d1", "d2", "d3"], ["healthy", "sick", "sick"])
    assert "group healthy only in batch d1; group sick only in batches d2, d3" in told
