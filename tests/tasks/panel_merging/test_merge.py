"""Three small panels merged: every marker on every cell, and a verdict on each that was not measured."""

import shutil
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.aligner import Aligner
from magan.config import Training
from magan.metrics.markers import pearson
from magan.stages.atomic_files import write_table
from magan.tasks.panel_merging.merge import MergingFiles, merge
from magan.tasks.panel_merging.settings import Panels
from magan.uncertainty.conformal import Calibration

LACKS = {"A": ["CD56", "CD45RA"], "B": ["CD19"], "C": ["CD45RA"]}
MARKERS = ["CD3", "CD4", "CD8", "CD19", "CD56", "CD45RA"]
TRAINING = {"steps": 150, "batch_size": 32, "learning_rate": 1.0e-2}
ARM = {
    "model": "magan",
    "correspondence": {"name": "shared_markers", "rebuild": 5.0},
    "predict": "expected",
    "calibrate": 0.3,
    "options": {"generator_hidden": [16], "discriminator_hidden": [8]},
}
STUDY = {"cells": "three", "panels": ["A", "B", "C"], "arms": {"mine": ARM}, "hold_out": ["CD3", "CD4"]}


def cells(n: int = 900) -> AnnData:
    """Two hidden numbers make all markers but CD45RA, which is noise."""
    draw = np.random.default_rng(0)
    values = draw.normal(size=(n, 2)) @ draw.normal(size=(2, 6)) + 0.2 * draw.normal(size=(n, 6))
    values[:, 5] = draw.normal(size=n)
    panel = np.array(["A", "B", "C"])[np.arange(n) % 3]
    obs = pd.DataFrame({keys.PANEL: panel, keys.BATCH: "1"}, index=[f"cell_{i}" for i in range(n)])
    adata = AnnData(values.astype(np.float32), obs=obs, var=pd.DataFrame({keys.TO_CORRECT: True}, index=MARKERS))
    adata.layers[keys.PREPROCESSED], adata.layers[keys.TRUTH] = adata.X.copy(), adata.X.copy()
    for name, lacks in LACKS.items():
        blank = np.ix_(panel == name, adata.var_names.get_indexer(lacks))
        adata.X[blank] = adata.layers[keys.PREPROCESSED][blank] = np.nan
    return adata


def audited(folder: Path) -> None:
    """Of every ordered pair of panels, what an audit leaves of two hidden markers; claims held by .9 and .95.

    The cells kept from training are the audited cells themselves, so that the claim is their r.
    """
    draw = np.random.default_rng(1)
    for name in Panels.model_validate(STUDY).audits("three"):
        place = folder / "heldout" / name
        truth = draw.normal(size=(400, 2)).astype(np.float32)
        expected = (truth + draw.normal(size=(400, 2))).astype(np.float32)
        mapped = AnnData(expected, layers={keys.CONSENSUS: expected})
        mapped.var_names = ["CD3", "CD4"]
        claims = pearson(truth, expected[None])[0]
        scores = [("mine", keys.CONSENSUS, marker, r) for marker, r in zip(mapped.var_names, claims * [0.9, 0.95])]
        scores += [("mine", "0", "CD3", 0.1), ("other", keys.CONSENSUS, "CD3", 0.2), ("mine", keys.CONSENSUS, "all", 0)]
        about = {"task": "heldout", "dataset": name, "method": "magan", "group": keys.ALL, "metric": "pearson"}
        rows = [{**about, "arm": arm, "seed": seed, "feature": m, "value": r} for arm, seed, m, r in scores]
        (place / "mine").mkdir(parents=True)
        mapped.write_h5ad(place / "mine" / "mapped.h5ad")
        write_table(pd.DataFrame(rows)[list(keys.METRICS)], place / "metrics.tsv")
        trained(["CD3", "CD4"], truth, expected).save(place / "mine" / "model.safetensors")


