"""A lab's own files through the whole workflow: thirty good ones, and three that cannot be used."""

import json
import shutil
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml
from fcs_bytes import write as write_fcs
from fcs_readers import readers
from running import ROOT, run
from typer.testing import CliRunner

from magan.cli import app
from magan.cytometry.fcs_read import read_fcs

STUDY = {
    "name": "lab",
    "title": "Lab",
    "seeds": 1,
    "training": {"steps": 20, "batch_size": 64},
    "own_data": {"blood": {"sheet": "config/samples.tsv", "gates": {"T cells": "CD3+ CD19-", "B cells": "CD19+ CD3-"}}},
    "batch": {
        "blood": {
            "cells": "blood",
            "reference": "median",
            "n_train": 1000,
            "correct": {"fallback": "input"},
            "arms": {
                "magan": {
                    "model": "magan",
                    "correspondence": "correlation",
                    "scale": "ranks",
                    "options": {"residual": True, "generator_hidden": [8], "discriminator_hidden": [8]},
                }
            },
            "baselines": ["identity"],
        }
    },
}


@pytest.fixture(scope="module")
def lab(mirror, tmp_path_factory) -> Path:
    """The sheet of the worked example with a damaged, an empty and a wrong-panel file among the good ones."""
    folder = tmp_path_factory.mktemp("lab")
    files = folder / "data/krieg_panel3"
    shutil.copytree(mirror / "krieg_panel3", files)
    (folder / "config").mkdir()
    sheet = (ROOT / "config/samples.tsv").read_text()
    whole = (files / "Data23_Panel3_base_HD1.fcs").read_bytes()
    (files / "cut.fcs").write_bytes(whole[: len(whole) // 2])
    write_fcs(files / "empty.fcs", rows=[])
    write_fcs(files / "other.fcs", rows=[[1.0, 2.0]] * 200)
    bad = "".join(f"{name}\tdata/krieg_panel3/{name}.fcs\tData23\tX\tHD\n" for name in ("cut", "empty", "other"))
    (folder / "config/samples.tsv").write_text(sheet.rstrip("\n") + "\n" + bad)
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    return folder


@pytest.fixture(scope="module")
def finished(lab) -> Path:
    done = run(lab, study=lab / "study.yaml")
    assert done.returncode == 0, done.stderr
    return lab


def test_the_preflight_names_the_three_and_says_that_the_run_would_leave_them_out(lab, monkeypatch):
    monkeypatch.chdir(lab)
    told = CliRunner().invoke(app, ["check", "config/samples.tsv"])
    assert told.exit_code == 1
    for name in ("cut.fcs", "empty.fcs", "other.fcs"):
        assert name in told.output
    assert "3 of 33 files would be left out" in " ".join(told.output.split())


def test_the_run_names_them_too_and_corrects_the_other_thirty(finished):
    table = pd.read_csv(finished / "results/lab/batch/blood/corrected/files.tsv", sep="\t", keep_default_na=False)
    assert table["status"].value_counts().to_dict() == {"corrected": 15, "reference": 15, "left out": 3}
    page = (finished / "results/lab/report.html").read_text()
    for name in ("cut.fcs", "empty.fcs", "other.fcs"):
        assert f"{name}</code>" in page
        assert table.loc[table["file"].str.endswith(name), "reason"].item()


def test_every_file_keeps_its_events_in_order_and_three_readers_agree(finished):
    folder, n_cells = finished / "results/lab/batch/blood/corrected", 0
    moved = 0
    for file in sorted((folder / "files").iterdir()):
        before, after = read_fcs(finished / "data/krieg_panel3" / file.name), read_fcs(file)
        assert before.shape == after.shape and np.isfinite(after.X).all()
        for found in readers(file).values():
            assert np.array_equal(after.X, np.asarray(found.values, np.float32))
        untouched = [i for i, name in enumerate(before.var["marker"]) if "DNA" in name or "Dead" in name]
        assert untouched and np.array_equal(before.X[:, untouched], after.X[:, untouched])
        n_cells += after.n_obs
        moved += not np.array_equal(before.X, after.X)
    assert n_cells == 129_712 and moved == 15


def test_the_verdict_and_all_cells_are_there(finished):
    told = json.loads((finished / "results/lab/batch/blood/verdict.json").read_text())
    assert told["sentence"] in (finished / "results/lab/report.html").read_text().replace("&#39;", "'")
    whole = anndata.read_h5ad(finished / "results/lab/batch/blood/corrected/integrated.h5ad")
    assert whole.n_obs == 129_712 and {"preprocessed", "integrated"} <= set(whole.layers)
