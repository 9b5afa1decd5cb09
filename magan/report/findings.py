"""The result of a study in a sentence, the numbers behind it, and further sentences without numbers."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from magan import keys
from magan.report.phrasing import consensus_wins, counted, interval, number, trained, verdict
from magan.tasks.registry import TASKS
from magan.titles import title


def answer(
    task: str, dataset: str, summary: pd.DataFrame, metrics: pd.DataFrame, arm: str, controls: Mapping[str, str]
) -> dict[str, Any]:
    """The result of a trained arm.

    Returns
    -------
    dict
        ``title`` of the arm, ``verdict``, ``sentence``, ``score`` (its name), ``numbers`` (rows of name, value,
        interval and note) and further ``sentences``.
    """
    rows = summary[(summary["task"] == task) & (summary["dataset"] == dataset)]
    of_arm = rows[rows["arm"] == arm]
    whole = of_arm[(of_arm["group"] == keys.ALL) & (of_arm["feature"] == keys.ALL)].set_index("metric")
    question = TASKS[task].question
    score = question.answer(set(whole.index[whole["mean"].notna()]))
    found = {"title": title(arm), "score": keys.SCORES[score][0], "numbers": [], "sentences": []}
    if score not in whole.index or not math.isfinite(whole.loc[score, "mean"]):
        return {**found, "verdict": "failed", "sentence": f"{_first(title(arm))} failed: no seed has a score."}
    row, better = whole.loc[score], keys.SCORES[score][1]
    said = [_split(task, of_arm)] if not question.otherwise else []
    said += [_by_score(whole, score), *(sentence(rows, metrics, arm) for sentence in TASKS[task].sentences)]
    outcome = "consensus" if consensus_wins(row, better) else verdict(row, better) or "no verdict"
    return {
        **found,
        "verdict": outcome,
        "sentence": _outcome(arm, score, row, outcome, question.compared),
        "numbers": _numbers(task, rows, whole, score, controls),
        "sentences": [sentence for sentence in said if sentence],
    }


def headline(rows: pd.DataFrame, named: str) -> str:
    """Choose the arm to report: ``named`` if trained, else an arm named like its method, MAGAN first.

    The choice is by name, never by score: the best score of several arms is biased.
    """
    arms = trained(rows)
    if named in [arm for _, arm in arms]:
        return named
    plain = [arm for method, arm in arms if arm == method]
    return "magan" if "magan" in plain else (plain or [arm for _, arm in arms] or [""])[0]


def _outcome(arm: str, score: str, row: Mapping, outcome: str, compared: bool) -> str:
    """Return the sentence of the first screen."""
    name, baseline = keys.SCORES[score][0].split(" (")[0], title(str(row["best_baseline"]))
    who = _first(title(arm))
    few = _least_p(int(row["n_seeds"])) > 0.05
    few = few and not math.isfinite(row.get("gain_low", math.nan))  # cells too speak in a paired difference
    caution = " So few seeds cannot prove a difference by a signed-rank test." if few and outcome == "wins" else ""
    return {
        "wins": f"{who} is better than the best baseline ({baseline}) by {name}.{caution}",
        "loses": f"The best baseline ({baseline}) is better than {title(arm)} by {name}.",
        "ties": f"{who} and the best baseline ({baseline}) cannot be distinguished by {name}.",
        "consensus": f"The mean of the maps of all seeds of {title(arm)} is better than the best baseline ({baseline}) "
        f"by {name}; single seeds, on average, are not.",
        "no verdict": f"{who} is scored by {name}{' and there is no baseline for it' if compared else ''}.",
    }[outcome]


def _numbers(
    task: str, rows: pd.DataFrame, whole: pd.DataFrame, score: str, controls: Mapping[str, str]
) -> list[dict[str, str]]:
    """Return the rows of numbers behind the sentence: the arm, its controls, baselines and limits."""
    question, row = TASKS[task].question, whole.loc[score]
    n_seeds, n_failed = int(row["n_seeds"]), int(row["n_failed"]) if row["n_failed"] > 0 else 0
    over = counted(n_seeds, "seed") + (f", {n_failed} failed" if n_failed else "")
    found = [_line("mean over seeds", row["mean"], row, over)]
    if math.isfinite(row["consensus"]) and n_seeds > 1:
        found.append(_line("mean of the maps of all seeds", row["consensus"], None, _of_consensus(row)))
    if row["best_baseline"] and math.isfinite(row["best_baseline_value"]):
        found.append(
            _line(f"best baseline: {title(row['best_baseline'])}", row["best_baseline_value"], None, _tested(row))
        )
    for kind, words in (("alone", "without correspondence"), ("shuffled", "with shuffled correspondence")):
        if kind in controls:
            control = _whole(rows[rows["arm"] == controls[kind]], score)
            known = len(control) and math.isfinite(control["mean"].iloc[0])
            found.append(
                _line(words, control["mean"].iloc[0], control.iloc[0], f"the same network: {title(controls[kind])}")
                if known
                else {"name": words, "value": "failed", "interval": "", "note": title(controls[kind])}
            )
    part = score if question.otherwise else question.part_score
    if part != score and part in whole.index and math.isfinite(whole.loc[part, "mean"]):
        found.append(_line(keys.SCORES[part][0], whole.loc[part, "mean"], whole.loc[part], "over all cells together"))
    note = "" if part == score else keys.SCORES[part][0]
    nothing = _whole(rows[(rows["method"] == "identity") & (rows["arm"] == keys.BASELINE)], part)
    floor = _whole(rows[rows["arm"] == keys.FLOOR], part)
    for name, of in (("nothing done", nothing), (title(keys.FLOOR), floor)):
        if len(of) and math.isfinite(of["mean"].iloc[0]):
            found.append(_line(name, of["mean"].iloc[0], None, note))
    return found


def _whole(rows: pd.DataFrame, score: str) -> pd.DataFrame:
    return rows[(rows["metric"] == score) & (rows["group"] == keys.ALL) & (rows["feature"] == keys.ALL)]


def _line(name: str, value: float, row: Mapping | None, note: str) -> dict[str, str]:
    return {
        "name": name,
        "value": number(value),
        "interval": interval(row).strip() if row is not None else "",
        "note": note,
    }


def _least_p(n_seeds: int) -> float:
    """The smallest p of the exact two-sided signed-rank test of n pairs."""
    return 2.0 ** (1 - n_seeds)


def _tested(row: Mapping) -> str:
    gain = [float(row.get(name, math.nan)) for name in ("gain", "gain_low", "gain_high")]
    if all(map(math.isfinite, gain)):
        mean, low, high = (f"{'+' * (x > 0)}{number(x)}" for x in gain)
        return f"difference over cells and seeds {mean} [{low}, {high}]"
    p, n_seeds = float(row["p_value"]), int(row["n_seeds"])
    if not math.isfinite(p):
        return ""
    least = _least_p(n_seeds)
    caution = f"; {counted(n_seeds, 'seed')} cannot give less than {number(least)}" if least > 0.05 else ""
    return f"paired Wilcoxon test over seeds: p {'= ' + number(p) if p >= 1e-4 else '< .0001'}{caution}"


def _of_consensus(row: Mapping) -> str:
    low, high = (float(row.get(f"consensus_gain_{end}", math.nan)) for end in ("low", "high"))
    if not math.isfinite(low):
        return "a single map, without an interval"
    ends = ", ".join(f"{'+' * (x > 0)}{number(x)}" for x in (low, high))
    return f"a single map; difference from the best baseline over cells [{ends}]"


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]


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
    return _listed("By further scores", {keys.SCORES[name][0].split(" (")[0]: v for name, v in verdicts.items()})


def _listed(opening: str, verdicts: Mapping[str, str]) -> str:
    """``opening`` and the names that the seeds win, lose and leave undecided; "" without any verdict."""
    phrases = {"wins": "win on", "loses": "lose on", "ties": "are undecided on"}
    named = {outcome: [name for name, v in verdicts.items() if v == outcome] for outcome in phrases}
    parts = [f"{phrases[outcome]} {', '.join(names)}" for outcome, names in named.items() if names]
    return f"{opening}, the seeds {'; '.join(parts)}." if parts else ""
