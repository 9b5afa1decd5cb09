"""The page on adding a baseline or a batch map, run as it stands."""

import importlib
import re
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import magan.baselines
import magan.batch_maps
from magan import keys
from magan.baselines import BASELINES, Entry, _map
from magan.batch_mapper import BatchMapper
from magan.batch_maps import MAPS, BatchMap
from magan.batch_maps.choose import choose
from magan.correction import correction, mapped_units
from magan.errors import InputError
from magan.methods import methods
from magan.stages.baseline import baseline
from magan.tasks.batch_correction.check import check
from magan.tasks.batch_correction.settings import BatchAlignment

PAGE = (Path(__file__).parents[1] / "docs" / "adding-a-baseline.md").read_text()
FILE = r"`magan/(baselines|batch_maps)/((?!__)\w+\.py)`(?:(?!```).)*?```python\n(\"\"\".*?)```"
FILES = re.findall(FILE, PAGE, re.S)
LINES = dict(re.findall(r"^    (coral|median_shift)=(.*),$", PAGE, re.M))
BATCH_MAP = re.search(r'^    "median_shift": (BatchMap\(.*?^    \)),$', PAGE, re.M | re.S)[1]
MARKERS = ["CD3", "CD4", "CD8"]


@pytest.fixture
def added(tmp_path, monkeypatch):
    """Both files of the page in their packages, with their entries."""
    for room, name, text in FILES:
        (tmp_path / room).mkdir()
        (tmp_path / room / name).write_text(text)
    for package in (magan.baselines, magan.batch_maps):
        folder = tmp_path / package.__name__.split(".")[-1]
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    importlib.invalidate_caches()
    module = importlib.import_module("magan.batch_maps.median_shift")
    monkeypatch.setitem(MAPS, "median_shift", eval(BATCH_MAP, {"BatchMap": BatchMap, "median_shift": module}))
    for name, line in LINES.items():
        monkeypatch.setitem(BASELINES.entries, name, eval(line, {"Entry": Entry, "_map": _map}))
    yield
    for package, name in ((magan.baselines, "coral"), (magan.batch_maps, "median_shift")):
        sys.modules.pop(f"{package.__name__}.{name}", None)
        vars(package).pop(name, None)


def cells(seed: int, shift: float = 0.0, n: int = 300) -> AnnData:
    random = np.random.default_rng(seed)
    values = random.normal(3, 1, (n, 3)) @ random.normal(size=(3, 3)) + shift
    obs = pd.DataFrame({keys.BATCH: f"day{seed}"}, index=[f"{seed}_{i}" for i in range(n)])
    table = AnnData(values.astype(np.float32), obs=obs, var=pd.DataFrame(index=MARKERS))
    table.layers[keys.PREPROCESSED] = table.X.copy()
    table.uns[keys.CYTOF] = {"cofactor": 5.0}
    return table


def test_the_page_has_both_files_and_their_entries():
    assert [(room, name) for room, name, _ in FILES] == [("baselines", "coral.py"), ("batch_maps", "median_shift.py")]
    assert set(LINES) == {"coral", "median_shift"}


def test_the_baseline_of_the_page_gives_the_mean_and_the_covariance_of_the_reference(added):
    x1, x2 = cells(1, 2.0), cells(2)
    mapped = BASELINES["coral"](x1, x2, x1)
    assert mapped.dtype == np.float32
    np.testing.assert_allclose(mapped.mean(axis=0), x2.X.mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(np.cov(mapped.T), np.cov(x2.X.T), rtol=5e-3, atol=5e-3)
    with pytest.raises(InputError, match="cannot make marker 'CD8'"):
        BASELINES["coral"](x1[:, ["CD3", "CD4"]], x2, x1)


def test_the_baselines_of_the_page_are_listed_checked_and_only_the_map_is_deployed(added):
    listed = {method.name: method.summary for method in methods() if method.kind == "baseline"}
    assert listed["coral"].startswith("Return the query with the mean and covariance") and "median_shift" in listed
    asked = {"cells": "made", "reference": "day2", "baselines": ["coral", "median_shift"]}
    check(None, "made", BatchAlignment(**asked, deploy="median_shift"))
    with pytest.raises(ValueError, match="deploy names 'coral'"):
        BatchAlignment(**asked, deploy="coral")


def test_the_map_of_the_page_is_run_saved_and_corrects_later_cells(added, tmp_path):
    x1, x2 = cells(1, 2.0), cells(2)
    for path, part in {"train/day1/x1": x1, "train/day1/x2": x2, "query/day1": x1}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        part.write_h5ad(tmp_path / f"{path}.h5ad")
    parts = {name: str(tmp_path / name) for name in ("train", "query")}
    files = {name: str(tmp_path / name) for name in ("events", "mapped", "model", "log")}
    baseline("batch", "made", "median_shift", parts, files)
    mapped = anndata.read_h5ad(files["mapped"])
    assert mapped.uns[keys.ERROR] == ""
    np.testing.assert_allclose(np.median(mapped.X, axis=0), np.median(x2.X, axis=0), atol=1e-5)
    later = mapped_units(correction(Path(files["model"]), "day1"), x1.X[:7])
    np.testing.assert_allclose(later, mapped.X[:7], atol=1e-6)


def test_the_map_of_the_page_can_be_chosen(added):
    random = np.random.default_rng(0)
    x2 = random.choice([0.0, 4.0], (900, 3), p=[0.3, 0.7]) + random.normal(0, 0.3, (900, 3))
    choice = choose(x2[:450] + 0.7, x2[450:], candidates=("median_shift",))
    assert choice.name == "median_shift" and "median shift" in choice.reason
    assert BatchMapper("median_shift").method in MAPS
