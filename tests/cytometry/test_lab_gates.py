"""Gates of a FlowJo workspace and of Gating-ML: what FlowKit finds itself, and the boxes computed by hand."""

import numpy as np
import pytest
from fcs_bytes import write
from flow_files import GATES, flow_file, workspace

from magan.config import OwnData
from magan.cytometry.fcs_read import FcsOptions
from magan.cytometry.lab_gates import lab_gates, population_names, populations
from magan.cytometry.load import own_cells
from magan.errors import InputError

flowkit = pytest.importorskip("flowkit", reason="the extra gates is not installed")

GATING_ML = """<gating:Gating-ML xmlns:gating="http://www.isac-net.org/std/Gating-ML/v2.0/gating"
 xmlns:data-type="http://www.isac-net.org/std/Gating-ML/v2.0/datatypes"
 xmlns:transforms="http://www.isac-net.org/std/Gating-ML/v2.0/transformations">
 <gating:RectangleGate gating:id="bright"><gating:dimension gating:compensation-ref="FCS" gating:min="2000">
 <data-type:fcs-dimension data-type:name="BV421-A"/></gating:dimension></gating:RectangleGate>
</gating:Gating-ML>"""


def test_gates_of_a_workspace_hold_the_events_that_flowkit_counts(tmp_path):
    cells = flow_file(tmp_path / "a.fcs")
    gates = lab_gates(workspace(tmp_path / "w.wsp", ["a.fcs"]), tmp_path / "a.fcs")
    found = {gate.path: gate for gate in gates}
    t_cells = cells[:, 1] > 2000
    assert list(found) == [("T cells",), ("T cells", "CD4+"), ("T cells", "CD8+")]
    assert found[("T cells", "CD4+")].channels == ("PE-A",)
    for path, column in ((("T cells", "CD4+"), 2), (("T cells", "CD8+"), 3)):
        near_edge = np.abs(cells[:, column] - 1500) < 1
        np.testing.assert_array_equal(found[path].inside[~near_edge], (t_cells & (cells[:, column] > 1500))[~near_edge])

    own = flowkit.Workspace(str(tmp_path / "w.wsp"), fcs_samples=[str(tmp_path / "a.fcs")])
    own.analyze_samples(use_mp=False)
    report = own.get_analysis_report().set_index("gate_name")["count"].to_dict()
    assert report == {gate.path[-1]: gate.inside.sum() for gate in gates} and min(report.values()) > 50


def test_a_gating_ml_file_is_about_every_file(tmp_path):
    (tmp_path / "g.xml").write_text(GATING_ML)
    for name in ("a.fcs", "b.LMD"):
        cells = flow_file(tmp_path / name)
        (gate,) = lab_gates(tmp_path / "g.xml", tmp_path / name)
        near_edge = np.abs(cells[:, 1] - 2000) < 1
        np.testing.assert_array_equal(gate.inside[~near_edge], (cells[:, 1] > 2000)[~near_edge])


def test_a_gate_on_a_compensated_name_says_what_the_file_calls_the_channel(tmp_path):
    flow_file(tmp_path / "a.fcs")
    (tmp_path / "g.xml").write_text(GATING_ML.replace("BV421-A", "Comp-BV421-A"))
    with pytest.raises(InputError, match=r"gate bright of .*'Comp-BV421-A', and .*a.fcs calls it 'BV421-A'; write"):
        lab_gates(tmp_path / "g.xml", tmp_path / "a.fcs")


def test_the_innermost_gate_names_the_population_of_each_event(tmp_path):
    twice = {"T cells": GATES["T cells"], "CD4+": ({"PE-A": (1500, 9e9)}, {})}
    flow_file(tmp_path / "a.fcs")
    gates = lab_gates(workspace(tmp_path / "w.wsp", ["a.fcs"], twice), tmp_path / "a.fcs")
    named = population_names(gates, 300)
    assert set(named) == {"T cells", "T cells/CD4+", "CD8+", "other"}  # "CD4+" alone would be either of two gates
    inside = {gate.path: gate.inside for gate in gates}
    np.testing.assert_array_equal(named == "CD8+", inside["T cells", "CD8+"] & ~inside["T cells", "CD4+"])
    assert (named == "other").sum() == (~inside["T cells",] & ~inside["CD4+",]).sum()


def test_the_populations_are_the_labels_of_a_data_set(tmp_path):
    files = [tmp_path / f"{name}.fcs" for name in "ab"]
    for seed, file in enumerate(files):
        flow_file(file, seed=seed)
    workspace(tmp_path / "w.wsp", [file.name for file in files])
    rows = [{"path": str(file), "batch": file.stem, "sample": file.stem} for file in files]
    adata = own_cells(OwnData(files=rows, gates=str(tmp_path / "w.wsp"), transform="logicle"), "flow")
    labels = populations(tmp_path / "w.wsp", {str(file): FcsOptions() for file in files})
    assert list(adata.obs["cell_type"]) == [name for file in files for name in labels[str(file)]]
    assert set(adata.obs["cell_type"]) == {"T cells", "CD4+", "CD8+", "other"}


def test_gates_that_cannot_be_applied_are_refused_in_a_sentence(tmp_path):
    flow_file(tmp_path / "a.fcs")
    flow_file(tmp_path / "b.fcs")
    workspace(tmp_path / "w.wsp", ["a.fcs"])
    (tmp_path / "no.wsp").write_text("<Workspace>")
    (tmp_path / "no.xml").write_text("<a/>")
    (tmp_path / "a.csv").write_text("CD3,CD4\n1,2\n")
    for gates, file, sentence in (
        ("w.wsp", "b.fcs", r"b.fcs is no sample of .*w.wsp .did you mean 'a.fcs'..; add it to the workspace"),
        ("no.wsp", "a.fcs", "no.wsp cannot be read .*; export them again"),
        ("no.xml", "a.fcs", "no.xml cannot be read .*; export them again"),
        ("gone.wsp", "a.fcs", "gates .*gone.wsp does not exist; check the path"),
        ("w.wsp", "a.csv", "a.csv is no FCS file"),
    ):
        with pytest.raises(InputError, match=sentence) as error:
            lab_gates(tmp_path / gates, tmp_path / file)
        assert "\n" not in str(error.value)
    write(tmp_path / "a.fcs", keywords={"$FIL": "a.fcs"})
    with pytest.raises(InputError, match=r"w.wsp cannot be applied to .*a.fcs .*BV421-A.*; correct the gates"):
        lab_gates(tmp_path / "w.wsp", tmp_path / "a.fcs")
