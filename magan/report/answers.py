"""What a study found, in sentences."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from scipy.stats import binomtest

from magan import keys
from magan.report.words import TASKS, counted, interval, number, verdict


def answers(task: str, dataset: str, summary, metrics, headline: str) -> list[dict]:
    """What each trained arm reached, the headline first: its name, a verdict and a paragraph."""
    rows = summary[(summary["task"] == task) & (summary["dataset"] == dataset)]
    arms = _trained(rows)
    first = headline if headline in [arm for _, arm in arms] else _headline(arms)
    told = []
    for method, arm in sorted(arms, key=lambda pair: pair[1] != first):
        mine = rows[(rows["method"] == method) & (rows["arm"] == arm)]
        whole = mine[(mine["group"] == keys.ALL) & (mine["feature"] == keys.ALL)].set_index("metric")
        score = TASKS[task].score
        if score not in whole.index or not math.isfinite(whole.loc[score, "mean"]):
            told.append({"arm": arm, "verdict": "failed", "text": f"On {dataset}, {arm} failed: no seed has a score."})
            continue
        row = whole.loc[score]
        text = [_reached(dataset, arm, score, row, mine), _compared(arm, score, row), _floor(rows, score)]
        text += [_outcomes(dataset, method, arm, metrics)] if task == "digits" else []
        text += [_split(task, mine), _others(whole, score)]
        outcome = verdict(row, keys.SCORES[score][1]) or "no verdict"
        told.append({"arm": arm, "verdict": outcome, "text": " ".join(part for part in text if part)})
    return told


def _trained(rows: pd.DataFrame) -> list[tuple[str, str]]:
    pairs = dict.fromkeys(zip(rows["method"], rows["arm"]))
    return [pair for pair in pairs if pair[1] not in (keys.BASELINE, keys.FLOOR)]


def _headline(arms: Sequence[tuple[str, str]]) -> str:
    """Chosen by name, never by score: the best of several arms would look better than it is."""
    plain = [arm for method, arm in arms if arm == method]
    return "magan" if "magan" in plain else (plain or [arm for _, arm in arms] or [""])[0]


def _reached(dataset: str, arm: str, score: str, row, mine: pd.DataFrame) -> str:
    name = keys.SCORES[score][0]
    n_markers = mine.loc[(mine["metric"] == score) & (mine["feature"] != keys.ALL), "feature"].nunique()
    over = counted(int(row["n_seeds"]), "seed") + (f" × {counted(n_markers, 'marker')}" if n_markers else "")
    failed = f" ({int(row['n_failed'])} failed)" if row["n_failed"] > 0 else ""
    text = f"On {dataset}, {arm} reaches a mean {name} of {number(row['mean'])}{interval(row)} over {over}{failed}"
    return text + (
        f"; the consensus of its seeds {number(row['consensus'])}." if math.isfinite(row["consensus"]) else "."
    )


def _compared(arm: str, score: str, row) -> str:
    if not row["best_baseline"] or not math.isfinite(row["best_baseline_value"]):
        return "There is no baseline for this score."
    told = verdict(row, keys.SCORES[score][1])
    gap = number(abs(row["mean"] - row["best_baseline_value"]))
    outcome = {
        "wins": f"{arm} wins by {gap}",
        "loses": f"the baseline wins by {gap}",
        "ties": "the interval holds the baseline's value, so neither wins",
        "": "without an interval neither can be said to win",
    }[told]
    text = f"The best baseline, {row['best_baseline']}, has {number(row['best_baseline_value'])}: {outcome}"
    return text + _tested(float(row["p_value"]), int(row["n_seeds"])) + "."


def _floor(rows: pd.DataFrame, score: str) -> str:
    floor = rows[(rows["arm"] == keys.FLOOR) & (rows["metric"] == score)]
    floor = floor.loc[(floor["group"] == keys.ALL) & (floor["feature"] == keys.ALL), "mean"].dropna()
    return f"Two halves of the real data score {number(floor.iloc[0])}." if len(floor) else ""


def _tested(p: float, n_seeds: int) -> str:
    if not math.isfinite(p):
        return ""
    # The exact two-sided signed-rank test of n pairs has no smaller p than this.
    least = 2.0 ** (1 - n_seeds)
    caution = f", where {counted(n_seeds, 'seed')} cannot give less than {number(least)}" if least > 0.05 else ""
    return f" (paired Wilcoxon over seeds, p {'= ' + number(p) if p >= 1e-4 else '< .0001'}{caution})"


def _split(task: str, mine: pd.DataFrame) -> str:
    """On which markers, or populations, the arm wins and on which it loses."""
    column, score = TASKS[task].split, TASKS[task].score
    other = {"feature": "group", "group": "feature"}[column]
    rows = mine[(mine["metric"] == score) & (mine[column] != keys.ALL) & (mine[other] == keys.ALL)]
    told = {row[column]: verdict(row, keys.SCORES[score][1]) for row in rows.to_dict("records")}
    return _listed(f"{TASKS[task].part.capitalize()} by {TASKS[task].part}", told)


def _others(whole: pd.DataFrame, score: str) -> str:
    told = {
        name: verdict(row, keys.SCORES[name][1])
        for name, row in whole.iterrows()
        if name in keys.SCORES and name != score
    }
    return _listed("By the other scores", {keys.SCORES[name][0].split(" (")[0]: v for name, v in told.items()})


def _listed(opening: str, told: Mapping[str, str]) -> str:
    """``opening`` and the names it wins on, loses on and is undecided on; "" where nothing can be said."""
    phrases = {"wins": "wins on", "loses": "loses on", "ties": "is undecided on"}
    named = {outcome: [name for name, v in told.items() if v == outcome] for outcome in phrases}
    parts = [f"{phrases[outcome]} {', '.join(names)}" for outcome, names in named.items() if names]
    return f"{opening} it {'; '.join(parts)}." if parts else ""


def _outcomes(dataset: str, method: str, arm: str, metrics: pd.DataFrame) -> str:
    rows = metrics[(metrics["task"] == "digits") & (metrics["dataset"] == dataset) & (metrics["method"] == method)]
    rows = rows[(rows["arm"] == arm) & pd.to_numeric(rows["seed"], errors="coerce").notna()]
    counts = {name: int(rows.loc[rows["metric"] == name, "value"].sum()) for name in ("right", "flipped", "mixed")}
    n = sum(counts.values())
    if n == 0:
        return ""
    low, high = binomtest(counts["right"], n).proportion_ci(method="wilson")
    told = f"{counts['right']} of {counted(n, 'seed')} are right (95 % Wilson interval {number(low)} to {number(high)})"
    return f"{told}, {counts['flipped']} flipped, {counts['mixed']} mixed."
