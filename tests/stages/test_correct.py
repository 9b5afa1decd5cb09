"""What a user takes home: every file written again, all cells in one file, and what the gate says of them."""

import importlib.util
import json
import shutil
from pathlib import Path

import anndata
import flowio
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from fcs_bytes import write as write_fcs
from typer.testing import CliRunner

from magan import keys
from magan.aligner import Aligner
from magan.cli import app
from magan.config import OwnData, Training
from magan.correction import correction, decided, described
from magan.cytometry.integrated import open_integrated
from magan.cytometry.load import own_cells
from magan.cytometry.read_cells import read
from magan.errors import InputError
from magan.stages.atomic_files import read_gate, write, write_table
from magan.stages.correct import correct_files
from magan.stages.judge import _survived, group_effects, judge
from magan.tasks.batch_correction.folds import split
from magan.tasks.batch_correction.settings import BatchAlignment

MARKERS = ["CD3", "CD4", "CD8a", "CD14"]
ARM = {"options": {"residual": True, "generator_hidden": [8], "discriminator_hidden": [8]}, "scale": "ranks"}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> dict[str, str]:
    """A lab's folder: three good files and a broken one, read, aligned to batch A and judged."""
    found = importlib.util.find_spec("cytonormpy")
    if found is None:
        pytest.skip("cytonormpy is not installed")
    source, folder = Path(found.origin).parent / "_resources", tmp_path_factory.mktemp("lab")
    files = {"a1": "PTLG021_Unstim_Control_1", "b1": "PTLG028_Unstim_Control_1", "b2": "PTLG028_Unstim_Control_2"}
    for sample, name in files.items():
        shutil.copy(source / f"Gates_{name}.fcs", folder / f"{sample}.fcs")
    write_fcs(folder / "b3.fcs", keep=1000)
    rows = [f"{sample}\t{sample}.fcs\t{sample[0].upper()}" for sample in (*files, "b3")]
    (folder / "samples.tsv").write_text("sample\tpath\tbatch\n" + "\n".join(rows) + "\n")
    own = {"sheet": str(folder / "samples.tsv")}
    adata = own_cells(OwnData.model_validate(own), "lab")
    one = split(BatchAlignment(cells="lab", reference="A", markers=MARKERS), [adata], batch_size=50)
    training = Training(steps=20, batch_size=50)
    aligner = Aligner("magan", correspondence="correlation", training=training, seeds=(0, 1), device="cpu", **ARM)
    aligner.fit(*([pair[i] for pair in one.train.values()] for i in (0, 1)), names=list(one.train))
    mapped = aligner.map(one.query["B"])
    mapped.uns |= {keys.ARM: "ours", keys.ERROR: ""}
    paths = {name: str(folder / name) for name in ("cells.h5ad", "truth.h5ad", "mapped.h5ad")}
    for path, whole in zip(paths.values(), (adata, one.truth, mapped)):
        write(whole, path)
    aligner.save(folder / "model.safetensors")
    for name, (x1, x2) in one.train.items():
        write(x1, folder / "train" / name / "x1.h5ad")
        write(x2, folder / "train" / name / "x2.h5ad")
        write(one.query[name], folder / "query" / f"{name}.h5ad")
    judged(folder, folder / "judged")
    flagged = pd.DataFrame([{**dict.fromkeys(keys.GATE, 0.5), "batch": "B", "population": "all", "marker": "CD4",
                             "flag": "worse EMD"}])  # fmt: skip
    write_table(flagged[list(keys.GATE)], folder / "flagged.tsv")
    return {"folder": str(folder), "own": own, "gate": str(folder / "judged/gate.tsv"), **paths}


def judged(folder: Path, output: Path, mapped: str = "mapped.h5ad", fallback: str = "none") -> dict:
    """What rule `judge` writes of a map in the folder, and its verdict."""
    output.mkdir()
    files = {"truth": "truth.h5ad", "mapped": mapped, "trained": "model.safetensors"}
    made = {"gate": "gate.tsv", "groups": "groups.tsv", "verdict": "verdict.json", "written": "written.h5ad"}
    made["model"] = "model.safetensors"
    judge(
        {name: str(folder / file) for name, file in files.items()} | {k: str(output / v) for k, v in made.items()},
        {name: str(folder / name) for name in ("train", "query")},
        fallback,
    )
    return json.loads((output / "verdict.json").read_text())


