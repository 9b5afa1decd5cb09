"""Two sentences after the headline: its controls, and the arms that beat the best baseline."""

import math
from collections.abc import Mapping

import pandas as pd

from magan import keys
from magan.report.phrasing import consensus_wins, counted, interval, number, trained, verdict
from magan.tasks.registry import TASKS

CONTROLS = {"alone": "without correspondence", "shuffled": "with its correspondence shuffled"}
OUTCOMES = {"wins": "better", "loses": "worse", "ties": "not told apart from it, as the intervals overlap"}


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
    if arm not in of:
        return ""
    ours = of[arm]
    clauses, outcomes = [], {}
    for kind, name in ((kind, controls[kind]) for kind in CONTROLS if kind in controls):
        row = of.get(name)
        verb = "the same network " if not clauses else ""
        clauses.append(
            f"{CONTROLS[kind]} {verb}({name}) " + (f"reaches {number(row['mean'])}{interval(row)}" if row else "fails")
        )
        outcomes[name] = _compared(row, ours, keys.SCORES[score][1]) if row else ""
    if not clauses:
        return ""
    opening = " and ".join(clauses)
    opening = opening[0].upper() + opening[1:]
    against = f"where {arm} has {number(ours['mean'])}{interval(ours)} ({_short(score)})"
    return f"{opening}, {against}{_said({name: outcome for name, outcome in outcomes.items() if outcome})}."


def _said(outcomes: Mapping[str, str]) -> str:
    if len(outcomes) == 2 and len(set(outcomes.values())) == 1:
        return f": both are {OUTCOMES[next(iter(outcomes.values()))]}"
    clauses = [f"{name} is {OUTCOMES[outcome]}" for name, outcome in outcomes.items()]
    return f": {', '.join(clauses)}" if clauses else ""


def _compared(control: Mapping[str, float], headline: Mapping[str, float], better: str) -> str:
    """Compare two intervals as `verdict` does; "" where an interval is unknown."""
    ends = [control["low"], control["high"], headline["low"], headline["high"]]
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
    n, seeds, consensus = 0, {}, {}
    for method, arm in trained(rows):
        for row in rows[(rows["method"] == method) & (rows["arm"] == arm)].to_dict("records"):
            better = keys.SCORES[row["metric"]][1]
            outcome = verdict(row, better)
            n += outcome != ""
            place = _short(row["metric"]) if row[column] == keys.ALL else row[column]
            if outcome == "wins":
                seeds.setdefault(arm, []).append(place)
            elif consensus_wins(row, better):
                consensus.setdefault(arm, []).append(place)
    if not n:
        return ""
    by = f"by score and by {TASKS[task].question.part}" if by_part else "by score"
    opening = f"Of {counted(n, 'comparison')} of seeds with a best baseline, {by}, "
    opening += f"{_count(seeds)} won{_named(seeds)}"
    more = " more" if seeds else ""
    ahead = f"; a consensus of seeds, which has no interval, is ahead in {_total(consensus)}{more}{_named(consensus)}"
    return opening + (ahead if consensus else "") + "."


def _short(metric: str) -> str:
    return keys.SCORES[metric][0].split(" (")[0]


def _total(won: Mapping[str, list[str]]) -> int:
    return sum(map(len, won.values()))


def _count(won: Mapping[str, list[str]]) -> str:
    return {0: "none is", 1: "1 is"}.get(_total(won), f"{_total(won)} are")


def _named(won: Mapping[str, list[str]]) -> str:
    listed = "; ".join(f"{arm} on {', '.join(places)}" for arm, places in won.items())
    return f" ({listed})" if listed else ""
