"""Writing: beside the place, then renamed; and errors as sentences."""

import sys

import numpy as np
import pandas as pd
import pytest

from magan.errors import InputError
from magan.stages.atomic_files import atomic_write, log_to, read_metrics, write_table


def test_a_write_that_breaks_leaves_the_old_file(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(path) as part:
        part.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    message = r"file cannot be written to \(.*\); choose another folder"
    with pytest.raises(InputError, match=message), atomic_write(tmp_path / "file" / "table.tsv"):
        pass


def test_a_table_is_read_back_to_the_last_digit(tmp_path):
    values = np.random.default_rng(0).normal(size=1000) * 10.0 ** np.random.default_rng(1).integers(-300, 300, 1000)
    table = pd.DataFrame({"task": "batch", "seed": "", "metric": "emd", "value": values})
    write_table(table, tmp_path / "metrics.tsv")
    pd.testing.assert_frame_equal(read_metrics(tmp_path / "metrics.tsv"), table, check_exact=True)


def test_an_input_error_ends_a_job_with_its_sentence_alone(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    with pytest.raises(SystemExit) as ended, log_to(tmp_path / "logs" / "job.log"):
        print("so far")
        raise InputError("the marker 'X' is missing; add it")
    assert ended.value.code == 1
    assert (tmp_path / "logs" / "job.log").read_text() == "so far\nerror: the marker 'X' is missing; add it\n"
    assert capfd.readouterr().err == "error: the marker 'X' is missing; add it\n"


def test_any_other_error_leaves_its_traceback_to_the_log(tmp_path):
    with pytest.raises(ZeroDivisionError), log_to(tmp_path / "job.log"):
        1 / 0  # noqa: B018


FORMULAS = ["=cmd|' /C calc'!A0", "@SUM(A1)", "+1+cmd|x", "-2+3+cmd|x", "\tx", "'=x", "''@x", "-HLA-DR", "+"]
TEXTS = ["CD3", "-0.5", "+1e-3", "a=b", "'quoted'", "", "CD4+CD8-"]


@pytest.mark.parametrize("text", FORMULAS + TEXTS)
def test_no_cell_of_a_table_is_a_formula_and_every_text_is_read_back(text, tmp_path):
    table = pd.DataFrame({"task": "batch", "feature": [text, "CD3"], "value": [-1.5, 2.0]})
    write_table(table, tmp_path / "metrics.tsv")
    pd.testing.assert_frame_equal(read_metrics(tmp_path / "metrics.tsv"), table, check_dtype=False)
    cell = pd.read_csv(tmp_path / "metrics.tsv", sep="\t", dtype=str, keep_default_na=False)["feature"][0]
    assert cell == (f"'{text}" if text in FORMULAS else text)