def trained(markers: list[str], truth: np.ndarray, expected: np.ndarray) -> Aligner:
    """An aligner of a fold for each hidden marker, with cells kept from training that are as given."""
    x2 = AnnData(truth, layers={keys.PREPROCESSED: truth})
    x2.var_names = markers
    pairs = [(x2[:, [other]].copy(), x2) for other in markers[::-1]]
    one_step = Training(steps=1, batch_size=32)
    aligner = Aligner(options=ARM["options"], training=one_step, correspondence="shared_markers", calibrate=0.3)
    aligner.fit([a for a, _ in pairs], [b for _, b in pairs], names=markers)
    aligner.calibrations_["x2"] = [Calibration(expected.copy(), truth.copy()) for _ in markers]
    return aligner


def merged(folder: Path, **changed) -> tuple[AnnData, pd.DataFrame]:
    output, table = folder / "merged.h5ad", folder / "verdicts.tsv"
    places = [folder / name for name in ("cells.h5ad", "heldout", "models")]
    params = {"settings": {**STUDY, **changed}, "training": TRAINING, "seeds": [0, 1], "device": "cpu"}
    merge("three", params, MergingFiles(*map(str, (*places, output, table))))
    return anndata.read_h5ad(output), pd.read_csv(table, sep="\t", keep_default_na=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("three")
    cells().write_h5ad(folder / "cells.h5ad")
    audited(folder)
    return folder


@pytest.fixture(scope="module")
def result(folder) -> tuple[AnnData, pd.DataFrame]:
    return merged(folder)


def test_every_marker_is_on_every_cell_and_what_was_measured_is_as_it_was(result):
    whole, before = result[0], cells()
    assert list(whole.obs_names) == list(before.obs_names) and list(whole.var_names) == MARKERS
    known = before.layers[keys.PREPROCESSED]
    np.testing.assert_array_equal(whole.layers[keys.MEASURED], known)
    for layer in (keys.EXPECTED, keys.SAMPLED, keys.LOW, keys.HIGH, keys.SPREAD):
        assert np.isfinite(whole.layers[layer]).all()
    seen = np.isfinite(known)
    np.testing.assert_array_equal(whole.X[seen], known[seen])
    assert (whole.layers[keys.SPREAD][~seen] > 0).any() and (whole.layers[keys.SPREAD][seen] == 0).all()
    assert (whole.layers[keys.LOW] <= whole.layers[keys.HIGH]).all()


def test_a_marker_is_taken_from_the_panel_that_shares_the_most(result):
    table = result[1]
    found = {(row.panel, row.marker): (row.source, row.n_shared) for row in table.itertuples()}
    assert found == {
        ("A", "CD56"): ("C", 4),
        ("A", "CD45RA"): ("B", 3),
        ("B", "CD19"): ("C", 4),
        ("C", "CD45RA"): ("B", 4),
    }


def test_the_verdict_tells_what_can_be_predicted_from_what_cannot(result):
    whole, table = result
    words = table.set_index(["panel", "marker"])["verdict"]
    assert words["B", "CD19"] == words["A", "CD56"] == "usable"
    assert words["A", "CD45RA"] == words["C", "CD45RA"] == "not usable"
    assert whole.var["verdict_B"].to_dict() == {**dict.fromkeys(MARKERS, "measured"), "CD19": "usable"}


def test_the_weights_of_every_method_and_the_margin_of_intervals_are_in_the_table(folder, tmp_path):
    cells().write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "heldout").symlink_to(folder / "heldout")
    _, table = merged(tmp_path, panels=["B", "C"], arms={"mine": {**ARM, "stack": True, "scale": "auto"}})
    shares = [dict(part.rsplit(" ", 1) for part in parts.split(", ")) for parts in table["parts"]]
    assert all(0.8 < sum(map(float, share.values())) < 1.05 and "extra_trees" in share for share in shares)
    assert (table["margin"] >= 0).all() and (table["margin"] < 0.5).all()
    plain = merged(tmp_path, panels=["B", "C"])[1]
    assert set(plain["parts"]) == {"network 1"} and set(plain["margin"]) == {0.0}


def test_truth_is_told_where_it_is_known_and_is_seen_by_nothing_else(folder, result, tmp_path):
    whole, table = result
    row = table.set_index(["panel", "marker"]).loc[("B", "CD19")]
    mine = (whole.obs[keys.PANEL] == "B").to_numpy()
    truth, told = cells()[mine, "CD19"].layers[keys.TRUTH], whole[mine, "CD19"].layers[keys.EXPECTED]
    assert row["true"] == pytest.approx(pearson(truth, told[None])[0, 0])
    assert row["claimed"] == pytest.approx(row["true"], abs=0.1)
    without = cells()
    del without.layers[keys.TRUTH]
    without.write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "heldout").symlink_to(folder / "heldout")
    again, rows = merged(tmp_path)
    np.testing.assert_array_equal(again.X, whole.X)
    pd.testing.assert_frame_equal(rows, table.drop(columns="true"))


