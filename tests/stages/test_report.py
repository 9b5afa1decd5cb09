"""Tests of magan.stages.report: figures and report keep the study's order, and the page knows its controls."""

import re

import anndata
import numpy as np
import pandas as pd
import pytest
import synthetic

from magan import keys
from magan.aligner import Aligner
from magan.config import Training
from magan.cytometry.arcsinh import arcsinh
from magan.stages import draw, provenance, report, track
from magan.stages.atomic_files import write_table
from magan.study import parse
from magan.tasks.registry import TASKS

SHARED = {"model": "magan", "correspondence": "shared_markers"}
HELDOUT = {
    "cells": "blood",
    "deploy": "magan",
    "shared": ["CD4", "CD8"],
    "arms": {
        "magan": SHARED | {"options": {"correspondence_weight": 2.0}},
        "cyclegan": {"model": "cyclegan"},
        "magan_alone": {"model": "magan"},
    },
    "baselines": ["knn", "ridge", "boosting"],
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The made-up study's metrics and summary as files, sorted by name as the workflow leaves them."""
    folder, metrics = tmp_path_factory.mktemp("tables"), synthetic.metrics()
    by = ["task", "dataset", "method", "arm"]
    for name, table in (("metrics", metrics), ("summary", synthetic.summarise(metrics))):
        write_table(table.sort_values(by, kind="stable"), folder / f"{name}.tsv")
    return folder / "metrics.tsv", folder / "summary.tsv"


def blood(folder):
    """The data set that the studies are about, as far as what it says of its source."""
    source = {"name": "blood", "files": {"a.fcs": "ab" * 32}, "licence": "CC0", "citation": "Doe 2020"}
    (folder / "cells").mkdir()
    anndata.AnnData(np.zeros((1, 1), np.float32), uns={keys.SOURCE: source}).write_h5ad(folder / "cells" / "blood.h5ad")


def logs(folder, names):
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "events.jsonl").write_text("")


