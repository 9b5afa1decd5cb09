"""Tests of magan.tracking: what jobs write, and what a real SQLite store holds afterwards."""

import hashlib
import importlib.metadata
import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from tracking_results import SEEDS, Results
from typer.testing import CliRunner

from magan import keys
from magan.aligner import Aligner
from magan.cli import app
from magan.config import Training
from magan.cytometry.arcsinh import arcsinh
from magan.cytometry.read_cells import read
from magan.errors import InputError
from magan.tracking import EventLog, Model, read_events
from magan.tracking.entries import Entry, entries
from magan.tracking.jobs import Job
from magan.tracking.models import register
from magan.tracking.store import _log

# -- the event log


def test_what_is_written_is_read(tmp_path):
    log = EventLog(tmp_path / "deep" / "events.jsonl", seeds=(3, 5))
    log.params({"steps": 10, "model": "magan"})
    log.metrics(0, {"generator/cycle": np.array([0.25, 0.5])})
    log.metrics(100, {"generator/cycle": [0.125, float("nan")]})
    log.status(3, "ok")
    log.status(5, "retried", "cycle was not finite at step 100")
    log.end(seconds=1.5, steps=101, replicates=2, device="cpu")
    events = read_events(log.path)
    assert events.params == {"steps": 10, "model": "magan"}
    assert events.status == {3: "ok", 5: "retried"}
    assert events.end == {"seconds": 1.5, "steps": 101, "replicates": 2, "device": "cpu"}
    assert list(events.curves.columns) == ["step", "seed", "term", "value"]
    assert events.curves[["step", "seed"]].to_numpy().tolist() == [[0, 3], [0, 5], [100, 3], [100, 5]]
    np.testing.assert_array_equal(events.curves["value"], [0.25, 0.5, 0.125, np.nan])


def test_what_went_wrong_in_a_training_is_read_back(tmp_path):
    log = EventLog(tmp_path / "events.jsonl", seeds=(3, 5))
    log.health(5, "mode collapse", "health/diversity", 300, True)
    events = read_events(log.path)
    assert events.health.to_dict("records") == [
        {"seed": 5, "sign": "mode collapse", "term": "health/diversity", "step": 300, "lasted": True}
    ]
    assert read_events(EventLog(tmp_path / "other.jsonl", seeds=(3,)).path).health.empty


def test_of_a_seed_trained_twice_the_second_curve_is_read(tmp_path):
    log = EventLog(tmp_path / "events.jsonl", seeds=(3, 5))
    log.metrics(0, {"a": [1.0, float("nan")]})
    log.metrics(0, {"a": [2.0]}, seeds=[5])
    assert read_events(log.path).curves[["seed", "value"]].to_numpy().tolist() == [[3, 1.0], [5, 2.0]]


def test_a_value_that_is_not_finite_is_written_as_null(tmp_path):
    log = EventLog(tmp_path / "events.jsonl", seeds=(0, 1))
    log.metrics(0, {"a": [float("inf"), 1.0]})
    assert json.loads(log.path.read_text())["values"] == {"a": [None, 1.0]}


def test_a_job_run_again_starts_its_log_afresh(tmp_path):
    EventLog(tmp_path / "events.jsonl", seeds=(0,)).status(0, "failed")
    EventLog(tmp_path / "events.jsonl", seeds=(0,))
    assert read_events(tmp_path / "events.jsonl").status == {}


def test_every_line_is_on_disk_at_once(tmp_path):
    log = EventLog(tmp_path / "events.jsonl", seeds=(0,))
    for n in range(1, 4):
        log.metrics(n, {"a": [1.0]})
        assert len(log.path.read_text().splitlines()) == n


def test_a_last_line_cut_in_two_is_passed_over(tmp_path):
    log = EventLog(tmp_path / "events.jsonl", seeds=(0,))
    log.status(0, "ok")
    with log.path.open("a") as file:
        file.write('{"kind": "metrics", "st')
    assert read_events(log.path).status == {0: "ok"}


