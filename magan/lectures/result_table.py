"""Tables of a lecture experiment: points (raw values), and numbers (means, each with the lecture's claim)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from magan.metrics.summary import bootstrap

# A point is a value of a quantity for a seed (none if not random), at x for a curve, for an item if there are any
POINTS = ("arm", "seed", "quantity", "item", "x", "value")
NUMBERS = ("arm", "quantity", "mean", "low", "high", "n_seeds", "claim", "holds")


def points(
    quantity: str,
    values: Any,
    *,
    seeds: Sequence[int] | None = None,
    x: Any = None,
    arm: str = "",
    item: str = "",
) -> pd.DataFrame:
    """Return the rows of a quantity.

    Parameters
    ----------
    quantity
        Name of the quantity.
    values
        Values ``(S, n)``, or ``(S,)`` without ``x``; ``(n,)`` for a curve that is not random.
    seeds
        The S seeds; None for a quantity that is not random.
    x
        Positions of the values, ``(n,)``.
    arm, item
        Names of the arm and of the item that the values belong to.
    """
    values = np.asarray(values, dtype=np.float64)
    shape = (1 if seeds is None else len(seeds), 1 if x is None else len(x))
    values = values.reshape(shape)
    of_rows = [seed for seed in ([pd.NA] if seeds is None else seeds) for _ in range(shape[1])]
    return pd.DataFrame(
        {
            "arm": arm,
            "seed": pd.array(of_rows, dtype="Int64"),
            "quantity": quantity,
            "item": item,
            "x": np.tile([np.nan] if x is None else np.asarray(x, dtype=np.float64), shape[0]),
            "value": values.ravel(),
        }
    )


def pictures(name: str, images: Any, *, arm: str = "", seeds: Sequence[int] | None = None) -> list[pd.DataFrame]:
    """Return rows of the quantity "image", a row per pixel; items of images ``(n, C, H, W)`` are "<name>|0", ...

    Pixels in [-1, 1] are stored as levels in [0, 1], to three decimals.
    """
    levels = np.round((np.asarray(images, dtype=np.float64).reshape(len(images), -1) + 1) / 2, 3)
    x = np.arange(levels.shape[1])
    return [points("image", row, seeds=seeds, x=x, arm=arm, item=f"{name}|{i}") for i, row in enumerate(levels)]


def table(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join all points to a table with the columns ``POINTS``."""
    return pd.concat(parts, ignore_index=True)[list(POINTS)]


def values(points: pd.DataFrame, quantity: str, arm: str = "", item: str | None = None) -> pd.DataFrame:
    """Select the rows of a quantity and an arm, and of an item if given."""
    rows = points[(points["quantity"] == quantity) & (points["arm"] == arm)]
    return rows if item is None else rows[rows["item"] == item]


def by_seed(points: pd.DataFrame, quantity: str, arm: str = "", item: str | None = None) -> np.ndarray:
    """Return the value of each seed, ``(S,)``, in the order of the seeds."""
    rows = values(points, quantity, arm, item)
    return rows[rows["seed"].notna()].sort_values("seed")["value"].to_numpy()


def number(
    quantity: str, values: np.ndarray | pd.Series, claim: str = "", holds: bool | None = None, arm: str = ""
) -> dict[str, Any]:
    """Return a row of numbers: the mean over seeds ``(S,)``, its 95 % bootstrap interval, whether the claim holds."""
    values = np.asarray(values, dtype=np.float64)
    low, high = (bound[0] for bound in bootstrap(values[None])) if len(values) > 1 else (np.nan, np.nan)
    return {
        "arm": arm,
        "quantity": quantity,
        "mean": values.mean(),
        "low": low,
        "high": high,
        "n_seeds": len(values),
        "claim": claim,
        "holds": "" if holds is None else "yes" if holds else "no",
    }


def numbers(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Join rows of numbers to a table; the first row is the experiment's main number."""
    return pd.DataFrame(rows, columns=NUMBERS)
