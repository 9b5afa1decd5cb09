"""Judge whether an imputed marker may be used, and state the evidence for the verdict."""

from typing import cast

import numpy as np
import pandas as pd
from scipy.stats import norm

USABLE, TREND, UNUSABLE = "usable", "as a trend", "not usable"
WORDS = (USABLE, TREND, UNUSABLE)
NEAR_ONE = 1 - 1e-12  # the largest r with a finite Fisher's z
CERTAIN = 0.95  # level of the one-sided interval of a claim
WORST = 0.1  # quantile of the shared markers by which the lowest r lowers a claim

# Thresholds of each verdict: the judged r, the agreement of seeds, and the agreement of methods.
ASKED = {USABLE: (0.8, 0.9, 0.9), TREND: (0.5, 0.7, 0.7)}
EVIDENCE = ("judged", "seeds", "methods")
REASONS = {
    "judged": "the r that can be counted on is {}",
    "seeds": "seeds agree with one another by {} alone",
    "methods": "methods agree with one another by {} alone",
}


def kept(audited: np.ndarray, claimed: np.ndarray) -> tuple[float, float]:
    """Share of the claimed r that held for shared markers, whose truth is known: the median and the worst tenth.

    Parameters
    ----------
    audited
        ``(K,)``, Pearson's r between prediction and truth of each shared marker, hidden from panel 1.
    claimed
        ``(K,)``, the claimed r of the same predictions, see `verdicts`.

    Returns
    -------
    tuple
        Median and 10 % quantile of ``audited / claimed``, each at least 0 and at most 1. Markers without both numbers,
        or with a claim that is not positive, are left out; nan where no marker is left.
    """
    audited, claimed = np.asarray(audited, dtype=float), np.asarray(claimed, dtype=float)
    known = np.isfinite(audited) & np.isfinite(claimed) & (claimed > 0)
    if not known.any():
        return np.nan, np.nan
    share = np.clip(audited[known] / claimed[known], 0, 1)
    return float(np.median(share)), float(np.quantile(share, WORST))


def verdicts(evidence: pd.DataFrame) -> pd.DataFrame:
    """Give a verdict for every marker that a panel did not measure.

    No cell of panel 1 shows whether an unmeasured marker is right, so the verdict uses indirect evidence. ``claimed``
    is the r on calibration cells of panel 2, which training did not see; they are predicted from the shared markers
    alone and weighted to resemble the cells of panel 1. It is the expected r if the cells of both panels follow the
    same rule (`agreement.claimed`). ``kept`` and ``kept_worst`` are the share of such claims that held for shared
    markers hidden from panel 1, whose truth is known (`kept`). ``seeds`` and ``methods`` are the agreement of networks
    and baselines on the cells of panel 1. ``judged`` is the product of ``kept`` and the lower end of a one-sided 95 %
    interval of ``claimed`` by Fisher's z. The verdict is

    - usable: judged >= .8, seeds >= .9 and methods >= .9;
    - as a trend: judged >= .5, seeds >= .7 and methods >= .7;
    - not usable: else, or where a number is unknown.

    An r of .8 leaves a third of the variance unexplained, and an r of .5 three quarters. A verdict that is too kind was
    taken to cost as much as four that are too cautious when the rule was chosen, see ``benchmarks/verdicts.py``.

    Parameters
    ----------
    evidence
        Columns ``claimed``, ``n_calibration`` (number of calibration cells), ``kept``, ``kept_worst``, ``seeds`` (mean
        r between two seeds, nan where a single seed was trained: then a marker is a trend at best) and ``methods`` (the
        least r between the map and a baseline); one row per panel and marker.

    Returns
    -------
    DataFrame
        The rows with ``expected = claimed * kept``, ``judged``, ``lower`` (as ``judged``, with ``kept_worst``),
        ``verdict`` and ``reason``: the evidence that denies a marker the better verdict, "" for a usable marker.
    """
    table = evidence.copy()
    table["expected"] = table["claimed"] * table["kept"]
    least = _least(table["claimed"], table["n_calibration"])
    table["judged"], table["lower"] = least * table["kept"], least * table["kept_worst"]
    judged = [_judged(cast(dict[str, float], row)) for row in table[list(EVIDENCE)].to_dict("records")]
    return table.assign(verdict=[word for word, _ in judged], reason=[reason for _, reason in judged])


def _least(r: pd.Series, n: pd.Series) -> pd.Series:
    """Lower end of a one-sided 95 % interval of r over n cells; -1 for three cells or fewer."""
    degrees = np.maximum(n.astype(float) - 3, np.finfo(float).tiny)
    z = np.arctanh(r.astype(float).clip(-NEAR_ONE, NEAR_ONE)) - norm.ppf(CERTAIN) / np.sqrt(degrees)
    return cast(pd.Series, np.tanh(z))  # NumPy maps a Series to a Series


def _judged(row: dict[str, float]) -> tuple[str, str]:
    reason = ""
    for word, least in ASKED.items():
        missed = [name for name, value in zip(EVIDENCE, least) if not _holds(name, row[name], value, word)]
        if not missed:
            return word, reason
        reason = _reason(missed[0], row[missed[0]])
    return UNUSABLE, reason


def _holds(name: str, value: float, least: float, word: str) -> bool:
    if name == "seeds" and np.isnan(value):
        return word == TREND
    return value >= least


def _reason(name: str, value: float) -> str:
    if np.isnan(value):
        return "a single seed shows no agreement" if name == "seeds" else f"{name} unknown"
    down = (
        np.floor(round(100 * value, 6)) / 100
    )  # round down: a value just below the threshold must not be printed as the threshold
    return REASONS[name].format(f"{down:.2f}".replace("0.", ".", 1))
