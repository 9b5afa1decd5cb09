"""The examples, run on a few cells."""

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

EXAMPLES = Path(__file__).parents[1] / "examples"
SMALL = {"N_CELLS": "400", "STEPS": "30", "METHOD": '"quantile"', "PATH": '"picture.svg"'}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """``run(name)``: the names that an example defines; its numbers are made small and its method fast."""
    monkeypatch.chdir(tmp_path)

    def run_example(name: str) -> dict:
        text = (EXAMPLES / f"{name}.py").read_text()
        for word, value in SMALL.items():
            text = re.sub(rf"^{word} = [^\s#]+", f"{word} = {value}", text, flags=re.MULTILINE)
        Path(f"{name}.py").write_text(text)
        return runpy.run_path(f"{name}.py")

    return run_example


def test_every_example_is_run_here():
    by_hand = {"draw_mlflow_pages"}  # needs a browser and the store of `make run`
    assert {path.stem for path in EXAMPLES.glob("*.py")} - by_hand == {
        "align_two_tables",
        "correct_batches",
        "draw_before_and_after",
        "read_a_corrected_file",
    }


def test_two_tables_are_aligned(run):
    names = run("align_two_tables")
    mapped, monday, tuesday = names["mapped"], names["monday"], names["tuesday"]
    assert set(mapped.layers) == {"seed_0", "seed_1", "seed_2", "consensus"} and mapped.shape == (400, 3)
    means = [x.mean(axis=0) for x in (mapped.layers["consensus"], monday.X, tuesday.X)]
    here, there = (np.abs(mean - means[2]).max() for mean in means[:2])
    assert here < 0.5 * there


def test_a_map_is_chosen_for_each_batch(run, capsys):
    names = run("correct_batches")
    first, second = names["mapper"].methods_
    assert first != "identity" and second == "identity"
    corrected, reference = names["corrected"]["visit_1"], names["reference"]
    assert np.abs(corrected.X.mean(axis=0) - reference.X.mean(axis=0)).max() < 0.35
    assert all(method in capsys.readouterr().out for method in ("population_monotone",))


def test_a_corrected_file_is_read_back(run):
    names = run("read_a_corrected_file")
    before, after, tuesday = names["before"], names["after"], names["cells"][names["tuesday"]]
    medians = [np.median(x.layers["preprocessed"], axis=0) for x in (names["units"], tuesday)]
    assert np.abs(medians[0] - medians[1]).max() < 0.3
    np.testing.assert_array_equal(after[:, "Time"].X, before[:, "Time"].X)


def test_the_picture_of_the_documents_shows_both_rows_and_every_batch(run, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["draw_before_and_after.py"])
    names = run("draw_before_and_after")
    drawing = Path("picture.svg").read_text()
    assert all(
        f">{word}</text>" in drawing for word in (*names["DRAWN"], *names["TITLES"], "PTLG021", *names["batches"])
    )
    ra = names["MARKERS"].index("CD45RA")  # the marker with the largest difference
    for batch, mapped in names["after"].items():
        distance = [
            wasserstein_distance(x[:, ra], names["goal"].layers["preprocessed"][:, ra])
            for x in (names["before"][batch].layers["preprocessed"], mapped.layers["consensus"])
        ]
        assert distance[1] < distance[0], batch
