"""Tests of magan.report: who wins is worked out from the numbers, and the page stands alone."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import synthetic

from magan import keys
from magan.report import render
from magan.report.phrasing import consensus_wins, interval, number, verdict
from magan.tasks.batch_correction.report import judged

STUDY = {"name": "demo", "title": "A <demo> study"}
PROVENANCE = {
    "commit": "0123abcd",
    "code": "c0dec0dec0de",
    "config": {"arms": {"magan": {"steps": 3000}}},
    "sources": [{"name": "shaham", "files": {"a.fcs": "ab" * 32}, "licence": "CC BY 4.0", "citation": "Shaham 2017"}],
    "versions": {"torch": "2.13.0"},
    "seeds": {"heldout/control_1": [0, 1, 2, 3, 4], "batch/person_2": [3, 5, 7, 9]},
    "failures": [
        {"task": "batch", "dataset": "person_2", "name": "harmony", "message": "not installed", "log": "logs/h.log"}
    ],
}


@pytest.fixture(scope="module")
def metrics():
    return synthetic.metrics()


@pytest.fixture(scope="module")
def summary(metrics):
    return synthetic.summarise(metrics)


def page(metrics, summary, figures=(), **study):
    return render(STUDY | study, summary, metrics, figures, PROVENANCE)


def text(html):
    """The page as it reads."""
    html = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def row(low, high, baseline, consensus=np.nan):
    return {"low": low, "high": high, "best_baseline_value": baseline, "consensus": consensus}


def overall(summary, task, dataset, arm, metric):
    """The mask of the one row of an arm over all populations and markers."""
    here = (summary["task"] == task) & (summary["dataset"] == dataset) & (summary["arm"] == arm)
    return here & (summary["metric"] == metric) & (summary["group"] == keys.ALL) & (summary["feature"] == keys.ALL)


def consensus_ahead(summary):
    """The summary with a consensus of magan on control_1 that beats boosting's .825."""
    changed = summary.copy()
    changed.loc[overall(summary, "heldout", "control_1", "magan", "pearson"), "consensus"] = 0.9
    return changed


@pytest.mark.parametrize(
    ("better", "interval", "told"),
    [
        ("higher", (0.71, 0.73), "wins"),
        ("lower", (0.71, 0.73), "loses"),
        ("higher", (0.60, 0.69), "loses"),
        ("lower", (0.60, 0.69), "wins"),
        ("higher", (0.65, 0.75), "ties"),
        ("lower", (0.65, 0.75), "ties"),
        ("higher", (np.nan, np.nan), ""),
        ("one", (0.71, 0.73), ""),
    ],
)
def test_an_arm_wins_when_its_whole_interval_is_on_the_better_side(better, interval, told):
    assert verdict(row(*interval, 0.70), better) == told


@pytest.mark.parametrize(
    ("x", "written"), [(0.7134, ".713"), (-0.05, "-.050"), (1.0, "1.000"), (0.0, "0.000"), (0.00756, ".0076")]
)
def test_numbers_keep_three_decimals_or_two_digits(x, written):
    assert number(x) == written


def test_the_answer_says_plainly_that_the_baseline_wins(metrics, summary):
    ours = summary[(summary["dataset"] == "control_1") & (summary["arm"] == "magan")]
    ours = ours[(ours["feature"] == keys.ALL) & (ours["metric"] == "pearson")]["mean"].item()
    read = text(page(metrics, summary))
    assert f"On control_1, magan reaches a mean Pearson&#39;s r of {number(ours)}" in read
    assert f"The best baseline, boosting, has .825: the baseline wins by {number(0.825 - ours)}" in read


def test_the_answer_turns_when_the_numbers_do(metrics, summary):
    ours = (summary["arm"] == "magan") & (summary["task"] == "heldout") & (summary["metric"] == "pearson")
    better = summary.copy()
    better.loc[ours, ["mean", "low", "high"]] += 0.2
    of_control = r"On control_1, magan reaches.*?On "
    assert "magan wins by" in re.search(of_control, text(page(metrics, better)))[0]
    assert "magan wins by" not in re.search(of_control, text(page(metrics, summary)))[0]
    level = summary.copy()
    level.loc[ours, "low"], level.loc[ours, "high"] = 0.0, 1.0
    assert "the interval holds the baseline&#39;s value, so neither wins" in text(page(metrics, level))