def test_a_broken_line_in_the_middle_is_named(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"kind": "para\n{"kind": "status", "seed": 0, "status": "ok", "detail": ""}\n')
    with pytest.raises(InputError, match="line 1"):
        read_events(path)


def test_a_seed_that_failed_stays_failed(tmp_path):
    log = EventLog(tmp_path / "events.jsonl", seeds=(0,))
    log.status(0, "failed", "not finite")
    log.status(0, "ok")
    assert read_events(log.path).status == {0: "failed"}


def test_a_name_needs_one_value_per_seed(tmp_path):
    with pytest.raises(ValueError, match="1 values for 2 seeds"):
        EventLog(tmp_path / "events.jsonl", seeds=(0, 1)).metrics(0, {"a": [1.0]})


def test_training_jobs_do_not_import_mlflow():
    code = "import sys; from magan.tracking import EventLog; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- the store


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    """One real store for all tests: making one takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/not/there/mlflow.db"


@pytest.fixture
def results(tmp_path, request):
    return Results(tmp_path / "results", request.node.name)


@pytest.fixture
def client(uri):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def by_key(client, results):
    experiment = client.get_experiment_by_name(f"{results.study['name']}/heldout/toy")
    return {run.data.tags["magan.key"]: run for run in client.search_runs([experiment.experiment_id])}


def keyed(results, *rest):
    return "/".join((results.study["name"], "heldout", "toy", *map(str, rest)))


def test_the_score_of_a_seed_equals_the_table_to_the_last_digit(uri, client, results):
    results.collect(uri)
    runs, rows = by_key(client, results), results.metrics.set_index(["seed", "group", "feature", "metric"])["value"]
    for seed in (0, 1, keys.CONSENSUS):
        logged = {name for name in runs[keyed(results, "magan", seed)].data.metrics if name.startswith("heldout/")}
        assert logged == {"heldout/pearson"}
        value = runs[keyed(results, "magan", seed)].data.metrics["heldout/pearson"]
        assert value == rows[seed, "all", "all", "pearson"]


def test_scores_of_every_marker_and_population_are_in_a_table(uri, client, results):
    results.collect(uri)
    run = by_key(client, results)[keyed(results, "magan")].info.run_id
    scores, summary = (pd.read_csv(client.download_artifacts(run, f"{name}.csv")) for name in ("scores", "summary"))
    of_arm = results.metrics[results.metrics["method"] == "magan"]
    pd.testing.assert_series_equal(scores["value"], of_arm["value"], check_index=False)
    assert scores["feature"].tolist() == of_arm["feature"].tolist()
    assert {name: summary[name][0] for name in ("mean", "sd", "low", "high", "consensus", "best_baseline_value")} == {
        "mean": 0.5,
        "sd": 0.1,
        "low": 0.4,
        "high": 0.6,
        "consensus": 0.55,
        "best_baseline_value": 0.9,
    }


def test_an_arm_carries_its_mean_its_data_and_its_figures(uri, client, results):
    results.collect(uri)
    run = by_key(client, results)[keyed(results, "magan")]
    assert run.data.metrics == {
        "heldout/pearson": 0.5,
        "n_seeds": 2,
        "n_failed": 1,
        "cost/seconds": 60,
        "cost/steps": 5000,
        "cost/replicates": 3,
    }
    assert run.data.params == {"correspondence.name": "shared", "steps": "5000"}
    assert (run.data.tags["commit"], run.data.tags["deployed"]) == ("abc", "true")
    (read,) = run.inputs.dataset_inputs
    wanted = hashlib.sha256(json.dumps({"a.fcs": "1" * 64}).encode()).hexdigest()
    assert (read.dataset.name, read.dataset.digest) == ("toy", wanted[:32])
    files = {"figures", "config.json", "scores.csv", "summary.csv"}
    assert {f.path for f in client.list_artifacts(run.info.run_id)} == files
    assert run.info.end_time - run.info.start_time == 60_000


def test_the_experiment_is_described_and_opens_on_trainings(uri, client, results):
    results.collect(uri)
    name = f"{results.study['name']}/heldout/toy"
    tags = client.get_experiment_by_name(name).tags
    assert tags["mlflow.note.content"] == "What is asked here."
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    results.notes = {"heldout/toy": "What is asked now."}
    results.collect(uri)
    assert client.get_experiment_by_name(name).tags["mlflow.note.content"] == "What is asked now."


def test_the_deployed_method_heads_the_list_of_runs(uri, client, results):
    results.collect(uri)
    experiment = client.get_experiment_by_name(f"{results.study['name']}/heldout/toy")
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert [run.info.run_name for run in parents] == ["magan", "knn"]


def test_seeds_and_consensus_are_nested_under_their_arm_and_a_baseline_stands_alone(uri, client, results):
    results.collect(uri)
    runs = by_key(client, results)
    inside = (*SEEDS, keys.CONSENSUS)
    assert set(runs) == {keyed(results, *rest) for rest in [("magan",), ("knn",), *(("magan", s) for s in inside)]}
    for seed in inside:
        child = runs[keyed(results, "magan", seed)].data
        assert child.tags["mlflow.parentRunId"] == runs[keyed(results, "magan")].info.run_id
        assert child.tags["kind"] == (keys.CONSENSUS if seed == keys.CONSENSUS else "seed")
        assert child.params == {
            "seed": str(seed),
            "method": "magan",
            "arm": "magan",
            "correspondence.name": "shared",
        }


def test_curves_have_their_steps_and_no_more_than_thirty_points(uri, client, results):
    results.collect(uri)
    run = by_key(client, results)[keyed(results, "magan", 1)]
    curve = client.get_metric_history(run.info.run_id, "generator/cycle")
    written = read_events(results.runs[0].events).curves.query("seed == 1 and term == 'generator/cycle'")
    values = dict(zip(written["step"], written["value"]))
    assert len(curve) == 30
    assert {point.step for point in curve} >= {0, 4990}
    assert all(values[point.step] == point.value for point in curve)


def test_what_went_wrong_in_a_training_is_told_of_its_seed_and_counted_for_the_arm(uri, client, results):
    log = EventLog(results.folder / "ill.jsonl", SEEDS)
    log.health(0, "mode collapse", "health/diversity", 300, True)
    log.health(1, "mode collapse", "health/diversity", 900, False)
    log.health(1, "discriminator wins", "discriminator/adversarial", 500, True)
    results.runs[0] = replace(results.runs[0], events=log.path)
    results.collect(uri)
    runs = by_key(client, results)
    assert runs[keyed(results, "magan", 0)].data.tags["health"] == "mode collapse from step 300"
    told = "mode collapse from step 900, not to the end; discriminator wins from step 500"
    assert runs[keyed(results, "magan", 1)].data.tags["health"] == told
    assert "health" not in runs[keyed(results, "magan", 2)].data.tags
    metrics = runs[keyed(results, "magan")].data.metrics
    assert metrics["health/mode collapse"] == 2 and metrics["health/discriminator wins"] == 1


def test_pictures_of_a_training_are_its_arms_alone(uri, client, results):
    (results.folder / "looks" / "seed_0").mkdir(parents=True)
    (results.folder / "looks" / "seed_0" / "step_000000.png").write_bytes(b"picture")
    results.runs[0] = replace(results.runs[0], files={"looks": results.folder / "looks"})
    results.collect(uri)
    run = by_key(client, results)[keyed(results, "magan")]
    (picture,) = client.list_artifacts(run.info.run_id, "looks/seed_0")
    assert picture.path == "looks/seed_0/step_000000.png"
    assert not client.list_artifacts(by_key(client, results)[keyed(results, "knn")].info.run_id, "looks")


def test_a_failed_seed_is_a_failed_run(uri, client, results):
    results.collect(uri)
    runs = by_key(client, results)
    statuses = {key.split("/")[-1]: run.info.status for key, run in runs.items()}
    assert [key for key, status in statuses.items() if status == "FAILED"] == ["2"] and len(statuses) == 6
    assert runs[keyed(results, "magan", 2)].data.tags["status"] == "failed"
    assert runs[keyed(results, "magan", 2)].data.tags["detail"] == "not finite"


def test_a_seed_without_scores_is_logged_with_its_curves(results):
    metrics = results.metrics[results.metrics["seed"] != 1]
    found = {entry.key.rpartition("/")[2]: entry for entry in entries_of(results, metrics)}
    assert {name for name, _, _ in found["1"].metrics} == {"generator/cycle", "discriminator/real"}
    assert "heldout/pearson" in {name for name, _, _ in found["0"].metrics}


def entries_of(results, metrics):
    return entries(results.study, results.runs[0], metrics, results.summary, "abc", {})


def test_settings_and_scores_are_sent_whole_in_calls_that_a_server_takes():
    client = Mock()
    client.create_run.return_value.info.run_id = "r"
    client.get_run.return_value.data.tags = {}
    metrics = tuple((f"m{i}", float(i), 0) for i in range(1901))
    entry = Entry("k", "", "e", "n", False, {}, {f"p{i}": "v" for i in range(205)}, metrics)
    _log(client, "1", entry, "", "FINISHED", "d")
    calls = [call.kwargs for call in client.log_batch.call_args_list]
    assert [(len(call["params"]), len(call["metrics"])) for call in calls] == [(100, 900), (100, 900), (5, 101)]
    assert [metric.key for call in calls for metric in call["metrics"]] == [name for name, _, _ in metrics]
    assert [param.key for call in calls for param in call["params"]] == list(entry.params)


@pytest.mark.parametrize(
    ("status", "more"),
    [
        ("FINISHED", {"seconds": 3.5, "cpu_seconds": 3, "memory_mb": 40}),
        ("FAILED", {}),
        ("RUNNING", {}),
    ],
)
def test_a_job_has_its_measured_memory_once_it_has_ended_well(tmp_path, status, more):
    (tmp_path / "b.tsv").write_text("s\tmax_rss\tcpu_time\n2.5\t-\t2\n3.5\t40\t3\n")
    job = Job(1, "train", {}, {}, [], str(tmp_path / "b.tsv"), start=10.0, end=14.0, status=status)
    assert job.metrics() == {"seconds": 4} | more


def test_a_registered_model_without_versions_is_not_made_again():
    client = Mock()
    client.create_logged_model.side_effect = InterruptedError  # no further
    for versions, registered, made in (([], [], 1), ([], ["model"], 0)):
        client.search_model_versions.return_value, client.search_registered_models.return_value = versions, registered
        with pytest.raises(InterruptedError):
            register(client, "1", "run", Mock(digest="d"))
        assert client.create_registered_model.call_count == made
        client.create_registered_model.reset_mock()


def test_a_method_that_failed_whole_is_a_failed_run_with_its_error(uri, client, results):
    EventLog(results.runs[0].events, SEEDS).error("out of memory; take fewer seeds", "logs/train.log")
    results.collect(uri)
    runs = by_key(client, results)
    assert runs[keyed(results, "magan")].info.status == "FAILED"
    assert runs[keyed(results, "magan")].data.tags["error"] == "out of memory; take fewer seeds"
    assert runs[keyed(results, "magan", 0)].info.status == "FAILED"


def test_a_baseline_that_the_table_says_failed_is_a_failed_run(uri, client, results):
    knn = results.metrics["method"] == "knn"
    results.metrics.loc[knn, ["metric", "value"]] = ["failed", 1.0]
    results.collect(uri)
    assert by_key(client, results)[keyed(results, "knn")].info.status == "FAILED"


def test_collecting_twice_changes_nothing(uri, client, results):
    first = results.collect(uri)
    before = by_key(client, results)
    second = results.collect(uri)
    assert set(first["action"]) == {"logged"}
    assert set(second["action"]) == {"kept"}
    assert first["run_id"].tolist() == second["run_id"].tolist()
    after = by_key(client, results)
    assert {key: run.to_dictionary() for key, run in before.items()} == {
        key: run.to_dictionary() for key, run in after.items()
    }


def test_the_same_results_at_a_later_commit_keep_their_runs_and_the_commit_that_made_them(uri, client, results):
    first = results.collect(uri)
    second = results.collect(uri, commit="def")
    assert set(second["action"]) == {"kept"} and first["run_id"].tolist() == second["run_id"].tolist()
    tags = by_key(client, results)[keyed(results, "magan")].data.tags
    assert tags["commit"] == tags["mlflow.source.git.commit"] == "abc"


def test_a_changed_value_replaces_its_run_alone(uri, client, results):
    first = results.collect(uri).set_index("key")
    hit = (results.metrics["seed"] == 1) & (results.metrics["group"] == "all") & (results.metrics["feature"] == "all")
    results.metrics.loc[hit, "value"] = 0.125
    second = results.collect(uri).set_index("key")
    changed = {keyed(results, "magan"), keyed(results, "magan", 1)}  # the arm's table has it too
    assert second["action"].to_dict() == {key: "replaced" if key in changed else "kept" for key in first.index}
    assert by_key(client, results)[keyed(results, "magan", 1)].data.metrics["heldout/pearson"] == 0.125


def test_kept_seeds_follow_a_replaced_arm(uri, client, results):
    results.collect(uri)
    (results.folder / "a.svg").write_text("<svg></svg>")
    second = results.collect(uri).set_index("key")["action"]
    assert second.value_counts().to_dict() == {"kept": 5, "replaced": 1}
    runs = by_key(client, results)
    assert runs[keyed(results, "magan", 0)].data.tags["mlflow.parentRunId"] == runs[keyed(results, "magan")].info.run_id


def test_a_run_that_a_crash_left_unfinished_is_logged_again(uri, client, results):
    first = results.collect(uri).set_index("key")
    client.update_run(first.loc[keyed(results, "magan", 0), "run_id"], status="RUNNING")
    second = results.collect(uri).set_index("key")
    assert second.loc[keyed(results, "magan", 0), "action"] == "replaced"
    assert len(by_key(client, results)) == len(first)


def test_a_seed_the_arm_no_longer_has_is_removed(uri, client, results):
    results.collect(uri)
    EventLog(results.runs[0].events, (0, 1))
    results.metrics = results.metrics[results.metrics["seed"] != 2]
    second = results.collect(uri).set_index("key")
    assert second.loc[keyed(results, "magan", 2), "action"] == "removed"
    assert keyed(results, "magan", 2) not in by_key(client, results)


# -- the registry


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of two batches, and cells of the first as measured."""
    path, draw = tmp_path_factory.mktemp("trained") / "model.safetensors", np.random.default_rng(0)
    var = pd.DataFrame({keys.MARKER_TYPE: "lineage"}, index=["CD3", "CD4"])
    parts = [AnnData(draw.gamma(0.5, 100, (500, 2)).astype(np.float32), var=var) for _ in range(3)]
    x1, x2, y = map(arcsinh, parts)
    settings = {"training": Training(steps=20, batch_size=50, learning_rate=0.01), "seeds": (0, 1), "device": "cpu"}
    Aligner("magan", **settings).fit([x1, x2], [y, y], names=["mon", "tue"]).save(path)
    return path, parts[0].to_df()


@pytest.fixture
def registered(results, trained):
    """The small study with a model to register, under a name of its own."""
    path = shutil.copy(trained[0], results.folder / "model.safetensors")
    model = Model(f"{results.study['name']}-toy", Path(path), trained[1][:5], "mon")
    results.runs[0] = replace(results.runs[0], model=model)
    return results


@pytest.fixture
def load(uri):
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)  # all that the documents ask for
    yield mlflow.pyfunc.load_model
    mlflow.set_tracking_uri(before)


