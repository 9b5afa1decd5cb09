"""Gates before and after a correction, against shares computed by hand."""

import pandas as pd
import pytest

from magan.report.phrasing import number
from magan.tasks.batch_correction.gate_shares import COUNTS, INTENSITIES, medians, shares
from magan.tasks.batch_correction.report import channels, gated


def counts(*rows) -> pd.DataFrame:
    return pd.DataFrame(
        [(file, batch, "T", "", "CD3", n, before, n, after) for file, batch, n, before, after in rows],
        columns=list(COUNTS),
    )


def test_shares_are_pooled_over_the_files_of_a_batch():
    table = shares(counts(("a", "1", 100, 50, 50), ("b", "2", 100, 30, 31), ("c", "2", 300, 90, 92)), "1")
    assert list(table["before"]) == [0.5, 0.3] and list(table["after"]) == pytest.approx([0.5, 123 / 400])
    assert list(table["reference"]) == [0.5, 0.5] and list(table["flag"]) == ["", ""]


@pytest.mark.parametrize(
    ("before", "after", "flag"),
    [
        (3000, 4500, "moved towards the reference"),
        (3000, 2000, "moved away from the reference"),
        (3000, 3290, ""),  # less than a tenth of itself
        (20, 30, ""),  # half as many again, which ten events may be
    ],
)
def test_a_gate_moved_if_its_share_changed_by_a_tenth_and_more_than_sampling_does(before, after, flag):
    table = shares(counts(("a", "1", 10_000, 5000, 5000), ("b", "2", 10_000, before, after)), "1")
    assert list(table["flag"]) == ["", flag]


def test_an_identity_moves_no_gate_and_an_empty_one_is_no_fault():
    table = shares(counts(("a", "1", 100, 7, 7), ("b", "2", 0, 0, 0)), "1")
    assert list(table["flag"]) == ["", ""] and list(table["before"]) == [0.07, 0]


def test_the_page_says_what_moved_with_the_medians_of_the_markers_that_a_gate_is_drawn_on():
    rows = [
        ("b", "2", "T", "CD3", 100.0, 200.0),
        ("c", "2", "T", "CD3", 300.0, 400.0),
        ("b", "2", "T", "CD4", 1.0, 1.0),
    ]
    found = medians(pd.DataFrame(rows, columns=list(INTENSITIES)))
    assert list(found["before"]) == [200, 1] and list(found["after"]) == [300, 1]
    table = shares(counts(("a", "1", 10_000, 5000, 5000), ("b", "2", 10_000, 3000, 2000)), "1")
    page = gated(table, found, "1")
    assert page["summary"] == "1 of 1 share moved, 1 away from the reference" and page["is_away"]
    (line,) = page["lines"]
    assert (line["before"], line["after"], line["reference"]) == ("30.00", "20.00", "50.00")
    assert line["medians"] == f"CD3 {number(200.0)} → {number(300.0)}"


def test_channels_are_listed_by_role_and_reason_with_those_that_are_corrected_first():
    table = pd.DataFrame(
        [
            ("a", "1", "Time", "Time", "as measured", "time of acquisition"),
            ("a", "1", "PE-A", "CD4", "corrected", ""),
            ("b", "2", "PE-A", "CD4", "corrected", ""),
        ],
        columns=["path", "batch", "channel", "marker", "role", "reason"],
    )
    first, second = channels(table)
    assert first == {"role": "corrected", "reason": "", "names": "CD4 (PE-A)", "files": "all"}
    assert second["names"] == "Time" and second["files"] == "1 of 2"
