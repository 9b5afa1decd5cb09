"""Summarise scores over seeds: mean, interval, and a test against the best baseline."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm, wilcoxon

from magan import keys
from magan.errors import InputError

DIRECTIONS = {metric: direction for metric, (_, direction) in keys.SCORES.items()}
SHARES = (*keys.OUTCOMES, keys.FAILED)  # metrics that are 0 or 1 per seed
RESAMPLES = 9999
BY = ["task", "dataset", "method", "arm", "group", "feature", "metric"]
PLACE = ["task", "dataset", "group", "feature", "metric"]  # methods compete within these columns
COLUMNS = [
    *BY,
    *("n_seeds", "n_failed", "mean", "sd", "low", "high", "consensus"),
    *("best_baseline", "best_baseline_value", "p_value"),
]
# of the table of gains over the best baseline; a seed is "" for all seeds together, or "consensus"
GAINS = ("task", "dataset", "method", "arm", "seed", "feature", "baseline", "gain", "low", "high")


def summarise(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return a row per method, group, feature and metric.

    Parameters
    ----------
    metrics
        Rows with the columns ``keys.METRICS``, in any order.

    Returns
    -------
    DataFrame
        ``n_seeds`` is the number of seeds with a value that is not nan (1 or 0 for a method without seeds),
        ``n_failed`` the number of failed seeds. ``mean`` and ``sd`` (n - 1) are over the seeds with a value. ``low``
        and ``high`` bound the mean by a 95 % percentile bootstrap over seeds (`bootstrap`) or, for shares of seeds, by
        `binomial_interval`. ``consensus`` is the score of the mean map. ``best_baseline`` is the baseline with the best
        value by ``DIRECTIONS`` (in a tie the name that sorts first), and ``p_value`` is from the Wilcoxon test of the
        seeds against this baseline (`signed_rank`). Undefined values are nan or "".

    Raises
    ------
    InputError
        A seed has two values of the same score, or ``DIRECTIONS`` lacks a metric.
    """
    metrics = _normalised(metrics)
    consensus = metrics[metrics["seed"] == keys.CONSENSUS].set_index(BY)["value"]
    seeds = metrics[metrics["seed"] != keys.CONSENSUS].copy()
    # Sort seeds by number, so that neither sums nor resamples depend on the order of the rows.
    seeds["number"] = pd.to_numeric(seeds["seed"], errors="coerce").fillna(-1)
    seeds = seeds.sort_values([*BY, "number"], kind="stable")
    groups = {tuple(map(str, key)): part for key, part in seeds.groupby(BY, sort=True)}
    best = best_baselines(seeds)
    summary = pd.DataFrame([_row(key, part, best) for key, part in groups.items()], columns=COLUMNS)
    summary["n_failed"] = _failures(metrics, summary)
    summary["consensus"] = consensus.reindex(pd.MultiIndex.from_frame(summary[BY])).to_numpy()
    _add_intervals(summary, [_defined(part) for part in groups.values()])
    return summary


