"""What a lecture experiment gives: points, one row each, and numbers, each with what the lecture says of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from magan.metrics.summary import bootstrap

# One value of one seed (none: not random) of a quantity, at x where it is a curve, of an item where it is of several
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
    """Rows of one quantity.

    Parameters
    ----------
    quantity
        Its name.
    values
        ``(S, n)``, or ``(S,)`` without ``x``; of a curve that is not random ``(n,)``.
    seeds
        The S seeds; None of what is not random.
    x
        ``(n,)``, where the values are.
    arm, item
        What they are of.
    """
    values = np.asarray(values, dtype=np.float64)
    shape = (1 if seeds is None else len(seeds), 1 if x is None else len(x))
    values = values.reshape(shape)
    return pd.DataFrame(
        {
            "arm": arm,
            "seed": pd.array(np.repeat([pd.NA] if seeds is None else list(seeds), shape[1]), dtype="Int64"),
            "quantity": quantity,
            "item": item,
            "x": np.tile([np.nan] if x is None else np.asarray(x, dtype=np.float64), shape[0]),
            "value": values.ravel(),
        }
    )


def pictures(name: str, images: Any, *, arm: str = "", seeds: Sequence[int] | None = None) -> list[pd.DataFrame]:
    """Rows of the quantity "image", pixel by pixel: the items "<name>|0", "<name>|1", ... of images ``(n, C, H, W)``.

    Pixels in [-1, 1] are kept as levels of grey in [0, 1], to three decimals.
    """
    levels = np.round((np.asarray(images, dtype=np.float64).reshape(len(images), -1) + 1) / 2, 3)
    x = np.arange(levels.shape[1])
    return [points("image", own, seeds=seeds, x=x, arm=arm, item=f"{name}|{i}") for i, own in enumerate(levels)]


def table(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """All points, with the columns ``POINTS``."""
    return pd.concat(parts, ignore_index=True)[list(POINTS)]


def values(points: pd.DataFrame, quantity: str, arm: str = "", item: str | None = None) -> pd.DataFrame:
    """The rows of one quantity of one arm, and of one item if given."""
    rows = points[(points["quantity"] == quantity) & (points["arm"] == arm)]
    return rows if item is None else rows[rows["item"] == item]


def by_seed(points: pd.DataFrame, quantity: str, arm: str = "", item: str | None = None) -> np.ndarray:
    """The one value of each seed, ``(S,)``, in the order of the seeds."""
    rows = values(points, quantity, arm, item)
    return rows[rows["seed"].notna()].sort_values("seed")["value"].to_numpy()


def number(
    quantity: str, values: np.ndarray, claim: str = "", holds: bool | None = None, arm: str = ""
) -> dict[str, Any]:
    """One row of numbers: the mean over seeds ``(S,)``, its 95 % bootstrap interval, and whether the claim holds."""
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
    """The first is the experiment's one number."""
    return pd.DataFrame(rows, columns=NUMBERS)