def run_map(model, file, folder, batch):
    """``magan map`` on one file."""
    result = CliRunner().invoke(app, ["map", str(model), str(file), "-o", str(folder), "--batch", batch])
    assert result.exit_code == 0, result.output


def test_a_registered_model_corrects_a_table_as_the_file_of_its_cells_is_corrected(
    uri, registered, trained, load, tmp_path
):
    registered.collect(uri)
    loaded, table = load(f"models:/{registered.runs[0].model.name}/1"), trained[1]
    table.to_csv(tmp_path / "a.csv", index=False)
    for batch in ("mon", "tue"):
        run_map(trained[0], tmp_path / "a.csv", tmp_path / batch, batch)
        done = loaded.predict(table, params={"batch": batch})
        np.testing.assert_array_equal(done.astype(np.float32), read(tmp_path / batch / "a.csv").X)
        assert list(done.columns) == ["CD3", "CD4"] and np.abs(done - table).to_numpy().mean() > 1
    one = loaded.predict(table, params={"batch": "mon", "seed": "1"})
    two = loaded.predict(table[["CD4", "CD3"]].assign(more=1.0), params={"batch": "mon", "seed": "1"})
    pd.testing.assert_frame_equal(one, two)
    assert (one != loaded.predict(table, params={"batch": "mon"})).to_numpy().mean() > 0.9
    with pytest.raises(InputError, match=r"has a map for each of 2 batches; give the batch, it knows mon, tue$"):
        loaded.predict(table)


