"""Tables of the results of a study: a line per method, then a line per marker or population."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from magan import keys
from magan.report.phrasing import Question, aspects, consensus_wins, interval, number, verdict
from magan.tasks.registry import TASKS
from magan.titles import title


def tables(task: str, dataset: str, summary: pd.DataFrame, failures: Mapping) -> list[dict]:
    rows = summary[(summary["task"] == task) & (summary["dataset"] == dataset)]
    whole = rows[(rows["group"] == keys.ALL) & (rows["feature"] == keys.ALL)]
    scores = [score for score in keys.SCORES if score in set(whole.loc[whole["mean"].notna(), "metric"])]
    faults = {name: f for (t, d, name), f in failures.items() if (t, d) == (task, dataset)}
    over = TASKS[task].question.over
    found = [_by_method(whole, part, (over, about), faults) for about, part in aspects(scores).items()]
    column, score = TASKS[task].question.split, TASKS[task].question.part_score
    across = {"feature": "group", "group": "feature"}[column]
    parts = rows[(rows["metric"] == score) & (rows[column] != keys.ALL) & (rows[across] == keys.ALL)]
    return found + ([_by_part(parts, TASKS[task].question)] if len(parts) else [])


def _by_method(
    whole: pd.DataFrame, scores: Sequence[str], topic: tuple[str, str], failures: Mapping[str, Mapping]
) -> dict:
    """A row per method with such a score, then a row for the consensus of its seeds; a column per score.

    ``topic`` names what the scores average over, and their aspect.
    """
    lines = []
    order = {keys.WRITTEN: -1, keys.BASELINE: 1, keys.CEILING: 2, keys.CONTROL: 3, keys.FLOOR: 4}
    pairs = sorted(dict.fromkeys(zip(whole["method"], whole["arm"])), key=lambda pair: order.get(pair[1], 0))
    for method, arm in pairs:
        of_method = whole[(whole["method"] == method) & (whole["arm"] == arm)].set_index("metric")
        name = method if arm in order else arm
        kind = arm if arm in order else "trained"
        known = of_method.drop(index=keys.FAILED, errors="ignore")["mean"].dropna().index
        if len(known) and not known.isin(scores).any():
            continue
        if not len(known):
            fault = failures.get(name, {"message": "no seed has a score", "log": ""})
            about = {"message": fault["message"], "log": fault["log"]}
            lines.append({"name": title(name), "method": name, "kind": "failed", "cells": [], **about})
            continue
        n, n_failed = int(of_method["n_seeds"].max()), int(of_method["n_failed"].fillna(0).max())
        seeds = f"{n}" + (f", {n_failed} failed" if n_failed else "") if kind == "trained" else ""
        cells = [_cell(of_method.loc[s] if s in of_method.index else None, s, _best(whole, s)) for s in scores]
        lines.append({"name": title(name), "method": name, "kind": kind, "seeds": seeds, "cells": cells})
        if of_method["consensus"].notna().any():
            means = [_consensus(of_method.loc[s], s) if s in of_method.index else {} for s in scores]
            mean = {"name": f"{title(name)}, mean of seeds", "method": name, "kind": "consensus", "seeds": ""}
            lines.append({**mean, "cells": means})
    return {
        "caption": f"Every method, over all {': '.join(filter(None, topic))}",
        "corner": "method",
        "seeds": any(line.get("seeds") for line in lines),
        "heads": [_head(s) for s in scores],
        "lines": lines,
    }


def _by_part(parts: pd.DataFrame, question: Question) -> dict:
    """A row per marker, population or digit and a column per method, for a single score."""
    order = {keys.BASELINE: 1, keys.CEILING: 2}
    parts = parts[~parts["arm"].isin([keys.CONTROL, keys.FLOOR])]
    pairs = list(dict.fromkeys(zip(parts["method"], parts["arm"])))
    pairs = sorted(pairs, key=lambda pair: order.get(pair[1], 0))
    lines = []
    for name, of in parts.groupby(question.split, sort=False):
        rows = of.set_index(["method", "arm"])
        cells = [
            _cell(rows.loc[pair] if pair in rows.index else None, question.part_score, _best(of, question.part_score))
            for pair in pairs
        ]
        lines.append({"name": name, "method": "", "kind": "part", "cells": cells})
    names = [arm if arm not in keys.SEEDLESS else method for method, arm in pairs]
    heads = [{"name": title(name), "method": name, "arrow": ""} for name in names]
    head = _head(question.part_score)
    caption = f"{head['name']} {head['arrow']}".strip() + f", {question.part} by {question.part}"
    return {"caption": caption, "corner": question.part, "seeds": False, "heads": heads, "lines": lines}


def _best(rows: pd.DataFrame, score: str) -> str:
    """The best baseline of a score, as the summary found it."""
    names = rows.loc[(rows["metric"] == score) & rows["best_baseline"].fillna("").ne(""), "best_baseline"]
    return str(names.iloc[0]) if len(names) else ""


def _cell(row, score: str, best: str) -> dict:
    if row is None or not math.isfinite(row["mean"]):
        return {}
    method, arm = row.name if isinstance(row.name, tuple) else (row["method"], row["arm"])
    outcome = verdict(row, keys.SCORES[score][1])
    return {
        "text": number(row["mean"]),
        "interval": interval(row).strip(),
        "best": arm == keys.BASELINE and method == best,
        "verdict": outcome if arm != keys.BASELINE else "",
    }


def _consensus(row, score: str) -> dict:
    if not math.isfinite(row["consensus"]):
        return {}
    outcome = "consensus" if consensus_wins(row, keys.SCORES[score][1]) else ""
    return {"text": number(row["consensus"]), "interval": "", "best": False, "verdict": outcome}


def _head(score: str) -> dict[str, str]:
    name, better = keys.SCORES[score]
    return {"name": name, "method": "", "arrow": {"higher": "↑", "lower": "↓", "one": "→ 1", "nominal": "→ .9"}[better]}
