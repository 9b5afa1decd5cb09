"""Thirty real files of two batches, corrected: no event is lost, moved or spoilt, whoever reads them."""

import warnings

import anndata
import numpy as np
import pytest
from fcs_readers import readers

from magan import keys
from magan.aligner import Aligner
from magan.config import Training
from magan.correction import correction
from magan.cytometry.arcsinh import arcsinh
from magan.cytometry.check_markers import markers
from magan.cytometry.fcs_read import open_fcs, read_fcs
from magan.cytometry.read_cells import read
from magan.stages.apply_model import correct


@pytest.fixture(scope="module")
def krieg(mirror):
    """Batch (Data23, Data29) -> its files."""
    files = sorted((mirror / "krieg_panel3").glob("*.fcs"))
    return {batch: [file for file in files if file.name.startswith(batch)] for batch in ("Data23", "Data29")}


@pytest.fixture(scope="module")
def model(krieg, tmp_path_factory):
    """Data23 onto Data29, hardly trained: its map is far from the identity."""
    path, parts = tmp_path_factory.mktemp("model") / "model.safetensors", {}
    for batch, files in krieg.items():
        cells = anndata.concat([read(file, obs={keys.BATCH: batch})[::20] for file in files], merge="same")
        parts[batch] = markers(arcsinh(cells))
    training = Training(steps=30, batch_size=100, learning_rate=0.01)
    some = Aligner("magan", scale="each", training=training, seeds=(0, 1), device="cpu")
    some.fit(parts["Data23"], parts["Data29"], names=["Data23"]).save(path)
    return path


def test_corrected_files_keep_every_event_and_three_readers_agree(krieg, model, tmp_path):
    one, n_events = correction(model), []
    for file in (*krieg["Data23"], *krieg["Data29"]):
        n_events.append(correct(one, file, tmp_path / file.name))
        before, after = read_fcs(file), read_fcs(tmp_path / file.name)
        assert after.shape == before.shape and n_events[-1] == before.n_obs and after.var.equals(before.var)
        assert np.isfinite(after.X).all()
        kept = ~np.isin(read(file).var_names, one.both)
        assert kept.sum() == 5  # two of DNA, two of platinum and the dead
        np.testing.assert_array_equal(after.X[:, kept], before.X[:, kept])
        assert (after.X[:, ~kept] != before.X[:, ~kept]).mean() > 0.5
        ranges = [int(open_fcs(tmp_path / file.name).keywords[f"p{n}r"]) for n in range(1, before.n_vars + 1)]
        assert (ranges >= after.X.max(axis=0)).all()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for name, found in readers(tmp_path / file.name).items():
                np.testing.assert_array_equal(np.asarray(found.values, np.float32), after.X, err_msg=name)
                assert [*map(str.strip, found.channels)] == list(before.var["channel"]), name
                assert [*map(str.strip, found.markers)] == list(before.var["marker"]), name
    assert len(n_events) == 30 and sum(n_events) == 129_712


def test_each_event_is_corrected_as_the_whole_file_is_mapped(krieg, model, tmp_path):
    file = max(krieg["Data23"], key=lambda path: path.stat().st_size)
    correct(correction(model), file, tmp_path / file.name)
    aligner = Aligner.load(model)
    names = aligner.features_["x1"][0]
    mapped = aligner.map(arcsinh(read(file)[:, names].copy())).layers[keys.CONSENSUS]
    lowest = read(file)[:, names].X.min(axis=0)
    expected = np.where(lowest >= 0, np.maximum(5 * np.sinh(mapped), 0), 5 * np.sinh(mapped))
    np.testing.assert_allclose(read(tmp_path / file.name)[:, names].X, expected, rtol=1e-5, atol=1e-5)