def test_a_registered_model_is_code_and_tensors_with_a_signature_and_exact_requirements(uri, client, registered, load):
    done = registered.collect(uri).query("kind == 'model'")
    address = f"models:/{registered.runs[0].model.name}/1"
    assert done[["key", "status", "action"]].to_numpy().tolist() == [[address, "READY", "logged"]]
    told = load(address).metadata
    assert told.signature.inputs.input_names() == ["CD3", "CD4"] == told.signature.outputs.input_names()
    assert {p.name: p.default for p in told.signature.params} == {"batch": "", "seed": "consensus"}
    assert told.flavors["python_function"]["model_code_path"].endswith("pyfunc.py")
    folder = Path(client.get_model_version(registered.runs[0].model.name, "1").source.removeprefix("file://"))
    assert not [file for file in folder.rglob("*") if file.suffix in (".pkl", ".pickle", ".pt")]
    assert (folder / "artifacts" / "model.safetensors").read_bytes() == registered.runs[0].model.path.read_bytes()
    asked = (folder / "requirements.txt").read_text().split()
    assert f"torch=={importlib.metadata.version('torch')}" in asked and all("==" in line for line in asked)
    assert told.load_input_example(str(folder)).shape == (5, 2)
    assert told.load_input_example_params(str(folder)) == {"batch": "mon"}