def test_what_is_kept_of_a_claim_is_read_from_the_audits_consensus(result):
    assert result[1]["kept"].to_numpy() == pytest.approx(0.925)
    assert result[1]["kept_worst"].to_numpy() == pytest.approx(0.905)


def test_an_audit_that_failed_leaves_nothing_to_trust(folder, tmp_path):
    cells().write_h5ad(tmp_path / "cells.h5ad")
    shutil.copytree(folder / "heldout", tmp_path / "heldout")
    AnnData(np.zeros((2, 2))).write_h5ad(tmp_path / "heldout/three_B_C/mine/mapped.h5ad")
    row = merged(tmp_path)[1].set_index(["panel", "marker"]).loc[("B", "CD19")]
    assert (row["verdict"], row["reason"]) == ("not usable", "judged unknown")


def test_confidence_is_low_for_cells_that_the_other_panel_does_not_have(folder, result, tmp_path):
    strange = cells()
    odd = strange.obs_names[strange.obs[keys.PANEL] == "B"][:20]
    strange.layers[keys.PREPROCESSED][strange.obs_names.get_indexer(odd), :3] = 20.0
    strange.write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "heldout").symlink_to(folder / "heldout")
    told = merged(tmp_path)[0].obs[keys.CONFIDENCE]
    assert (told[odd] < 0.02).all() and told.median() > 0.2
    assert result[0].obs[keys.CONFIDENCE].between(0, 1).all()


def test_a_scale_for_each_panel_is_remembered_through_the_merge(folder, tmp_path):
    """Panels on scales of their own, one of them counts: the note names the panel of the cells that are merged."""
    noted = cells()
    noted.uns[keys.CYTOF] = {"cofactor": "per panel", "panels": {"A": "150.0", "B": "5.0", "C": "none"}}
    noted.write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "heldout").symlink_to(folder / "heldout")
    whole, _ = merged(tmp_path)
    assert dict(whole.uns[keys.CYTOF]["panels"]) == {"A": "150.0", "B": "5.0", "C": "none"}
    aligner = Aligner.load(tmp_path / "models/three_A_B.safetensors", device="cpu")
    assert set(aligner.cofactors_["x1"][0].values()) == {150.0} and set(aligner.cofactors_["x2"][0].values()) == {5.0}


def test_a_shared_marker_whose_staining_failed_takes_no_part_and_is_named(folder, tmp_path):
    noisy = cells()
    rows, column = np.flatnonzero(noisy.obs[keys.PANEL] == "B"), noisy.var_names.get_loc("CD4")
    values = noisy.layers[keys.PREPROCESSED]
    values[rows, column] = np.random.default_rng(5).permutation(values[rows, column])
    noisy.write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "heldout").symlink_to(folder / "heldout")
    whole, table = merged(tmp_path, panels=["B", "C"])
    assert set(table["n_shared"]) == {3} and table["not_shared"].str.startswith("CD4 is unrelated").all()
    assert "in panel B (r" in table["not_shared"].iloc[0]
    aligner = Aligner.load(tmp_path / "models/three_B_C.safetensors", device="cpu")
    assert "CD4" not in {*aligner.features_["x1"][0], *aligner.features_["x2"][0]}
    np.testing.assert_array_equal(
        whole[:, "CD4"].layers[keys.MEASURED][:, 0], values[noisy.obs[keys.PANEL] != "A", column]
    )
    assert set(merged(tmp_path, panels=["B", "C"], unrelated="use")[1]["n_shared"]) == {4}


def test_models_are_kept_for_every_two_panels_that_tell_one_another_something(folder, result):
    assert sorted(path.name for path in (folder / "models").iterdir()) == [
        "three_A_B.safetensors",
        "three_A_C.safetensors",
        "three_B_C.safetensors",
    ]
