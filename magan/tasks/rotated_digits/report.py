"""What the report asks and says of rotated digits."""

import pandas as pd
from scipy.stats import binomtest

from magan import keys
from magan.report.images import judge, renamed
from magan.report.phrasing import Question, counted, number

QUESTION = Question(
    "Digits",
    "Images of digits are mapped to images of the same digits turned; the map does not know which belongs to "
    "which but its correspondence.",
    "identity_accuracy",
    "group",
    "digit",
    "identity_accuracy",
    over="images",
)


def outcomes(rows: pd.DataFrame, metrics: pd.DataFrame, arm: str) -> str:
    """How many seeds are right, flipped and mixed, with Wilson's 95 % interval of the share that is right."""
    dataset = rows["dataset"].iloc[0]
    found = metrics[(metrics["task"] == "digits") & (metrics["dataset"] == dataset) & (metrics["arm"] == arm)]
    found = found[(found["group"] == keys.ALL) & pd.to_numeric(found["seed"], errors="coerce").notna()]
    counts = {name: int(found.loc[found["metric"] == name, "value"].sum()) for name in ("right", "flipped", "mixed")}
    n = sum(counts.values())
    if n == 0:
        return ""
    low, high = binomtest(counts["right"], n).proportion_ci(method="wilson")
    share = (
        f"{counts['right']} of {counted(n, 'seed')} are right (95 % Wilson interval {number(low)} to {number(high)})"
    )
    return f"{share}, {counts['flipped']} flipped, {counts['mixed']} mixed."


SENTENCES = (outcomes, renamed, judge)  # said after the answer
