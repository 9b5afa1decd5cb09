"""Phrases that sentences and tables of the report share: questions, numbers and verdicts."""

import math
from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from magan import keys


class Question(NamedTuple):
    """The question of a task, and the score that answers it."""

    title: str
    question: str
    score: str
    split: str  # the column that splits the score further
    part: str  # the name of a part
    part_score: str  # the score of a part: the same score, or a component of it
    otherwise: tuple[str, ...] = ()  # the scores that answer, in this order, where ``score`` is unknown
    over: str = "markers and cells"  # the things that a score averages over
    compared: bool = True  # whether there are baselines to compare an arm with

    def answer(self, known: Container[str]) -> str:
        """The score that answers: the first of the question's scores that is ``known``."""
        return next((score for score in (self.score, *self.otherwise) if score in known), self.score)


def verdict(row: Mapping[str, Any], better: str) -> str:
    """Compare a row of the summary with its best baseline: "wins", "loses" or "ties", "" where a value is unknown.

    An arm wins or loses if the interval of the paired difference over cells and seeds does not hold 0; where no such
    difference is known, if the arm's interval over seeds does not hold the baseline's value.
    """
    if math.isfinite(row.get("gain_low", math.nan)):
        return "wins" if row["gain_low"] > 0 else "loses" if row["gain_high"] < 0 else "ties"
    low, high, baseline = (float(row[name]) for name in ("low", "high", "best_baseline_value"))
    if not all(map(math.isfinite, (low, high, baseline))) or better not in ("higher", "lower"):
        return ""
    above, below = ("wins", "loses") if better == "higher" else ("loses", "wins")
    return above if low > baseline else below if high < baseline else "ties"


def consensus_wins(row: Mapping[str, Any], better: str) -> bool:
    """Whether the consensus of several seeds beats the best baseline where the single seeds do not win.

    The consensus is a single map. Where its paired difference over cells is known, the interval must lie above 0.
    """
    if math.isfinite(row.get("consensus_gain_low", math.nan)):
        return verdict(row, better) in ("loses", "ties") and bool(row["consensus_gain_low"] > 0)
    if verdict(row, better) not in ("loses", "ties") or not math.isfinite(row["consensus"]):
        return False
    gap = float(row["consensus"]) - float(row["best_baseline_value"])
    return gap > 0 if better == "higher" else gap < 0


def number(x: float) -> str:
    """Format with three decimals, or two digits if that leaves fewer, without a zero before the point."""
    text = f"{x:.3f}" if abs(x) >= 0.01 or x == 0 else f"{x:.2g}"
    return text.replace("0.", ".", 1) if abs(x) < 1 and x != 0 and "e" not in text else text


def interval(row) -> str:
    """The interval of a row of the summary, with a space before it; "" if unknown."""
    known = math.isfinite(row["low"]) and math.isfinite(row["high"])
    return f" [{number(row['low'])}, {number(row['high'])}]" if known else ""


def trained(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """The (method, arm) pairs that have seeds, in the order of the rows."""
    pairs = dict.fromkeys(zip(rows["method"], rows["arm"]))
    return [pair for pair in pairs if pair[1] not in keys.SEEDLESS]


def aspects(scores: Sequence[str]) -> dict[str, list[str]]:
    """Group scores by aspect where they cover two aspects, as aspect -> scores; else "" -> all scores."""
    for some, about, otherwise in ASPECTS:
        inside = [score for score in scores if score in some]
        outside = [score for score in scores if score not in some]
        if inside and set(outside) - {"classifier_accuracy"}:
            return {otherwise: outside, about: inside}
    return {"": list(scores)}


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def counted(n: int, noun: str) -> str:
    """``1 seed``, ``2 seeds``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


# Scores of properties that a map must not change, except for a batch effect.
KEPT = ("label_transfer", "rank_kept", "mad", "population_variance", "consistent_peaks", "group_effect", "clisi")
# Scores of a set of images against a set of real images.
AS_A_SET = (
    *("frechet", "kid", "sliced_wasserstein", "precision", "recall", "density", "real_coverage"),
    *("entropy_score", "modes", "class_divergence"),
)
ASPECTS = (
    (KEPT, "what cells keep", "how near batches come"),
    (AS_A_SET, "the images as a set, against real ones", "image by image"),
)
