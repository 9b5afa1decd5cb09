"""What names, dates and folders of files say of batches, donors, groups, panels and controls."""

from pathlib import Path

import pytest

from magan.proposal.columns import columns
from magan.proposal.look import File


def found(*names: str, **more) -> dict[str, tuple[str, ...]]:
    files = [File(Path(name), Path(name).parts[:-1], *more.get("files", {}).get(name, ())) for name in names]
    return {column.name: column.values for column in columns(files)}


BATCHES = {
    "a word that says so": (["batch1_a.fcs", "batch1_b.fcs", "batch2_a.fcs"], ("batch1", "batch1", "batch2")),
    "a word and its number": (["x_Day_1_a.fcs", "x_Day_1_b.fcs", "x_Day_2_a.fcs"], ("Day_1", "Day_1", "Day_2")),
    "words of several kinds": (["G_PT21_1.fcs", "G_PT28_2.fcs", "G_AB3_1.fcs"], ("", "", "")),
    "runs of an instrument": (["G_XY21_1.fcs", "G_XY21_2.fcs", "G_XY28_1.fcs"], ("XY21", "XY21", "XY28")),
    "dates": (["2019-03-01_a.fcs", "2019-03-01_b.fcs", "2019-03-05_a.fcs"], ("2019-03-01", "2019-03-01", "2019-03-05")),
    "folders": (["mon/a.fcs", "mon/b.fcs", "tue/a.fcs"], ("mon", "mon", "tue")),
    "donors are no batches": (["donor1_a.fcs", "donor1_b.fcs", "donor2_a.fcs"], ("", "", "")),
    "each file by itself": (["run1.fcs", "run2.fcs", "run3.fcs"], ("", "", "")),
    "two kinds that disagree": (["XY1_ZW1_a.fcs", "XY1_ZW2_b.fcs", "XY2_ZW1_c.fcs"], ("", "", "")),
}


@pytest.mark.parametrize("case", BATCHES)
def test_batches_are_proposed_where_a_single_division_is_said_and_left_blank_otherwise(case):
    names, batches = BATCHES[case]
    assert found(*names)["batch"] == batches


def test_acquisition_dates_are_batches_where_names_are_silent_and_a_doubt_where_they_disagree():
    dates = {"a.fcs": ("2019-03-01",), "b.fcs": ("2019-03-01",), "c.fcs": ("2019-03-02",)}
    assert found("a.fcs", "b.fcs", "c.fcs", files=dates)["batch"] == ("2019-03-01", "2019-03-01", "2019-03-02")
    files = [
        File(Path(f"{name}_{date[0]}.fcs"), (), *date) for name, date in zip(("XY1", "XY2", "XY2"), dates.values())
    ]
    (batch,) = [column for column in columns(files) if column.name == "batch"]
    assert batch.values == ("XY1", "XY2", "XY2") and "divide the files in another way" in batch.reason


def test_groups_and_donors_are_read_from_words_and_a_group_that_all_have_is_no_group():
    told = found("Data23_HD1.fcs", "Data23_NR1.fcs", "Data29_HD2.fcs", "Data29_R1.fcs")
    assert told["group"] == ("HD", "NR", "HD", "R") and told["donor"] == ("HD1", "NR1", "HD2", "R1")
    assert "group" not in found("batch1_stim_a.fcs", "batch2_stim_b.fcs")


def test_control_is_certain_for_technical_samples_and_a_doubt_where_it_may_be_a_group():
    assert found("batch1_anchor.fcs", "batch1_x.fcs", "batch2_anchor.fcs")["is_control"] == ("true", "false", "true")
    assert found("batch1_control.fcs", "batch2_control.fcs")["is_control"] == ("", "")


def test_panels_come_from_names_or_from_markers():
    assert found("Panel1_a.fcs", "Panel2_a.fcs")["panel"] == ("Panel1", "Panel2")
    measured = {"a.fcs": ("", frozenset("ABCD")), "b.fcs": ("", frozenset("ABXY"))}
    assert found("a.fcs", "b.fcs", files=measured)["panel"] == ("panel 1", "panel 2")
    for shared, of in (
        (4, False),
        (3, True),
    ):  # of five markers and of ten: four fifths of the smaller set are too many
        sets = (frozenset("ABCDE"), frozenset("ABCDE"[:shared]) | frozenset("0123456789"[: 10 - shared]))
        pair = {name: ("", markers) for name, markers in zip(("a.fcs", "b.fcs"), sets)}
        assert ("panel" in found("a.fcs", "b.fcs", files=pair)) is of
    assert "panel" not in found("a.fcs", "b.fcs", files={name: ("", frozenset("ABCD")) for name in ("a.fcs", "b.fcs")})


def test_two_files_of_a_name_in_two_folders_are_two_samples():
    assert found("mon/a.fcs", "tue/a.fcs")["sample"] == ("mon_a", "tue_a")
