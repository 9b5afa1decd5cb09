"""Sentences on the results of a study."""

import math
from collections.abc import Mapping

import pandas as pd

from magan import keys
from magan.report.phrasing import consensus_wins, counted, interval, number, trained, verdict
from magan.tasks.registry import TASKS


def answer(task: str, dataset: str, summary: pd.DataFrame, metrics: pd.DataFrame, arm: str) -> dict[str, str]:
    """The result of a trained arm: its name, a verdict and a paragraph."""
    rows = summary[(summary["task"] == task) & (summary["dataset"] == dataset)]
    of_arm = rows[rows["arm"] == arm]
    whole = of_arm[(of_arm["group"] == keys.ALL) & (of_arm["feature"] == keys.ALL)].set_index("metric")
    score = TASKS[task].question.answer(set(whole.index[whole["mean"].notna()]))
    if score not in whole.index or not math.isfinite(whole.loc[score, "mean"]):
        return {"arm": arm, "verdict": "failed", "text": f"On {dataset}, {arm} failed: no seed has a score."}
    row, better = whole.loc[score], keys.SCORES[score][1]
    part = score if TASKS[task].question.otherwise else TASKS[task].question.part_score
    text = [_reached(dataset, arm, score, row, of_arm), _consensus(score, row)]
    text[1:1] = [_compared(arm, score, row)] if TASKS[task].question.compared else []
    text += [_plain(task, whole), _nothing(rows, part), _floor(rows, part, TASKS[task].question.over)]
    text += [sentence(rows, metrics, arm) for sentence in TASKS[task].sentences]
    text += [_split(task, of_arm)] if not TASKS[task].question.otherwise else []
    text += [_by_score(whole, score)]
    outcome = "consensus" if consensus_wins(row, better) else verdict(row, better) or "no verdict"
    return {"arm": arm, "verdict": outcome, "text": " ".join(part for part in text if part)}


def headline(rows: pd.DataFrame, named: str) -> str:
    """Choose the arm to report: ``named`` if trained, else an arm named like its method, MAGAN first.

    The choice is by name, never by score: the best score of several arms is biased.
    """
    arms = trained(rows)
    if named in [arm for _, arm in arms]:
        return named
    plain = [arm for method, arm in arms if arm == method]
    return "magan" if "magan" in plain else (plain or [arm for _, arm in arms] or [""])[0]


def _reached(dataset: str, arm: str, score: str, row, mine: pd.DataFrame) -> str:
    name = keys.SCORES[score][0]
    n_markers = mine.loc[(mine["metric"] == score) & (mine["feature"] != keys.ALL), "feature"].nunique()
    over = counted(int(row["n_seeds"]), "seed") + (f" × {counted(n_markers, 'marker')}" if n_markers else "")
    failed = f" ({int(row['n_failed'])} failed)" if row["n_failed"] > 0 else ""
    text = f"On {dataset}, {arm} reaches a mean {name} of {number(row['mean'])}{interval(row)} over {over}{failed}"
    # A consensus that wins gets a separate sentence.
    shows_consensus = math.isfinite(row["consensus"]) and not consensus_wins(row, keys.SCORES[score][1])
    return text + (f"; the consensus of its seeds {number(row['consensus'])}." if shows_consensus else ".")


def _compared(arm: str, score: str, row) -> str:
    if not row["best_baseline"] or not math.isfinite(row["best_baseline_value"]):
        return "There is no baseline for this score."
    result = verdict(row, keys.SCORES[score][1])
    gap = number(abs(row["mean"] - row["best_baseline_value"]))
    outcome = {
        "wins": f"{arm} wins by {gap}",
        "loses": f"the baseline wins by {gap}",
        "ties": "the interval holds the baseline's value, so neither wins",
        "": "without an interval neither can be said to win",
    }[result]
    text = f"The best baseline, {row['best_baseline']}, has {number(row['best_baseline_value'])}: {outcome}"
    return text + _tested(float(row["p_value"]), int(row["n_seeds"])) + "."


