"""Report lecture experiments: the claims, the results, and whether the claims hold."""

import math
from collections.abc import Mapping

import pandas as pd

from magan.report.phrasing import interval, number

LOOKS = {"yes": "wins", "no": "loses", "": "ties"}  # whether a claim holds -> CSS class


def experiment(name: str, title: str, caption: str, numbers: pd.DataFrame, src: str) -> dict:
    """The entry of an experiment on the page.

    Parameters
    ----------
    name, title, caption
        Names of the experiment in the study, on the page and in the figure.
    numbers
        Rows of ``arm``, ``quantity``, ``mean``, ``low``, ``high``, ``n_seeds``, ``claim`` and ``holds`` ("yes", "no"
        or "" without a claim). The page always names the first row; it names each further row whose claim does not
        hold.
    src
        Source of the picture.
    """
    claimed = numbers[numbers["holds"] != ""]
    held = int((claimed["holds"] == "yes").sum())
    whole = held == len(claimed)
    first, missed = numbers.iloc[0], numbers.iloc[1:].query("holds == 'no'")
    return {
        "name": name,
        "title": title,
        "src": src,
        "caption": caption,
        "word": "holds" if whole else f"{held} of {len(claimed)} claims hold",
        "kind": "wins" if whole else "loses" if not held else "ties",
        "sentence": " Does not hold: ".join(_sentence(row) for row in (first, *(row for _, row in missed.iterrows()))),
        "lines": [_line(row) for row in numbers.to_dict("records")],
    }


def _sentence(row: pd.Series) -> str:
    """A number and the claim on it."""
    seeds = f", {int(row['n_seeds'])} seeds" if row["n_seeds"] > 1 else ""
    arm = f"{row['arm']}: " if row["arm"] else ""
    claim = f"; claimed: {row['claim']}" if row["claim"] else ""
    return f"{arm}{row['quantity']} {_number(row['mean'])}{interval(row)}{seeds}{claim}."


def _line(row: Mapping) -> dict[str, str]:
    return {
        "arm": row["arm"],
        "quantity": row["quantity"],
        "value": _number(row["mean"]),
        "interval": interval(row).strip(),
        "claim": row["claim"],
        "holds": row["holds"],
        "kind": LOOKS[row["holds"]],
    }


def _number(value: float) -> str:
    return number(value) if math.isfinite(value) else "?"
