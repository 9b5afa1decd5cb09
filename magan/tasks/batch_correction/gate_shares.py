"""Compare a laboratory's gates before and after a correction: shares of the parent gate and median intensities."""

import numpy as np
import pandas as pd

from magan import keys

# Of a file and a gate: events of its parent and of the gate, before and after the correction.
COUNTS = ("file", keys.BATCH, "gate", "parent", "drawn_on", "parent_before", "before", "parent_after", "after")
INTENSITIES = ("file", keys.BATCH, "gate", keys.MARKER, "before", "after")  # medians, on the scale of the file
SHARES = (keys.BATCH, "gate", "parent", "drawn_on", "events", "before", "after", "reference", keys.FLAG)
MOVED, ERRORS = 0.1, 4.0  # a gate moved if its share changed by more than this part of it and so many standard errors


def shares(counts: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Share of its parent that each gate holds in each batch, before and after, with the columns SHARES.

    Files of a batch are pooled. ``events`` counts the gate before the correction, ``reference`` is its share in the
    reference batch. A share moved if it changed by more than a tenth of itself and by more than four standard errors
    of a share of so many events: ``flag`` then says "moved towards the reference" or "moved away from the reference".
    """
    names, numbers = [keys.BATCH, "gate", "parent", "drawn_on"], list(COUNTS[5:])
    pooled = counts.groupby(names, sort=False)[numbers].sum().reset_index()
    before = pooled["before"] / pooled["parent_before"].clip(lower=1)
    after = pooled["after"] / pooled["parent_after"].clip(lower=1)
    of_reference = before.where(pooled[keys.BATCH] == reference).groupby(pooled["gate"]).transform("max")
    error = np.sqrt(before * (1 - before) / pooled["parent_before"].clip(lower=1))
    moved = (after - before).abs() > np.maximum(MOVED * before, ERRORS * error)
    nearer = (after - of_reference).abs() < (before - of_reference).abs()
    flag = np.where(nearer, "moved towards the reference", "moved away from the reference")
    table = pooled[names].assign(events=pooled["before"], before=before, after=after, reference=of_reference)
    table[keys.FLAG] = np.where(moved, flag, "")
    return table[list(SHARES)]


def medians(intensities: pd.DataFrame) -> pd.DataFrame:
    """The middle of the medians of a batch's files, by batch, gate and marker, before and after."""
    by = [keys.BATCH, "gate", keys.MARKER]
    return intensities.groupby(by, sort=False)[["before", "after"]].median().reset_index()
