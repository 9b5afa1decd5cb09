"""A user's two files without a common marker, from the files to figures of the mapped cells."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from magan import keys
from magan.config import Arm, Training
from magan.stages.atomic_files import read_metrics
from magan.stages.baseline import baseline
from magan.stages.draw import draw
from magan.stages.evaluate import evaluate, summarise
from magan.stages.job import job_of
from magan.stages.prepare import prepare, read
from magan.stages.train import train
from magan.tasks.cell_matching.settings import Matching
from magan.titles import title

N = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Everything up to the scores, of two CSV files with a pair column; the second is the first, turned."""
    folder = tmp_path_factory.mktemp("own")
    random = np.random.default_rng(0)
    centres = np.array([[0.0, 0, 5], [0, 5, 0], [5, 0, 0]])
    first = centres[np.arange(N) % 3] + 0.4 * random.normal(size=(N, 3))
    second = first @ np.linalg.qr(random.normal(size=(3, 3)))[0] + 1
    about = pd.DataFrame(
        {"cell_type": np.array(["T", "B", "NK"])[np.arange(N) % 3], "pair": [f"w{i}" for i in range(N)]}
    )
    about.loc[N - 5 :, "pair"] = ""
    for name, values in (("proteins", first), ("genes", second)):
        table = pd.DataFrame(values, columns=[f"{name}_{i}" for i in range(3)]).join(about)
        table.sample(frac=1, random_state=len(name)).to_csv(folder / f"{name}.csv", index=False)
        own = {"files": [{"path": str(folder / f"{name}.csv")}], "cofactor": None}
        read(name, own, None, str(folder), str(folder / f"{name}.h5ad"))
    settings = Matching(cells_1="proteins", cells_2="genes", n_pairs=15, n_draws=2, arms={})
    paths = [str(folder / f"{name}.h5ad") for name in ("proteins", "genes")]
    own = {name: str(folder / name) for name in ("train", "query")}
    truth = {"truth": str(folder / "truth.h5ad")}
    prepare("matching", "own", settings.model_dump(mode="json"), 32, paths, own | truth)
    arm = Arm(model="magan", correspondence="pairs", scale="each",
              options={"generator_hidden": [16], "discriminator_hidden": [16]})  # fmt: skip
    training = Training(steps=300, batch_size=32, learning_rate=5e-3)
    out = {"model": "model.safetensors", "events": "events.jsonl", "mapped": "mapped.h5ad"}
    files = {**own, **{part: str(folder / "magan" / name) for part, name in out.items()}, "log": "log"}
    params = {"arm": arm.model_dump(mode="json", exclude={"training"}), "training": training.model_dump()}
    params |= {"seeds": [0, 1], "device": "cpu"}
    train(job_of({"task": "matching", "dataset": "own", "arm": "magan"}, params, files))
    for name in ("pair_ridge", "pair_ridge_shuffled"):
        files = {part: str(folder / name / file) for part, file in out.items()} | {"log": "log"}
        baseline("matching", "own", name, own, files)
    mapped = [str(folder / name / "mapped.h5ad") for name in ("magan", "pair_ridge", "pair_ridge_shuffled")]
    evaluate("matching", str(folder / "truth.h5ad"), mapped, str(folder / "own.tsv"))
    summarise([str(folder / "own.tsv")], str(folder / "metrics.tsv"), str(folder / "summary.tsv"))
    return folder


def test_the_pair_column_of_two_text_files_is_what_pairs_them(folder):
    x1, x2 = (anndata.read_h5ad(folder / f"train/draw_1/{x}.h5ad") for x in ("x1", "x2"))
    assert x1.n_obs == x2.n_obs == N and list(x1.var_names) == [f"proteins_{i}" for i in range(3)]
    told = [set(x.obs[keys.PAIR]) - {""} for x in (x1, x2)]
    assert told[0] == told[1] and len(told[0]) == 15


def test_told_pairs_lead_a_map_to_each_cells_own_measurement(folder):
    means = read_metrics(folder / "summary.tsv")
    means = means[(means["group"] == keys.ALL) & (means["metric"] != "failed")]
    value = means.set_index(["method", "metric"])["mean"]
    assert value["pair_ridge", "foscttm"] < 0.02 and value["pair_ridge_shuffled", "foscttm"] > 0.3
    assert value["magan", "foscttm"] < 0.25 and value["magan", "label_accuracy"] > 0.9
    assert value["floor", "label_accuracy"] == 1


def test_draws_are_scored_apart_and_every_seed_is_there(folder):
    table = read_metrics(folder / "metrics.tsv")
    assert set(table["group"]) == {"all", "draw_1", "draw_2"}
    assert set(table.loc[table["arm"] == "magan", "seed"]) == {"0", "1", "consensus"}


def test_both_figures_are_drawn(folder):
    methods = ["magan", "pair_ridge", "pair_ridge_shuffled"]
    tables = [str(folder / f"{name}.tsv") for name in ("metrics", "summary")]
    draw(
        "matching",
        "own",
        {"magan": "magan"},
        methods[1:],
        "magan",
        tuple(tables),
        (str(folder), str(folder / "figures")),
    )
    scores, cells = ((folder / "figures" / f"matching_{name}.svg").read_text() for name in ("scores", "cells"))
    for word in (*map(title, methods), "FOSCTTM", "label transfer", "2 draws"):
        assert word in scores
    for word in ("120 real and 120 mapped cells, 15 known pairs", "mean of 2 seeds", ">NK<", "known pair"):
        assert word in cells
