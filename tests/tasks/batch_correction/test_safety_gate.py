import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.errors import InputError
from magan.tasks.batch_correction import safety_gate
from magan.tasks.batch_correction.safety_gate import gate, transfer, verdict

MARKERS = ["CD3", "CD19", "CD45RA", "CD25", "CD38", "HLADR"]
CENTRES = {"T": [4, 0.5, 2, 1, 1, 1], "B": [0.5, 4, 3, 1, 1, 3]}
SHIFT = np.array([0.8, 0.8, 0.8, 0.8, 0.8, 0.8])
N = 800  # cells of a batch


def cells(shift=SHIFT, batches=("1", "2"), groups=("case", "control"), seed=0):
    """Different cells of the same two populations in each batch; batch 1 is the reference."""
    random = np.random.default_rng(seed)
    labels = np.resize(["T", "T", "B"], N)
    group = np.resize([*groups[:1] * 3, *groups[-1:] * 3], N)  # of each population alike
    parts = []
    for batch in batches:
        x = np.array([CENTRES[label] for label in labels]) + random.normal(0, 0.4, size=(N, len(MARKERS)))
        x[group == "case", 4] += 0.6  # an effect of the group on CD38
        parts.append(x + (0 if batch == "1" else shift))
    values = np.concatenate(parts).astype(np.float32)
    k = len(batches)
    obs = {keys.BATCH: np.repeat(batches, N), keys.CELL_TYPE: np.tile(labels, k), keys.GROUP: np.tile(group, k)}
    x = AnnData(values, obs=pd.DataFrame(obs, index=[f"{b}_{i}" for b in batches for i in range(N)]))
    x.var_names = MARKERS
    x.layers[keys.PREPROCESSED] = values
    x.uns[keys.REFERENCE] = "1"
    return x


def mapped(truth, change=lambda x, obs: x - SHIFT):
    """The cells of the other batches, as ``change`` makes them of what was measured."""
    query = truth[(truth.obs[keys.BATCH] != "1").to_numpy()]
    values = np.asarray(change(query.X.astype(np.float64).copy(), query.obs), dtype=np.float32)
    x = AnnData(values, obs=query.obs[[]], var=pd.DataFrame(index=MARKERS))
    x.uns |= {keys.ARM: "magan", keys.ERROR: ""}
    return x


def judged(truth, change=lambda x, obs: x - SHIFT, confounded=""):
    x = mapped(truth, change)
    return verdict(gate(truth, x), transfer(truth, x), confounded)


def flags(table):
    """(population, marker) -> flag, of the rows that have one."""
    return {(row.population, row.marker): row.flag for row in table.itertuples() if row.flag}


def test_the_perfect_map_is_safe_and_improves_every_marker():
    truth = cells()
    table = gate(truth, mapped(truth))
    assert tuple(table.columns) == keys.GATE and len(table) == 3 * len(MARKERS)
    assert not flags(table) and table["improved"].all()
    found = judged(truth)
    assert found.word == "safe" and found.markers == ()
    assert found.sentence.startswith("Safe: the mean EMD to the reference goes from 0.8")


def test_the_columns_are_what_they_are_called():
    truth = cells()
    table = gate(truth, mapped(truth)).set_index(["population", "marker"])
    np.testing.assert_allclose(table["emd_before"], 0.8, atol=0.12)
    assert (table["emd_after"] < 3 * table["floor"]).all() and (table["floor"] > 0).all()
    assert table.loc[("all", "CD3"), ["n", "n_reference"]].tolist() == [N, N]
    assert table.loc[("B", "CD3"), "n"] == (truth.obs[keys.CELL_TYPE][:N] == "B").sum()
    peaks = ["peaks_before", "peaks_after", "peaks_reference"]
    assert table.loc[("all", "CD3"), peaks].tolist() == [2, 2, 2]
    assert table.loc[("T", "CD3"), peaks].tolist() == [1, 1, 1]
    np.testing.assert_allclose(table.loc[("T", "CD38"), ["group_before", "group_after"]].tolist(), 0.6, atol=0.1)
    np.testing.assert_allclose(table["group_change"], 0, atol=1e-5)


def test_a_map_that_harms_one_marker_is_safe_but_for_it():
    def change(x, obs):
        x -= SHIFT
        x[:, 3] += 2
        return x

    truth = cells()
    table = gate(truth, mapped(truth, change))
    assert flags(table) == {(p, "CD25"): "worse EMD" for p in ("all", "B", "T")}
    assert not table.loc[table["marker"] == "CD25", "improved"].any()
    found = judged(truth, change)
    assert (found.word, found.markers) == ("safe but", ("CD25",))
    assert "CD25 (worse EMD)" in found.sentence


def test_harm_to_one_population_is_found_though_the_whole_improves():
    def change(x, obs):
        x -= SHIFT
        x[(obs[keys.CELL_TYPE] == "B").to_numpy(), 2] += 1.5
        return x

    truth = cells()
    found = judged(truth, change)
    assert (found.word, found.markers) == ("safe but", ("CD45RA",))
    table = gate(truth, mapped(truth, change))
    assert "worse EMD" in flags(table)["B", "CD45RA"] and ("T", "CD45RA") not in flags(table)


