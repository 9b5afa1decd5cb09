import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.batch_mapper import BatchMapper
from magan.batch_maps import MAPS


def cells(seed: int, shift: float = 0.0) -> AnnData:
    random = np.random.default_rng(seed)
    values = (random.choice([0.0, 4.0], (300, 3), p=[0.3, 0.7]) + random.normal(0, 0.3, (300, 3)) + shift).astype("f4")
    table = AnnData(values, var=pd.DataFrame(index=["CD3", "CD19", "CD45"]), layers={keys.PREPROCESSED: values})
    table.uns[keys.CYTOF] = {"cofactor": 5.0}
    return table


@pytest.mark.parametrize("method", MAPS)
def test_a_saved_map_is_the_map_itself(method, tmp_path):
    source = cells(1, 0.7)
    mapper = BatchMapper(method).fit([source], [cells(2)], names=["b"])
    mapper.save(tmp_path / "model.safetensors")
    again = BatchMapper.load(tmp_path / "model.safetensors")
    assert {name: np.shape(x) for name, x in again.states_[0].items()} == {
        name: np.shape(x) for name, x in mapper.states_[0].items()
    }
    np.testing.assert_array_equal(again.map(source).X, mapper.map(source).X)
    assert again.names_ == ["b"] and again.methods_ == [method] and again.cofactors_ == mapper.cofactors_
