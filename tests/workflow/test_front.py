"""From an empty folder with six files to corrected files and a report: the wheel, and two typed lines."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from fcs_bytes import write as write_fcs
from fcs_readers import readers
from running import ROOT

from magan.cytometry.fcs_read import read_fcs

BAD = ("cut", "empty", "other")


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The wheel of this checkout, alone on the path before the libraries."""
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        str(folder / "site"),
    ]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True)
    return folder / "site"


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Path:
    """Six files of three batches, and nothing else."""
    found = importlib.util.find_spec("cytonormpy")
    if found is None:
        pytest.skip("cytonormpy is not installed")
    folder = tmp_path_factory.mktemp("lab")
    for path in (Path(found.origin).parent / "_resources").glob("Gates_*_Control_[12].fcs"):
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def magan(installed, lab):
    """The installed command, in the folder."""

    def call(*arguments: str, code: int = 0) -> str:
        environment = {**os.environ, "PYTHONPATH": str(installed)}
        command = [str(installed / "bin" / "magan"), *arguments]
        done = subprocess.run(command, cwd=lab, env=environment, capture_output=True, text=True, timeout=1800)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr + done.stdout

    return call


@pytest.fixture(scope="module")
def said(magan, lab) -> str:
    """What the second line says, of a sheet in which three files cannot be used."""
    magan("init", ".")
    whole = next(iter(sorted(lab.glob("*.fcs")))).read_bytes()
    (lab / "cut.fcs").write_bytes(whole[: len(whole) // 2])
    write_fcs(lab / "empty.fcs", rows=[])
    write_fcs(lab / "other.fcs", rows=[[1.0, 2.0]] * 200)
    with (lab / "study/samples.tsv").open("a") as sheet:
        sheet.writelines(f"{name}\t../{name}.fcs\tPTLG021\t\n" for name in BAD)
    line = ("study/samples.tsv", "-o", "corrected", "--method", "monotone", "--fallback", "input", "--cores", "2")
    return magan("correct", *line, "--log-jobs")


def test_the_line_says_what_was_found_and_where_everything_is(said, lab):
    verdict = json.loads((lab / "corrected/run/results/corrected/batch/samples/verdict.json").read_text())
    assert f"samples, by monotone: {verdict['sentence']}" in said
    told = dict(line.split(":", 1) for line in said.splitlines() if line.startswith(("report:", "corrected files:")))
    assert told["report"].strip() == "corrected/report.html" and told["corrected files"].strip() == "corrected/files"
    for line in said.rstrip().rsplit("\n\n", 1)[1].splitlines():
        assert (lab / line.split(":", 1)[1].strip()).exists(), line
    assert " jobs done, " in said and "localrule" not in said and len(said.splitlines()) < 60
    log = (lab / "corrected/run/logs/workflow.log").read_text()
    assert "Finished jobid: 0 (Rule: all)" in log


def test_the_installed_package_ran_and_no_clone(said, installed, lab):
    log = (lab / "corrected/run/logs/workflow.log").read_text()
    assert f"Snakefile: {installed}/magan/workflow/Snakefile" in log
    assert f"{ROOT}/magan" not in log and f"{ROOT}/workflow" not in log


def test_the_wheel_logs_every_job_of_the_run(said, lab):
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{lab}/corrected/run/results/mlflow.db")
    jobs = client.search_runs([client.get_experiment_by_name("corrected/jobs").experiment_id], "tags.kind = 'job'")
    log = (lab / "corrected/run/logs/workflow.log").read_text()
    finished = re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", log)
    assert sorted(run.data.params["rule"] for run in jobs) == sorted(finished)
    assert {run.info.status for run in jobs} == {"FINISHED"} and "collect" in finished
    assert all(run.data.metrics["memory_mb"] > 1 for run in jobs if run.data.params["rule"] not in ("all", "ready"))


def test_files_that_cannot_be_used_are_named_and_the_others_corrected(said, lab):
    table = pd.read_csv(lab / "corrected/files.tsv", sep="\t", keep_default_na=False)
    assert table["status"].value_counts().to_dict() == {"corrected": 4, "left out": 3, "reference": 2}
    page = (lab / "corrected/report.html").read_text()
    for name in BAD:
        assert f"{name}.fcs" in page and f"{name}.fcs" in said
        assert table.loc[table["file"].str.endswith(f"{name}.fcs"), "reason"].item()


def test_every_file_keeps_its_events_in_order_and_three_readers_agree(said, lab):
    moved = 0
    for file in sorted((lab / "corrected/files").iterdir()):
        before, after = read_fcs(lab / file.name), read_fcs(file)
        assert before.shape == after.shape and np.isfinite(after.X).all()
        for found in readers(file).values():
            assert np.array_equal(after.X, np.asarray(found.values, np.float32))
        untouched = [i for i, name in enumerate(before.var["marker"]) if "DNA" in name or name == "Time"]
        assert untouched and np.array_equal(before.X[:, untouched], after.X[:, untouched])
        moved += not np.array_equal(before.X, after.X)
    assert moved == 4
    whole = anndata.read_h5ad(lab / "corrected/integrated.h5ad")
    assert whole.n_obs == 6000 and {"preprocessed", "integrated"} <= set(whole.layers)


def test_the_model_maps_a_training_file_to_the_same_bytes(said, magan, lab):
    table = pd.read_csv(lab / "corrected/files.tsv", sep="\t").query("status == 'corrected'")
    file, batch = Path(table["file"].iloc[0]).name, table["batch"].iloc[0]
    told = magan("map", "corrected/model.safetensors", file, "-o", "again", "--batch", batch)
    assert "verdict of the safety gate: " in told
    assert (lab / "again" / file).read_bytes() == (lab / "corrected/files" / file).read_bytes()


def test_the_same_line_again_makes_nothing_again(said, magan, lab):
    before = (lab / "corrected/run/results/corrected/tracking.tsv").stat().st_mtime_ns
    line = ("study/samples.tsv", "-o", "corrected", "--method", "monotone", "--fallback", "input", "--cores", "2")
    magan("correct", *line)
    assert (lab / "corrected/run/results/corrected/tracking.tsv").stat().st_mtime_ns == before
    assert "corrected/report.html" in magan("report", "corrected")
