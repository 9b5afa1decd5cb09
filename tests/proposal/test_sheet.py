"""`magan init`: a sheet and a study that `magan check` accepts, or blanks that it asks for."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from magan.cli import app
from magan.cytometry.sample_sheet import read_sheet
from magan.stages.validate_study import validate_study


def run(*arguments, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def files(tmp_path: Path, monkeypatch) -> Path:
    """Four tables of two runs, in the working directory, beside a table that describes them."""
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate(("run1_a", "run1_b", "run2_a", "run2_b")):
        counts = np.random.default_rng(i).gamma(2, 60, (120, 3)).round(2)
        pd.DataFrame(counts, columns=["CD3", "CD19", "CD4"]).to_csv(f"{name}.csv", index=False)
    Path("metadata.csv").write_text("file,age\nrun1_a.h5ad,3\n")
    return tmp_path


def test_what_is_proposed_passes_the_check_and_is_a_study_of_at_most_fifteen_lines(files):
    told = run("init", ".")
    assert "names say run1, run2" in told and "magan correct study/samples.tsv -o corrected" in told
    rows = read_sheet("study/samples.tsv")
    assert [row["batch"] for row in rows] == ["run1", "run1", "run2", "run2"]
    assert [row["sample"] for row in rows] == ["run1_a", "run1_b", "run2_a", "run2_b"]
    text = Path("study/study.yaml").read_text()
    assert len(text.splitlines()) <= 15 and "method: auto" in text
    assert validate_study(yaml.safe_load(text)).find("batch", "samples").deployed == "auto"
    assert "Ready" in run("check", "study/samples.tsv")


def test_nothing_is_overwritten_and_earlier_results_are_not_looked_at(files):
    run("init", ".")
    before = Path("study/samples.tsv").read_text()
    assert "study/samples.tsv exists and is never overwritten" in run("init", ".", code=1)
    run("init", ".", "-o", "again")
    assert read_sheet("again/samples.tsv") == [
        row | {"path": str(row["path"]).replace("study", "again")} for row in read_sheet("study/samples.tsv")
    ]
    assert Path("study/samples.tsv").read_text() == before


def test_a_doubt_stays_blank_and_the_check_asks_for_it(files):
    for path in Path().glob("run*.csv"):
        path.rename(path.name.replace("run1", "donor").replace("run2", "person"))
    told = run("init", ".")
    assert "batch: in doubt: write which files were acquired together" in told and "fill in the column batch" in told
    assert "line 4 has no batch; fill it in" in run("check", "study/samples.tsv", code=1)
    said = run("correct", ".", "-o", "corrected", code=1)
    assert "run magan init ., fill in the column batch" in said and not Path("corrected").exists()


def test_a_folder_without_cells_says_so(tmp_path):
    assert "holds no file of cells" in run("init", tmp_path, "-o", tmp_path / "study", code=1)
    assert "is no folder" in run("init", tmp_path / "none", code=1)


def test_the_thirty_files_are_proposed_as_their_authors_described_them(mirror, tmp_path):
    run("init", mirror / "krieg_panel3", "-o", tmp_path)
    found = pd.DataFrame(read_sheet(tmp_path / "samples.tsv"))
    table = pd.read_csv(mirror / "krieg_panel3/Metadata.csv", dtype=str).set_index("file_name")
    table = table.loc[[Path(path).name for path in found["path"]]]
    assert list(found["batch"]) == list(table["batch"]) and list(found["group"]) == list(table["group"])


def test_the_demo_files_are_three_batches(tmp_path, monkeypatch):
    source = importlib.util.find_spec("cytonormpy")
    if source is None:
        pytest.skip("cytonormpy is not installed")
    for path in (Path(source.origin).parent / "_resources").glob("Gates_*_Control_?.fcs"):
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    run("init", ".")
    rows = read_sheet("study/samples.tsv")
    assert [row["batch"] for row in rows] == [Path(row["path"]).name.split("_")[1] for row in rows]
