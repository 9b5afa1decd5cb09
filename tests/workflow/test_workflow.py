"""The workflow as a person runs it: real Snakemake, real files, a real store."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from running import SMOKE, command, dry_run, in_process, quick_run, run

from magan.config.yaml_file import read_yaml
from magan.errors import InputError
from magan.figures.style import PRINT
from magan.stages import publish
from magan.stages.atomic_files import read_metrics
from magan.study import parse

SCORED = "results/smoke/batch/cytonorm/metrics.tsv"


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A study that was interrupted in the middle of the trainings of one task and then run to its end."""
    folder = tmp_path_factory.mktemp("interrupted")
    first = subprocess.Popen(
        command(folder, SCORED),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # A test run in the background inherits an ignored interrupt.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not list(folder.glob("results/smoke/*/*/*/mapped.h5ad")) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(first.pid, signal.SIGINT)
    first.wait(timeout=60)
    assert not (folder / SCORED).exists()
    second = quick_run(folder)
    assert second.returncode == 0, second.stderr
    return folder


@pytest.fixture(scope="session")
def metrics(finished: Path) -> pd.DataFrame:
    return read_metrics(finished / "results/smoke/metrics.tsv")


def test_an_interrupted_task_ends_with_the_bytes_of_an_uninterrupted_one(finished, tmp_path):
    # Cells are prepared before any training, so the interruption came after that: both may have the same cells.
    scored = tmp_path / SCORED
    shutil.copytree(finished / "results/smoke", tmp_path / "results/smoke")
    for made in (scored, *(path.parent for path in scored.parent.glob("*/mapped.h5ad"))):
        shutil.rmtree(made) if made.is_dir() else made.unlink()
    uninterrupted = quick_run(tmp_path, SCORED)
    assert uninterrupted.returncode == 0, uninterrupted.stderr
    assert uninterrupted.stderr.count("rule train:") == 2 and "rule prepare:" not in uninterrupted.stderr
    assert (tmp_path / SCORED).read_bytes() == (finished / SCORED).read_bytes()


def test_a_finished_study_has_nothing_left_to_do(finished):
    assert "Nothing to be done" in dry_run(finished).stdout


def test_every_arm_and_baseline_is_in_the_tables(metrics):
    methods = {(row.task, row.arm, row.method) for row in metrics.itertuples()}
    assert {
        ("heldout", "magan", "magan"),
        ("heldout", "broken", "discogan"),
        ("heldout", "baseline", "knn"),
        ("batch", "travelgan", "travelgan"),
        ("batch", "diverging", "magan"),
        ("batch", "baseline", "quantile"),
        ("batch", "floor", "floor"),
        ("digits", "discogan", "discogan"),
        ("digits", "cyclegan", "cyclegan"),
    } <= methods


def test_a_method_that_breaks_stays_in_the_tables_as_failed(finished, metrics):
    broken = metrics[metrics["arm"] == "broken"]
    assert set(broken["metric"]) == {"failed"} and (broken["value"] == 1).all() and len(broken) == 2
    page = (finished / "results/smoke/report.html").read_text()
    assert "stack expects a non-empty TensorList" in page
    assert "logs/smoke/train/heldout/cytonorm/broken.log" in page
    log = (finished / "logs/smoke/train/heldout/cytonorm/broken.log").read_text()
    assert "Traceback" in log


def test_seeds_that_turn_nan_twice_are_shown_as_failed(finished, metrics):
    failed = metrics[(metrics["arm"] == "diverging") & (metrics["metric"] == "failed")]
    assert sorted(failed["seed"]) == ["0", "1"] and (failed["value"] == 1).all()
    summary = read_metrics(finished / "results/smoke/summary.tsv")
    assert (summary.loc[summary["arm"] == "diverging", "n_failed"] == 2).all()


def test_an_experiment_is_drawn_judged_and_on_the_page(finished):
    place = finished / "results/smoke/lectures/optimal_discriminator"
    assert sorted(path.name for path in place.iterdir()) == ["figure.png", "figure.svg", "numbers.tsv", "table.tsv"]
    page = (finished / "results/smoke/report.html").read_text()
    assert "The best discriminator" in page and "-2 log 2 + 2 JSD" in page


def test_training_files_never_hold_what_is_scored(finished):
    import anndata

    folder = finished / "results/smoke/heldout/cytonorm"
    for marker in ("CD4", "CD14"):
        for file in (f"train/{marker}/x1.h5ad", f"query/{marker}.h5ad"):
            assert marker not in anndata.read_h5ad(folder / file).var_names
        trained = [set(anndata.read_h5ad(folder / f"train/{marker}/{x}.h5ad").obs_names) for x in ("x1", "x2")]
        queried = set(anndata.read_h5ad(folder / f"query/{marker}.h5ad").obs_names)
        assert not queried & (trained[0] | trained[1]) and not trained[0] & trained[1]


def test_the_report_stands_alone(finished):
    page = (finished / "results/smoke/report.html").read_text()
    assert "<img" in page and "data:image/" in page
    assert not any(f'{attribute}="http' in page for attribute in ("src", "href"))


def test_jobs_run_with_one_thread_and_tell_their_progress(finished):
    log = (finished / "logs/smoke/train/heldout/cytonorm/magan.log").read_text()
    assert "heldout/cytonorm/magan: step 30/30 of 2 seeds" in log and "s left" in log


@pytest.fixture(scope="session")
def runs(finished) -> pd.DataFrame:
    return found(finished)


def found(folder: Path) -> pd.DataFrame:
    client = mlflow.MlflowClient(f"sqlite:///{folder}/results/mlflow.db")
    experiments = [e.experiment_id for e in client.search_experiments() if e.name.startswith("smoke/")]
    rows = []
    for r in client.search_runs(experiments, max_results=1000):
        rows.append({**r.data.tags, "id": r.info.run_id, "ended": r.info.status, "metrics": r.data.metrics})
    return pd.DataFrame(rows)


def test_the_store_has_a_child_run_for_every_seed_of_every_arm(runs):
    children = runs[runs["mlflow.parentRunId"].notna()]
    assert (children["kind"] == "seed").sum() == 6 * 2  # arms x seeds
    assert set(children["kind"]) == {"seed", "consensus"}
    assert (runs["mlflow.parentRunId"].isna()).sum() == 6 + 2  # arms and baselines
    failed = children[children["magan.key"].str.contains("broken|diverging")]
    assert set(failed["ended"]) == {"FAILED"} and (children["ended"] == "FAILED").sum() == len(failed)


def test_values_in_the_store_equal_the_table_to_the_last_digit(runs, metrics):
    compared = 0
    for child in runs[runs["mlflow.parentRunId"].notna()].itertuples():
        key = runs.loc[runs["id"] == child.id, "magan.key"].item()
        _, task, dataset, arm, seed = key.split("/")
        own = metrics[
            (metrics["task"] == task)
            & (metrics["dataset"] == dataset)
            & (metrics["arm"] == arm)
            & (metrics["seed"] == seed)
            & (metrics["group"] == "all")
            & (metrics["feature"] == "all")
            & (metrics["metric"] != "failed")
        ].dropna(subset="value")
        for row in own.itertuples():
            assert child.metrics[f"{task}/{row.metric}"] == row.value
            compared += 1
    assert compared > 20


def test_collecting_twice_adds_no_run(finished, runs):
    again = run(finished, "--forcerun", "collect")
    assert again.returncode == 0, again.stderr
    table, after = pd.read_csv(finished / "results/smoke/tracking.tsv", sep="\t"), found(finished)
    assert set(table["action"]) == {"kept"}, table[table["action"] != "kept"]
    assert set(after["id"]) == set(runs["id"])


def test_snakemake_makes_its_own_report_with_captions(finished):
    made = in_process(finished, "--report", "report.zip")
    assert made.returncode == 0, made.stderr
    assert (finished / "report.zip").stat().st_size > 10_000


def test_the_figures_of_a_finished_study_are_drawn_for_print(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(publish, "SUFFIXES", ("pdf",))
    values = read_yaml(SMOKE)
    study = parse({key: values[key] for key in ("name", "title", "seeds", "batch")})
    made = list(publish.publish(study, finished / "results/smoke", tmp_path))
    drawn = {path.stem for path in (finished / "results/smoke/figures/batch/cytonorm").glob("*.svg")}
    assert {"biaxial", "population_seeds"} <= drawn
    names = {path.relative_to(tmp_path).as_posix() for path in made}
    assert names == {f"batch/cytonorm/{name}_{column}.pdf" for name in drawn for column in PRINT} | {"captions.md"}
    captions = (tmp_path / "captions.md").read_text()
    assert all(f"**cytonorm, {name}. " in captions for name in drawn)
    with pytest.raises(InputError, match=r"metrics\.tsv does not exist; run the study first"):
        list(publish.publish(study, tmp_path, tmp_path))
