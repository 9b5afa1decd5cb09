import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.errors import InputError
from magan.tasks import folds
from magan.tasks.batch_correction import folds as batches
from magan.tasks.batch_correction.settings import BatchAlignment
from magan.tasks.heldout_markers import folds as panels
from magan.tasks.heldout_markers.settings import HeldOut

MARKERS = ["CD3", "CD4", "CD8", "CD19", "CD45RA", "CD56", "DNA1"]
N = 240


SPLIT = {"train": {"sample": "first"}, "test": {"sample": "second"}}


def cells(n: int = N) -> AnnData:
    """T and B cells of two donors in three batches, two samples each."""
    draw, index = np.random.default_rng(0), np.arange(n)
    values = draw.normal(2, 1, (n, len(MARKERS))).astype(np.float32)
    obs = pd.DataFrame(
        {
            keys.BATCH: np.array(["a", "b", "c"])[index % 3],
            keys.SAMPLE: np.array(["first", "second"])[index % 2],
            keys.DONOR: np.array(["d1", "d2"])[index // 2 % 2],
            keys.CELL_TYPE: np.array(["T", "B"])[index // 4 % 2],
        },
        index=[f"cell_{i}" for i in index],
    )
    var = pd.DataFrame({keys.MARKER_TYPE: ["lineage"] * 6 + ["technical"]}, index=MARKERS)
    var[keys.TO_CORRECT] = var[keys.MARKER_TYPE] != "technical"
    adata = AnnData(np.sinh(values) * 5, obs=obs, var=var, uns={"cytof": {"cofactor": 5.0}})
    adata.layers[keys.PREPROCESSED] = values
    return adata


def heldout(adata: AnnData, batch_size: int, **asked) -> folds.Folds:
    return panels.split(HeldOut(cells="cells", arms={}, **asked), [adata], batch_size)


def batch(adata: AnnData, batch_size: int, **asked) -> folds.Folds:
    return batches.split(BatchAlignment(cells="cells", **asked), [adata], batch_size)


def names(*parts: AnnData) -> set[str]:
    return {name for part in parts for name in part.obs_names}


def message(function, *args, **options) -> str:
    with pytest.raises(InputError) as error:
        function(*args, **options)
    return str(error.value)


def test_where_keeps_the_cells_that_hold_every_wanted_value():
    kept = folds.select_cells(cells(), {"batch": ["a", "c"], "donor": "d1"}, "heldout")
    assert set(kept.obs["batch"]) == {"a", "c"} and set(kept.obs["donor"]) == {"d1"}
    expected = [i for i in range(N) if i % 3 != 1 and i // 2 % 2 == 0]
    assert list(kept.obs_names) == [f"cell_{i}" for i in expected]


def test_where_without_conditions_keeps_all():
    assert folds.select_cells(cells(), {}, "heldout").n_obs == N


def test_where_names_what_is_unknown_and_what_there_is():
    adata = cells()
    assert message(folds.select_cells, adata, {"bacth": "a"}, "heldout.where") == (
        "heldout.where: no obs column 'bacth'; there are batch, sample, donor, cell_type"
    )
    assert message(folds.select_cells, adata, {"batch": ["a", "x"]}, "heldout.where") == (
        "heldout.where: no batch is 'x'; there are a, b, c"
    )
    adata = adata[(adata.obs["batch"] != "a") | (adata.obs["donor"] != "d1")]
    assert message(folds.select_cells, adata, {"batch": "a", "donor": "d1"}, "heldout.where") == (
        "heldout.where: no cell has all of {'batch': 'a', 'donor': 'd1'}; widen the choice"
    )


PANELS = {"shared": ["CD3", "CD4", "CD8"], "only_1": ["CD19"], "only_2": ["CD45RA", "CD56"], "batch_size": 16}


def test_a_marker_held_out_is_absent_from_what_panel_1_reads_and_present_in_panel_2():
    parts = heldout(cells(), **PANELS)
    assert list(parts.train) == list(parts.query) == ["CD3", "CD4", "CD8"]
    for marker, (x1, x2) in parts.train.items():
        known = [m for m in ["CD3", "CD4", "CD8", "CD19"] if m != marker]
        assert list(x1.var_names) == list(parts.query[marker].var_names) == known
        assert list(x2.var_names) == ["CD3", "CD4", "CD8", "CD45RA", "CD56"]


def test_no_test_cell_is_among_training_cells_and_the_panels_share_none():
    parts = heldout(cells(), **PANELS)
    (first,) = {frozenset(names(x1)) for x1, _ in parts.train.values()}
    (second,) = {frozenset(names(x2)) for _, x2 in parts.train.values()}
    (test,) = {frozenset(names(query)) for query in parts.query.values()}
    assert not first & second and not test & (first | second)
    assert len(first | second | test) == N
    assert len(test) == 0.2 * N and len(first) == len(second)


def test_the_truth_is_the_held_out_markers_of_the_test_cells_as_measured():
    adata = cells()
    parts = heldout(adata, **{**PANELS, "hold_out": ["CD8", "CD3"]})
    assert list(parts.truth.var_names) == ["CD8", "CD3"] and list(parts.train) == ["CD8", "CD3"]
    assert list(parts.truth.obs_names) == list(parts.query["CD3"].obs_names)
    expected = adata[parts.truth.obs_names, ["CD8", "CD3"]].layers[keys.PREPROCESSED]
    np.testing.assert_array_equal(parts.truth.layers[keys.PREPROCESSED], expected)


def test_the_truth_of_panel_1_is_kept_for_the_ceiling_alone():
    adata = cells()
    parts = heldout(adata, **PANELS)
    first, known = parts.train["CD4"][0].obs_names, ["CD3", "CD4", "CD8", "CD19"]
    paired = parts.truth.uns[keys.PAIRED]
    assert list(paired["markers"]) == known
    np.testing.assert_array_equal(paired["train"], adata[first, known].layers[keys.PREPROCESSED])
    np.testing.assert_array_equal(paired["query"], adata[parts.truth.obs_names, known].layers[keys.PREPROCESSED])
    readable = [x for pair in parts.train.values() for x in pair] + list(parts.query.values())
    assert not any(keys.PAIRED in x.uns for x in readable)


def test_values_of_a_cell_stay_its_own():
    adata = cells()
    parts = heldout(adata, **PANELS)
    for x in (*parts.train["CD4"], parts.query["CD4"]):
        same = adata[x.obs_names, x.var_names]
        np.testing.assert_array_equal(x.layers[keys.PREPROCESSED], same.layers[keys.PREPROCESSED])
        np.testing.assert_array_equal(x.X, same.X)


def test_a_query_says_nothing_of_populations_or_truth():
    wiped = batches.wipe(cells(), marker="CD45RA", populations=["T", "B"])
    every = [
        *heldout(cells(), **PANELS).query.values(),
        *batch(wiped, reference="intact", batch_size=8).query.values(),
    ]
    for query in every:
        assert set(query.obs) <= {keys.BATCH, keys.SAMPLE}
        assert set(query.layers) == {keys.PREPROCESSED} and not query.obsm


def test_the_division_is_drawn_by_its_seed():
    one, same, other = (heldout(cells(), **PANELS, split_seed=seed).truth for seed in (1, 1, 2))
    assert list(one.obs_names) == list(same.obs_names) != list(other.obs_names)


def test_fewer_cells_may_be_asked_for():
    parts = heldout(cells(), **PANELS, n_cells=100, test_fraction=0.3)
    sizes = [x.n_obs for x in (*parts.train["CD3"], parts.query["CD3"])]
    assert sizes == [35, 35, 30]


@pytest.mark.parametrize(
    "changed, sentence",
    [
        ({"hold_out": ["CD19"]}, "held-out marker 'CD19' is not shared; shared are CD3, CD4, CD8"),
        ({"only_1": ["CD4"]}, "marker 'CD4' is listed twice among shared, only_1 and only_2; list it once"),
        ({"only_2": ["CD56", "CD56"]}, "marker 'CD56' is listed twice among shared, only_1 and only_2; list it once"),
        ({"only_1": ["CD45RO"]}, "marker 'CD45RO' is not in the data (did you mean 'CD45RA'?)"),
        (
            {"only_1": ["zzz"]},
            "marker 'zzz' is not in the data; there are CD3, CD4, CD8, CD19, CD45RA, CD56, DNA1",
        ),
        (
            {"batch_size": 97},
            "panel 1 has 96 training samples, fewer than a minibatch of 97; lower training.batch_size",
        ),
    ],
)
def test_panels_that_cannot_be_are_refused_with_the_reason(changed, sentence):
    assert message(heldout, cells(), **{**PANELS, **changed}) == sentence


def test_a_marker_that_never_varies_is_refused_before_training():
    adata = cells()
    adata.layers[keys.PREPROCESSED][:, MARKERS.index("CD4")] = 1
    assert message(heldout, adata, **PANELS).startswith("panel 1: marker 'CD4' has the same value in 96 of 96 cells")


def test_every_other_batch_is_aligned_to_the_reference():
    parts = batch(cells(), reference="b", batch_size=8)
    assert list(parts.train) == list(parts.query) == ["a", "c"]
    for name, (x1, x2) in parts.train.items():
        assert set(x1.obs[keys.BATCH]) == {name} and set(x2.obs[keys.BATCH]) == {"b"}
        assert set(parts.query[name].obs[keys.BATCH]) == {name}
    assert parts.truth.uns[keys.REFERENCE] == "b"


def test_markers_default_to_those_to_be_corrected_and_may_be_chosen():
    (x1, x2) = batch(cells(), reference="b", batch_size=8).train["a"]
    assert list(x1.var_names) == list(x2.var_names) == MARKERS[:-1]
    chosen = batch(cells(), reference="b", markers=["CD8", "CD3"], batch_size=8)
    assert list(chosen.query["a"].var_names) == list(chosen.truth.var_names) == ["CD8", "CD3"]


@pytest.mark.parametrize("how", [{}, SPLIT])
def test_training_and_test_cells_of_batches_are_disjoint(how):
    parts = batch(cells(), reference="b", batch_size=8, **how)
    training = names(*(x for pair in parts.train.values() for x in pair))
    testing = names(*parts.query.values())
    assert not training & testing and not training & names(parts.truth)
    assert testing < names(parts.truth)
    assert len(training) + parts.truth.n_obs == N
    if how:
        assert {int(name[5:]) % 2 for name in training} == {0}
        assert set(parts.truth.obs[keys.SAMPLE]) == {"second"}


@pytest.mark.parametrize("named", ["train", "test"])
def test_where_training_or_test_cells_alone_are_named_the_others_are_all_the_rest(named):
    both = batch(cells(), reference="b", batch_size=8, **SPLIT)
    one = batch(cells(), reference="b", batch_size=8, **{named: SPLIT[named]})
    assert names(one.truth) == names(both.truth)
    assert names(*one.train["a"]) == names(*both.train["a"])


def test_the_truth_of_batches_holds_queries_and_held_out_reference_cells_as_measured():
    adata = cells()
    parts = batch(adata, reference="b", batch_size=8)
    of_reference = parts.truth[parts.truth.obs[keys.BATCH] == "b"]
    assert of_reference.n_obs and not names(of_reference) & names(*(x2 for _, x2 in parts.train.values()))
    same = adata[parts.truth.obs_names, parts.truth.var_names].layers[keys.PREPROCESSED]
    np.testing.assert_array_equal(parts.truth.layers[keys.PREPROCESSED], same)


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"reference": "a", "biaxial": ("CD3", "CD45R")}, "marker 'CD45R' is not in the data (did you mean 'CD45RA'?)"),
        ({"reference": "x"}, "reference batch 'x' is not in the data; batches are a, b, c, or give median"),
        (
            {"reference": "a", "batch_size": 500},
            "batch 'a' has 60 training samples, fewer than a minibatch of 500; lower training.batch_size",
        ),
        (
            {"reference": "a", "test_fraction": 1e-9},
            "batch 'a' has no test cell; widen batch.test or raise test_fraction",
        ),
        (
            {"reference": "a", "markers": ["CD5"]},
            "marker 'CD5' is not in the data; there are CD3, CD4, CD8, CD19, CD45RA, CD56, DNA1",
        ),
        (
            {"reference": "a", "train": {"sample": "first"}, "test": {"donor": "d1"}},
            "batch: 60 cells are in both train and test; make the two disjoint",
        ),
        (
            {"reference": "a", "train": {"sampel": "first"}},
            "batch.train: no obs column 'sampel'; there are batch, sample, donor, cell_type",
        ),
        (
            {"reference": "a", "train": {"sample": "first"}, "test": {"sample": "third"}},
            "batch.test: no sample is 'third'; there are first, second",
        ),
    ],
)
def test_batches_that_cannot_be_aligned_are_refused_with_the_reason(options, sentence):
    assert message(batch, cells(), **{"batch_size": 8, **options}) == sentence


