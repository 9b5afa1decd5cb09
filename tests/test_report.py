"""Tests of magan.report: who wins is worked out from the numbers, and the page stands alone."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import synthetic

from magan import keys
from magan.report.methods_text import methods_text
from magan.report.page import render
from magan.report.phrasing import consensus_wins, interval, number, verdict
from magan.tasks.batch_correction.report import happened, judged, kept

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
    html = re.sub(r"<(style|script).*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def numbers(html, title):
    """Result -> (value, interval, note) of the table of numbers behind an answer, of the first data set."""
    table = html.split(f"<caption>{title}: ")[1].split("</table>")[0]
    lines = re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td><td>(.*?)</td><td class="text">(.*?)</td>', table)
    return {name: (value, interval, note) for name, value, interval, note in lines}


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
    ours = summary[overall(summary, "heldout", "control_1", "magan", "pearson")].iloc[0]
    html = page(metrics, summary)
    assert "The best baseline (gradient boosting) is better than MAGAN by Pearson&#39;s r." in text(html)
    found = numbers(html, "MAGAN")
    assert found["mean over seeds"] == (number(ours["mean"]), interval(ours).strip(), "5 seeds")
    assert found["mean of the maps of all seeds"][0] == number(ours["consensus"])
    assert found["best baseline: gradient boosting"][0] == ".825"


def test_the_answer_turns_when_the_numbers_do(metrics, summary):
    ours = (summary["arm"] == "magan") & (summary["task"] == "heldout") & (summary["metric"] == "pearson")
    better = summary.copy()
    better.loc[ours, ["mean", "low", "high"]] += 0.2
    wins = "MAGAN is better than the best baseline (gradient boosting) by Pearson&#39;s r."
    assert wins in text(page(metrics, better)) and wins not in text(page(metrics, summary))
    level = summary.copy()
    level.loc[ours, "low"], level.loc[ours, "high"] = 0.0, 1.0
    assert "cannot be distinguished by Pearson&#39;s r" in text(page(metrics, level))


def test_the_headline_is_chosen_by_name_and_not_by_score(metrics, summary):
    lucky = summary.copy()
    lucky.loc[summary["arm"] == "magan_alone", ["mean", "low", "high"]] += 1
    header = page(metrics, lucky).split("</header>")[0]
    assert "better than MAGAN by" in header and "MAGAN alone" not in header
    header = page(metrics, lucky, headline={("heldout", "control_1"): "magan_alone"}).split("</header>")[0]
    assert "MAGAN alone is better than the best baseline" in header and "better than MAGAN by" in header


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


@pytest.mark.parametrize(
    ("ends", "of_consensus", "word", "ahead"),
    [((0.001, 0.01), (0.01, 0.02), "wins", False), ((-0.01, -0.001), (-0.001, 0.02), "loses", False),
     ((-0.001, 0.01), (0.0001, 0.02), "ties", True), ((-0.0001, 0.0009), (-0.0001, 0.0009), "ties", False)],
)  # fmt: skip
def test_a_difference_counts_where_its_interval_over_cells_and_seeds_does_not_hold_zero(
    ends, of_consensus, word, ahead
):
    known = row(0.8, 0.9, 0.70, 0.7004)  # over seeds alone, which differ little, every word would be "wins"
    known |= dict(zip(("gain_low", "gain_high", "consensus_gain_low", "consensus_gain_high"), (*ends, *of_consensus)))
    assert verdict(known, "higher") == word and consensus_wins(known, "higher") is ahead


def test_the_page_has_the_difference_and_its_interval(metrics, summary):
    ours = overall(summary, "heldout", "control_1", "magan", "pearson")
    known = summary.copy()
    known.loc[ours, ["gain", "gain_low", "gain_high"]] = [0.004, -0.0004, 0.008]
    known.loc[ours, ["consensus_gain_low", "consensus_gain_high"]] = [-0.002, 0.003]
    html = text(page(metrics, known))
    assert "difference over cells and seeds +.004 [-.0004, +.008]" in html
    assert "difference from the best baseline over cells [-.002, +.003]" in html


def test_a_mean_of_seeds_that_wins_is_said_to_and_badged_as_such(metrics, summary):
    said = "The mean of the maps of all seeds of MAGAN is better than the best baseline (gradient boosting)"
    badge = '<span class="badge consensus">the mean of seeds is better, single seeds are not</span>'
    html = page(metrics, consensus_ahead(summary))
    assert f"{badge}<p>{said}" in html
    assert numbers(html, "MAGAN")["mean of the maps of all seeds"][:2] == (".900", "–")
    line = html.split("MAGAN, mean of seeds</th>")[1].split("</tr>")[0]
    assert ".900" in line and "△" in line
    assert badge not in page(metrics, summary) and said not in page(metrics, summary)


def test_a_mean_of_seeds_beside_winning_seeds_is_no_news(metrics, summary):
    better = consensus_ahead(summary)
    better.loc[overall(summary, "heldout", "control_1", "magan", "pearson"), ["mean", "low", "high"]] = 0.89, 0.88, 0.9
    header = page(metrics, better).split("</header>")[0]
    assert "MAGAN is better than the best baseline" in header and "The mean of the maps" not in header


def test_only_the_headline_has_a_badge_and_a_sentence(metrics, summary):
    html = page(metrics, summary)
    n = len(metrics[["task", "dataset"]].drop_duplicates())
    assert html.count('<span class="badge') == html.split("</header>")[0].count('<span class="badge') == n


def test_the_controls_are_told_beside_the_headline(metrics, summary):
    place = ("heldout", "control_1")
    both = {"alone": "magan_alone", "shuffled": "cyclegan"}
    alone, shuffled = (summary[overall(summary, *place, arm, "pearson")].iloc[0] for arm in both.values())
    html = page(metrics, summary, controls={place: both})
    found = numbers(html, "MAGAN")
    assert found["without correspondence"][:2] == (number(alone["mean"]), interval(alone).strip())
    assert found["with shuffled correspondence"][:2] == (number(shuffled["mean"]), interval(shuffled).strip())
    assert "without correspondence it is worse; with shuffled correspondence it is worse." in text(html)
    level = summary.copy()
    level.loc[overall(summary, *place, "cyclegan", "pearson"), "high"] = 1.0
    read = text(page(metrics, level, controls={place: both}))
    assert "with shuffled correspondence it is as good, as the intervals overlap." in read
    failed = page(metrics, summary, controls={place: {"alone": "travelgan"}})
    assert numbers(failed, "MAGAN")["without correspondence"][0] == "failed"
    assert "without correspondence it fails" in text(failed)
    assert "without correspondence" not in text(page(metrics, summary))


def test_a_control_that_is_better_is_said_to_be(metrics, summary):
    place, better = ("batch", "person_2"), summary.copy()
    better.loc[overall(summary, *place, "magan_alone", "emd_reduction"), ["mean", "low", "high"]] = 0.98, 0.97, 0.99
    read = text(page(metrics, better, controls={place: {"alone": "magan_alone"}}))
    assert "The same network has a control: without correspondence it is better." in read


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
    assert f"{told}1 is won (CycleGAN on CD4). The mean of the maps of all seeds" in read
    assert "is ahead in 1 more (MAGAN on Wasserstein)." in read


def test_doing_nothing_is_told_where_it_was_scored(metrics, summary):
    html = page(metrics, summary)
    assert html.count('<th scope="row">nothing done</th>') == 2
    for section, value in (("batch", ".527"), ("translation", ".280")):
        assert numbers(html.split(f'<section id="{section}">')[1], "MAGAN")["nothing done"][0] == value


def test_methods_are_listed_in_the_order_of_the_rows(metrics, summary):
    turned = summary.iloc[::-1]
    names = re.findall(r'<tr class="(?:trained|baseline)" data-method="(\w+)"', page(metrics, turned))
    assert names[:6] == ["cyclegan", "magan_alone", "magan", "boosting", "knn", "ridge"]


def test_few_seeds_are_warned_about(metrics, summary):
    note = numbers(page(metrics, summary), "MAGAN")["best baseline: gradient boosting"][2]
    assert note.endswith("; 5 seeds cannot give less than .062")


def test_a_failed_method_is_listed_with_its_log(metrics, summary):
    read = text(page(metrics, summary))
    assert re.search(r"Harmony\s+failed: not installed \( ?logs/h.log ?\)", read)
    assert re.search(r"TraVeLGAN\s+failed: no seed has a score", read)
    header = page(metrics, summary, headline={("heldout", "control_1"): "travelgan"}).split("</header>")[0]
    assert "TraVeLGAN failed: no seed has a score." in header and ">failed</span>" in header


def test_the_best_baseline_alone_is_bold(metrics, summary):
    bodies = page(metrics, summary).split('<section id="batch">')[1].split("<tbody>")[2:4]
    near, kept = (
        {
            re.search(r'data-method="(.*?)"', line).group(1): re.findall(r"<b>(.*?)</b>", line)
            for line in body.split("</tbody>")[0].split("</tr>")
            if 'data-method="' in line and 'class="consensus"' not in line
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
    for table in section.split("<tbody>")[2:4]:
        names = re.findall(r'data-method="(.*?)"', table)
        assert names.count("perfect") == 1 and names.index("perfect") > names.index("quantile")
    heads = re.findall(r"<thead>.*?</thead>", section, re.DOTALL)
    assert heads and not [head for head in heads if "perfect" in head]
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
    assert "url(" not in html and "default-src 'none'" in html and "vegaEmbed=" not in html


def test_a_heavy_drawing_gives_way_to_the_picture_beside_it(metrics, summary, tmp_path):
    (tmp_path / "a.svg").write_text("<svg>" + " " * 500_000 + "</svg>")
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    figure = {"title": "A", "caption": "a", "path": tmp_path / "a.svg", "task": "heldout", "dataset": ""}
    assert len(page(metrics, summary, [figure])) < 250_000


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

    VOID = ("meta", "img", "link", "br", "rect", "circle")

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
    assert "1 seed" in read and "there is no baseline for it" in read and "nan" not in read


def test_tables_read_back_from_a_file_give_the_same_page(metrics, summary, tmp_path):
    read = []
    for name, table in (("metrics", metrics), ("summary", summary)):
        table.to_csv(tmp_path / f"{name}.tsv", sep="\t", index=False)
        read.append(pd.read_csv(tmp_path / f"{name}.tsv", sep="\t", float_precision="round_trip"))
    assert page(*read) == page(metrics, summary)


def gate(**changes):
    """One flagged marker in one population, one that is not."""
    table = pd.DataFrame(
        {"batch": "day_2", "population": ["all", "T cells"], "marker": ["CD3", "CD8"], "n": [100, 60],
         "n_reference": [90, 70], "emd_before": [0.5, 0.1], "emd_after": [0.1, 0.4], "floor": 0.05,
         "improved": [True, False], "flag": ["", "worse EMD"]}
    )  # fmt: skip
    return table.assign(**changes)


VERDICT = {"arm": "magan", "word": "safe but", "sentence": "Safe but for CD8 (worse EMD in T cells)."}


def test_the_page_opens_with_what_to_do_with_the_corrected_cells(metrics, summary):
    html = page(metrics, summary, verdicts={("batch", "person_2"): (VERDICT, gate())})
    told = text(html)
    opening = (
        "May the corrected cells of person_2 be used? Use with care Batches are nearer to the reference; CD8 got worse"
    )
    assert told.index(opening) < told.index("Batches, person_2 ")
    assert 'aria-label="Traffic light: amber"' in html and 'class="card amber"' in html
    assert "1 marker of 2 flagged" in told and "CD8 day_2 T cells .100 .400 .050 worse EMD" in told
    assert VERDICT["sentence"] in told and "day_2 100 .500 .100 .050" in told
    cells = re.findall(r'<td class="(\w*)" title="(.*?)">(.?)</td>', html.split('<table class="happened">')[1])
    assert [(kind, sign) for kind, _, sign in cells] == [("nearer", "▲"), ("", ""), ("", ""), ("flagged", "!")]
    assert cells[3][1] == "CD8: flagged: got worse (worse EMD); distance .100 before, .400 after"


@pytest.mark.parametrize(
    ("word", "light", "changes"),
    [
        ("safe", "green", {}),
        ("safe but", "amber", {}),
        ("do not use", "red", {}),
        ("too few cells", "amber", {}),
        ("not needed", "green", {"emd_before": 0.05, "emd_after": 0.05}),
        ("not needed", "amber", {"emd_before": 0.5, "emd_after": 0.5}),  # left as measured, and the batches differ
    ],
)
def test_the_light_is_the_verdict_and_never_green_where_a_difference_remains(word, light, changes):
    found = judged({**VERDICT, "word": word}, gate(**changes))
    assert found["light"] == light and found["sentence"] and found["steps"]


def test_a_marker_that_was_put_back_is_left_as_measured_and_listed_with_the_reason():
    back = {**VERDICT, "fallback": "input", "put_back": {"day_2": ["CD8"]}}
    measured = gate(emd_after=[0.1, 0.1], flag="")
    assert list(happened(measured, back)) == ["nearer", "left"]
    (row,) = judged(back, measured)["left"]
    assert (row["batch"], row["markers"]) == ("day_2", "CD8") and "flagged" in row["reason"]
    (row,) = judged(VERDICT, gate(emd_after=[0.5, 0.1], improved=False, flag=""))["left"]
    assert row["markers"] == "all" and "no map was better than none" in row["reason"]


def test_batches_that_are_mapped_alike_by_a_control_are_in_a_row_and_an_unstained_marker_is_explained():
    ways = [("2", "2 > 1", "A", ""), ("3", "3 > 1", "A", ""), ("5", "5 > 6 > 1", "B > A", "CD4"), ("7", "", "", "")]
    design = [dict(zip(("batch", "route", "controls", "not_stained"), way)) for way in ways]
    design.append({"batch": "day_2", "route": "day_2 > 1", "controls": "A", "not_stained": "CD8"})
    found = judged({**VERDICT, "design": design}, gate(emd_after=[0.5, 0.1], improved=False, flag=""))
    rows = [(row["batches"], row["way"], row["left"]) for row in found["ways"]]
    assert rows[:3] == [
        ("2, 3", "to 1 by A", "none"),
        ("5", "to 6 by B, then to 1 by A", "CD4"),
        ("7", "no control: by the cells of its samples", "none"),
    ]
    assert "the control does not stain" in found["left"][0]["reason"]


def test_a_method_that_failed_has_a_verdict_without_a_picture():
    failed = {**VERDICT, "word": "do not use", "sentence": "Do not use this correction: magan failed (every seed)."}
    found = judged(failed, gate().iloc[:0])
    assert (found["light"], found["sentence"], found["pictures"]) == ("red", failed["sentence"], [])


def test_flagged_rows_beyond_the_first_thirty_are_counted():
    many = pd.concat([gate().iloc[[1]].assign(emd_after=0.2 + i / 100) for i in range(40)], ignore_index=True)
    found = judged(VERDICT, many)
    assert len(found["flags"]) == 30 and found["flags"][0]["emd_after"] == ".590"
    assert found["rest"] == "10 more rows in gate.tsv."


def test_confounded_donors_of_the_check_are_on_the_first_screen(metrics, summary):
    said = "No donor is in two batches: differences between donors cannot be told from a batch effect."
    place = ("batch", "person_2")
    html = page(metrics, summary, verdicts={place: (VERDICT, gate())}, cautions={place: [said]})
    assert said in html.split("</header>")[0]


def test_differences_between_groups_are_counted_and_the_lost_are_listed(metrics, summary):
    effects = pd.DataFrame(
        {"population": ["all", "all", "T cells"], "marker": ["CD3", "CD4", "CD4"], "measure": "mean", "group_1": "HD",
         "group_2": "MM", "effect_before": [1.0, 0.5, 0.1], "effect_after": [0.9, 0.02, 0.2],
         "q_before": [0.01, 0.04, 0.5], "q_after": [0.01, 0.6, 0.2], "status": ["preserved", "lost", ""]}
    )  # fmt: skip
    found = kept(effects)
    assert [(line["population"], line["kept"], line["lost"], line["new"]) for line in found["counts"]] == [
        ("all cells", 1, 1, 0),
        ("T cells", 0, 0, 0),
    ]
    (line,) = found["lines"]
    assert (line["where"], line["what"], line["before"], line["after"]) == ("CD4, all cells", "lost", ".500", ".020")
    place = ("batch", "person_2")
    shown = {"verdicts": {place: (VERDICT, gate())}}
    assert "CD4, all cells lost mean MM less HD" in text(page(metrics, summary, **shown, groups={place: effects}))
    none = text(page(metrics, summary, **shown, groups={place: effects.assign(status="")}))
    assert "Donors prove no difference between groups" in none
    assert kept(effects.iloc[:0]) is None


def test_the_partners_of_a_torn_pair_are_named():
    torn = gate(flag=["", "torn pair"], partners=["", "CD3"])
    found = judged(VERDICT, torn)
    assert found["flags"][0]["flag"] == "torn pair with CD3" and list(found["meanings"]) == ["torn pair"]


def test_the_text_for_a_paper_numbers_what_it_cites():
    part = {"task": "Batches", "dataset": "blood", "cited": "Doe 2020", "method": ("quantile map", "Roe 2021"),
            "baselines": [("ComBat", "Poe 2007"), ("identity", "")], "seeds": 0, "steps": 0, "reference": "wed",
            "batches": ["mon", "tue"], "n_cells": 1234, "fallback": "input", "explained": ""}  # fmt: skip
    found = methods_text([part, part], {"magan": "9.9", "numpy": "1.2"}, "abc")
    assert found["references"][:3] == ["Doe 2020", "Roe 2021", "Poe 2007"] and len(found["references"]) == 4
    first, second, last = found["paragraphs"]
    assert first == second and "Batches mon and tue of the data set blood [1] were mapped" in first
    assert "reference batch wed with magan 9.9 (commit abc) by the method “quantile map [2]”" in first
    assert "1,234 cells" in first and "ComBat [3] and identity." in first and "written as measured" in first
    assert last == "Software: magan 9.9 (commit abc), numpy 1.2 [4]."


def test_files_that_were_left_out_are_named_with_their_reason(metrics, summary):
    left = {("batch", "person_2"): [("file", "b3.fcs", "b3.fcs is cut short")]}
    assert "left out 1 file b3.fcs : b3.fcs is cut short" in text(page(metrics, summary, left_out=left))