def test_the_headline_is_chosen_by_name_and_not_by_score(metrics, summary):
    lucky = summary.copy()
    lucky.loc[summary["arm"] == "magan_alone", ["mean", "low", "high"]] += 1
    header = page(metrics, lucky).split("</header>")[0]
    assert "magan reaches" in header and "magan_alone reaches" not in header
    header = page(metrics, lucky, headline={("heldout", "control_1"): "magan_alone"}).split("</header>")[0]
    assert "On control_1, magan_alone reaches" in header and "On day_2, magan reaches" in header


@pytest.mark.parametrize(
    ("better", "interval", "consensus", "told"),
    [
        ("higher", (0.65, 0.69), 0.71, True),
        ("higher", (0.65, 0.75), 0.71, True),
        ("higher", (0.65, 0.69), 0.70, False),
        ("higher", (0.71, 0.75), 0.76, False),  # the seeds win already
        ("lower", (0.71, 0.75), 0.69, True),
        ("lower", (0.71, 0.75), 0.72, False),
        ("higher", (np.nan, np.nan), 0.71, False),  # of one seed, which is its own consensus
        ("higher", (0.65, 0.69), np.nan, False),
        ("one", (0.65, 0.69), 0.71, False),
    ],
)
def test_a_consensus_wins_where_its_seeds_do_not(better, interval, consensus, told):
    assert consensus_wins(row(*interval, 0.70, consensus), better) is told


def test_a_consensus_that_wins_is_said_to_and_badged_as_such(metrics, summary):
    said = "The consensus of its seeds reaches .900 and beats boosting&#39;s .825; single seeds, on average, do not."
    badge = '<span class="badge consensus">consensus wins, single seeds do not</span>'
    header = page(metrics, consensus_ahead(summary)).split("</header>")[0]
    answer = header.split("On control_1, ")[1].split("</p>")[0]
    assert said in answer and "has no interval" in answer and "the baseline wins by" in answer
    assert header.split("On control_1, ")[0].endswith(badge + "<p>")
    table = page(metrics, consensus_ahead(summary)).split("consensus of magan</th>")[1].split("</tr>")[0]
    assert ".900" in table and "△" in table
    assert badge not in page(metrics, summary) and "beats boosting" not in page(metrics, summary)


def test_a_consensus_beside_winning_seeds_is_no_news(metrics, summary):
    better = consensus_ahead(summary)
    better.loc[overall(summary, "heldout", "control_1", "magan", "pearson"), ["mean", "low", "high"]] = 0.89, 0.88, 0.9
    answer = page(metrics, better).split("On control_1, ")[1].split("</p>")[0]
    assert "magan wins by" in answer and "; the consensus of its seeds .900." in answer and "do not" not in answer


def test_only_the_headline_has_a_badge_and_a_paragraph(metrics, summary):
    html = page(metrics, summary)
    n = len(metrics[["task", "dataset"]].drop_duplicates())
    assert html.count('<span class="badge') == html.split("</header>")[0].count('<span class="badge') == n
    assert len(re.findall(r"On \w+, \w+ reaches", html)) == n


def test_the_controls_are_told_beside_the_headline(metrics, summary):
    place = ("heldout", "control_1")
    both = {"alone": "magan_alone", "shuffled": "cyclegan"}
    ours, alone, shuffled = (
        summary[overall(summary, *place, arm, "pearson")].iloc[0] for arm in ("magan", "magan_alone", "cyclegan")
    )
    read = text(page(metrics, summary, controls={place: both}))
    assert (
        f"Without correspondence the same network (magan_alone) reaches {number(alone['mean'])}{interval(alone)} and "
        f"with its correspondence shuffled (cyclegan) reaches {number(shuffled['mean'])}{interval(shuffled)}, where "
        f"magan has {number(ours['mean'])}{interval(ours)} (Pearson&#39;s r): both are worse."
    ) in read
    level = summary.copy()
    level.loc[overall(summary, *place, "cyclegan", "pearson"), "high"] = 1.0
    read = text(page(metrics, level, controls={place: both}))
    assert "magan_alone is worse, cyclegan is not told apart from it" in read
    read = text(page(metrics, summary, controls={place: {"alone": "travelgan"}}))
    assert "Without correspondence the same network (travelgan) fails, where magan has" in read
    assert "Without correspondence" not in text(page(metrics, summary))


def test_a_control_that_is_better_is_said_to_be(metrics, summary):
    place, better = ("batch", "person_2"), summary.copy()
    better.loc[overall(summary, *place, "magan_alone", "emd_reduction"), ["mean", "low", "high"]] = 0.98, 0.97, 0.99
    read = text(page(metrics, better, controls={place: {"alone": "magan_alone"}}))
    assert "(share of EMD removed): magan_alone is better." in read