@pytest.mark.parametrize("shifts, middle", [((0, 1, 5), "b"), ((1, 0, 5), "a"), ((5, 0, 1), "c")])
def test_the_median_batch_is_the_one_in_the_middle_and_the_truth_names_it(shifts, middle):
    adata = cells()
    for name, shift in zip("abc", shifts):
        adata.layers[keys.PREPROCESSED][adata.obs[keys.BATCH] == name] += shift
    parts = batch(adata, reference="median", batch_size=8)
    assert parts.truth.uns[keys.REFERENCE] == middle
    assert set(parts.train) == set("abc") - {middle}


def test_the_median_is_judged_by_training_cells_alone():
    adata = cells()
    seen = (adata.obs[keys.SAMPLE] == "first").to_numpy()
    for name, shift in zip("abc", (0, 1, 5)):
        own = (adata.obs[keys.BATCH] == name).to_numpy()
        adata.layers[keys.PREPROCESSED][own & seen] += shift
        adata.layers[keys.PREPROCESSED][own & ~seen] -= 10 * shift**2 if name == "b" else 0
    assert batch(adata, reference="median", batch_size=8, **SPLIT).truth.uns[keys.REFERENCE] == "b"


def test_a_batch_that_is_called_median_is_taken_by_its_name():
    adata = cells()
    adata.obs[keys.BATCH] = adata.obs[keys.BATCH].replace({"c": "median"})
    adata.layers[keys.PREPROCESSED][adata.obs[keys.BATCH] == "median"] += 9
    assert batch(adata, reference="median", batch_size=8).truth.uns[keys.REFERENCE] == "median"


