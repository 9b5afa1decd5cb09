"""A random sample of large files: it is of their very cells, any cell is as likely, and what is wrong is still seen."""

from functools import partial

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from fcs_bytes import write as write_fcs
from scipy.sparse import csr_matrix

from magan import keys
from magan.config import OwnData
from magan.cytometry import draw_cells, whole_file
from magan.cytometry.cell_file import n_cells, open_cells
from magan.cytometry.draw_cells import draw, limited, per_file, sentence
from magan.cytometry.load import own_cells
from magan.errors import InputError

N, FEW = 2600, 400
NAMES = ["CD3", "CD4", "CD19", "Time"]


@pytest.fixture
def small_parts(monkeypatch):
    """Files are read 700 cells at a time."""
    for module in (draw_cells, whole_file):
        monkeypatch.setattr(module, "open_cells", partial(open_cells, rows=700))


def lab(folder, kind: str, seed: int = 0) -> OwnData:
    """Two files of a kind and their sheet; the values of CD4 shift in the middle, and each cell has a label."""
    lines = ["sample\tpath\tbatch\tcell_type"]
    for name in ("a", "b"):
        random = np.random.default_rng([seed, ord(name)])
        x = np.column_stack([random.gamma(0.5, 300, (N, 3)), np.sort(random.uniform(0, 1000, N))]).astype(np.float32)
        x[1000:1400, 1] *= 20
        labels = random.choice(["T", "B"], N)
        path, cell_type = folder / f"{name}.{kind}", "label"
        table = pd.DataFrame(x, columns=NAMES)
        if kind == "fcs":
            words = {f"$P{i}{end}": word for i, word in enumerate(NAMES, start=1) for end in "NS"}
            write_fcs(path, x.tolist(), bits=(32,) * 4, keywords=words)
            cell_type = folder / f"{name}_labels.txt"
            cell_type.write_text("\n".join(labels) + "\n")
        elif kind == "csv":
            table.assign(label=labels).to_csv(path, index=False)
        else:
            obs = pd.DataFrame({"label": labels}, index=[f"{name} {i}" for i in range(N)])
            AnnData(table.to_numpy(), obs=obs, var=pd.DataFrame(index=NAMES)).write_h5ad(path)
        lines.append(f"{name}\t{path}\tday {name}\t{cell_type}")
    (folder / "samples.tsv").write_text("\n".join(lines) + "\n")
    return OwnData(sheet=str(folder / "samples.tsv"))


@pytest.mark.parametrize("kind", ["fcs", "csv", "h5ad"])
def test_drawn_cells_are_the_cells_of_the_whole_data_set(tmp_path, small_parts, kind):
    settings = lab(tmp_path, kind)
    whole, drawn = (own_cells(settings.model_copy(update={"cells_per_file": n}), "lab") for n in ("all", FEW))
    same = whole[drawn.obs_names]
    assert drawn.n_obs == 2 * FEW and drawn.obs_names.is_unique
    assert (np.diff(whole.obs_names.get_indexer(drawn.obs_names)) > 0).all()
    np.testing.assert_array_equal(drawn.X, same.X)
    np.testing.assert_array_equal(drawn.layers[keys.PREPROCESSED], same.layers[keys.PREPROCESSED])
    pd.testing.assert_frame_equal(drawn.obs.astype(str), same.obs.astype(str))
    pd.testing.assert_frame_equal(drawn.var, whole.var)
    for name in (keys.ACQUISITION, keys.CHANNELS, keys.NAMES):  # flags are of the whole files
        pd.testing.assert_frame_equal(drawn.uns[name], whole.uns[name])
    assert drawn.uns[keys.ACQUISITION]["trouble"].str.contains("CD4").all() and drawn.obs[keys.ACQUISITION].any()
    assert drawn.uns[keys.DRAWN]["cells"].tolist() == [N, N] and keys.DRAWN not in whole.uns
    assert sentence(drawn.uns[keys.DRAWN]).startswith(f"Maps are trained and scored on {2 * FEW} of {2 * N:,} cells")
    assert sentence(None) == ""


