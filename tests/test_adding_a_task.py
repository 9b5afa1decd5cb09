"""The page on adding a task, run as it stands: its folder, its lines, and a study of it from cells to figures."""

import ast
import importlib.util
import re
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml
from anndata import AnnData
from test_architecture import OUTSIDE, ROOMS, imports, room

import magan.study
import magan.tasks
from magan import keys
from magan.baselines import BASELINES
from magan.errors import InputError
from magan.metrics import summary
from magan.report.tables import tables
from magan.stages.atomic_files import read_metrics
from magan.stages.baseline import baseline
from magan.stages.draw import draw
from magan.stages.evaluate import evaluate, summarise
from magan.stages.prepare import prepare
from magan.tasks.registry import TASKS, Task
from magan.titles import title

PAGE = (Path(__file__).parents[1] / "docs" / "adding-a-task.md").read_text()
FILE = re.compile(r"`magan/tasks/population_shares/(\w+\.py)`.*?```python\n(.*?)```", re.S)
FILES = dict(FILE.findall(PAGE))
PARTS = {"settings.py", "check.py", "folds.py", "score.py", "figures.py", "report.py"}
LINE = re.search(r'"shares": (Task\(.*?\)),\n', PAGE)[1]
SCORE = re.search(r'"(share_error)": (\(.*?"lower"\)),\n', PAGE)
STUDY = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.S)[1])
MARKERS = ["CD3", "CD19", "CD14"]
METHODS = ("identity", "monotone_balanced")