def test_a_control_has_one_name_in_every_batch_and_samples_keep_theirs():
    adata = cells()
    adata.obs[keys.SAMPLE] = adata.obs[keys.BATCH].astype(str) + "_" + adata.obs[keys.SAMPLE].astype(str)
    before, donors = set(adata.obs[keys.SAMPLE]), adata.obs.pop(keys.DONOR)

    def of_training(parts: folds.Folds) -> set[str]:
        assert set(parts.truth.obs[keys.SAMPLE]) == before
        return {name for pair in parts.train.values() for x in pair for name in x.obs[keys.SAMPLE]}

    adata.obs[keys.IS_CONTROL] = True
    assert of_training(batch(adata, reference="a", batch_size=8)) == {"control"}
    adata.obs[keys.DONOR] = donors
    assert of_training(batch(adata, reference="a", batch_size=8)) == set(donors)
    adata.obs[keys.IS_CONTROL] = adata.obs[keys.SAMPLE] != "a_first"  # not all training cells are of controls
    assert of_training(batch(adata, reference="a", batch_size=8)) == before


def test_no_more_training_cells_of_a_batch_are_drawn_than_asked_for_and_test_cells_stay():
    whole, few = (batch(cells(), reference="a", batch_size=8, n_train=n) for n in (20_000, 20))
    again, other = (batch(cells(), reference="a", batch_size=8, n_train=20, split_seed=s).train["b"] for s in (0, 1))
    assert [x.n_obs for pair in few.train.values() for x in pair] == [20] * 4
    assert all(names(x) < names(y) for a, b in zip(few.train.values(), whole.train.values()) for x, y in zip(a, b))
    assert list(few.truth.obs_names) == list(whole.truth.obs_names)
    assert names(*few.train["b"]) == names(*again) != names(*other)