def test_who_beats_the_best_baseline_is_counted(metrics, summary):
    rows = summary[(summary["task"] == "heldout") & (summary["dataset"] == "control_1") & summary["low"].notna()]
    rows = rows[~rows["arm"].isin([keys.BASELINE, keys.FLOOR]) & rows["metric"].isin(["pearson", "wasserstein"])]
    rows = rows[(rows["metric"] == "pearson") | (rows["feature"] == keys.ALL)]
    assert len(rows) == 3 * (2 + 4)
    level = summary.copy()
    level.loc[rows.index, ["low", "high", "consensus"]] = -1.0, 2.0, np.nan
    told = f"Of {len(rows)} comparisons of seeds with a best baseline, by score and by marker, "
    assert f"{told}none is won." in text(page(metrics, level))
    won = rows.index[(rows["arm"] == "cyclegan") & (rows["feature"] == "CD4")]
    level.loc[won, ["low", "high"]] = 0.97, 0.98
    level.loc[overall(summary, "heldout", "control_1", "magan", "wasserstein"), "consensus"] = 0.01
    read = text(page(metrics, level))
    assert f"{told}1 is won (cyclegan on CD4); a consensus of seeds" in read
    assert "is ahead in 1 more (magan on Wasserstein)." in read


def test_doing_nothing_is_told_where_it_was_scored(metrics, summary):
    read = text(page(metrics, summary))
    assert read.count("Doing nothing (identity) scores") == 2
    assert "Doing nothing (identity) scores .527." in read.split("On person_2, ")[1]
    assert "Doing nothing (identity) scores .280." in read.split("On emoji, ")[1]


def test_methods_are_listed_in_the_order_of_the_rows(metrics, summary):
    turned = summary.iloc[::-1]
    names = re.findall(r'<tr class="(?:trained|baseline)"><th scope="row">(\w+)<', page(metrics, turned))
    assert names[:6] == ["cyclegan", "magan_alone", "magan", "boosting", "knn", "ridge"]


def test_few_seeds_are_warned_about(metrics, summary):
    assert "where 5 seeds cannot give less than .062" in text(page(metrics, summary))


def test_a_failed_method_is_listed_with_its_log(metrics, summary):
    read = text(page(metrics, summary))
    assert re.search(r"harmony\s+failed: not installed \( ?logs/h.log ?\)", read)
    assert re.search(r"travelgan\s+failed: no seed has a score", read)
    header = page(metrics, summary, headline={("heldout", "control_1"): "travelgan"}).split("</header>")[0]
    assert "On control_1, travelgan failed: no seed has a score." in header and ">failed</span>" in header


def test_the_best_baseline_alone_is_bold(metrics, summary):
    bodies = page(metrics, summary).split('<section id="batch">')[1].split("<tbody>")[1:3]
    near, kept = (
        {
            re.search(r'scope="row">(.*?)<', line).group(1): re.findall(r"<b>(.*?)</b>", line)
            for line in body.split("</tbody>")[0].split("</tr>")
            if "scope" in line
        }
        for body in bodies
    )
    assert near["quantile"] == [".054", ".010", ".900"]  # EMD, MMD, EMD reduction
    assert kept["identity"] == [".974", "1.000", "0.000"]  # labels, rank, MAD
    assert not near["magan"] and not near["floor"] and not kept["magan"]


def test_controls_come_after_the_baselines_in_the_tables_of_methods_alone(metrics, summary):
    rows = summary[(summary["task"] == "batch") & (summary["method"] == "quantile")]
    known = pd.concat([rows.assign(method="perfect", arm="control"), summary])
    section = page(metrics, known).split('<section id="batch">')[1].split("</section>")[0]
    for table in section.split("<tbody>")[1:3]:
        names = re.findall(r'<th scope="row">(.*?)<', table)
        assert names.count("perfect") == 1 and names.index("perfect") > names.index("quantile")
    heads = re.findall(r"<thead>.*?</thead>", section, re.DOTALL)
    assert not [head for head in heads if "perfect" in head]
    assert "Controls are maps whose scores are known" in section
    assert "Controls are maps" not in page(metrics, summary)


