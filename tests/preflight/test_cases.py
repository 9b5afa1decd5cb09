"""The shared cases of laboratories' files: what `magan check` finds in each."""

import shutil
from pathlib import Path

import pytest

from magan.preflight.inspect import Findings, passes, preflights

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"

if not CASES.is_dir():
    pytest.skip("the shared cases are not here", allow_module_level=True)


def check(sheet: str, cofactor: str = "150", **options) -> Findings:
    path = CASES / "cytometry" / sheet
    (found,) = preflights(path, cofactor=cofactor, **options).values()
    return found


def corrected(found: Findings) -> set[str]:
    return set(found.channels.loc[found.channels["role"] == "corrected", "marker"])


READY = {
    "04_readfcs_h5ad/sheet.csv": {"CD3", "CD19"},
    "08_time_and_scatter_names/sheet.csv": {"CD3", "CD19"},
    "08_time_and_scatter_names/sheet_unnamed.csv": {"BV421-A", "PE-A"},
    "09_area_and_height/sheet.csv": {"CD3", "CD19"},
    "11_nan_beside_markers/sheet.csv": {"CD3", "CD19"},
    "13_semicolon_decimal_comma/sheet.csv": {"CD3", "CD19"},
    "14_excel_blank_rows/sheet.csv": {"CD3", "CD19"},
    "16_columns_that_are_no_marker/sheet.csv": {"CD3", "CD19"},
    "18_flowjo_header/sheet.csv": {"CD3", "CD19"},
    "21_braces_in_file_name/sheet.csv": {"CD3", "CD19"},
}


@pytest.mark.parametrize("sheet", READY)
def test_the_markers_of_each_case_are_corrected_and_nothing_else_is(sheet):
    found = check(sheet)
    assert passes(found), found.faults
    assert corrected(found) == READY[sheet]
    left = found.channels[found.channels["role"] != "corrected"]
    assert (left["reason"] != "").all()


def test_an_alias_by_channel_works_where_two_channels_have_a_label():
    found = check("09_area_and_height/sheet.csv", aliases=CASES / "cytometry/09_area_and_height/aliases.yaml")
    assert passes(found) and not any("alias" in told for told in found.warnings)
    assert {"CD3-H", "CD19-H"} <= set(found.channels["marker"])


def test_files_that_are_compensated_beside_files_that_are_not_are_a_fault():
    found = check("02_spillover/sheet_mixed.csv")
    assert not passes(found) and any("compensated" in fault for fault in found.faults)


@pytest.mark.parametrize(
    ("study", "sentence"),
    [
        ("reference", "batch.visits: reference batch '9' is not in the data; batches are 1, 2, or give median"),
        ("one_batch", "batch.visits: there is one batch, '1', and nothing to align; give at least two"),
    ],
)
def test_a_study_that_would_stop_is_not_ready(tmp_path, monkeypatch, study, sentence):
    shutil.copytree(CASES / "cytometry/23_study_that_would_stop", tmp_path / "23_study_that_would_stop")
    monkeypatch.chdir(tmp_path)
    (found,) = preflights(Path(f"23_study_that_would_stop/{study}.yaml")).values()
    assert not passes(found) and found.faults == (f"The run would stop: {sentence}",)