@pytest.fixture(scope="module")
def added(tmp_path_factory):
    """The folder of the page as a part of `magan.tasks`, with the lines of the page; the class of its settings."""
    folder = tmp_path_factory.mktemp("tasks") / "population_shares"
    folder.mkdir()
    for name, text in {"__init__.py": "", **FILES}.items():
        (folder / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(magan.tasks, "__path__", [*magan.tasks.__path__, str(folder.parent)])
        importlib.invalidate_caches()
        settings = importlib.import_module("magan.tasks.population_shares.settings").PopulationShares
        patch.setitem(TASKS, "shares", eval(LINE, {"Task": Task}))
        name, about = SCORE.groups()
        patch.setitem(keys.SCORES, name, ast.literal_eval(about))
        patch.setitem(summary.DIRECTIONS, name, keys.SCORES[name][1])
        yield settings
    for module in [name for name in sys.modules if name.startswith("magan.tasks.population_shares")]:
        del sys.modules[module]
    del magan.tasks.population_shares


def cells(n: int = 600) -> AnnData:
    """Three populations in batch "a", the reference, and in "b", shifted so that B cells look like T cells."""
    random = np.random.default_rng(0)
    populations, parts = np.array(["T", "B", "monocyte"]), []
    for batch, shares, shift in (("a", (0.5, 0.3, 0.2), (0, 0, 0)), ("b", (0.3, 0.5, 0.2), (3, -3, 0))):
        kind = random.choice(3, n, p=shares)
        values = (4 * np.eye(3)[kind] + np.array(shift) + random.normal(0, 0.5, (n, 3))).astype(np.float32)
        obs = pd.DataFrame({keys.BATCH: batch, keys.SAMPLE: batch, keys.CELL_TYPE: populations[kind]})
        parts.append(AnnData(values, obs=obs.set_index(np.array([f"{batch}{i}" for i in range(n)]))))
    both = anndata.concat(parts)
    both.var_names = MARKERS
    both.var[keys.TO_CORRECT] = True
    both.layers[keys.PREPROCESSED] = both.X.copy()
    both.uns[keys.CYTOF] = {"cofactor": 5.0}
    both.uns[keys.SOURCE] = {"name": "made", "files": {}, "licence": "", "citation": ""}
    return both


@pytest.fixture(scope="module")
def folder(added, tmp_path_factory) -> Path:
    """The task of the page from cells to scores."""
    tmp_path = tmp_path_factory.mktemp("shares")
    cells().write_h5ad(tmp_path / "cells.h5ad")
    asked = added(cells="made", reference="a", arms={}).model_dump(mode="json")
    parts = {name: str(tmp_path / name) for name in ("train", "query")}
    prepare(
        "shares", "made", asked, 50, [str(tmp_path / "cells.h5ad")], parts | {"truth": str(tmp_path / "truth.h5ad")}
    )
    for name in METHODS:
        files = {key: str(tmp_path / name / key) for key in ("events.jsonl", "mapped.h5ad", "model.safetensors", "log")}
        baseline("shares", "made", name, parts, {key.split(".")[0]: path for key, path in files.items()})
    maps = [str(tmp_path / name / "mapped.h5ad") for name in METHODS]
    evaluate("shares", str(tmp_path / "truth.h5ad"), maps, str(tmp_path / "made.tsv"))
    summarise([str(tmp_path / "made.tsv")], str(tmp_path / "metrics.tsv"), str(tmp_path / "summary.tsv"))
    return tmp_path


def test_the_page_has_every_file_of_the_folder():
    assert set(FILES) == PARTS


def test_the_files_of_the_page_import_what_a_task_may(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
        here = room(("tasks", "population_shares", Path(name).stem))
        for imported in imports(tmp_path / name):
            top, *rest = imported.split(".")
            if top == "magan":
                assert room(tuple(rest)) in ROOMS[here] | {here}, f"{name} may not import {imported}"
            assert here in OUTSIDE.get(top, {here}), f"{name} may not import {top}"


def test_no_method_reads_a_label_or_a_cell_of_the_query(folder):
    trained = [anndata.read_h5ad(path) for path in sorted((folder / "train").rglob("*.h5ad"))]
    query = anndata.read_h5ad(folder / "query" / "b.h5ad")
    assert len(trained) == 2 and query.n_obs > 100
    for part in (*trained, query):
        assert keys.CELL_TYPE not in part.obs
    for part in trained:
        assert not set(part.obs_names) & set(query.obs_names)


def test_a_map_that_takes_the_shift_away_keeps_the_shares(folder):
    means = read_metrics(folder / "summary.tsv")
    of_batch = means[(means["group"] == keys.ALL) & (means["metric"] == "share_error")].set_index("method")["mean"]
    assert of_batch["floor"] < 0.02 and of_batch["monotone_balanced"] < 0.05 < 0.1 < of_batch["identity"]


def test_the_score_of_the_page_is_the_total_variation_distance(added):
    score = importlib.import_module("magan.tasks.population_shares.score").share_error
    assert score(np.array(["T", "B"]), np.array(["T"] * 8 + ["B"] * 2)) == pytest.approx(0.3)
    assert score(np.array(["T", "T"]), np.array(["B"])) == 1 and score(np.array(["B"]), np.array(["B"])) == 0


def test_the_figures_and_the_table_of_the_page_are_made(folder):
    paths = tuple(str(folder / name) for name in ("metrics.tsv", "summary.tsv"))
    draw("shares", "made", {}, METHODS, "", paths, (str(folder), str(folder / "figures")))
    drawn = (folder / "figures" / "share_errors.svg").read_text()
    assert all(name in drawn for name in (*map(title, METHODS), "error of population", "shares"))
    of_methods, of_batches = tables("shares", "made", read_metrics(paths[1]), {})
    assert [line["name"] for line in of_methods["lines"]] == [*map(title, METHODS), title("floor")]
    assert of_batches["heads"]


def test_the_study_of_the_page_is_read_and_its_methods_are_checked(added):
    place = importlib.util.spec_from_file_location("study_with_the_task", magan.study.__file__)
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)  # a study has a section for each task that is registered when it is first read
    study = module.parse(STUDY)
    ((task, dataset, settings),) = study.tasks()
    assert task == "shares" and settings.deployed == "magan_monotone"
    TASKS[task].check(study, dataset, settings)
    wrong = settings.model_copy(update={"baselines": ("pair_ridge",)})
    assert "pairs" in BASELINES.entries["pair_ridge"].needs
    with pytest.raises(InputError, match="'pair_ridge' needs pairs, which this task does not have"):
        TASKS[task].check(study, dataset, wrong)


def test_what_the_folds_cannot_be_made_of_is_refused(added):
    split = importlib.import_module("magan.tasks.population_shares.folds").split
    adata = cells(100)
    with pytest.raises(InputError, match=r"no batch is 'A'.*a"):
        split(added(cells="made", reference="A", arms={}), [adata], 10)
    del adata.obs[keys.CELL_TYPE]
    with pytest.raises(InputError, match="have no obs column 'cell_type'"):
        split(added(cells="made", reference="a", arms={}), [adata], 10)
