"""Tests of magan.report.lectures: experiments in words and on the page."""

import numpy as np
import pandas as pd
import pytest
import synthetic

from magan.report.lectures import experiment
from magan.report.page import render

COLUMNS = ("arm", "quantity", "mean", "low", "high", "n_seeds", "claim", "holds")
ROWS = [
    ("WGAN-GP", "modes covered", 7.5, 7.0, 8.0, 10, "8", "no"),
    ("GAN", "modes covered", 2.25, 1.5, 3.0, 10, "", ""),
    ("", "time, growing / full size", 0.5, np.nan, np.nan, 1, "less than 1", "yes"),
]


def told(rows=ROWS) -> dict:
    numbers = pd.DataFrame(rows, columns=list(COLUMNS))
    return experiment("collapse", "Mode collapse", "How to read it.", numbers, "data:,")


def test_the_first_number_is_the_experiments_one():
    assert told()["sentence"] == "WGAN-GP: modes covered 7.500 [7.000, 8.000], 10 seeds; claimed: 8."


def test_beside_it_stands_every_other_number_whose_claim_does_not_hold():
    sentence = told([ROWS[2], ROWS[1], ROWS[0]])["sentence"]
    assert sentence == (
        "time, growing / full size .500; claimed: less than 1. "
        "Does not hold: WGAN-GP: modes covered 7.500 [7.000, 8.000], 10 seeds; claimed: 8."
    )


def test_a_number_of_one_run_has_neither_interval_nor_seeds():
    assert told(ROWS[2:])["sentence"] == "time, growing / full size .500; claimed: less than 1."


@pytest.mark.parametrize(
    ("rows", "word", "kind"),
    [
        (ROWS, "1 of 2 claims hold", "ties"),
        (ROWS[:2], "0 of 1 claims hold", "loses"),
        (ROWS[1:], "holds", "wins"),
    ],
)
def test_the_verdict_counts_the_claims_that_hold(rows, word, kind):
    assert (told(rows)["word"], told(rows)["kind"]) == (word, kind)


def test_every_number_has_a_line():
    lines = told()["lines"]
    assert [line["holds"] for line in lines] == ["no", "", "yes"]
    assert [line["kind"] for line in lines] == ["loses", "ties", "wins"]
    assert (lines[1]["value"], lines[1]["interval"]) == ("2.250", "[1.500, 3.000]")
    assert lines[2]["interval"] == ""


def test_the_page_has_a_section_of_experiments_with_their_figures(tmp_path):
    picture = tmp_path / "figure.svg"
    picture.write_text("<svg/>")
    numbers = pd.DataFrame(ROWS, columns=list(COLUMNS))
    of = {"name": "collapse", "title": "Mode collapse", "caption": "How to read it.", "numbers": numbers}
    metrics = synthetic.metrics()
    study = {"name": "s", "title": "S", "lectures": [{**of, "path": str(picture)}]}
    page = render(study, synthetic.summarise(metrics), metrics, [], {})
    assert '<a href="#lectures">Lectures</a>' in page
    section = page[page.index('<section id="lectures">') : page.index('<section id="made">')]
    for text in ("Mode collapse", "1 of 2 claims hold", "How to read it.", "data:image/svg+xml", "[1.500, 3.000]"):
        assert text in section


def test_a_study_without_experiments_has_no_such_section():
    metrics = synthetic.metrics()
    page = render({"name": "s", "title": "S"}, synthetic.summarise(metrics), metrics, [], {})
    assert "lectures" not in page


def test_a_study_of_experiments_alone_is_a_page(tmp_path):
    picture = tmp_path / "figure.svg"
    picture.write_text("<svg/>")
    metrics = synthetic.metrics()
    of = {"name": "collapse", "title": "T", "caption": "C.", "numbers": pd.DataFrame(ROWS, columns=list(COLUMNS))}
    study = {"name": "s", "title": "S", "lectures": [{**of, "path": str(picture)}]}
    page = render(study, synthetic.summarise(metrics).iloc[:0], metrics.iloc[:0], [], {})
    assert page.count("<section") == 2