def test_every_cell_is_as_likely_and_the_draw_depends_on_the_name_alone(tmp_path):
    times = np.zeros(12)
    for i in range(160):
        path = write_fcs(tmp_path / f"{i}.fcs", [[row, 1.0] for row in range(12)])
        cells, found = draw(str(path), 3)
        assert found.n == 12 and cells.n_obs == 3
        np.testing.assert_array_equal(cells.X[:, 0], found.rows)
        times[found.rows] += 1
    assert abs(times - 40).max() < 4 * np.sqrt(160 * 0.25 * 0.75)
    (tmp_path / "second").mkdir()
    again = write_fcs(tmp_path / "second" / "159.fcs", [[row, 2.0] for row in range(12)])
    np.testing.assert_array_equal(draw(str(again), 3)[1].rows, found.rows)


def test_the_number_of_cells_of_a_file_is_the_largest_that_keeps_within_the_total():
    random = np.random.default_rng(0)
    for _ in range(200):
        sizes = random.integers(1, 30, random.integers(1, 9))
        total = int(random.integers(len(sizes), 120))
        found = per_file(list(sizes), total)
        assert np.minimum(sizes, found).sum() <= total
        assert found >= sizes.max() or np.minimum(sizes, found + 1).sum() > total
    assert per_file([], 10) == 1


def test_a_value_that_is_not_finite_is_seen_wherever_it_stands(tmp_path):
    settings = lab(tmp_path, "csv").model_copy(update={"cells_per_file": 5})
    table = pd.read_csv(tmp_path / "a.csv")
    for row in (7, 2000):
        table.loc[row, "CD3"] = np.nan
    table.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InputError, match=r"'CD3' is empty or not finite in 2 of 2600 cells"):
        own_cells(OwnData(files=[{"path": str(tmp_path / "a.csv"), "cell_type": "label"}], cells_per_file=5), "lab")
    with pytest.raises(InputError, match="only batch 'day b' of 2 is left"):
        own_cells(settings, "lab")
    table["CD3"] = table["CD3"].fillna(1).astype(object)
    table.loc[2100, "CD3"] = "many"
    table.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InputError, match="'many' in column 'CD3', cell 2101, is no number"):
        own_cells(OwnData(files=[{"path": str(tmp_path / "a.csv"), "cell_type": "label"}], cells_per_file=5), "lab")


def test_a_data_set_is_drawn_from_where_it_is_large_or_where_the_study_says(tmp_path, monkeypatch):
    settings = lab(tmp_path, "fcs")
    rows = [{"path": str(tmp_path / f"{name}.fcs")} for name in "ab"]

    def limits(**update):
        return [row.get(keys.CELLS_PER_FILE) for row in limited(rows, settings.model_copy(update=update))]

    assert limits() == limits(cells_per_file="all") == [None, None]
    assert limits(cells_per_file=N) == [None, None] and limits(cells_per_file=N - 1) == [N - 1] * 2
    monkeypatch.setattr(draw_cells.per_file, "__defaults__", (N,))
    assert limits() == [N // 2] * 2 and limits(counts=("",)) == limits(cells_per_file="all") == [None, None]
    with pytest.raises(InputError, match="counts of RNA are read whole"):
        limits(cells_per_file=5, counts=("",))


@pytest.mark.parametrize("kind", ["fcs", "csv", "h5ad"])
def test_the_cells_of_a_file_are_counted_without_reading_them(tmp_path, kind):
    lab(tmp_path, kind)
    assert n_cells(tmp_path / f"a.{kind}") == N
    (tmp_path / f"broken.{kind}").write_bytes(b"")
    if kind != "csv":
        with pytest.raises(InputError):
            n_cells(tmp_path / f"broken.{kind}")


def test_the_parts_of_an_h5ad_file_are_its_cells_with_their_transformed_values(tmp_path):
    x = np.random.default_rng(0).gamma(0.5, 300, (50, 2))
    for sparse in (False, True):
        adata = AnnData(x.copy(), layers={keys.PREPROCESSED: np.arcsinh(x / 5)})
        adata.X = csr_matrix(x) if sparse else x
        adata.write_h5ad(tmp_path / "cells.h5ad")
        parts = list(open_cells(tmp_path / "cells.h5ad", rows=20).parts())
        assert [(part.first, len(part.x)) for part in parts] == [(0, 20), (20, 20), (40, 10)]
        np.testing.assert_array_equal(np.concatenate([part.x for part in parts]), x.astype(np.float32))
        units = np.concatenate([part.units for part in parts])
        np.testing.assert_array_equal(units, np.arcsinh(x / 5).astype(np.float32))
    anndata.AnnData(x[:0]).write_h5ad(tmp_path / "none.h5ad")
    with pytest.raises(InputError, match="holds 0 cells"):
        open_cells(tmp_path / "none.h5ad")
