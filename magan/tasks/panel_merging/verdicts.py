"""May a marker be used that these cells were not stained for? The rule, and what it goes by."""

from typing import cast

import numpy as np
import pandas as pd
from scipy.stats import norm

USABLE, TREND, UNUSABLE = "usable", "as a trend", "not usable"
WORDS = (USABLE, TREND, UNUSABLE)
NEAR_ONE = 1 - 1e-12  # of which Fisher's z is finite
CERTAIN = 0.95  # that a claim is not lower than the end of its interval
WORST = 0.1  # of the shared markers: the share that may lose more of its r than the rule reckons with

# The least that each word asks of: the lowest r to be expected, the agreement of seeds, and that of methods.
ASKED = {USABLE: (0.8, 0.9, 0.9), TREND: (0.5, 0.7, 0.7)}
EVIDENCE = ("lower", "seeds", "methods")
TOLD = {
    "lower": "its r may be as low as {}",
    "seeds": "seeds agree with one another by {} alone",
    "methods": "methods agree with one another by {} alone",
}


def kept(audited: np.ndarray, claimed: np.ndarray) -> tuple[float, float]:
    """What of its claim held where the truth is known: of the shared markers the middle, and the worst tenth.

    Parameters
    ----------
    audited
        ``(K,)``, of each shared marker hidden from panel 1: Pearson's r of its prediction with the truth.
    claimed
        ``(K,)``, of the same predictions: the r that was claimed of them, see `verdicts`.

    Returns
    -------
    tuple
        Median and 10 % quantile of ``audited / claimed``, each at least 0 and at most 1. Markers without both numbers,
        or with a claim that is not positive, are passed over; nan where none is left.
    """
    audited, claimed = np.asarray(audited, dtype=float), np.asarray(claimed, dtype=float)
    known = np.isfinite(audited) & np.isfinite(claimed) & (claimed > 0)
    if not known.any():
        return np.nan, np.nan
    share = np.clip(audited[known] / claimed[known], 0, 1)
    return float(np.median(share)), float(np.quantile(share, WORST))


def verdicts(evidence: pd.DataFrame) -> pd.DataFrame:
    """A word for every marker that a panel did not measure.

    No cell of panel 1 says whether an unmeasured marker is right. Four numbers speak of it. ``claimed`` is r on cells
    of panel 2 that were kept from training and predicted from the shared markers alone, weighted to be like the cells
    of panel 1: what r would be if the cells of both panels obeyed one rule (`agreement.claimed`).
    ``kept`` and ``kept_worst`` say how much of such a claim held for shared markers that were hidden from panel 1, of
    which the truth is known (`kept`).
    ``seeds`` and ``methods`` say whether networks and baselines tell the same of panel 1's cells. With ``lower``, the
    product of ``kept_worst`` and the lower end of a one-sided 95 % interval of ``claimed`` by Fisher's z:

    - usable: lower >= .8, seeds >= .9 and methods >= .9;
    - as a trend: lower >= .5, seeds >= .7 and methods >= .7;
    - not usable: else, or where one of the numbers is unknown.

    An r of .8 leaves a third of the variance open, and one of .5 three quarters.

    Parameters
    ----------
    evidence
        Columns ``claimed``, ``n_apart`` (the cells that it goes by), ``kept``, ``kept_worst``, ``seeds`` (mean r
        between two seeds, nan where one was trained: then a marker is a trend at best) and ``methods`` (the least r
        between the map and a baseline); one row per panel and marker.

    Returns
    -------
    DataFrame
        The rows with ``expected = claimed * kept``, ``lower``, ``verdict`` and ``reason``: what keeps a marker from
        the better word, "" for a usable one.
    """
    table = evidence.copy()
    table["expected"] = table["claimed"] * table["kept"]
    table["lower"] = _least(table["claimed"], table["n_apart"]) * table["kept_worst"]
    judged = [_judged(cast(dict[str, float], row)) for row in table[list(EVIDENCE)].to_dict("records")]
    return table.assign(verdict=[word for word, _ in judged], reason=[reason for _, reason in judged])


def _least(r: pd.Series, n: pd.Series) -> pd.Series:
    """Lower end of a one-sided 95 % interval of r over n cells; -1 for three cells or fewer, which tell nothing."""
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
        return "one seed says nothing of the others" if name == "seeds" else f"{name} unknown"
    down = (
        np.floor(round(100 * value, 6)) / 100
    )  # a value just short of what is asked must not read as if it were enough
    return TOLD[name].format(f"{down:.2f}".replace("0.", ".", 1))