def correct(study, output: Path, fallback: str = "none", gate: str = "flagged.tsv", **further) -> Path:
    folder = Path(study["folder"])
    gates = {"word": "safe but", "sentence": "Safe but for CD4.", "fallback": fallback, "flagged": {"B": ["CD4"]}}
    gates["put_back"] = gates["flagged"] if fallback != "none" else {}
    gates["design"] = [{"batch": "B", "route": "B > A", "controls": "donor_1", "not_stained": "CD25"}]
    model = output.parent / "model" / "model.safetensors"
    model.parent.mkdir(exist_ok=True)
    decided(folder / "model.safetensors", gates, model)
    correct_files(
        dataset="lab",
        own=study["own"],
        cells=study["cells.h5ad"],
        model=str(model),
        gate=str(folder / gate),
        output=str(output),
        **further,
    )
    return output


@pytest.fixture(scope="module")
def corrected(study, tmp_path_factory) -> Path:
    return correct(study, tmp_path_factory.mktemp("corrected"))


@pytest.mark.parametrize("fallback", ["none", "input"])
def test_files_of_a_study_that_draws_cells_are_those_of_the_study_that_holds_all(study, tmp_path, fallback):
    own = study["own"] | {"cells_per_file": 700}
    drawn = own_cells(OwnData.model_validate(own), "lab")
    assert drawn.uns[keys.DRAWN]["drawn"].tolist() == [700] * 3 and drawn.n_obs == 2100
    write(drawn, tmp_path / "cells.h5ad")
    whole = correct(study, tmp_path / "whole", fallback, acquisition=True)
    parts = correct(
        study | {"own": own, "cells.h5ad": str(tmp_path / "cells.h5ad")}, tmp_path / "parts", fallback, acquisition=True
    )
    files = sorted(path.name for path in (whole / "files").iterdir())
    assert files == ["a1.fcs", "b1.fcs", "b2.fcs"]
    assert all((whole / "files" / name).read_bytes() == (parts / "files" / name).read_bytes() for name in files)
    assert (whole / "files.tsv").read_bytes() == (parts / "files.tsv").read_bytes()
    together, apart = anndata.read_h5ad(whole / "integrated.h5ad"), open_integrated(parts / "integrated")
    assert apart.obs_names.tolist() == together.obs_names.tolist() and apart.var_names.equals(together.var_names)
    assert apart.obs[keys.SAMPLE].tolist() == together.obs[keys.SAMPLE].tolist()
    assert apart.obs[keys.ACQUISITION].tolist() == together.obs[keys.ACQUISITION].tolist()
    np.testing.assert_array_equal(apart[:].X, together.layers[keys.INTEGRATED])
    np.testing.assert_array_equal(drawn.X, together[drawn.obs_names].X)  # the sample is of these very cells


def test_a_folder_without_integrated_cells_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no \.h5ad file"):
        open_integrated(tmp_path)


def test_the_gate_judges_every_marker_and_says_what_to_do(study):
    table = read_gate(study["gate"])
    verdict = json.loads(Path(study["folder"], "judged/verdict.json").read_text())
    assert set(table["marker"]) == set(MARKERS) and (table["emd_before"] > 0).all()
    assert verdict["arm"] == "ours" and verdict["word"] in ("safe", "safe but", "do not use", "not needed")
    assert "simple" in verdict["sentence"] or verdict["word"] == "not needed"
    assert table["flag"].map(type).eq(str).all()


def test_a_method_that_failed_is_not_to_be_used(study, tmp_path):
    failed = anndata.read_h5ad(study["mapped.h5ad"])
    failed.X = np.full(failed.shape, np.nan, np.float32)
    failed.uns[keys.ERROR] = "ValueError: too hot"
    folder = Path(study["folder"])
    write(failed, folder / "failed.h5ad")
    verdict = judged(folder, tmp_path / "judged", "failed.h5ad")
    assert verdict["word"] == "do not use" and "too hot" in verdict["sentence"]
    assert read_gate(tmp_path / "judged/gate.tsv").empty


