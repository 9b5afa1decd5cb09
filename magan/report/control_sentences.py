"""Sentences on the controls of an arm, and on all arms that beat the best baseline."""

import math
from collections.abc import Mapping

import pandas as pd

from magan import keys
from magan.report.phrasing import consensus_wins, counted, listed, trained, verdict
from magan.tasks.registry import TASKS
from magan.titles import title

CONTROLS = {"alone": "without correspondence", "shuffled": "with shuffled correspondence"}
OUTCOMES = {"wins": "better", "loses": "worse", "ties": "as good, as the intervals overlap", "": "not comparable"}


def sentences(task: str, dataset: str, summary: pd.DataFrame, arm: str, controls: Mapping[str, str]) -> list[str]:
    """At most two sentences; ``controls`` maps keys of ``CONTROLS`` to the arms that change ``arm`` in this way."""
    rows = summary[(summary["task"] == task) & (summary["dataset"] == dataset)]
    return [sentence for sentence in (_controlled(task, rows, arm, controls), _beaten(task, rows)) if sentence]


def _controlled(task: str, rows: pd.DataFrame, arm: str, controls: Mapping[str, str]) -> str:
    """Compare ``arm`` with each of its controls by the score of the task and its interval."""
    whole = rows[(rows["group"] == keys.ALL) & (rows["feature"] == keys.ALL)]
    score = TASKS[task].question.answer(set(whole.loc[whole["mean"].notna(), "metric"]))
    whole = whole[whole["metric"] == score]
    of = {row["arm"]: row for row in whole.to_dict("records") if math.isfinite(row["mean"])}
    if arm not in of or not controls:
        return ""
    outcomes = {
        CONTROLS[kind]: OUTCOMES[_compared(of[controls[kind]], of[arm], keys.SCORES[score][1])]
        if controls[kind] in of
        else "failed"
        for kind in CONTROLS
        if kind in controls
    }
    clauses = [f"{words} it {'fails' if said == 'failed' else 'is ' + said}" for words, said in outcomes.items()]
    return f"The same network has two controls: {'; '.join(clauses)}." if len(clauses) > 1 else (
        f"The same network has a control: {clauses[0]}."
    )  # fmt: skip


def _compared(control: Mapping[str, float], arm: Mapping[str, float], better: str) -> str:
    """Compare two intervals as `verdict` does; "" where an interval is unknown."""
    ends = [control["low"], control["high"], arm["low"], arm["high"]]
    if not all(map(math.isfinite, ends)):
        return ""
    above, below = ("wins", "loses") if better == "higher" else ("loses", "wins")
    return above if ends[0] > ends[3] else below if ends[1] < ends[2] else "ties"


def _beaten(task: str, rows: pd.DataFrame) -> str:
    """Count the comparisons with a best baseline, by score and by part, that each arm wins."""
    column, score = TASKS[task].question.split, TASKS[task].question.part_score
    across = {"feature": "group", "group": "feature"}[column]
    rows = rows[rows["metric"].isin(list(keys.SCORES)) & (rows[across] == keys.ALL)]
    by_part = not TASKS[task].question.otherwise
    rows = rows[(rows[column] == keys.ALL) | ((rows["metric"] == score) & by_part)]
    n, seeds, means = 0, {}, {}
    for method, arm in trained(rows):
        for row in rows[(rows["method"] == method) & (rows["arm"] == arm)].to_dict("records"):
            better = keys.SCORES[row["metric"]][1]
            outcome = verdict(row, better)
            n += outcome != ""
            place = keys.SCORES[row["metric"]][0].split(" (")[0] if row[column] == keys.ALL else row[column]
            if outcome == "wins":
                seeds.setdefault(arm, []).append(place)
            elif consensus_wins(row, better):
                means.setdefault(arm, []).append(place)
    if not n:
        return ""
    by = f"by score and by {TASKS[task].question.part}" if by_part else "by score"
    opening = f"Of {counted(n, 'comparison')} of seeds with a best baseline, {by}, "
    opening += f"{_count(seeds)} won{_named(seeds)}."
    more = " more" if seeds else ""
    ahead = f" The mean of the maps of all seeds is ahead in {_total(means)}{more}{_named(means)}."
    return opening + (ahead if means else "")


def _total(won: Mapping[str, list[str]]) -> int:
    return sum(map(len, won.values()))


def _count(won: Mapping[str, list[str]]) -> str:
    return {0: "none is", 1: "1 is"}.get(_total(won), f"{_total(won)} are")


def _named(won: Mapping[str, list[str]]) -> str:
    named = "; ".join(f"{title(arm)} on {listed(places)}" for arm, places in won.items())
    return f" ({named})" if named else ""
