"""FCS files written again with the markers that were imputed on their cells."""

from pathlib import Path

import anndata
import flowio
import numpy as np
import pandas as pd
import pytest
from fcs_bytes import write as write_fcs
from fcs_readers import readers

from magan import keys
from magan.config import OwnData
from magan.cytometry.fcs_read import open_fcs, read_fcs
from magan.cytometry.load import own_cells
from magan.stages.atomic_files import write, write_table
from magan.stages.merged_files import write_merged_files
from magan.tasks.panel_merging.merged_table import IMPUTED, Imputed, merge

N = 120
PANELS = {"T": ["CD3", "CD4", "CD45RA"], "B": ["CD3", "CD4", "CD19"]}
COFACTORS = {"T": 5.0, "B": 150.0}
LINES = [("T", "CD19", "B", "usable", 0.85), ("B", "CD45RA", "T", "not usable", 0.2)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> dict:
    """An FCS file of each panel and a table of panel T; CD19 is imputed on T, CD45RA on B."""
    folder, draw, rows = tmp_path_factory.mktemp("lab"), np.random.default_rng(0), []
    for name, panel in (("t", "T"), ("b", "B"), ("table", "T")):
        counts = draw.gamma(2.0, 60.0, (N, 3)).astype(np.float32)
        markers = PANELS[panel]
        if name == "table":
            pd.DataFrame(counts, columns=markers).to_csv(folder / "table.csv", index=False)
        else:
            labels = {f"$P{i}S": marker for i, marker in enumerate(markers, start=1)}
            write_fcs(folder / f"{name}.fcs", counts.tolist(), bits=(32, 32, 32), keywords=labels)
        path = folder / ("table.csv" if name == "table" else f"{name}.fcs")
        rows.append({"path": str(path), "sample": name, "panel": panel})
    own = {"files": rows, "cofactor": COFACTORS}
    cells = own_cells(OwnData.model_validate(own), "lab")
    n_of = cells.obs[keys.PANEL].value_counts()
    layers = {p: {layer: draw.random((n_of[p], 1), np.float32) + i for i, layer in enumerate(IMPUTED)} for p in PANELS}
    imputed = {p: [Imputed((m,), layers[p])] for p, m, *_ in LINES}
    whole = merge(cells, PANELS, imputed, keys.PANEL)
    table = pd.DataFrame(LINES, columns=[keys.PANEL, keys.MARKER, "source", "verdict", "judged"])
    for made, name in ((cells, "cells.h5ad"), (whole, "merged.h5ad")):
        write(made, folder / name)
    write_table(table, folder / "verdicts.tsv")
    return {"folder": folder, "own": own, "layers": layers}


def written(lab: dict, output: Path, **asked) -> tuple[pd.DataFrame, Path]:
    settings = {"cells": "lab", "panels": list(PANELS), "arms": {}, **asked}
    inputs = tuple(str(lab["folder"] / name) for name in ("cells.h5ad", "merged.h5ad", "verdicts.tsv"))
    write_merged_files(lab["own"], settings, inputs, (str(output / "files"), str(output / "files.tsv")))
    table = pd.read_csv(output / "files.tsv", sep="\t", keep_default_na=False)
    return table.set_index(table["file"].map(lambda path: Path(path).name)), output / "files"


@pytest.mark.parametrize("values", ["expected", "sampled"])
def test_measured_channels_keep_their_bytes_and_imputed_ones_are_marked(lab, tmp_path, values):
    table, files = written(lab, tmp_path, write={"values": values})
    assert table["status"].to_dict() == {"t.fcs": "written", "b.fcs": "not written", "table.csv": "not written"}
    source, made = open_fcs(lab["folder"] / "t.fcs"), open_fcs(files / "t.fcs")
    assert made.stored(0, N)[:, :3].tobytes() == source.stored(0, N).tobytes() and made.n == N
    # CD19 was measured by panel B: its values are on that panel's scale
    units = lab["layers"]["T"][values][:N, 0]
    expected = np.column_stack([source.read(0, N), 150 * np.sinh(units)])
    for name, (numbers, channels, markers) in readers(files / "t.fcs").items():
        np.testing.assert_allclose(numbers, expected, rtol=1e-6, err_msg=name)
        assert channels[3] == "imputed_CD19" and markers == [*PANELS["T"], "CD19 imputed"], name
    np.testing.assert_allclose(read_fcs(files / "t.fcs").X, expected, rtol=1e-6)
    words = flowio.FlowData(str(files / "t.fcs")).text
    assert (words["magan_measured"], words["magan_imputed"]) == ("CD3, CD4, CD45RA", "CD19")
    assert words["magan_verdict_cd19"] == "usable, from panel B, judged r 0.85"
    assert float(words["p4r"]) > expected[:, 3].max() and words["magan_imputed_values"] == values


def test_a_marker_that_is_not_usable_is_written_where_it_is_asked_for(lab, tmp_path):
    table, files = written(lab, tmp_path)
    assert table.loc["b.fcs", "reason"] == "no imputed marker may be used" and not (files / "b.fcs").exists()
    assert table.loc["b.fcs", "not_usable"] == "CD45RA" and table.loc["t.fcs", "imputed"] == "CD19"
    table, files = written(lab, tmp_path / "all", write={"unusable": True})
    assert table.loc["b.fcs", "imputed"] == "CD45RA" and table.loc["b.fcs", "events"] == N
    np.testing.assert_allclose(
        read_fcs(files / "b.fcs").X[:, 3], 5 * np.sinh(lab["layers"]["B"][keys.EXPECTED][:, 0]), rtol=1e-6
    )


def test_a_file_of_which_events_were_not_merged_is_named(lab, tmp_path):
    whole = lab["folder"] / "merged.h5ad"
    kept = whole.read_bytes()
    write(anndata.read_h5ad(whole)[1:].copy(), whole)
    table, _ = written(lab, tmp_path)
    whole.write_bytes(kept)
    assert table.loc["t.fcs", "reason"] == f"1 of {N} events were not merged; leave out where"
