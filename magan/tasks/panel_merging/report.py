"""Report merged panels: which imputed markers may be used, and by which rule."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from magan import keys
from magan.report.phrasing import counted, number
from magan.titles import title

LOOKS = {"usable": "wins", "as a trend": "ties", "not usable": "loses"}  # verdict -> CSS class
RANKS = 0.5  # margin in sd from which a marker's units cannot be trusted
LEVELS = {"usable": 0.8, "as a trend": 0.5, "not usable": -1.0}  # verdict -> the true r that it promises, best first
VERBS = {"usable": "may be used", "as a trend": "as a trend", "not usable": "not usable"}


def merged(name: str, arm: str, verdicts: pd.DataFrame, asked: Mapping[str, Sequence[float]]) -> dict:
    """The verdicts of merged panels: a sentence a panel, a table a panel, and the rule.

    Parameters
    ----------
    name, arm
        Names of the merged panels and of the arm that merged them.
    verdicts
        The table of `magan.tasks.panel_merging.verdicts.verdicts`, with ``true`` where the truth is known.
    asked
        Verdict -> its thresholds: the lowest r, the agreement of seeds and the agreement of methods.
    """
    verdicts = verdicts.assign(reason=verdicts["reason"].fillna(""))
    tables = [
        {
            "panel": panel,
            "sentence": " ".join(filter(None, (_sentence(str(panel), rows), _units(rows), _not_shared(rows)))),
            "lines": [_line(row) for row in _best_first(rows).to_dict("records")],
        }
        for panel, rows in verdicts.groupby(keys.PANEL, sort=False)
    ]
    n = int((verdicts["verdict"] == "usable").sum())
    return {
        "name": name,
        "arm": arm,
        "title": title(arm),
        "word": f"{n} of {len(verdicts)} usable",
        "kind": LOOKS["usable" if n else "not usable"],
        "tables": tables,
        "has_truth": "true" in verdicts,
        "truth": _truth(verdicts),
        "accuracy": _accuracy(verdicts) if "true" in verdicts else [],
        "rule": _rule(asked),
    }


def _best_first(rows: pd.DataFrame) -> pd.DataFrame:
    place = {word: i for i, word in enumerate(LOOKS)}
    return rows.assign(place=rows["verdict"].map(place)).sort_values(
        ["place", "lower"], ascending=[True, False], kind="stable", na_position="last"
    )


def _sentence(panel: str, rows: pd.DataFrame) -> str:
    """The sentence that lists the markers of a panel by verdict, best first."""
    ordered = _best_first(rows)
    clauses = [
        f"{', '.join(ordered.loc[ordered['verdict'] == word, 'marker'])} {verb}"
        for word, verb in VERBS.items()
        if (ordered["verdict"] == word).any()
    ]
    return f"On cells of panel {panel}: {'; '.join(clauses)}."


def _line(row: Mapping) -> dict[str, str]:
    numbers = ("lower", "judged", "expected", "claimed", "seeds", "methods", "true")
    return {
        "marker": row[keys.MARKER],
        "verdict": row["verdict"],
        "kind": LOOKS[row["verdict"]],
        "reason": row["reason"],
        "source": f"{row['source']} ({counted(int(row['n_shared']), 'marker')} shared)",
        "parts": row.get("parts", ""),
        **{name: _number(row.get(name, math.nan)) for name in numbers},
    }


def _units(rows: pd.DataFrame) -> str:
    """The sentence about a batch effect between the panels, "" where shared markers show none."""
    if "margin" not in rows:
        return ""
    if rows["margin"].isna().any():
        return (
            "A single marker is shared, so nothing tells whether the panels differ by a batch effect: rank, not units."
        )
    margin = float(rows["margin"].max())
    if margin < RANKS:
        return ""
    return (
        f"Intervals are {number(margin)} standard deviations wider at each end: so far were shared markers off when "
        "they were hidden. Read the imputed values as ranks, not units."
    )


def _not_shared(rows: pd.DataFrame) -> str:
    """The sentences about shared markers that took no part, "" where all did."""
    said = rows.get("not_shared", pd.Series("", rows.index)).fillna("").astype(str)
    return " ".join(
        f"{sentence}; it was not used." for sentence in dict.fromkeys("; ".join(said).split("; ")) if sentence
    )


def _accuracy(verdicts: pd.DataFrame) -> list[dict[str, str]]:
    """Of each verdict and of all: how many are right, too kind and too cautious, for true r that are known."""
    known = verdicts[verdicts["true"].notna()]
    place = {word: i for i, word in enumerate(LEVELS)}
    best = [next(word for word, least in LEVELS.items() if r >= least) for r in known["true"]]
    gaps = pd.Series([place[word] - place[right] for word, right in zip(known["verdict"], best)], known.index, float)
    found = []
    for word in (*LEVELS, ""):
        of_word = gaps[known["verdict"] == word] if word else gaps
        counts = {"right": of_word == 0, "kind": of_word < 0, "cautious": of_word > 0}
        shares = {name: f"{int(is_so.sum())} ({is_so.mean():.0%})" for name, is_so in counts.items()}
        found += [{"verdict": word or "all", "n": str(len(of_word)), **shares}] if len(of_word) else []
    return found


def _number(value: float) -> str:
    return number(value) if math.isfinite(value) else "?"


def _truth(verdicts: pd.DataFrame) -> str:
    """The sentence that compares the verdicts with the truth; "" where the truth is unknown."""
    if "true" not in verdicts:
        return ""
    parts = []
    for word in LOOKS:
        true = verdicts.loc[verdicts["verdict"] == word, "true"].dropna()
        if len(true):
            reach = number(true.min()) if len(true) == 1 else f"{number(true.min())} to {number(true.max())}"
            parts.append(f"{word}: {counted(len(true), 'marker')}, r with the truth {reach}")
    off = (verdicts["expected"] - verdicts["true"]).abs().mean()
    below = int((verdicts["true"] < verdicts["lower"]).sum())
    return (
        f"These cells were measured with the markers too, which no method saw. By verdict: {'; '.join(parts)}. "
        f"The r to be expected is off by {_number(off)} on average, and {below} of {len(verdicts)} true values lie "
        "below the lowest r."
    )


def _rule(asked: Mapping[str, Sequence[float]]) -> str:
    least = [
        f"{word}: judged r at least {number(r)}, seeds {number(seeds)}, methods {number(methods)}"
        for word, (r, seeds, methods) in asked.items()
    ]
    return (
        "The claimed r is that of held-out cells of the source panel, predicted from the shared "
        "markers alone and weighted to be like this panel's cells. Of the shared markers that were hidden in the audit "
        "the truth is known: the expected r is the claimed r times the median share of such claims that held; the "
        "judged r is the lower end of the claim's one-sided 95 % interval times this share; the lowest r, which is "
        "shown alone, takes the share in the worst tenth. Seeds "
        "and methods agree by Pearson's r between predictions of the same cells: the mean over two seeds, and the "
        "least with kNN and boosting. "
        f"{'. '.join(part[0].upper() + part[1:] for part in least)}. Anything else is not usable."
    )
