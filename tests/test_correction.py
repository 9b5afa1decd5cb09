"""A table in memory is corrected as a file of the same cells is."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from fcs_bytes import write

from magan import correction as room
from magan import keys
from magan.aligner import Aligner
from magan.config import Training
from magan.correction import corrected_table, correction
from magan.cytometry.arcsinh import arcsinh
from magan.cytometry.read_cells import read
from magan.errors import InputError
from magan.stages import apply_model
from magan.stages.apply_model import correct

MARKERS = ["CD3", "CD4", "CD8a"]


def counts(seed: int, n: int = 400, columns=MARKERS) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    return pd.DataFrame(draw.gamma(0.5, 100, (n, len(columns))).astype(np.float32), columns=columns)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Two batches, whose maps lower some counts below zero."""
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    var = pd.DataFrame({keys.MARKER_TYPE: "lineage"}, index=MARKERS)
    parts = [(counts(seed) * (1 + seed)).set_axis([str(i) for i in range(400)]) for seed in range(3)]
    x1, x2, y = (arcsinh(AnnData(part, var=var)) for part in parts)
    settings = {"scale": "each", "training": Training(steps=20, batch_size=50, learning_rate=0.01), "seeds": (0, 1)}
    aligner = Aligner("magan", device="cpu", **settings).fit([x1, x2], [y, y], names=["mon", "tue"])
    for one in aligner.scalings_["x2"]:
        one.mean.sub_(2)
    aligner.save(path)
    return path


@pytest.mark.parametrize(("batch", "seed"), [("mon", "consensus"), ("tue", "1")])
def test_a_table_is_corrected_as_its_file_is(model, tmp_path, batch, seed):
    table, one = counts(9), correction(model, batch, seed)
    table.to_csv(tmp_path / "a.csv", index=False)
    correct(one, tmp_path / "a.csv", tmp_path / "b.csv")
    done = corrected_table(one, table)
    np.testing.assert_allclose(done.to_numpy(), read(tmp_path / "b.csv")[:, MARKERS].X, rtol=1e-6)
    assert (np.abs(done - table).mean() > 1).all() and (done >= 0).all(axis=None) and (done == 0).any(axis=None)


def test_rows_and_other_columns_stay_as_they_are(model):
    table = counts(9, columns=["CD19", *MARKERS[::-1]]).assign(who="me")
    table.index = [f"cell {i}" for i in range(len(table))]
    kept, one = table.copy(), correction(model, "mon")
    done = corrected_table(one, table)
    assert list(done.columns) == list(table.columns) and done.index.equals(table.index)
    pd.testing.assert_frame_equal(done[["CD19", "who"]], table[["CD19", "who"]])
    pd.testing.assert_frame_equal(table, kept)
    np.testing.assert_array_equal(done[MARKERS], corrected_table(one, table[MARKERS]))


def test_a_cell_is_corrected_alike_in_any_company(model, monkeypatch):
    table, one = counts(9), correction(model, "mon")
    whole = corrected_table(one, table)
    np.testing.assert_array_equal(corrected_table(one, table[5:9]), whole[5:9])
    monkeypatch.setattr(room, "CELLS", 7)
    np.testing.assert_array_equal(corrected_table(one, table), whole)
    assert corrected_table(one, table[:0]).shape == (0, 3)


def test_whether_a_marker_may_be_negative_the_whole_file_tells_and_not_a_part_of_it(model, tmp_path, monkeypatch):
    table, one = counts(9), correction(model, "mon")
    table.loc[399, "CD4"] = -1  # in the last of many parts
    keywords = {f"$P{n}S": marker for n, marker in enumerate(MARKERS, start=1)}
    write(tmp_path / "a.fcs", table.to_numpy().tolist(), bits=(32, 32, 32), keywords=keywords)
    table.to_csv(tmp_path / "a.csv", index=False)
    monkeypatch.setattr(room, "CELLS", 7)
    monkeypatch.setattr(apply_model, "CELLS", 7)
    done = corrected_table(one, table)
    assert ((done["CD4"][:390] < 0).any(), (done["CD3"] < 0).any(), (done["CD3"] == 0).any()) == (True, False, True)
    for name in ("a.fcs", "a.csv"):
        correct(one, tmp_path / name, tmp_path / "out" / name)
        np.testing.assert_allclose(read(tmp_path / "out" / name)[:, MARKERS].X, done, rtol=1e-6)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (counts(9).rename(columns={"CD8a": "CD8"}), "lacks 1 markers of the model: 'CD8a' .did you mean 'CD8'"),
        (counts(9).assign(CD4=np.nan), "marker 'CD4' is not finite in 400 of 400 rows"),
        (counts(9).assign(CD4="many"), "no number"),
        (np.arcsinh(counts(9) / 5), "the table is not measured as the model's cells were: .* looks transformed"),
    ],
)
def test_a_table_that_cannot_be_corrected_is_refused_in_a_sentence(model, table, sentence):
    with pytest.raises(InputError, match=sentence):
        corrected_table(correction(model, "mon"), table)