def test_one_batch_alone_has_nothing_to_align():
    adata = cells()
    assert message(batch, adata[adata.obs["batch"] == "a"].copy(), reference="a", batch_size=8) == (
        "there is one batch, 'a', and nothing to align; give at least two"
    )


def test_wiping_zeroes_the_marker_in_the_wiped_half_alone_and_keeps_the_truth():
    adata = cells()
    wiped = batches.wipe(adata, marker="CD45RA", populations=["T"])
    assert set(wiped.obs[keys.CELL_TYPE]) == {"T"} and set(wiped.obs[keys.BATCH]) == {"wiped", "intact"}
    before, column = adata[wiped.obs_names], MARKERS.index("CD45RA")
    zeroed = (wiped.obs[keys.BATCH] == "wiped").to_numpy()
    assert 0.3 < zeroed.mean() < 0.7
    for got, had in ((wiped.X, before.X), (wiped.layers[keys.PREPROCESSED], before.layers[keys.PREPROCESSED])):
        expected = np.array(had)
        expected[zeroed, column] = 0
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(wiped.layers[keys.TRUTH], before.layers[keys.PREPROCESSED])


def test_wiping_leaves_the_given_cells_alone():
    adata = cells()
    batches.wipe(adata, marker="CD45RA", populations=["T"])
    np.testing.assert_array_equal(adata.layers[keys.PREPROCESSED], cells().layers[keys.PREPROCESSED])
    assert set(adata.obs[keys.BATCH]) == {"a", "b", "c"}