def _consensus(score: str, row) -> str:
    """The sentence for a consensus that beats a baseline which single seeds do not beat; else ""."""
    if not consensus_wins(row, keys.SCORES[score][1]):
        return ""
    return (
        f"The consensus of its seeds reaches {number(row['consensus'])} and beats {row['best_baseline']}'s "
        f"{number(row['best_baseline_value'])}; single seeds, on average, do not. "
        "The consensus is one map and has no interval."
    )


def _plain(task: str, whole: pd.DataFrame) -> str:
    """The score of the parts over all cells, if it is not the score of the answer; the next sentences use it."""
    score = TASKS[task].question.part_score
    if score == TASKS[task].question.score or score not in whole.index or not math.isfinite(whole.loc[score, "mean"]):
        return ""
    row = whole.loc[score]
    known = row["best_baseline"] and math.isfinite(row["best_baseline_value"])
    best = f", {row['best_baseline']} at best {number(row['best_baseline_value'])}" if known else ""
    return f"Over all cells together its {keys.SCORES[score][0]} is {number(row['mean'])}{interval(row)}{best}."


def _nothing(rows: pd.DataFrame, score: str) -> str:
    """The score of unchanged cells or images, if the identity was among the methods."""
    same = rows[(rows["method"] == "identity") & (rows["arm"] == keys.BASELINE) & (rows["metric"] == score)]
    same = same[(same["group"] == keys.ALL) & (same["feature"] == keys.ALL) & same["mean"].notna()]
    return f"Doing nothing (identity) scores {number(same['mean'].iloc[0])}." if len(same) else ""


def _floor(rows: pd.DataFrame, score: str, over: str) -> str:
    floor = rows[(rows["arm"] == keys.FLOOR) & (rows["metric"] == score)]
    floor = floor.loc[(floor["group"] == keys.ALL) & (floor["feature"] == keys.ALL), "mean"].dropna()
    whose = "Real images against other real images" if over == "images" else "Two halves of the real data"
    return f"{whose} score {number(floor.iloc[0])}." if len(floor) else ""


def _tested(p: float, n_seeds: int) -> str:
    if not math.isfinite(p):
        return ""
    # The smallest p of the exact two-sided signed-rank test of n pairs.
    least = 2.0 ** (1 - n_seeds)
    caution = f", where {counted(n_seeds, 'seed')} cannot give less than {number(least)}" if least > 0.05 else ""
    return f" (paired Wilcoxon over seeds, p {'= ' + number(p) if p >= 1e-4 else '< .0001'}{caution})"


def _split(task: str, mine: pd.DataFrame) -> str:
    """The sentence on the markers or populations where the arm wins and where it loses."""
    column, score = TASKS[task].question.split, TASKS[task].question.part_score
    across = {"feature": "group", "group": "feature"}[column]
    rows = mine[(mine["metric"] == score) & (mine[column] != keys.ALL) & (mine[across] == keys.ALL)]
    verdicts = {row[column]: verdict(row, keys.SCORES[score][1]) for row in rows.to_dict("records")}
    return _listed(f"{TASKS[task].question.part.capitalize()} by {TASKS[task].question.part}", verdicts)


def _by_score(whole: pd.DataFrame, score: str) -> str:
    verdicts = {
        name: verdict(row, keys.SCORES[name][1])
        for name, row in whole.iterrows()
        if name in keys.SCORES and name != score
    }
    return _listed("By the other scores", {keys.SCORES[name][0].split(" (")[0]: v for name, v in verdicts.items()})


def _listed(opening: str, verdicts: Mapping[str, str]) -> str:
    """``opening`` and the names that the seeds win, lose and leave undecided; "" without any verdict."""
    phrases = {"wins": "win on", "loses": "lose on", "ties": "are undecided on"}
    named = {outcome: [name for name, v in verdicts.items() if v == outcome] for outcome in phrases}
    parts = [f"{phrases[outcome]} {', '.join(names)}" for outcome, names in named.items() if names]
    return f"{opening} the seeds {'; '.join(parts)}." if parts else ""