def test_a_planted_difference_between_groups_is_proven_before_and_after_and_its_loss_is_counted():
    random = np.random.default_rng(0)
    donors = np.repeat([f"d{i}" for i in range(16)], 30)
    ill, second = np.repeat(np.arange(16) % 2 == 0, 30), np.repeat(np.arange(16) // 2 % 2 == 1, 30)
    x = random.normal(2, 0.5, (480, 2)) + ill[:, None] * [0.4, 0] + second[:, None] * [0.5, 0.5]
    obs = pd.DataFrame({"batch": second + 1, "donor": donors, "group": np.where(ill, "ill", "well")}).astype(str)
    truth = AnnData(x, obs=obs, layers={keys.PREPROCESSED: x}, uns={keys.REFERENCE: "1"})
    truth.obs_names, truth.var_names = [f"c{i}" for i in range(480)], ["CD4", "CD8"]
    mapped = truth[second].copy()
    mapped.X = x[second] - 0.5
    found = group_effects(truth, mapped).query("measure == 'mean'").set_index("marker")
    assert found.loc["CD4", "effect_after"] == pytest.approx(-0.4, rel=0.2)
    assert found["status"].to_list() == ["preserved", ""]
    assert found.loc["CD8", "low_after"] < 0 < found.loc["CD8", "high_after"]
    assert "before, 1 are proven" in _survived(found.reset_index()) and "0 are lost" in _survived(found)
    assert group_effects(truth[:, ["CD8"]], mapped[:, ["CD8"]])["status"].eq("").all()
    assert "prove no difference" in _survived(group_effects(truth[:, ["CD8"]], mapped[:, ["CD8"]]))


def test_a_map_that_changes_nothing_needs_no_correction(study, tmp_path):
    folder = Path(study["folder"])
    same = anndata.read_h5ad(study["mapped.h5ad"])
    same.X = anndata.read_h5ad(study["truth.h5ad"])[same.obs_names, same.var_names].layers[keys.PREPROCESSED]
    write(same, folder / "same.h5ad")
    verdict = judged(folder, tmp_path / "judged", "same.h5ad")
    assert verdict["word"] == "not needed" and verdict["sentence"].startswith("Cells are written as measured.")


def test_the_verdict_and_the_scores_are_those_of_the_cells_as_they_are_written(study, tmp_path):
    """A torn marker is put back as measured: gate, scored cells and files agree."""
    folder = Path(study["folder"])
    torn = anndata.read_h5ad(study["mapped.h5ad"])
    torn.X[:, torn.var_names.get_loc("CD4")] += 3
    write(torn, folder / "torn.h5ad")
    verdict = judged(folder, tmp_path / "judged", "torn.h5ad", "input")
    assert "CD4" in verdict["put_back"]["B"]
    table = read_gate(tmp_path / "judged/gate.tsv").query("population == 'all' and marker == 'CD4'")
    assert (table["emd_after"] - table["emd_before"]).abs().max() < 1e-6 and (table["flag"] == "").all()
    scored = anndata.read_h5ad(tmp_path / "judged/written.h5ad")
    assert scored.uns[keys.ARM] == keys.WRITTEN
    measured = anndata.read_h5ad(study["truth.h5ad"])[scored.obs_names].layers[keys.PREPROCESSED]
    column = scored.var_names.get_loc("CD4")
    np.testing.assert_array_equal(scored.layers[keys.BASELINE][:, column], np.asarray(measured)[:, column])


def test_every_file_is_named_and_the_good_ones_are_written(corrected):
    table = pd.read_csv(corrected / "files.tsv", sep="\t", keep_default_na=False).set_index("file")
    table.index = [Path(path).stem for path in table.index]
    assert dict(table["status"]) == {"a1": "reference", "b1": "corrected", "b2": "corrected", "b3": "left out"}
    assert list(table["events"]) == [1000, 1000, 1000, 0]
    assert table.loc["b3", "reason"]
    assert {path.name for path in (corrected / "files").iterdir()} == {"a1.fcs", "b1.fcs", "b2.fcs"}


def test_the_table_of_files_says_what_is_corrected_in_each_and_what_stays(corrected):
    table = pd.read_csv(corrected / "files.tsv", sep="\t", keep_default_na=False)
    table.index = [Path(path).stem for path in table["file"]]
    assert [set(filter(None, told.split(", "))) for told in table["corrected"]] == [
        set(),
        {*MARKERS},
        {*MARKERS},
        set(),
    ]
    assert dict(table["mapped_by"]) == {"a1": "", "b1": "donor_1 (B > A)", "b2": "donor_1 (B > A)", "b3": ""}
    assert list(table["not_stained"]) == ["", "CD25", "CD25", ""]
    model = corrected.parent / "model" / "model.safetensors"
    assert "its control does not stain 1 marker: CD25, left as measured" in described(model, correction(model, "B"))
    channels = read(corrected / "files/b1.fcs").n_vars
    assert len(table.loc["b1", "as_measured"].split(", ")) == channels - len(MARKERS)
    assert len(table.loc["a1", "as_measured"].split(", ")) == channels and "Time" in table.loc["a1", "as_measured"]


def test_flags_of_the_acquisition_are_a_channel_of_their_file_where_asked_for(study, corrected, tmp_path):
    flagged = anndata.read_h5ad(study["cells.h5ad"])
    flags = np.random.default_rng(0).integers(0, 8, flagged.n_obs).astype(np.uint8)
    flagged.obs[keys.ACQUISITION] = flags
    flagged.uns[keys.ACQUISITION]["trouble"] = ["", "CD3 changes", ""]
    write(flagged, tmp_path / "cells.h5ad")
    folder = correct({**study, "cells.h5ad": str(tmp_path / "cells.h5ad")}, tmp_path / "out", acquisition=True)
    for n, name in enumerate(("a1", "b1", "b2")):
        without, with_flags = (flowio.FlowData(str(path / f"files/{name}.fcs")) for path in (corrected, folder))
        assert with_flags.event_count == without.event_count == 1000
        x, y = (np.reshape(found.events, (1000, -1)) for found in (without, with_flags))
        np.testing.assert_array_equal(x, y[:, :-1])
        np.testing.assert_array_equal(y[:, -1], flags[1000 * n : 1000 * (n + 1)])
    table = pd.read_csv(folder / "files.tsv", sep="\t", keep_default_na=False)
    assert list(table["trouble"]) == ["", "CD3 changes", "", ""]
    np.testing.assert_array_equal(anndata.read_h5ad(folder / "integrated.h5ad").obs[keys.ACQUISITION], flags)


def test_a_file_of_the_reference_is_the_same_to_the_byte(study, corrected):
    assert (corrected / "files/a1.fcs").read_bytes() == Path(study["folder"], "a1.fcs").read_bytes()


def test_the_files_hold_what_the_one_file_of_all_cells_holds(study, corrected):
    whole = anndata.read_h5ad(corrected / "integrated.h5ad")
    for sample in ("a1", "b1", "b2"):
        file = read(corrected / f"files/{sample}.fcs")[:, MARKERS]
        cells = whole[whole.obs[keys.SAMPLE] == sample, MARKERS].layers[keys.INTEGRATED]
        expected = np.maximum(np.sinh(cells) * 5, 0)
        assert np.allclose(file.X, expected, rtol=1e-4, atol=1e-3)
    reference = whole[whole.obs[keys.BATCH] == "A"]
    assert np.array_equal(reference.layers[keys.INTEGRATED], reference.layers[keys.PREPROCESSED])
    moved = np.abs(whole.layers[keys.INTEGRATED] - whole.layers[keys.PREPROCESSED]).max(axis=0)
    assert set(whole.var_names[moved > 0]) == set(MARKERS)


def test_a_flag_is_written_where_users_look(corrected):
    whole = anndata.read_h5ad(corrected / "integrated.h5ad")
    assert dict(whole.var[keys.FLAG][MARKERS]) == {"CD3": "", "CD4": "worse EMD", "CD8a": "", "CD14": ""}
    assert whole.uns["dataset_id"] == "lab" and whole.uns["method_id"] == "magan"
    words = flowio.FlowData(str(corrected / "files/b1.fcs")).text
    assert words["magan_flagged"] == "CD4" and words["magan_fallback"] == "none" and words["magan_verdict"]


def test_a_flagged_marker_can_stay_as_measured(study, corrected, tmp_path):
    changed = correct(study, tmp_path / "out", fallback="input")
    for sample in ("b1", "b2"):
        measured = read(Path(study["folder"], f"{sample}.fcs"))
        ours = read(changed / f"files/{sample}.fcs")
        assert np.array_equal(ours[:, "CD4"].X, measured[:, "CD4"].X)
        assert np.array_equal(ours[:, "CD3"].X, read(corrected / f"files/{sample}.fcs")[:, "CD3"].X)


@pytest.mark.parametrize("fallback", ["none", "monotone", "input"])
def test_mapping_a_training_file_again_gives_the_bytes_of_the_workflow(study, tmp_path, fallback):
    folder = correct(study, tmp_path / "out", fallback)
    file = Path(study["folder"], "b1.fcs")
    arguments = ["map", str(tmp_path / "model/model.safetensors"), str(file), "-o", str(tmp_path / "again")]
    done = CliRunner().invoke(app, [*arguments, "--batch", "B"])
    assert done.exit_code == 0 and "Safe but for CD4." in done.output, done.output
    assert (tmp_path / "again/b1.fcs").read_bytes() == (folder / "files/b1.fcs").read_bytes()


def test_a_flagged_marker_can_be_mapped_by_itself(study, corrected, tmp_path):
    """By ranks alone the map of one marker keeps the order of its cells; the network's does not."""
    whole = anndata.read_h5ad(correct(study, tmp_path / "out", fallback="monotone") / "integrated.h5ad")
    cells = whole[whole.obs[keys.BATCH] == "B", "CD4"]
    before, after = (cells.layers[name].ravel() for name in (keys.PREPROCESSED, keys.INTEGRATED))
    assert (np.diff(after[np.argsort(before, kind="stable")]) >= -1e-6).all()
    assert not np.allclose(after, before, atol=0.01)
    network = anndata.read_h5ad(corrected / "integrated.h5ad")[cells.obs_names]
    assert not np.array_equal(after, network[:, "CD4"].layers[keys.INTEGRATED].ravel())
    assert np.array_equal(network[:, "CD3"].layers[keys.INTEGRATED],
                          whole[cells.obs_names, "CD3"].layers[keys.INTEGRATED])  # fmt: skip
