"""A saved model is calibrated to a new batch from files alone, and says whether the map is safe."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from typer.testing import CliRunner

from magan import keys
from magan.batch_mapper import BatchMapper
from magan.cli import app
from magan.cytometry.arcsinh import arcsinh

MARKERS = ["CD3", "CD19", "CD45"]


def counts(seed: int, gain: float = 1.0, foreign: bool = False) -> np.ndarray:
    random = np.random.default_rng(seed)
    kind = random.random(900) < 0.5
    kinds = ([200, 200, 60], [5, 5, 300]) if foreign else ([200, 5, 300], [5, 200, 60])
    levels = np.where(kind[:, None], *kinds)
    return (random.gamma(4, 0.25, (900, 3)) * levels * gain).astype("f4")


def batch(values: np.ndarray) -> AnnData:
    var = pd.DataFrame({keys.CHANNEL: MARKERS, keys.MARKER_TYPE: "functional"}, index=MARKERS)
    return arcsinh(AnnData(values, var=var), 5.0)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    BatchMapper("monotone").fit([batch(counts(1, 1.5))], [batch(counts(2))], names=["day 2"]).save(path)
    return path


def run(model: Path, values: np.ndarray, folder: Path):
    pd.DataFrame(values, columns=MARKERS).to_csv(folder / "new.csv", index=False)
    arguments = ["calibrate", str(model), str(folder / "new.csv"), "--batch", "day 3", "-o", str(folder / "out")]
    return CliRunner().invoke(app, arguments)


def test_a_new_batch_is_mapped_by_the_calibrated_model(model, tmp_path):
    found = run(model, counts(3, 0.4), tmp_path)
    assert found.exit_code == 0 and "Safe" in found.output, found.output
    mapper = BatchMapper.load(tmp_path / "out")
    assert mapper.names_ == ["day 2", "day 3"]
    new, right = batch(counts(4, 0.4)), batch(counts(4)).layers[keys.PREPROCESSED]
    assert np.abs(mapper.map(new, 1).X - right).mean() < 0.1 < np.abs(new.layers[keys.PREPROCESSED] - right).mean()


def test_other_cells_are_refused_and_no_model_is_written(model, tmp_path):
    found = run(model, counts(3, foreign=True), tmp_path)
    assert found.exit_code == 1 and "not of the model's kind of cells" in found.output
    assert not (tmp_path / "out").exists()
