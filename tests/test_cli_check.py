"""`magan check` and `magan fetch`: before anything runs."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from magan.cli import app
from magan.cytometry.sample_sheet import read_sheet
from magan.datasets.registry import DATASETS

ROOT = Path(__file__).parents[1]


def run(*arguments, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    """Two files in two batches, one with names of its own."""
    markers = ["CD3", "CD19", "HLA-DR"]
    for i, names in enumerate((markers, markers, ["cd3", "CD19", "HLADR"])):
        counts = np.random.default_rng(i).gamma(2, 60, (150, 3)).round(2)
        pd.DataFrame(counts, columns=names).to_csv(tmp_path / f"{i}.csv", index=False)
    (tmp_path / "samples.csv").write_text("sample,path,batch\ns0,0.csv,a\ns1,1.csv,b\ns2,2.csv,b\n")
    return tmp_path / "samples.csv"


def test_a_good_sheet_ends_with_0_and_its_names_are_accepted_in_one_step(sheet):
    told, _ = run("check", sheet, "--write-aliases", sheet.parent / "aliases.yaml")
    assert "2.csv: 'HLADR' -> HLA-DR (as in 2 files)" in told and "aliases.yaml: 2 aliases" in told
    told, _ = run("check", sheet, "--aliases", sheet.parent / "aliases.yaml")
    assert "2.csv: 'HLADR' -> HLA-DR (an alias of yours)" in told


def test_a_sheet_with_a_bad_file_ends_with_1_and_names_it(sheet):
    (sheet.parent / "2.csv").write_text("CD3,CD19\n1,x\n")
    told, _ = run("check", sheet, code=1)
    assert "2.csv: 'x' in column 'CD19', cell 1, is no number" in told and "1 of 3 files would be left out" in told


def test_a_bad_sheet_ends_with_its_sentence(sheet):
    sheet.write_text("sample,path,batch\ns0,9.csv,a\n")
    told, said = run("check", sheet, code=1)
    assert not told and said.startswith(f"error: {sheet}, line 2: file 9.csv does not exist") and said.count("\n") == 1
    _, said = run("check", sheet.parent / "none.yaml", code=1)
    assert "there is no such study" in said


def test_the_thirty_files_of_the_shipped_sheet_are_fetched_and_ready(mirror, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told, _ = run("fetch", "krieg_panel3", "--mirror", mirror)
    assert told == "data/krieg_panel3: 33 files\n"
    run("fetch", "krieg_panel3", "--mirror", mirror)
    shutil.copytree(ROOT / "config", tmp_path / "config")
    rows = read_sheet("config/samples.tsv")
    table = pd.read_csv("data/krieg_panel3/Metadata.csv", dtype=str)
    assert [Path(row["path"]).name for row in rows] == list(table["file_name"])
    for column, other in {"batch": "batch", "donor": "donor_id", "group": "group"}.items():
        assert [row[column] for row in rows] == list(table[other])
    assert {Path(row["path"]).name for row in rows} < {file.path for file in DATASETS["krieg_panel3"].files}
    told, _ = run("check", "config/samples.tsv")
    assert "30 files, 129,712 cells, 2 batches" in told and "every marker has one name in all files" in told
    assert "No donor is in two batches" in told and "CD3 has 71% in Data29 and 0% in Data23" in told
    assert told.endswith("Ready, with 3 things to consider.\n")


def test_an_unknown_data_set_is_refused(tmp_path):
    _, said = run("fetch", "krieg_panel", "--folder", tmp_path, code=1)
    assert "unknown data set 'krieg_panel' (did you mean 'krieg_panel3'?)" in said
