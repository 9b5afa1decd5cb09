"""Table of trainings: settings, cost and faults of each arm."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from magan.titles import title


def trainings(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Lines of the table of trainings, as text.

    Parameters
    ----------
    runs
        For each arm ``name``, ``model``, ``settings`` (option or technique -> value), ``steps``, ``seeds`` (number),
        and, unless it failed, ``seconds`` (of all seeds), ``device`` and ``per_sample`` (seconds); ``health`` is a
        table of seed, sign, step and lasted.
    """
    return [
        {
            "name": title(run["name"]),
            "model": title(run["model"]),
            "settings": ", ".join(f"{name} {_short(value)}".strip() for name, value in run["settings"].items())
            or "defaults",
            "steps": f"{run['steps']:,}",
            "seeds": str(run["seeds"]),
            "time": f"{_lasting(run['seconds'])} ({run['device']})" if "seconds" in run else "–",
            "per_sample": f"{1000 * run['per_sample']:.2g} ms" if "per_sample" in run else "–",
            "health": _health(run["health"], run["seeds"]),
        }
        for run in runs
    ]


def _health(faults: pd.DataFrame, n_seeds: int) -> str:
    """The faults of a training: number of seeds, first step, and number of seeds that recovered."""
    words = []
    for sign, rows in faults.groupby("sign", sort=True):
        ill = rows.groupby("seed").agg({"step": "min", "lasted": "any"})
        passed = int((~ill["lasted"]).sum())
        over = f", over by the end in {passed}" if passed else ""
        words.append(f"{sign} in {len(ill)} of {n_seeds} seeds, first at step {ill['step'].min():,}{over}")
    return "; ".join(words) or "nothing found"


def _lasting(seconds: float) -> str:
    """Seconds in the largest unit that leaves a whole number: ``45 s``, ``3 min``, ``2.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
