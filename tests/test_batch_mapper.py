import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.batch_mapper import BatchMapper
from magan.batch_maps import MAPS
from magan.errors import InputError


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
    states = [{name: np.shape(x) for name, x in found.steps_[0][0].state.items()} for found in (mapper, again)]
    assert states[0] == states[1]
    np.testing.assert_array_equal(again.map(source).X, mapper.map(source).X)
    assert again.names_ == ["b"] and again.methods_ == [method] and again.cofactors_ == mapper.cofactors_


def test_a_saved_model_is_calibrated_to_a_new_batch_without_the_files_of_the_reference(tmp_path):
    mapper = BatchMapper("monotone").fit([cells(1, 0.7)], [cells(2)], names=["b"])
    mapper.save(tmp_path / "model.safetensors")
    again = BatchMapper.load(tmp_path / "model.safetensors")
    new = cells(3, -0.5)
    again.calibrate(new, "c")
    assert np.abs(again.map(new, 1).X - new.X - 0.5).mean() < 0.2
    np.testing.assert_array_equal(again.map(new, 0).X, mapper.map(new).X)
    again.save(tmp_path / "both.safetensors")
    assert BatchMapper.load(tmp_path / "both.safetensors").names_ == ["b", "c"]


def test_a_batch_of_other_cells_and_a_known_name_are_refused_and_leave_the_model_as_it_was():
    reference, foreign = cells(2), cells(3)
    reference.X = reference.layers[keys.PREPROCESSED] = reference.X[:, [0, 0, 0]]
    mapper = BatchMapper("monotone").fit([cells(1, 0.7)], [reference], names=["b"])
    foreign.X = foreign.layers[keys.PREPROCESSED] = np.stack([x := foreign.X[:, 0], 4 - x, x], axis=1)
    with pytest.raises(InputError, match=r"'c' is not of the model's kind of cells.*train a new model"):
        mapper.calibrate(foreign, "c")
    assert mapper.names_ == ["b"] and len(mapper.steps_) == len(mapper.features_["x1"]) == 1
    with pytest.raises(InputError, match="knows a batch 'b' already"):
        mapper.calibrate(cells(3), "b")
    with pytest.raises(InputError, match="59 cells; give at least 60"):
        mapper.calibrate(cells(3)[:59], "c")