def with_gains(summary: pd.DataFrame, gains: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The summary with what is known of paired differences from the best baseline, by Pearson's r over all cells.

    ``gain``, ``gain_low`` and ``gain_high`` are of the mean over seeds, ``consensus_gain``, ``consensus_gain_low`` and
    ``consensus_gain_high`` of the mean map, see `magan.metrics.paired_gain`; nan elsewhere.
    """
    found = {}
    for row in pd.concat(gains).itertuples(index=False) if gains else ():
        found[(*row[:6], row.baseline)] = [float(value) if value != "" else np.nan for value in row[7:]]
    rows = summary[["task", "dataset", "method", "arm", "feature", "best_baseline"]].itertuples(index=False, name=None)
    mine = (summary["metric"] == "pearson") & (summary["group"] == keys.ALL)
    of_rows = [(row, is_mine) for row, is_mine in zip(rows, mine)]
    for prefix, seed in (("gain", ""), ("consensus_gain", keys.CONSENSUS)):
        values = [
            found.get((*row[:4], seed, *row[4:]), [np.nan] * 3) if is_mine else [np.nan] * 3 for row, is_mine in of_rows
        ]
        for i, end in enumerate(("", "_low", "_high")):
            summary = summary.assign(**{f"{prefix}{end}": [value[i] for value in values]})
    return summary


def _normalised(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return a copy with seeds as strings ("7", "consensus", ""), however the table was read."""
    metrics = metrics[list(keys.METRICS)].copy()
    metrics["seed"] = [_seed_word(seed) for seed in metrics["seed"]]
    metrics["value"] = metrics["value"].astype(float)
    for column in BY:
        metrics[column] = metrics[column].astype(str)
    unknown = sorted(set(metrics["metric"]) - set(DIRECTIONS) - {keys.FAILED})
    if unknown:
        raise InputError(f"metric '{unknown[0]}' has no direction; add it to keys.SCORES")
    twice = metrics[metrics.duplicated([*BY, "seed"])]
    if len(twice):
        row = twice.iloc[0]
        raise InputError(f"seed '{row['seed']}' of '{row['arm']}' has two values of '{row['metric']}'; keep one")
    return metrics


def _seed_word(seed: Any) -> str:
    if pd.isna(seed):
        return ""
    return str(int(seed)) if isinstance(seed, (int, float, np.number)) else str(seed).removesuffix(".0")


def _defined(part: pd.DataFrame) -> np.ndarray:
    values = part["value"].to_numpy()
    return values[np.isfinite(values)]


def _row(key: tuple[str, ...], part: pd.DataFrame, best: dict[tuple[str, ...], tuple[str, float]]) -> dict[str, object]:
    row: dict[str, Any] = dict(zip(BY, key))
    values = _defined(part)
    row["n_seeds"] = len(values)
    row["mean"] = values.mean() if len(values) else np.nan
    row["sd"] = values.std(ddof=1) if len(values) > 1 else np.nan
    row["best_baseline"], row["best_baseline_value"] = best.get(tuple(row[c] for c in PLACE), ("", np.nan))
    has_seeds = (part["seed"] != "").all()
    row["p_value"] = signed_rank(values, row["best_baseline_value"], row["metric"]) if has_seeds else np.nan
    return row


def _failures(metrics: pd.DataFrame, summary: pd.DataFrame) -> np.ndarray:
    """Return the number of failed seeds of each row's arm."""
    by = ["task", "dataset", "method", "arm"]
    failed = metrics[metrics["metric"] == keys.FAILED].groupby(by)["value"].sum()
    counts = failed.reindex(pd.MultiIndex.from_frame(summary[by]))
    return counts.fillna(0).to_numpy().astype(int)


def best_baselines(metrics: pd.DataFrame) -> dict[tuple[str, ...], tuple[str, float]]:
    """Return ``(task, dataset, group, feature, metric) -> (method, value)`` of the best baseline."""
    baselines = metrics[(metrics["arm"] == keys.BASELINE) & np.isfinite(metrics["value"])]
    baselines = baselines[baselines["metric"] != keys.FAILED]
    loss = [_loss(value, metric) for value, metric in zip(baselines["value"], baselines["metric"])]
    ordered = baselines.assign(loss=loss).sort_values(["loss", "method"], kind="stable").drop_duplicates(PLACE)
    return {
        tuple(place): (method, value)
        for *place, method, value in ordered[[*PLACE, "method", "value"]].itertuples(index=False, name=None)
    }


def _loss(value: Any, metric: str) -> Any:
    """Convert a value so that lower is better for every metric."""
    return {"higher": -value, "lower": value, "one": abs(value - 1), "nominal": abs(value - 0.9)}[DIRECTIONS[metric]]


def signed_rank(values: np.ndarray, baseline: float, metric: str) -> float:
    """Return p of the two-sided Wilcoxon signed-rank test of the seeds' scores ``(n,)`` against a baseline's score.

    All seeds are paired with the same baseline value. For a metric that is best at 1 the distances from 1 are compared.
    p is 1 if every difference is 0, and nan with fewer than two seeds or without a baseline.
    """
    if len(values) < 2 or not np.isfinite(baseline):
        return np.nan
    differences = _loss(values, metric) - _loss(baseline, metric)
    if not differences.any():
        return 1.0
    result: Any = wilcoxon(differences)
    return float(result.pvalue)


def _add_intervals(summary: pd.DataFrame, values: list[np.ndarray]) -> None:
    low, high = np.full((2, len(values)), np.nan)
    shares = summary["metric"].isin(SHARES).to_numpy()
    sizes = np.array([len(v) for v in values])
    for i in np.flatnonzero(shares):
        if sizes[i]:
            low[i], high[i] = binomial_interval(int(values[i].sum()), int(sizes[i]))
    for n in np.unique(sizes[~shares & (sizes > 1)]):
        same = np.flatnonzero(~shares & (sizes == n))
        low[same], high[same] = bootstrap(np.stack([values[i] for i in same]))
    summary["low"], summary["high"] = low, high


def bootstrap(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % percentile interval of the mean over the last axis, ``(N, n) -> (N,), (N,)``.

    It uses 9,999 resamples from a fixed seed. All rows use the same resamples, so the interval of a row does not depend
    on the remaining rows.
    """
    n = values.shape[1]
    # Count how often each seed is drawn in a resample; a resampled mean is then a product with the counts.
    counts = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=RESAMPLES) / n
    low, high = np.empty((2, len(values)))
    for start in range(0, len(values), 256):
        part = values[start : start + 256]
        low[start : start + 256], high[start : start + 256] = np.quantile(part @ counts.T, [0.025, 0.975], axis=1)
    # A mean lies within the range of its values; clip rounding errors.
    return np.clip(low, values.min(1), values.max(1)), np.clip(high, values.min(1), values.max(1))


def binomial_interval(k: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of the share ``k / n``; (nan, nan) for n = 0."""
    if not n:
        return np.nan, np.nan
    z = float(norm.ppf(0.975))
    center = (k + z**2 / 2) / (n + z**2)
    half = z * math.sqrt(k * (n - k) / n + z**2 / 4) / (n + z**2)
    # For k = 0 and k = n an end is exact; avoid the rounding error.
    return (0.0 if k == 0 else center - half), (1.0 if k == n else center + half)
