"""Aligners, batch mappers and synthesizers as scikit-learn knows estimators."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.sparse import csr_matrix
from sklearn.base import clone

from magan import Aligner, BatchMapper, Synthesizer, Training, keys
from magan.errors import InputError

MODELS = (
    Aligner("cyclegan", correspondence="labels", options={"residual": True}, seeds=(3, 4), training=Training(steps=7)),
    BatchMapper("quantile", seed=5),
    Synthesizer("gan", options={"width": 4}, seeds=(1,)),
)


def cells(seed: int, sparse: bool = False) -> AnnData:
    values = np.random.default_rng(seed).gamma(1, 1, (80, 2)).round(0).astype(np.float32)
    adata = AnnData(values, var=pd.DataFrame(index=["CD4", "CD8"]), uns={keys.CYTOF: {"cofactor": 5.0}})
    adata.layers[keys.PREPROCESSED] = csr_matrix(values) if sparse else values
    return adata


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_clone_has_the_parameters_and_a_parameter_can_be_set(model):
    again = clone(model)
    assert again is not model and again.get_params() == model.get_params()
    name, value = ("seeds", (9,)) if "seeds" in model.get_params() else ("seed", 9)
    assert getattr(again.set_params(**{name: value}), name) == value and getattr(model, name) != value
    with pytest.raises(InputError, match="has no parameter 'seedz'; there are "):
        again.set_params(seedz=1)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_model_that_has_learned_nothing_says_so(model, tmp_path):
    with pytest.raises(InputError, match=f"this {type(model).__name__} has learned nothing yet; call fit first"):
        model.sample(cells(0)) if isinstance(model, Synthesizer) else model.map(cells(0))
    assert not hasattr(model, "names_") and not hasattr(model, "other")


def test_a_sparse_layer_is_mapped_as_a_dense_one():
    maps = [
        BatchMapper("quantile").fit([cells(0, sparse)], [cells(1, sparse)]).map(cells(2, sparse)).X
        for sparse in (False, True)
    ]
    assert np.array_equal(*maps) and not np.array_equal(maps[0], cells(2).X)
