"""A study rehearsed on its own cells: what would stop the run, how long it would take, and the page of it."""

import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from magan.aligner import Aligner
from magan.cli import app
from magan.cytometry.load import own_cells
from magan.preflight import rehearsal
from magan.preflight.inspect import passes, preflights
from magan.preflight.page import page
from magan.study import load, parse
from magan.tasks.registry import TASKS

MARKERS = ["CD3", "CD4", "CD8a", "CD19"]


@pytest.fixture
def study(tmp_path: Path, monkeypatch) -> dict:
    """A study of two batches, in the working directory."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for name, shift in (("a", 1.0), ("b", 1.4)):
        counts = pd.DataFrame(shift * random.gamma(2, 60, (260, 4)), columns=MARKERS)
        counts.round(2).to_csv(f"{name}.csv", index=False)
    Path("sheet.csv").write_text("sample,path,batch\na,a.csv,1\nb,b.csv,2\n")
    return {
        "name": "mine",
        "title": "Mine",
        "seeds": 2,
        "training": {"steps": 150, "batch_size": 50, "learning_rate": 0.001},
        "own_data": {"blood": {"sheet": "sheet.csv", "gates": {"T": "CD3+ CD19-"}}},
        "batch": {
            "blood": {
                "cells": "blood",
                "reference": "1",
                "arms": {"magan": {"model": "magan", "correspondence": "correlation"}},
                "baselines": ["identity", "quantile"],
            }
        },
    }


def found(study: dict):
    Path("study.yaml").write_text(yaml.safe_dump(study))
    (one,) = preflights(Path("study.yaml")).values()
    return one


def test_a_study_that_runs_is_ready(study):
    assert passes(found(study)) and not Path("results").exists()


STOPS = {
    "gate": (("own_data", "blood", "gates"), {"T": "CD33+"}, "gate 'T': unknown marker 'CD33'"),
    "where": (("batch", "blood", "where"), {"donor": "x"}, "batch.blood: batch.where: no obs column 'donor'"),
    "train": (("batch", "blood", "train"), {"visit": "1"}, "batch.blood: batch.train: no obs column 'visit'"),
    "markers": (("batch", "blood", "markers"), ["CD3", "CD5"], "batch.blood: marker 'CD5' is not in the data"),
    "cells": (("training", "batch_size"), 250, "training samples, fewer than a minibatch of 250"),
    "correspondence": (
        ("batch", "blood", "arms", "magan", "correspondence"),
        {"name": "correlation", "options": {"without": ["CD99"]}},
        "batch.blood: arm magan: ",
    ),
}


@pytest.mark.parametrize("case", STOPS)
def test_what_would_stop_the_run_is_a_fault(study, case):
    (*parents, key), value, sentence = STOPS[case]
    place = study
    for parent in parents:
        place = place[parent]
    place[key] = value
    faults = found(study).faults
    assert len(faults) == 1 and faults[0].startswith("The run would stop: ") and sentence in faults[0]


def test_a_folder_that_cannot_be_written_is_a_fault(study):
    Path("results").write_text("a file where the folder would be")
    assert any("folder results/mine cannot be written" in fault for fault in found(study).faults)


def test_the_estimate_is_right_within_a_factor_of_two(study, monkeypatch):
    monkeypatch.setattr(rehearsal.time, "perf_counter", time.process_time)  # this machine may be busy with others
    Path("study.yaml").write_text(yaml.safe_dump(study))
    whole = load(Path("study.yaml"))
    cells = own_cells(whole.own_data["blood"], "blood")
    estimate = rehearsal.rehearse(whole, {"blood": cells})["blood"].seconds
    settings = whole.batch["blood"]
    pairs = TASKS["batch"].split(settings, [cells], 50).train.values()
    first, second = zip(*pairs)
    start = time.process_time()
    arm = settings.arms["magan"]
    Aligner.of_arm(arm, whole.training_of(settings, arm), (0, 1), "cpu").fit(list(first), list(second))
    assert 0.5 < estimate / (time.process_time() - start) < 2


def test_markers_that_the_study_does_not_list_stay_as_measured(study):
    study["batch"]["blood"]["markers"] = ["CD3", "CD19"]
    channels = found(study).channels.drop_duplicates("marker").set_index("marker")
    assert list(channels.index[channels["role"] == "corrected"]) == ["CD3", "CD19"]
    assert channels.loc["CD4", "reason"] == "not listed under markers of the study"


def test_the_page_holds_every_file_and_marker_and_escapes_what_files_say(study, tmp_path):
    table = pd.read_csv("a.csv").assign(**{"<script>alert(1)</script>": np.arange(260) % 3})
    table.to_csv("a.csv", index=False)
    table.to_csv("b.csv", index=False)
    result = CliRunner().invoke(app, ["check", "sheet.csv", "--html", "check.html"])
    assert result.exit_code == 0, result.output
    words = Path("check.html").read_text()
    assert "<script" not in words and "&lt;script&gt;alert(1)&lt;/script&gt;" in words
    assert "http" not in words  # nothing is fetched
    assert words.count("<svg") == len(MARKERS) and words.count("<polyline") == 2 * len(MARKERS)
    assert all(f"<figcaption>{marker}</figcaption>" in words for marker in MARKERS)
    for start in range(words.count("<svg")):
        part = words.split("<svg")[start + 1].split("</svg>")[0]
        ElementTree.fromstring(f"<svg{part}</svg>")
    (one,) = preflights(Path("sheet.csv")).values()
    assert page({"x": one}).count("a.csv") >= 1


def test_the_largest_minibatch_of_the_arms_is_the_one_that_domains_must_fill(tmp_path):
    sizes = {
        "a": {"model": "magan", "training": {"batch_size": 7}},
        "b": {"model": "magan", "training": {"batch_size": 9}},
    }
    for arms, expected in ((sizes, 9), ({}, 2)):
        settings = {
            "cells": "cytonorm",
            "reference": "1",
            "arms": arms,
            "baselines": ["zscore"],
            "deploy": "zscore",
        }
        settings |= {"deploy": "b"} if arms else {}
        study = parse({"name": "s", "title": "S", "batch": {"b": settings}})
        assert rehearsal._batch_size(study, study.section("batch")["b"]) == expected
