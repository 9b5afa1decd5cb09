import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan.cytometry.gating import gate, otsu
from magan.errors import InputError

GATES = {"T": "CD3+ CD19-", "B": "CD19+ CD3-"}
CENTRES = {"T": (4, 1), "B": (1, 4), "other": (1, 1)}


def cells(n=300, shift=0.0, batch="a", seed=0):
    """Three populations of two markers, ``n`` cells each, all moved by ``shift`` arcsinh units."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(list(CENTRES), n)
    x = np.array([CENTRES[name] for name in truth]) + rng.normal(scale=0.25, size=(3 * n, 2)) + shift
    obs = pd.DataFrame({"batch": batch, "truth": truth}, index=[f"{batch}{i}" for i in range(3 * n)])
    adata = AnnData(np.sinh(x).astype(np.float32), obs=obs)
    adata.var_names = ["CD3", "CD19"]
    adata.layers["preprocessed"] = x.astype(np.float32)
    return adata


def test_otsu_lands_between_two_peaks_wherever_they_are():
    x = np.repeat([0.0, 3.0], [900, 100])
    assert 0 < otsu(x) < 3
    assert otsu(x + 5) == pytest.approx(otsu(x) + 5)
    assert otsu(x) == pytest.approx(1.5, abs=0.02)  # the middle of an empty valley


def test_otsu_maximises_the_variance_between_groups():
    x = np.random.default_rng(0).gamma(2.0, size=500)

    def between(t):
        low, high = x[x <= t], x[x > t]
        return len(low) * len(high) * (low.mean() - high.mean()) ** 2

    best = max(between(t) for t in np.sort(x)[:-1])
    assert between(otsu(x)) > 0.999 * best


def test_otsu_lands_on_an_edge_of_256_bins():
    x = np.random.default_rng(0).gamma(2.0, size=5000)
    edge = (otsu(x) - x.min()) / np.ptp(x) * 256
    assert edge == pytest.approx(round(edge), abs=1e-9)


def test_nothing_is_above_the_threshold_of_values_that_are_equal():
    assert otsu(np.ones(5)) == np.inf
    assert otsu(np.array([])) == np.inf


def test_cells_are_sorted_into_their_populations():
    adata = cells()
    gated = gate(adata, GATES)
    assert (gated.obs["cell_type"] == adata.obs["truth"]).all()
    assert "cell_type" not in adata.obs


def test_a_batch_shift_moves_no_cell_between_gates():
    one, two = cells(), cells(shift=1.8, batch="b")
    both = AnnData(np.vstack([one.X, two.X]), obs=pd.concat([one.obs, two.obs]), var=one.var)
    both.layers["preprocessed"] = np.vstack([one.layers["preprocessed"], two.layers["preprocessed"]])
    gated = gate(both, GATES)
    assert (gated.obs["cell_type"] == both.obs["truth"]).all()
    both.obs["all"] = "x"
    assert (gate(both, GATES, by="all").obs["cell_type"] != both.obs["truth"]).any()  # one threshold for both fails


def test_the_first_matching_gate_wins_and_order_of_cells_does_not_matter():
    adata = cells()
    assert set(gate(adata, {"all T": "CD3+", "T": "CD3+ CD19-"}).obs["cell_type"]) == {"all T", "other"}
    order = np.random.default_rng(1).permutation(adata.n_obs)
    moved = gate(adata[order].copy(), GATES).obs["cell_type"]
    assert moved.equals(gate(adata, GATES).obs["cell_type"].iloc[order])


def test_a_rare_population_is_found_once_the_abundant_one_is_set_aside():
    """2 % B cells at 6; granulocytes bind CD19 between 2 and 5, where Otsu alone would cut."""
    rng = np.random.default_rng(3)
    n = {"granulocyte": 2000, "other": 500, "B": 50}
    cd15 = np.concatenate([rng.normal(4 if name == "granulocyte" else 0, 0.3, k) for name, k in n.items()])
    centres = {"granulocyte": 3.5, "other": 1, "B": 6}
    cd19 = np.concatenate(
        [rng.normal(centres[name], 0.7 if name == "granulocyte" else 0.3, k) for name, k in n.items()]
    )
    truth = np.repeat(list(n), list(n.values()))
    obs = pd.DataFrame({"batch": "a"}, index=[f"c{i}" for i in range(len(truth))])
    adata = AnnData(np.column_stack([cd15, cd19]).astype(np.float32), obs=obs)
    adata.var_names = ["CD15", "CD19"]
    adata.layers["preprocessed"] = adata.X
    aside = gate(adata, {"granulocyte": "CD15+", "B": "CD19+"}).obs["cell_type"]
    assert (aside == truth).mean() > 0.999
    assert (gate(adata, {"B": "CD19+"}).obs["cell_type"] == "B").mean() > 0.5


def test_a_marker_may_end_in_a_sign_of_its_own():
    adata = cells()
    adata.var_names = ["HLA-DR", "CD19"]
    assert set(gate(adata, {"x": "HLA-DR+ CD19-"}).obs["cell_type"]) == {"x", "other"}


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ({"T": "CD3+ CD18-"}, r"gate 'T': unknown marker 'CD18'; the markers are \['CD3', 'CD19'\]"),
        ({"T": "CD3+ CD19"}, "gate 'T': 'CD19' has no sign; end it with"),
        ({"T": " "}, "gate 'T' is empty"),
    ],
)
def test_a_gate_that_cannot_be_read_is_refused(gates, message):
    with pytest.raises(InputError, match=message):
        gate(cells(n=3), gates)


def test_untransformed_cells_and_unknown_columns_are_refused():
    adata = cells(n=3)
    with pytest.raises(InputError, match=r"obs has no column 'batches' .*did you mean 'batch'"):
        gate(adata, GATES, by="batches")
    del adata.layers["preprocessed"]
    with pytest.raises(InputError, match="transform the cells with arcsinh first"):
        gate(adata, GATES)


def test_what_was_not_measured_matches_no_sign():
    both = cells()
    whole = gate(both, GATES).obs["cell_type"]
    both.layers["preprocessed"][::2, 1] = np.nan
    gated = gate(both, {**GATES, "CD19 alone": "CD19-"}).obs["cell_type"]
    assert (gated[::2] == "other").all() and (gated[1::2] == gate(both[1::2], GATES).obs["cell_type"])[:300].all()
    assert (gated[1::2][:300] == whole[1::2][:300]).mean() > 0.95