def test_digits_are_counted_with_their_wilson_interval(metrics, summary):
    rows = metrics[(metrics["arm"] == "magan") & (metrics["metric"] == "right")]
    k, n, z = rows["value"].sum(), len(rows), 1.959964
    centre = (k + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * np.sqrt(k * (n - k) / n + z**2 / 4)
    interval = f"95 % Wilson interval {number(centre - half)} to {number(centre + half)}"
    assert f"{int(k)} of {n} seeds are right ({interval})" in text(page(metrics, summary))


def test_the_page_needs_nothing_beside_it(metrics, summary, tmp_path):
    (tmp_path / "a.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (tmp_path / "b.png").write_bytes(b"\x89PNG")
    figures = [
        {"title": "A", "caption": "a", "path": tmp_path / "a.svg", "task": "heldout", "dataset": ""},
        {"title": "B", "caption": "b", "path": tmp_path / "b.png", "task": "batch", "dataset": "person_2"},
    ]
    html = page(metrics, summary, figures)
    sources = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert sum(source.startswith("data:image/") for source in sources) == 2
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert "url(" not in html and "<script" not in html


def test_a_heavy_drawing_gives_way_to_the_picture_beside_it(metrics, summary, tmp_path):
    (tmp_path / "a.svg").write_text("<svg>" + " " * 500_000 + "</svg>")
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    figure = {"title": "A", "caption": "a", "path": tmp_path / "a.svg", "task": "heldout", "dataset": ""}
    assert len(page(metrics, summary, [figure])) < 200_000


def test_the_foot_holds_what_is_needed_to_do_it_again(metrics, summary):
    read = text(page(metrics, summary))
    for part in ("0123abcd", "c0dec0dec0de", "steps: 3000", "ab" * 32, "CC BY 4.0", "Shaham 2017"):
        assert part in read
    for part in ("torch&nbsp;2.13.0", "seeds of heldout/control_1 0 to 4", "seeds of batch/person_2 3, 5, 7, 9"):
        assert part in read


def test_names_cannot_break_the_page(metrics, summary):
    html = page(metrics, summary)
    assert "A &lt;demo&gt; study" in html and "<demo>" not in html


class Balanced(HTMLParser):
    """Follows the tags of a page and complains of one that is not closed."""

    VOID = ("meta", "img", "link", "br")

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        self.open += [] if tag in self.VOID else [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_every_tag_is_closed(metrics, summary):
    parser = Balanced()
    parser.feed(page(metrics, summary))
    assert parser.open == []


def test_a_study_of_one_seed_without_baselines_is_reported(metrics):
    few = metrics[(metrics["seed"] == 0) & (metrics["arm"] == "magan")]
    read = text(page(few, synthetic.summarise(few)))
    assert "over 1 seed" in read and "There is no baseline for this score" in read and "nan" not in read


def test_tables_read_back_from_a_file_give_the_same_page(metrics, summary, tmp_path):
    read = []
    for name, table in (("metrics", metrics), ("summary", summary)):
        table.to_csv(tmp_path / f"{name}.tsv", sep="\t", index=False)
        read.append(pd.read_csv(tmp_path / f"{name}.tsv", sep="\t", float_precision="round_trip"))
    assert page(*read) == page(metrics, summary)


def gate(**changes):
    """One flagged marker in one population, one that is not."""
    table = pd.DataFrame(
        {"batch": "day_2", "population": ["all", "T cells"], "marker": ["CD3", "CD8"], "emd_before": [0.5, 0.1],
         "emd_after": [0.1, 0.4], "floor": 0.05, "flag": ["", "worse EMD"]}
    )  # fmt: skip
    return table.assign(**changes)


VERDICT = {"arm": "magan", "word": "safe but", "sentence": "Safe but for CD8 (worse EMD in T cells)."}


def test_the_page_opens_with_what_to_do_with_the_corrected_cells(metrics, summary):
    html = page(metrics, summary, verdicts={("batch", "person_2"): (VERDICT, gate())})
    told = text(html)
    assert told.index("may the corrected cells be used? safe but") < told.index("Batches, person_2 ")
    assert "1 marker of 2 flagged" in told and "CD8 day_2 T cells .100 .400 .050 worse EMD" in told


def test_flagged_rows_beyond_the_first_thirty_are_counted():
    many = pd.concat([gate().iloc[[1]].assign(emd_after=0.2 + i / 100) for i in range(40)], ignore_index=True)
    found = judged(VERDICT, many)
    assert len(found["lines"]) == 30 and found["lines"][0]["emd_after"] == ".590"
    assert found["rest"] == "10 more rows are in gate.tsv."


def test_files_that_were_left_out_are_named_with_their_reason(metrics, summary):
    left = {("batch", "person_2"): [("file", "b3.fcs", "b3.fcs is cut short")]}
    assert "left out 1 file b3.fcs : b3.fcs is cut short" in text(page(metrics, summary, left_out=left))
