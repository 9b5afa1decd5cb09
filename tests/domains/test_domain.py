import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData

from magan import keys
from magan.domains.domain import decoded, from_anndata, lists_of_folds, to_array
from magan.errors import InputError

VALUES = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def cells(**obs) -> AnnData:
    adata = AnnData(np.zeros_like(VALUES), obs=pd.DataFrame(obs, index=list("abcde")))
    adata.var_names = ["CD3", "CD4", "CD8"]
    adata.layers[keys.PREPROCESSED] = VALUES.copy()
    return adata


def images() -> AnnData:
    pixels = np.linspace(0, 1, 5 * 8, dtype=np.float32).reshape(5, 8)
    return AnnData(pixels, uns={keys.IMAGE: {"shape": [2, 2, 2]}})


def test_cells_are_their_preprocessed_markers_in_column_order():
    domain = from_anndata(cells(), "x1")
    assert domain.features == ("CD3", "CD4", "CD8") and domain.shape == (3,) and len(domain) == 5
    assert domain.values.dtype == torch.float32
    np.testing.assert_array_equal(domain.values, VALUES)
    assert domain.labels is None and domain.pairs is None


def test_labels_and_pairs_are_words():
    domain = from_anndata(cells(cell_type=pd.Categorical(["T", "B", "T", "B", "T"]), pair=["p", "", "q", "", ""]), "x1")
    assert domain.labels == ("T", "B", "T", "B", "T") and domain.pairs == ("p", "", "q", "", "")


def test_images_lie_between_minus_one_and_one_and_come_back_as_pixels():
    adata = images()
    domain = from_anndata(adata, "x1")
    assert domain.shape == (2, 2, 2) and domain.features == ()
    assert domain.values.min() == -1 and domain.values.max() == 1
    np.testing.assert_allclose(to_array(domain.values, domain.shape), adata.X, atol=1e-6)
    assert domain.values[1, 1, 0, 1] == pytest.approx(2 * adata.X[1, 5] - 1)


def test_bytes_stay_bytes_until_they_are_decoded_to_the_same_pixels_bit_by_bit():
    bytes_ = np.arange(256, dtype=np.uint8).reshape(4, 64)
    uns = {keys.IMAGE: {"shape": [1, 8, 8]}}
    kept = from_anndata(AnnData(bytes_, uns=uns), "x1")
    floats = from_anndata(AnnData(bytes_ / np.float32(255), uns=uns), "x1")
    assert kept.values.dtype == torch.uint8 and kept.shape == floats.shape
    assert torch.equal(decoded(kept.values), floats.values) and decoded(kept.values).dtype == torch.float32
    assert decoded(floats.values) is floats.values
    assert kept.take(np.array([2])).values.dtype == torch.uint8


def test_markers_come_back_as_they_were():
    domain = from_anndata(cells(), "x1")
    np.testing.assert_array_equal(to_array(domain.values, domain.shape), VALUES)


def test_cells_without_transformed_values_are_refused():
    adata = cells()
    del adata.layers[keys.PREPROCESSED]
    with pytest.raises(InputError) as error:
        from_anndata(adata, "x1")
    assert str(error.value) == ("domain 'x1' has no layers['preprocessed']; transform it with arcsinh first")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_with_the_worst_marker(bad):
    adata = cells()
    adata.layers[keys.PREPROCESSED][0, 0] = bad
    adata.layers[keys.PREPROCESSED][:2, 1] = bad
    with pytest.raises(InputError) as error:
        from_anndata(adata, "x2")
    assert str(error.value) == (
        "domain 'x2': marker CD4 is not finite in 2 of 5 cells; remove those cells or the marker"
    )


def test_folds_are_two_lists_of_equal_length_with_a_name_for_each():
    one, two = cells(), cells()
    assert lists_of_folds(one, two, []) == ([one], [two])
    assert lists_of_folds([one, two], (two, one), ["a", "b"]) == ([one, two], [two, one])
    with pytest.raises(InputError, match="2 domains and 1 partners"):
        lists_of_folds([one, two], [two], [])
    with pytest.raises(InputError, match="1 names for 2 folds"):
        lists_of_folds([one, two], [two, one], ["a"])
