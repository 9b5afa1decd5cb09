"""A flow study from raw files to corrected files: two batches, spillover in each file, logicle, and FlowJo's gates."""

import flowio
import numpy as np
import pandas as pd
import pytest
import yaml
from flow_files import CHANNELS, DYES, SPILL, flow_file, workspace
from running import in_process, quick_run
from typer.testing import CliRunner

from magan.cli import app
from magan.cytometry.fcs_read import read_fcs
from magan.cytometry.lab_gates import lab_gates

pytest.importorskip("flowkit", reason="the extra gates is not installed")

NAMES = ("monday_1.fcs", "monday_2.fcs", "friday_1.fcs", "friday_2.fcs")
STUDY = {
    "name": "flow",
    "title": "Flow",
    "own_data": {"flow": {"sheet": "sheet.csv", "transform": "logicle", "gates": "lab.wsp"}},
    "batch": {
        "flow": {"cells": "flow", "reference": "monday", "method": "quantile", "baselines": ["quantile"], "correct": {}}
    },
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Batch friday is 1.6 times as bright in all dyes."""
    folder = tmp_path_factory.mktemp("flow")
    for seed, name in enumerate(NAMES):
        flow_file(folder / name, n=400, seed=seed, brightness=1.6 if name.startswith("friday") else 1.0)
    workspace(folder / "lab.wsp", NAMES)
    rows = "".join(f"{name[:-4]},{name},{name.split('_')[0]}\n" for name in NAMES)
    (folder / "sheet.csv").write_text(f"sample,path,batch\n{rows}")
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    done = quick_run(folder, "results/flow/batch/flow/corrected", study=folder / "study.yaml")
    assert done.returncode == 0, done.stderr
    return folder


def test_check_is_ready_and_says_what_each_file_holds(finished, monkeypatch):
    monkeypatch.chdir(finished)
    told = CliRunner().invoke(app, ["check", "study.yaml"])
    assert told.exit_code == 0, told.output
    words = " ".join(told.output.split())
    assert "holds a spillover matrix ($SPILLOVER, 3 channels, largest off-diagonal 0.3), which is applied" in words
    assert "corrected: CD3, CD4, CD8" in words


def test_corrected_files_go_back_to_the_state_they_came_in(finished):
    folder = finished / "results/flow/batch/flow/corrected"
    files = pd.read_csv(folder / "files.tsv", sep="\t")
    assert list(files["status"]) == ["reference", "reference", "corrected", "corrected"]
    assert list(files["events"]) == [400] * 4
    for name in NAMES:
        before, after = (flowio.FlowData(str(path)) for path in (finished / name, folder / "files" / name))
        assert after.text["spillover"] == before.text["spillover"] and after.text["timestep"] == "0.01"
        x, y = (np.reshape(found.events, (-1, 5)) for found in (before, after))
        dyes = [CHANNELS.index(dye) for dye in DYES]
        np.testing.assert_array_equal(np.delete(x, dyes, axis=1), np.delete(y, dyes, axis=1))
        if name.startswith("monday"):
            np.testing.assert_array_equal(x, y)
            continue
        compensated = y[:, dyes] @ np.linalg.inv(SPILL)
        np.testing.assert_allclose(compensated, read_fcs(folder / "files" / name).X[:, dyes], rtol=1e-4, atol=0.5)
        bright = x[:, 1] > 3000
        assert 1.4 < np.median(x[bright, 1]) / np.median(y[bright, 1]) < 1.8


def test_gates_of_the_laboratory_are_counted_before_and_after(finished):
    folder = finished / "results/flow/batch/flow/corrected"
    table = pd.read_csv(folder / "gates.tsv", sep="\t").set_index(["file", "gate"])
    for name in NAMES:
        for path, columns in ((finished / name, "before"), (folder / "files" / name, "after")):
            for gate in lab_gates(finished / "lab.wsp", path, known_as=finished / name):
                row = table.loc[name, "/".join(gate.path)]
                assert row[columns] == gate.inside.sum()
    medians = pd.read_csv(folder / "gate_intensities.tsv", sep="\t")
    rows = medians[(medians["batch"] == "friday") & (medians["gate"] == "T cells") & (medians["marker"] == "CD3")]
    assert (rows["before"] / rows["after"]).between(1.4, 1.8).all()


def test_the_page_waits_for_the_gates(finished):
    planned = in_process(finished, "--dry-run", study=finished / "study.yaml").stdout
    report = planned[planned.index("rule report") :]
    assert "corrected" in report[: report.index("output")]