def test_a_marker_split_in_two_is_flagged_by_its_peaks():
    def change(x, obs):
        x -= SHIFT
        x[::2, 3] += 0.9
        x[1::2, 3] -= 0.9
        return x

    truth = cells()
    found = flags(gate(truth, mapped(truth, change)))
    assert {marker for (_, marker), flag in found.items() if "peaks" in flag} == {"CD25"}
    assert "peaks" in found["all", "CD25"] and "peaks" in found["T", "CD25"]
    assert judged(truth, change).word == "safe but"


def test_two_populations_merged_are_flagged_by_their_peaks_and_must_not_be_used():
    def change(x, obs):
        x -= SHIFT
        whole = x.mean(axis=0)
        for label in "TB":
            own = (obs[keys.CELL_TYPE] == label).to_numpy()
            x[own, :3] += (whole - x[own].mean(axis=0))[:3]
        return x

    truth = cells()
    found = flags(gate(truth, mapped(truth, change)))
    assert "peaks" in found["all", "CD3"] and "peaks" in found["all", "CD19"]
    assert ("T", "CD3") not in found or "peaks" not in found["T", "CD3"]
    told = judged(truth, change)
    assert told.word == "do not use" and "in batch 2 cells leave their populations" in told.sentence
    assert {"CD3", "CD19"} <= set(told.markers)


def test_cells_that_change_population_must_not_be_used_though_every_marker_fits():
    """All cells of the query shuffled: over all cells every distribution is perfect."""

    def change(x, obs):
        return (x - SHIFT)[np.random.default_rng(0).permutation(len(x))]

    truth = cells()
    table = gate(truth, mapped(truth, change))
    assert not [row for row in table.itertuples() if row.population == "all" and "EMD" in row.flag]
    told = judged(truth, change)
    assert told.word == "do not use"
    assert "in batch 2 cells leave their populations (label transfer" in told.sentence


def test_a_group_effect_that_is_wiped_out_is_flagged_and_one_that_is_kept_is_not():
    def change(x, obs):
        x -= SHIFT
        case = (obs[keys.GROUP] == "case").to_numpy()
        x[case, 4] -= 0.3
        x[~case, 4] += 0.3
        return x

    truth = cells()
    found = flags(gate(truth, mapped(truth, change)))
    assert found and {marker for _, marker in found} == {"CD38"}
    assert all("group effect" in flag for flag in found.values())
    told = judged(truth, change)
    assert told.word == "safe but" and "CD38" in told.sentence and "group effect" in told.sentence


def test_a_group_effect_that_the_map_makes_up_is_flagged():
    def change(x, obs):
        x -= SHIFT
        x[(obs[keys.GROUP] == "case").to_numpy(), 3] += 0.3
        return x

    truth = cells()
    assert "group effect" in flags(gate(truth, mapped(truth, change)))["all", "CD25"]


def test_without_groups_no_group_effect_is_told():
    truth = cells()
    del truth.obs[keys.GROUP]
    table = gate(truth, mapped(truth))
    assert table[["group_before", "group_after", "group_change"]].isna().all(axis=None)
    assert not flags(table)


def test_doing_nothing_harms_nobody_and_is_of_no_use():
    truth = cells()

    def change(x, obs):
        return x

    table = gate(truth, mapped(truth, change))
    assert not flags(table) and not table["improved"].any()
    told = judged(truth, change)
    assert told.word == "do not use" and "no closer" in told.sentence


def test_more_than_a_third_of_the_markers_worse_must_not_be_used():
    def harm(n):
        def change(x, obs):
            x[:, :n] += 1
            x[:, n:] -= SHIFT[n:]
            return x

        return change

    truth = cells()
    assert judged(truth, harm(2)).word == "safe but"
    told = judged(truth, harm(3))
    assert told.word == "do not use" and "3 of 6 markers got worse" in told.sentence


def test_confounding_must_not_be_used_and_is_said():
    told = judged(cells(), confounded="Batch and group are confounded (x).")
    assert told.word == "do not use" and "Batch and group are confounded (x)." in told.sentence


@pytest.mark.parametrize("seed", range(3))
def test_two_halves_of_one_sample_need_no_correction_and_none_improves(seed):
    truth = cells(shift=0, batches=("1", "2", "3"), seed=seed)
    for change in (lambda x, obs: x, lambda x, obs: x + 0.03, lambda x, obs: x - x.mean(axis=0) + truth.X.mean(axis=0)):
        table = gate(truth, mapped(truth, change))
        assert not table["improved"].any() and not flags(table)
        assert judged(truth, change).word == "not needed"


def test_what_chance_alone_made_cannot_improve():
    """With few cells even the reference's own values, put in place of the others, are no improvement."""
    truth = cells(shift=0)
    few = truth[np.arange(truth.n_obs) % N < 60].copy()
    table = gate(few, mapped(few, lambda x, obs: few.X[: len(x)]))
    assert (table["emd_after"] == 0).any() and (table["emd_before"] > 0.05).any()
    assert not table["improved"].any()


