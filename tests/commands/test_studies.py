"""The studies that `magan correct` and `magan merge` write, what they refuse, and how an outcome is said."""

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from magan.cli import app
from magan.commands import outcome, sheets, studies
from magan.errors import InputError
from magan.stages.validate_study import validate_study
from magan.study import Study


@pytest.fixture
def sheet(tmp_path: Path, monkeypatch) -> Path:
    """Two files of two panels and two batches, in the working directory; the sheet lies in a folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        pd.DataFrame({"CD3": range(100), "CD4": range(100)}).to_csv(f"{name}.csv", index=False)
    Path("lab").mkdir()
    Path("lab/samples.csv").write_text("sample,path,batch,panel,note\na,a.csv,1,T,x\nb,../b.csv,2,B,y\n")
    return Path("lab/samples.csv")


def written(sheet: Path, values: dict, monkeypatch) -> Study:
    """The study as the workflow checks it: in the folder of the run."""
    run = Path("out/run")
    run.mkdir(parents=True)
    _, study = studies.write(run, sheets.rows(sheet, Path("new")), values)
    monkeypatch.chdir(run)
    assert validate_study(study.model_dump(mode="json", exclude_unset=True)).name == study.name
    return study


def test_the_study_of_batches_finds_its_files_from_the_folder_of_the_run(sheet, monkeypatch):
    own = sheets.reading(None, "none", None, None, "none", None)
    study = written(sheet, studies.of_batches("out", own, {"method": "batch_correction"}), monkeypatch)
    settings = study.find("batch", "samples")
    assert (settings.deployed, settings.reference) == ("batch_correction", "median") and settings.correct
    assert study.own_data["samples"].cofactor == "none" and study.own_data["samples"].compensation == "none"
    table = pd.read_csv("samples.tsv", sep="\t")
    assert list(table["note"]) == ["x", "y"] and all(Path(path).is_absolute() for path in table["path"])


def test_the_study_of_panels_merges_those_of_the_sheet(sheet, monkeypatch):
    rows = sheets.rows(sheet, Path("new"))
    values = studies.of_panels("out", {}, studies.panels_of(rows), {"seeds": 2})
    study = written(sheet, values, monkeypatch)
    (panels,) = study.panels_to_merge().values()
    assert panels.panels == ("T", "B") and panels.deployed == "merged" and study.seeds_of(panels) == (0, 1)
    with pytest.raises(InputError, match="the sheet names 1 panel and merging needs two"):
        studies.panels_of(rows[:1])


def test_a_study_that_is_the_same_keeps_its_time_so_that_nothing_is_made_again(sheet):
    Path("run").mkdir()
    rows, values = sheets.rows(sheet, Path("new")), studies.of_batches("out", {}, {})
    studies.write(Path("run"), rows, values)
    before = [path.stat().st_mtime_ns for path in sorted(Path("run").iterdir())]
    studies.write(Path("run"), rows, values)
    assert before == [path.stat().st_mtime_ns for path in sorted(Path("run").iterdir())]


REFUSED = {
    "a folder of other files": (("lab/samples.csv", "-o", "lab"), "lab holds files that magan did not make"),
    "a study": (("study.yaml", "-o", "new"), "study.yaml is a study; run it with magan run study.yaml"),
    "an unknown method": (("lab/samples.csv", "-o", "new", "--method", "quantil"), "did you mean 'quantile'?"),
    "a wrong cofactor": (("lab/samples.csv", "-o", "new", "--cofactor", "-5"), "cofactor is '-5'; give a positive"),
    "an unknown reference": (("lab/samples.csv", "-o", "new", "--reference", "9"), "nothing was run: "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_run_is_refused_in_a_sentence(sheet, case):
    arguments, sentence = REFUSED[case]
    done = CliRunner().invoke(app, ["correct", *arguments])
    assert done.exit_code == 1 and sentence in done.output, done.output
    assert "Traceback" not in done.output and not Path("new/files").exists()


def finished(folder: Path, word: str) -> Study:
    """What a run of batches and panels leaves."""
    root = folder / "results/mine"
    (root / "batch/days/corrected/files").mkdir(parents=True)
    (root / "panels/both").mkdir(parents=True)
    verdict = {"arm": "auto", "word": word, "sentence": f"{word.capitalize()}: so it is."}
    (root / "batch/days/verdict.json").write_text(json.dumps(verdict))
    for name in ("batch/days/corrected/files/a.fcs", "batch/days/corrected/integrated.h5ad", "report.html"):
        (root / name).write_text(name)
    for name in ("batch/days/corrected/files.tsv", "batch/days/model.safetensors", "panels/both/merged.h5ad"):
        (root / name).write_text(name)
    table = pd.DataFrame({"marker": ["CD4", "CD8", "CD9"], "verdict": ["usable", "not usable", "usable"]})
    table.to_csv(root / "panels/both/verdicts.tsv", sep="\t", index=False)
    panels = {"cells": "c", "panels": ["A", "B"], "arms": {"merged": "panel_imputation"}}
    batch = {"cells": "c", "reference": "median", "correct": {}}
    return Study.model_validate({"name": "mine", "title": "", "batch": {"days": batch}, "panels": {"both": panels}})


@pytest.mark.parametrize("word", ["safe", "do not use"])
def test_the_outcome_is_said_in_words_with_places_that_exist(tmp_path, word):
    study = finished(tmp_path / "run", word)
    said = list(outcome.verdicts(study, tmp_path / "run"))
    assert said == [f"days, by auto: {word.capitalize()}: so it is.", "both: usable: CD4, CD9; not usable: CD8"]
    assert outcome.refused(study, tmp_path / "run") == (word == "do not use")
    outcome.publish(study, tmp_path / "run", tmp_path)
    outcome.publish(study, tmp_path / "run", tmp_path)  # the second time replaces the first
    *places, (what, store) = outcome.places(study, tmp_path / "run", tmp_path)
    assert all(Path(place).exists() for _, place in places) and len(places) == 7
    assert (what, store) == ("tracking store", tmp_path / "run/results/mlflow.db")
    assert (tmp_path / "files/a.fcs").samefile(tmp_path / "run/results/mine/batch/days/corrected/files/a.fcs")


def test_links_of_the_page_lead_to_the_same_files_from_where_it_is_put(tmp_path):
    study, page = finished(tmp_path / "run", "safe"), tmp_path / "run/results/mine/report.html"
    page.write_text('<a href="#made">made</a><a data-file href="batch/days/corrected/files.tsv">files.tsv</a>')
    outcome.publish(study, tmp_path / "run", tmp_path)
    moved = (tmp_path / "report.html").read_text()
    assert '<a href="#made">' in moved and 'href="run/results/mine/batch/days/corrected/files.tsv"' in moved
    assert 'href="batch/days' in page.read_text()


def test_the_store_and_the_report_of_nothing_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"results/mlflow.db does not exist; run a study first"):
        outcome.address(None)
    with pytest.raises(InputError, match=r"report.html does not exist; run the study first"):
        outcome.report_of(finished(tmp_path, "safe").model_copy(update={"name": "other"}), tmp_path)