@pytest.fixture
def page(tables, tmp_path):
    """The report of a study that lists its methods in no order of the alphabet."""
    pictures, place = tmp_path / "figures" / "heldout" / "control_1", tmp_path / "heldout" / "control_1"
    pictures.mkdir(parents=True)
    for name in TASKS["heldout"].figures:
        (pictures / f"{name}.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
        (pictures / f"{name}.png").write_bytes(b"\x89PNG")
    logs(place, [*HELDOUT["arms"], *HELDOUT["baselines"]])
    blood(tmp_path)
    study = {"name": "demo", "title": "Demo", "heldout": {"control_1": HELDOUT}}
    report.report(study, str(tmp_path), *map(str, tables), str(tmp_path / "index.html"))
    return (tmp_path / "index.html").read_text()


def test_the_report_lists_methods_as_the_study_does(page):
    rows = re.findall(r'<tr class="(?:trained|baseline)" data-method="(\w+)"', page)
    assert rows == ["magan", "cyclegan", "magan_alone", "knn", "ridge", "boosting"]
    heads = re.search(r'<th scope="col">marker</th>(.*?)</tr>', page).group(1)
    assert re.findall(r'data-method="(\w+)"', heads) == rows


def test_the_report_tells_the_control_and_the_code_it_was_made_with(page):
    assert "the same network: MAGAN alone" in page and "without correspondence it is worse" in page
    assert provenance.provenance()["code"] in page
    assert "seeds of heldout/control_1</dt><dd>0, 1, 2</dd>" in page


def test_a_figure_lists_methods_as_the_study_does(tables, tmp_path):
    truth, mapped = synthetic.digit_images()
    arms = {"magan": "magan", "discogan": "discogan", "magan_alone": "magan"}
    logs(tmp_path, arms)
    truth.write_h5ad(tmp_path / "truth.h5ad")
    mapped.write_h5ad(tmp_path / "magan" / "mapped.h5ad")
    output = tmp_path / "figures"
    places = str(tmp_path), str(output)
    draw.draw("digits", "threes_sevens", arms, [], "magan", tuple(map(str, tables)), places)
    drawn = re.findall(r">(MAGAN|DiscoGAN|MAGAN alone)</text>", (output / "digit_outcomes.svg").read_text())
    assert drawn == ["MAGAN", "DiscoGAN", "MAGAN alone"]


@pytest.mark.parametrize(
    ("arms", "found"),
    [
        ({"a": SHARED, "b": {"model": "magan"}}, {"alone": "b"}),
        ({"a": SHARED, "b": {"model": "magan"}, "c": {"model": "magan"}}, {"alone": "b"}),
        ({"a": SHARED, "b": {"model": "cyclegan"}}, {}),
        ({"a": SHARED, "b": {"model": "magan", "options": {"generator_hidden": [8]}}}, {}),
        ({"a": SHARED, "b": {"model": "magan", "training": {"steps": 9}}}, {}),
        (
            {"a": SHARED, "b": SHARED | {"correspondence": {"name": "shared_markers", "shuffled": True}}},
            {"shuffled": "b"},
        ),
        ({"a": SHARED, "b": SHARED | {"correspondence": {"name": "correlation", "shuffled": True}}}, {}),
        ({"a": {"model": "magan"}, "b": {"model": "magan"}}, {}),
    ],
)
def test_a_control_is_the_deployed_arm_but_for_its_correspondence(arms, found):
    study = parse({"name": "demo", "title": "Demo", "heldout": {"blood": HELDOUT | {"deploy": "a", "arms": arms}}})
    assert report._controls(study.find("heldout", "blood")) == found


def test_the_floor_and_unlisted_methods_come_last():
    table = synthetic.batch().sample(frac=1, random_state=0)
    ordered = draw.rows_of(table, "batch", "person_2", ["magan_alone", "magan", "quantile", "identity"])
    names = ordered["method"].where(ordered["arm"] == keys.BASELINE, ordered["arm"])
    assert list(dict.fromkeys(names))[:4] == ["magan_alone", "magan", "quantile", "identity"]
    assert set(names[-len(names[names.isin(["floor", "cyclegan", "harmony"])]) :]) == {"floor", "cyclegan", "harmony"}
    assert sorted(ordered.index) == sorted(table.index)


BATCH = {
    "cells": "blood",
    "deploy": "magan",
    "reference": "wed",
    "train": {"sample": "control_1"},
    "test": {"sample": "control_2"},
    "arms": {"magan": SHARED, "magan_alone": {"model": "magan"}},
    "baselines": ["identity"],
}


@pytest.fixture
def collected(tables, tmp_path, monkeypatch, capsys):
    """What `collect` hands to the store of a study with a batch alignment, given what stands in for its model."""

    def collect(save):
        place, random = tmp_path / "batch" / "days", np.random.default_rng(0)
        blood(tmp_path)
        for folder in ("magan", "query"):
            (place / folder).mkdir(parents=True)
        var = pd.DataFrame({keys.MARKER_TYPE: "lineage"}, index=["CD4", "CD8"])
        names = [str(i) for i in range(60)]
        cells = [pd.DataFrame(random.gamma(0.5, 100, (60, 2)).astype("f4"), names, var.index) for _ in range(3)]
        x1, x2, y = (arcsinh(anndata.AnnData(one, var=var)) for one in cells)
        for name, x in (("mon", x1), ("tue", x2)):
            x.write_h5ad(place / "query" / f"{name}.h5ad")
        training = Training(steps=1, batch_size=20)
        save(Aligner(training=training, device="cpu").fit([x1, x2], [y, y], names=["mon", "tue"]), place)
        given = {}
        monkeypatch.setattr(track.tracking, "collect", lambda uri, **given_: given.update(given_) or pd.DataFrame())
        study = {"name": "demo", "title": "Demo", "heldout": {"control_1": HELDOUT}, "batch": {"days": BATCH}}
        track.collect(study, str(tmp_path), *map(str, tables), str(tmp_path / "index.html"), str(tmp_path / "t.tsv"))
        return {(run.task, run.name): run.model for run in given["runs"]}, cells[0], capsys.readouterr().out

    return collect


def test_the_deployed_arm_of_a_batch_correction_is_registered_and_no_other(collected):
    models, cells, _ = collected(lambda aligner, folder: aligner.save(folder / "model.safetensors"))
    model = models.pop(("batch", "magan"))
    assert (model.name, model.batch, model.path.name) == ("demo-days", "mon", "model.safetensors")
    np.testing.assert_array_equal(model.example, cells[:5])
    assert list(model.example.columns) == ["CD4", "CD8"]
    assert len(models) == 8 and set(models.values()) == {None}


def test_a_model_that_corrects_nothing_is_not_registered_and_that_is_said(collected):
    models, _, said = collected(lambda aligner, folder: (folder / "model.safetensors").touch())
    assert set(models.values()) == {None} and "demo-days is not registered: every seed of magan failed" in said


def test_a_model_that_does_not_know_the_scale_is_not_registered_and_that_is_said(collected):
    def without_scale(aligner, folder):
        aligner.cofactors_ = {"x1": [{}, {}], "x2": [{}, {}]}
        aligner.save(folder / "model.safetensors")

    models, _, said = collected(without_scale)
    assert set(models.values()) == {None} and "demo-days is not registered: model " in said and "cofactor" in said
