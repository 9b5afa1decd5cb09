"""Each arm against the best baseline of each marker, on the same cells."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.metrics.paired_gain import gain
from magan.stages.atomic_files import read_metrics, write_table
from magan.stages.evaluate import compare, evaluate, summarise

MARKERS = ["CD4", "CD8"]
draw = np.random.default_rng(0)
TRUTH = draw.normal(size=(200, 2)).astype(np.float32)
# knn is the best baseline of CD4, ridge of CD8 and of the mean
PREDICTED = {"knn": TRUTH + [[0.5, 4]] * draw.normal(size=(200, 2)), "ridge": TRUTH + draw.normal(size=(200, 2))}
SEEDS = np.stack([TRUTH + 0.9 * draw.normal(size=(200, 2)) for _ in range(2)])


def cells(**layers) -> AnnData:
    obs = pd.DataFrame(index=[f"c{i}" for i in range(200)])
    layers = {name: np.asarray(values, np.float32) for name, values in layers.items()}
    return AnnData(next(iter(layers.values())), obs=obs, var=pd.DataFrame(index=MARKERS), layers=layers)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    cells(preprocessed=TRUTH).write_h5ad(folder / "truth.h5ad")
    arm = cells(seed_0=SEEDS[0], seed_1=SEEDS[1], consensus=SEEDS.mean(axis=0))[::-1].copy()
    arm.uns |= {"method": "magan", "arm": "ours", "seeds": np.array([0, 1]), "failed": np.array([], int)}
    made = {"ours": arm} | {name: cells(baseline=values) for name, values in PREDICTED.items()}
    for name, part in made.items():
        about = {"method": name, "arm": keys.BASELINE, "seeds": np.array([], int), "failed": np.array([], int)}
        part.uns = {"task": "heldout", "dataset": "d", "error": "", **about, **part.uns}
        part.write_h5ad(folder / f"{name}.h5ad")
    paths = [str(folder / f"{name}.h5ad") for name in made]
    evaluate("heldout", str(folder / "truth.h5ad"), paths, str(folder / "metrics.tsv"))
    compare(str(folder / "truth.h5ad"), paths, str(folder / "metrics.tsv"), str(folder / "comparison.tsv"))
    return folder


def test_each_marker_is_compared_with_its_best_baseline(folder):
    table = pd.read_csv(folder / "comparison.tsv", sep="\t", keep_default_na=False)
    assert len(table) == 6 and set(table["arm"]) == {"ours"}
    rows = table.set_index(["seed", "feature"])
    assert (
        rows["baseline"]["", "CD4"] == "knn" and rows["baseline"]["", "CD8"] == rows["baseline"]["", "all"] == "ridge"
    )
    of = gain(TRUTH, SEEDS, PREDICTED["ridge"])
    assert rows.loc[("", "all"), ["gain", "low", "high"]].tolist() == pytest.approx(
        [of.difference[-1], of.low[-1], of.high[-1]], abs=0.02
    )
    assert rows.loc[("consensus", "all"), "gain"] > rows.loc[("", "all"), "gain"]


def test_the_summary_has_the_differences_and_is_the_same_without_them(folder):
    summarise(
        [str(folder / "metrics.tsv")], *(str(folder / n) for n in ("m.tsv", "s.tsv")), [str(folder / "comparison.tsv")]
    )
    summarise([str(folder / "metrics.tsv")], *(str(folder / n) for n in ("m.tsv", "t.tsv")))
    with_them, without = read_metrics(folder / "s.tsv"), read_metrics(folder / "t.tsv")
    row = with_them[(with_them["arm"] == "ours") & (with_them["metric"] == "pearson")].set_index("feature").loc["all"]
    assert row["gain_low"] <= row["gain"] <= row["gain_high"] and row["consensus_gain_low"] > row["gain_low"]
    gains = [name for name in with_them if "gain" in name]
    pd.testing.assert_frame_equal(with_them.drop(columns=gains), without.drop(columns=gains))
    assert without[gains].isna().all(axis=None)


def test_a_study_without_a_baseline_has_no_comparison(folder, tmp_path):
    scores = read_metrics(folder / "metrics.tsv")
    write_table(scores[scores["arm"] != keys.BASELINE], tmp_path / "metrics.tsv")
    compare(
        str(folder / "truth.h5ad"), [str(folder / "ours.h5ad")], str(tmp_path / "metrics.tsv"), str(tmp_path / "c.tsv")
    )
    assert pd.read_csv(tmp_path / "c.tsv", sep="\t").empty