def test_test_cells_of_a_dropout_come_from_both_batches_alike():
    """The draws of the wiped cells and of the test cells, by one seed, must not be one draw."""
    wiped = batches.wipe(cells(), marker="CD45RA", populations=["T", "B"], seed=3)
    truth = batch(wiped, reference="intact", batch_size=8, split_seed=3).truth
    assert 0.3 < (truth.obs[keys.BATCH] == "wiped").mean() < 0.7


def test_the_truth_of_a_dropout_reaches_evaluation_and_nothing_else():
    parts = batch(batches.wipe(cells(), marker="CD45RA", populations=["T", "B"]), reference="intact", batch_size=8)
    assert keys.TRUTH in parts.truth.layers
    for x in (*parts.train["wiped"], parts.query["wiped"]):
        assert keys.TRUTH not in x.layers
    assert not parts.query["wiped"][:, "CD45RA"].X.any()


def test_an_unknown_marker_or_population_cannot_be_wiped():
    assert message(batches.wipe, cells(), marker="CD45R", populations=["T"]) == (
        "marker 'CD45R' is not in the data (did you mean 'CD45RA'?)"
    )
    assert message(batches.wipe, cells(), marker="CD45RA", populations=["NK"]) == (
        "wipe: no cell_type is 'NK'; there are B, T"
    )


def mapped(x: AnnData, columns: list[str], value: float) -> AnnData:
    adata = AnnData(np.full((x.n_obs, len(columns)), value, np.float32), obs=x.obs.copy())
    adata.var_names = columns
    adata.layers["seed_0"] = adata.X + 0.5
    return adata


def test_held_out_markers_are_gathered_column_by_column_each_from_its_own_fold():
    parts = heldout(cells(), **PANELS)
    panel_2 = ["CD3", "CD4", "CD8", "CD45RA", "CD56"]
    whole = panels.join({m: mapped(x, panel_2, i) for i, (m, x) in enumerate(parts.query.items())})
    assert list(whole.var_names) == list(parts.truth.var_names) and list(whole.obs_names) == list(parts.truth.obs_names)
    np.testing.assert_array_equal(whole.X, np.tile([0, 1, 2], (parts.truth.n_obs, 1)))
    np.testing.assert_array_equal(whole.layers["seed_0"], whole.X + 0.5)


def test_batches_are_gathered_one_after_another_with_their_fold():
    parts = batch(cells(), reference="b", batch_size=8)
    whole = batches.join({name: mapped(x, MARKERS[:-1], i) for i, (name, x) in enumerate(parts.query.items())})
    assert list(whole.obs_names) == [name for x in parts.query.values() for name in x.obs_names]
    assert names(whole) < names(parts.truth) and list(whole.var_names) == MARKERS[:-1]
    assert list(whole.obs[keys.FOLD]) == list(whole.obs[keys.BATCH])
    np.testing.assert_array_equal(whole.layers["seed_0"][:, 0], np.where(whole.obs[keys.FOLD] == "a", 0.5, 1.5))


def test_the_truth_of_images_tells_real_images_of_the_target_from_queries_by_name():
    def images(names: str, level: float) -> AnnData:
        obs = pd.DataFrame({keys.CELL_TYPE: list(names), "secret": 1}, index=list(names))
        return AnnData(np.full((len(names), 4), level, np.float32), obs=obs)

    truth = folds.image_truth(images("ab", 0.1), images("ab", 0.2), images("ac", 0.3), images("b", 0.4))
    assert list(truth.obs_names) == ["a", "b", "a:2", "c:2", "b:2"]
    assert truth.obs["domain"].tolist() == list("11222") and list(truth.obs) == [keys.CELL_TYPE, "domain", "split"]
    assert truth.obs["split"].tolist() == ["test", "test", "train", "train", "test"]
    np.testing.assert_allclose(truth.X[:, 0], [0.1, 0.1, 0.3, 0.3, 0.4])
    np.testing.assert_allclose(truth.layers[keys.TRUTH][:, 0], [0.2, 0.2, np.nan, np.nan, np.nan])


def test_two_markers_that_maps_are_drawn_by_are_named_in_the_truth_alone():
    folds = batch(cells(), reference="a", batch_size=8, biaxial=("CD45RA", "CD4"))
    assert list(folds.truth.uns[keys.BIAXIAL]) == ["CD45RA", "CD4"]
    parts = [*folds.query.values(), *(part for pair in folds.train.values() for part in pair)]
    assert all(keys.BIAXIAL not in part.uns for part in parts)
    assert keys.BIAXIAL not in batch(cells(), reference="a", batch_size=8).truth.uns