def test_a_model_is_registered_once_until_it_is_another(uri, client, registered):
    name = registered.runs[0].model.name
    registered.collect(uri)
    (registered.folder / "a.svg").write_text("<svg>another figure</svg>")  # its run is logged again
    again = registered.collect(uri).set_index("kind")
    assert again.loc["model", "action"] == "kept" and again.loc["parent", "action"].tolist() == ["kept", "replaced"]
    (version,) = client.search_model_versions(f"name='{name}'")
    assert version.tags["magan.run_id"] == again.loc["model", "run_id"] == again.loc["parent", "run_id"].iloc[1]
    path = registered.runs[0].model.path
    other = Aligner.load(path)
    other.scalings_["x2"][0].mean.add_(0.5)
    other.save(path)
    assert registered.collect(uri).set_index("kind").loc["model", "key"] == f"models:/{name}/2"
    assert {v.version for v in client.search_model_versions(f"name='{name}'")} == {1, 2}
    assert client.get_model_version_by_alias(name, "champion").version == 2


def test_fifty_seeds_are_collected_in_under_fifteen_seconds(uri, results):
    seeds = range(50)
    log = EventLog(results.runs[0].events, seeds)
    for step in range(30):
        log.metrics(step, {f"term_{t}": np.full(50, float(step)) for t in range(8)})
    scores = [(s, "all", f"M{m}", "pearson", s + m / 60) for s in seeds for m in range(60)]
    arm = {"task": "heldout", "dataset": "toy", "method": "magan", "arm": "magan"}
    results.metrics = pd.DataFrame(scores, columns=["seed", "group", "feature", "metric", "value"]).assign(**arm)
    start = time.process_time()
    results.collect(uri)
    assert time.process_time() - start < 15  # of the processor: a busy machine is no slower collector