def test_a_second_peak_that_the_reference_has_is_no_fault():
    truth = cells()
    values, reference = truth.layers[keys.PREPROCESSED], (truth.obs[keys.BATCH] == "1").to_numpy()
    halves = np.where(np.arange(truth.n_obs) % 2, 1.2, -1.2)
    values[reference, 3] += halves[reference]
    found = flags(
        gate(truth, mapped(truth, lambda x, obs: x - SHIFT + np.outer(halves[~reference], np.arange(6) == 3)))
    )
    assert not [flag for flag in found.values() if "peaks" in flag]
    split = flags(
        gate(truth, mapped(truth, lambda x, obs: x - SHIFT + np.outer(halves[~reference], np.arange(6) == 5)))
    )
    assert "peaks" in split["T", "HLADR"]


def test_one_marker_that_moved_needs_correction():
    truth = cells(shift=np.array([0, 0, 0, 0.5, 0, 0]))
    assert judged(truth, lambda x, obs: x).word == "do not use"  # nothing done, though something was needed
    assert judged(truth, lambda x, obs: x - [0, 0, 0, 0.5, 0, 0]).word == "safe"


def test_a_population_that_moved_needs_correction_though_it_is_small():
    truth = cells(shift=0)
    values = truth.layers[keys.PREPROCESSED]
    few = np.flatnonzero((truth.obs[keys.BATCH] == "2") & (truth.obs[keys.CELL_TYPE] == "B"))[:60]
    truth.obs[keys.CELL_TYPE] = truth.obs[keys.CELL_TYPE].astype(str)
    truth.obs.iloc[few, truth.obs.columns.get_loc(keys.CELL_TYPE)] = "NK"
    reference = np.flatnonzero((truth.obs[keys.BATCH] == "1") & (truth.obs[keys.CELL_TYPE] == "B"))[:60]
    truth.obs.iloc[reference, truth.obs.columns.get_loc(keys.CELL_TYPE)] = "NK"
    assert judged(truth, lambda x, obs: x).word == "not needed"
    values[few] += 0.4
    assert judged(truth, lambda x, obs: x).word != "not needed"


def test_a_map_that_is_not_a_number_is_flagged_everywhere():
    truth = cells()
    table = gate(truth, mapped(truth, lambda x, obs: x * np.nan))
    assert table["flag"].str.contains("worse EMD").all() and not table["improved"].any()
    assert judged(truth, lambda x, obs: x * np.nan).word == "do not use"


def test_populations_may_be_given_and_small_ones_are_not_judged():
    truth = cells()
    labels = pd.Series(np.where(np.arange(truth.n_obs) % N < 49, "few", "many"), index=truth.obs_names)
    assert set(gate(truth, mapped(truth), labels[::-1])["population"]) == {"all", "many"}
    del truth.obs[keys.CELL_TYPE]
    assert set(gate(truth, mapped(truth))["population"]) == {"all"}
    found = transfer(truth, mapped(truth))
    assert found[["before", "after"]].isna().all(axis=None)
    told = judged(truth)
    assert told.word == "safe" and told.sentence.endswith("Populations are not known, so none was checked by itself.")


def test_transfer_compares_the_same_cells_before_and_after_in_each_batch():
    truth = cells(shift=4 * SHIFT, batches=("1", "2", "3"))
    found = transfer(truth, mapped(truth, lambda x, obs: np.where((obs[keys.BATCH] == "2").to_numpy()[:, None], x, 0)))
    assert list(found["batch"]) == ["2", "3"]
    assert found["before"][0] == found["after"][0] and found["error"][0] == 0
    np.testing.assert_allclose(found["after"][1], 0.5)  # all cells in one place: one population right, one wrong


def test_without_a_reference_or_a_map_it_says_so_in_one_sentence():
    truth = cells()
    x = mapped(truth)
    with pytest.raises(InputError, match="no cell of the reference '1' is left to judge by"):
        gate(truth[(truth.obs[keys.BATCH] == "2").to_numpy()], x)
    x.uns[keys.ERROR] = "out of memory"
    with pytest.raises(InputError, match="'magan' failed and cannot be judged"):
        gate(truth, x)


def test_samples_of_one_batch_tell_how_far_samples_are_apart():
    """Halves of eight samples with means of sd 1 differ by sqrt(2 / pi) sqrt(1/4 + 1/4) = .56, and by more in EMD."""
    random = np.random.default_rng(0)
    samples = np.repeat([f"s{i}" for i in range(8)], 400)
    shifts = random.normal(size=(8, 200))
    values = np.repeat(shifts, 400, axis=0) + 0.01 * random.normal(size=(3200, 200))
    found = safety_gate.between_samples(values.astype(np.float32), samples)
    assert 0.56 < found.mean() < 0.9
    assert (safety_gate.between_samples(values, np.repeat(["a", "b", "c", "a"], 800)) == 0).all()
    wider = safety_gate.between_samples(values + np.repeat([0, 5] * 4, 400)[:, None], samples)
    assert (wider > found).mean() > 0.9
