import numpy as np
import pytest
from anndata import AnnData
from cell_tables import counts

from magan.cytometry.arcsinh import arcsinh, cofactors, raw
from magan.errors import InputError


def test_arcsinh_is_its_formula_and_leaves_counts_alone():
    adata = counts()
    done = arcsinh(adata, 5.0)
    z = adata.X.astype(np.float64) / 5
    np.testing.assert_allclose(done.layers["preprocessed"], np.log(z + np.sqrt(z**2 + 1)), rtol=1e-5, atol=1e-6)
    assert done.layers["preprocessed"].dtype == np.float32
    assert done.uns["cytof"] == {"cofactor": 5.0}
    np.testing.assert_array_equal(done.X, adata.X)
    assert "preprocessed" not in adata.layers


def test_each_marker_may_have_its_own_cofactor(tmp_path):
    adata = counts()
    done = arcsinh(adata, {"CD3": 150, "pSTAT5": 5})
    np.testing.assert_allclose(done.layers["preprocessed"][:, 0], np.arcsinh(adata.X[:, 0] / 150), rtol=1e-5)
    np.testing.assert_allclose(done.layers["preprocessed"][:, 1], np.arcsinh(adata.X[:, 1] / 5), rtol=1e-5)
    assert list(done.var["cofactor"]) == [150, 5, 5]
    done.write_h5ad(tmp_path / "a.h5ad")


def test_no_cofactor_copies_transformed_values():
    adata = counts()
    adata.X = np.arcsinh(adata.X / 5)
    done = arcsinh(adata, None)
    np.testing.assert_array_equal(done.layers["preprocessed"], adata.X)
    assert done.layers["preprocessed"] is not done.X
    assert done.uns["cytof"] == {"cofactor": "none"}


@pytest.mark.parametrize(
    ("cofactor", "message"),
    [
        (0, "cofactor must be positive, not 0"),
        (float("nan"), "cofactor must be positive, not nan"),
        ({"CD3": 5, "pSTAT": 5}, r"cofactor: unknown marker 'pSTAT' \(did you mean 'pSTAT5'\?\)"),
        ({"CD3": 5}, r"cofactor: marker 'pSTAT5' has none \(1 have none\); give one to each"),
        (None, "cofactor is none but the data looks raw .*; give a cofactor, e.g. 5"),
    ],
)
def test_a_wrong_cofactor_is_refused(cofactor, message):
    with pytest.raises(InputError, match=message):
        arcsinh(counts(), cofactor)


def test_transforming_twice_is_refused():
    done = arcsinh(counts())
    with pytest.raises(InputError, match=r"layers\['preprocessed'\] is already there; transform raw values once"):
        arcsinh(done)
    again = done.copy()
    again.X = again.layers["preprocessed"]
    del again.layers["preprocessed"]  # Time is still huge: only the other markers tell
    with pytest.raises(InputError, match=r"looks transformed already \(99.9th percentile .*; set cofactor to none"):
        arcsinh(again)


@pytest.mark.parametrize("cofactor", [5.0, {"CD3": 5.0, "pSTAT5": 0.5}])
def test_raw_values_come_back_from_arcsinh_units(cofactor):
    adata = arcsinh(counts(), cofactor)
    each = cofactors(adata)
    assert (each["CD3"], each["pSTAT5"]) == ((5.0, 5.0) if cofactor == 5.0 else (5.0, 0.5))
    back = raw(adata.layers["preprocessed"], [each[m] for m in adata.var_names])
    np.testing.assert_allclose(back, adata.X, rtol=3e-6)
    np.testing.assert_array_equal(raw(adata.layers["preprocessed"], "none"), adata.layers["preprocessed"])


def test_cells_that_say_nothing_of_a_transform_have_no_cofactors():
    assert cofactors(counts()) == {}
    assert cofactors(arcsinh(AnnData(counts().X / 1e7, var=counts().var), None))["CD3"] == "none"
