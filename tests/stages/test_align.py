"""What stops the workflow and what is only one method's failure."""

from pathlib import Path

import anndata
import numpy as np
import pytest
from anndata import AnnData

from magan import keys, tracking
from magan.batch_mapper import BatchMapper
from magan.errors import InputError
from magan.stages.atomic_files import read_metrics
from magan.stages.baseline import baseline
from magan.stages.evaluate import evaluate
from magan.stages.job import job_of
from magan.stages.train import train


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One fold of a batch task whose target has a marker that the source lacks."""
    for file, markers in (("train/b/x1", "CD3 CD4"), ("train/b/x2", "CD3 CD4 CD8"), ("query/b", "CD3 CD4")):
        values = np.random.default_rng(0).normal(size=(20, len(markers.split()))).astype(np.float32)
        cells = AnnData(values, layers={keys.PREPROCESSED: values})
        cells.var_names = markers.split()
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        cells.write_h5ad(tmp_path / f"{file}.h5ad")
    return tmp_path


def run(folder: Path, name: str) -> AnnData:
    folders = {part: str(folder / part) for part in ("train", "query")}
    files = {part: str(folder / part) for part in ("events", "log", "model", "mapped.h5ad")}
    baseline("batch", "mine", name, folders, {key.removesuffix(".h5ad"): path for key, path in files.items()})
    return anndata.read_h5ad(folder / "mapped.h5ad")


def test_input_that_cannot_be_used_stops_the_workflow(folder):
    with pytest.raises(InputError, match="baseline 'identity' cannot make marker 'CD8'"):
        run(folder, "identity")
    assert not (folder / "mapped.h5ad").exists()


def test_a_method_that_breaks_is_written_down_as_failed_with_its_log(folder, monkeypatch):
    def breaks(name, steps, query):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setitem(baseline.__globals__, "_mapped", breaks)
    mapped = run(folder, "knn")
    assert mapped.uns[keys.ERROR] == "ZeroDivisionError: by nothing"
    assert np.isnan(mapped.X).all() and not mapped.layers
    assert tracking.read_events(folder / "events").error == {
        "message": "ZeroDivisionError: by nothing",
        "log": str(folder / "log"),
    }


def test_what_a_judged_arm_says_of_its_errors_reaches_the_scores(folder):
    """Kept apart, trained, mapped, written, read and scored, with a truth written as a study writes it."""
    for name, n in (("train/b/x1", 300), ("train/b/x2", 300), ("query/b", 100)):
        values = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
        values[:, 2] += values[:, 1]
        markers = ["CD3", "CD4", "CD8"] if name.endswith("x2") else ["CD3", "CD4"]
        cells = AnnData(values[:, : len(markers)].copy())
        cells.var_names, cells.layers[keys.PREPROCESSED] = markers, cells.X
        cells.write_h5ad(folder / f"{name}.h5ad")
    truth = AnnData(values[:, [2]].copy())
    truth.var_names, truth.layers[keys.PREPROCESSED] = ["CD8"], truth.X
    paired = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    truth.uns[keys.PAIRED] = {"markers": np.array(["CD3", "CD4", "CD8"]), "train": paired, "query": values}
    truth.write_h5ad(folder / "truth.h5ad")
    arm = {"model": "magan", "correspondence": {"name": "shared_markers", "rebuild": 1.0}, "predict": "expected"}
    arm |= {"calibrate": 0.2, "stack": True, "options": {"generator_hidden": (6,), "discriminator_hidden": (6,)}}
    (folder / "train/CD8").mkdir()
    for name in ("x1", "x2"):
        (folder / f"train/b/{name}.h5ad").rename(folder / f"train/CD8/{name}.h5ad")
    (folder / "query/b.h5ad").rename(folder / "query/CD8.h5ad")
    places = {name: str(folder / name) for name in ("train", "query", "model", "events", "log")}
    params = {"arm": arm, "training": {"steps": 5}, "seeds": [0], "device": "cpu"}
    wildcards = {"task": "heldout", "dataset": "mine", "arm": "arm"}
    train(job_of(wildcards, params, {**places, "mapped": str(folder / "mapped.h5ad")}))
    evaluate("heldout", str(folder / "truth.h5ad"), [str(folder / "mapped.h5ad")], str(folder / "metrics.tsv"))
    table = read_metrics(folder / "metrics.tsv")
    scores = table.set_index(["arm", "seed", "feature", "metric"])["value"].sort_index()
    assert 0.75 < scores["arm", "", "CD8", "coverage"] <= 1 and scores["arm", "", "CD8", "interval_width"] > 1
    assert scores["arm", "", "CD8", "sampled_wasserstein"] < 0.5
    assert scores["arm", "consensus", "CD8", "pearson"] > 0.3 and "pearson" in scores["ceiling", "", "CD8"].index


def test_a_map_that_can_be_deployed_is_saved_with_the_reason_of_its_choice(folder):
    """Loaded again the model maps the query to the same values; a shift of every marker is taken away."""
    random = np.random.default_rng(0)
    for file, shift in (("train/b/x1", 2.0), ("train/b/x2", 0.0), ("query/b", 2.0)):
        values = (random.normal(size=(400, 3)) + shift + [0, 3, 6]).astype(np.float32)
        cells = AnnData(values, layers={keys.PREPROCESSED: values})
        cells.var_names = ["CD3", "CD4", "CD8"]
        cells.write_h5ad(folder / f"{file}.h5ad")
    mapped = run(folder, "auto")
    assert abs(mapped.X.mean(axis=0) - [0, 3, 6]).max() < 0.2
    choice = mapped.uns[keys.CHOICE]
    assert choice["chosen"].sum() == 1 and choice.loc[choice["chosen"], "candidate"].item() != "identity"
    loaded = BatchMapper.load(folder / "model")
    np.testing.assert_array_equal(loaded.map(anndata.read_h5ad(folder / "query/b.h5ad")).X, mapped.X)
    assert loaded.methods_ == [choice.loc[choice["chosen"], "candidate"].item()]
