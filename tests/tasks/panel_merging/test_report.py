"""Tests of magan.tasks.panel_merging.report: the verdicts of merged panels in words and on the page."""

import pytest
import synthetic

from magan.report.page import render
from magan.tasks.panel_merging.report import merged

ASKED = {"usable": (0.8, 0.9, 0.9), "as a trend": (0.5, 0.7, 0.7)}


@pytest.fixture
def told() -> dict:
    return merged("mine", "magan", synthetic.verdicts(), ASKED)


def test_a_sentence_a_panel_says_which_markers_may_be_used(told):
    assert [table["sentence"] for table in told["tables"]] == [
        "On cells of panel A: CD197 may be used; CD45RO as a trend.",
        "On cells of panel B: CD27, CD38 not usable.",
    ]
    assert (told["word"], told["kind"]) == ("1 of 4 usable", "wins")


def test_a_batch_effect_between_the_panels_is_said_and_so_is_what_cannot_be_known():
    table = synthetic.verdicts().assign(margin=[0.1, 0.3, 0.8, 0.8], parts="network .40, boosting .60")
    first, second = merged("mine", "magan", table, ASKED)["tables"]
    assert first["sentence"].endswith("as a trend.") and first["lines"][0]["parts"] == "network .40, boosting .60"
    assert "Intervals are .800 standard deviations wider at each end" in second["sentence"]
    unknown = merged("mine", "magan", table.assign(margin=float("nan")), ASKED)["tables"][0]["sentence"]
    assert unknown.endswith("rank, not units.")


def test_shared_markers_that_took_no_part_are_named_once():
    failed = "CD4 is unrelated to the rest"
    first, second = merged("m", "magan", synthetic.verdicts().assign(not_shared=["", "", failed, failed]), ASKED)[
        "tables"
    ]
    assert "it was not used" not in first["sentence"]
    assert second["sentence"].count(f"{failed}; it was not used.") == 1


def test_the_best_marker_comes_first_with_its_numbers(told):
    lines = told["tables"][0]["lines"]
    assert [line["marker"] for line in lines] == ["CD197", "CD45RO"]
    assert (
        lines[1]["source"] == "B (9 markers shared)"
        and told["tables"][1]["lines"][0]["source"] == "A (1 marker shared)"
    )
    numbers = ("lower", "judged", "expected", "claimed", "seeds", "methods", "true")
    assert [lines[1][name] for name in numbers] == [".600", ".660", ".675", ".750", ".970", ".950", ".700"]
    assert lines[1]["reason"] == "the r that can be counted on is .66" and told["tables"][1]["lines"][1]["lower"] == "?"


def test_verdicts_are_held_against_the_truth_where_there_is_one(told):
    assert "usable: 1 marker, r with the truth .910; as a trend: 1 marker, r with the truth .700" in told["truth"]
    assert "not usable: 2 markers, r with the truth .300 to .650" in told["truth"]
    assert "off by .031 on average, and 1 of 4 true values lie below the lowest r" in told["truth"]
    counts = {line["verdict"]: (line["n"], line["right"], line["kind"], line["cautious"]) for line in told["accuracy"]}
    assert counts["all"] == ("4", "3 (75%)", "0 (0%)", "1 (25%)") and counts["not usable"][3] == "1 (50%)"
    kinder = synthetic.verdicts().assign(verdict="usable")
    assert [line["kind"] for line in merged("mine", "magan", kinder, ASKED)["accuracy"]] == ["3 (75%)"] * 2
    without = merged("mine", "magan", synthetic.verdicts(truth=False), ASKED)
    assert without["truth"] == "" and not without["has_truth"]


def test_the_rule_is_told_in_numbers(told):
    assert (
        "Usable: judged r at least .800, seeds .900, methods .900. As a trend: judged r at least .500" in told["rule"]
    )


def test_the_page_opens_with_the_verdicts_and_has_their_table():
    study = {
        "name": "s",
        "title": "S",
        "panels": [dict(name="mine", arm="magan", verdicts=synthetic.verdicts(), asked=ASKED)],
    }
    metrics = synthetic.metrics()
    page = render(study, synthetic.summarise(metrics), metrics, [], {})
    assert page.index("CD197 may be used") < page.index("<section")
    assert '<a href="#panels">' in page and "r with the truth" in page and "Anything else is not usable" in page
    assert '<section id="panels">' not in render(
        {"name": "s", "title": "S"}, synthetic.summarise(metrics), metrics, [], {}
    )
