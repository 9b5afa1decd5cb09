"""The safety gate: compare each marker in each population of a batch before and after correction."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.errors import InputError
from magan.metrics import batch_distance
from magan.metrics.density_peaks import peaks
from magan.metrics.group_effects import effect
from magan.metrics.marker_pairs import pairs, partners
from magan.metrics.tidy import same_rows

MARGIN = 0.05  # arcsinh units; a smaller change is harmless
LEAST = 50  # cells a population needs on either side to be judged
CHANCE = 2.0  # times the EMD of sampling alone; about one marker in twenty exceeds it by chance
RARE = 3.0  # times the EMD of sampling alone, or standard errors; about one in a thousand exceeds it by chance
ON_AVERAGE = 1.5  # times the EMD of sampling alone, for the mean over markers, which varies less
LOST = 0.5  # share of a group effect
DROPPED = 0.02  # of label transfer accuracy
WORTHWHILE = 0.05  # least share of the EMD that a useful correction removes
TOO_MANY = 1 / 3  # of the markers
MOST = 0.5  # of the cells of a batch
FEW_CELLS = 200  # fewest held-out cells of a batch or the reference for a verdict
SPLITS = 8  # random halvings of the reference's samples, for the distance between samples of a batch
FEW = 4  # most markers whose flags are listed in the sentence
CLEAR = 2.0  # factor on the demands by which a peak is clearly present or clearly absent

WORSE, PEAKS, GROUPS, TORN = "worse EMD", "peaks", "group effect", "torn pair"


class Verdict(NamedTuple):
    """The recommendation on a correction."""

    word: str  # safe, safe but, do not use, not needed, too few cells
    sentence: str
    markers: tuple[str, ...]  # with a flag anywhere, in the order of the table


def gate(truth: AnnData, mapped: AnnData, labels: pd.Series | None = None) -> pd.DataFrame:
    """Compare cells before and after correction with the reference: a row for each batch, population and marker.

    A row is flagged

    - "worse EMD" where the EMD grew by more than 0.05 and more than ``floor``, and is above twice ``floor``,
      or is not a number;
    - "peaks" where there are clearly more peaks than before and in the reference, or clearly fewer than in either:
      counts on the two sides use twice and half of the demands of `peaks.peaks`;
    - "group effect" where, within the batch, a difference between groups of `keys.GROUP` changed by more than
      0.05, half of what it was, two of its standard errors over cells, and two standard errors of the difference
      over samples, so that variation between donors is not blamed on the map;
    - "torn pair" where the marker and one of ``partners`` have together a correlation or a division of cells that
      neither batch has (`marker_pairs.pairs`).

    ``improved`` is true where the EMD fell by more than 0.05 and more than
    ``floor``, and was above twice ``floor``.

    Parameters
    ----------
    truth
        ``layers["preprocessed"]`` as measured, ``obs["batch"]``, ``uns["reference"]``; ``obs["group"]`` if known.
    mapped
        Cells of all batches except the reference; ``X`` is judged: the consensus of seeds or the map of a baseline.
    labels
        Populations by obs name of ``truth``; default: ``obs["cell_type"]``, if present.

    Returns
    -------
    DataFrame
        Columns `magan.keys.GATE`. ``population`` is "all" or a population with 50 cells on both sides. ``floor`` is
        the EMD of sampling alone (`sampling`), or between samples of the reference (`between_samples`) where that is
        larger. ``group_*`` as `Effect`, nan without two groups of 10
        cells in the batch and population. ``flag`` is "" or the reasons, joined by commas.

    Raises
    ------
    InputError
        There is no cell of the reference, or the method failed.
    """
    cells = _cells(truth, mapped, labels)
    tables = []
    for batch in np.unique(cells.batches):
        for name, inside, goal in _populations(cells, batch):
            sides = cells.original[inside], cells.mapped[inside], cells.target[goal]
            floor = between_samples(cells.target[goal], cells.target_samples[goal])
            part = _judged(*sides, (cells.groups[inside], cells.samples[inside]), floor, mapped.var_names)
            tables.append(pd.DataFrame({keys.BATCH: batch, "population": name, keys.MARKER: mapped.var_names, **part}))
    return pd.concat(tables, ignore_index=True)[list(keys.GATE)]


def transfer(truth: AnnData, mapped: AnnData, labels: pd.Series | None = None) -> pd.DataFrame:
    """Label transfer to the reference before and after the map, one row per batch; arguments as `gate`.

    Columns batch, before, after (`batch_distance.label_transfer`) and error, the
    standard error of their difference over the same cells. Populations with fewer than 50 cells on either side are
    left out. nan without populations.
    """
    cells = _cells(truth, mapped, labels)
    found = []
    for batch in np.unique(cells.batches):
        inside = cells.batches == batch
        sides = np.stack([cells.original[inside], cells.mapped[inside]])
        right, hit_labels = batch_distance.label_hits(sides, cells.labels[inside], cells.target, cells.target_labels)
        named = [name for name in np.unique(hit_labels) if _enough(cells, inside, name)]
        parts = [right[:, hit_labels == name] for name in named]
        before, after = np.mean([part.mean(axis=1) for part in parts], axis=0) if parts else (np.nan, np.nan)
        error = np.sqrt(sum((part[1] - part[0]).var() / part.shape[1] for part in parts)) / max(1, len(parts))
        found.append((batch, before, after, error))
    return pd.DataFrame(found, columns=[keys.BATCH, "before", "after", "error"])


def _enough(cells: "_Cells", inside: np.ndarray, name: str) -> bool:
    """Whether a population has enough cells of the batch ``inside`` and of the reference to be judged."""
    return min((cells.labels[inside] == name).sum(), (cells.target_labels == name).sum()) >= LEAST


def verdict(table: pd.DataFrame, transfer: pd.DataFrame, confounded: str = "") -> Verdict:
    """Recommend what to do with a correction: the first of these words whose condition holds.

    - "too few cells": every batch, or the reference, has fewer than 200 held-out cells; a single such batch is named
      and takes no part in what follows;
    - "not needed": before the correction the EMD of every marker over all cells is at most 0.05 or 3 times ``floor``,
      and the mean over markers, in every batch and population, at most 0.05 or 1.5 times that of ``floor``;
    - "do not use": batch and group are confounded; or the label transfer of a batch dropped by more than 0.02 and
      more than three standard errors; or more than a third of the markers are flagged over all cells, or in populations
      that together hold more than half of the cells of a batch; or the correction removed less than 5 % of the EMD,
      summed over markers and batches;
    - "safe but": a marker is flagged somewhere;
    - "safe".

    Parameters
    ----------
    table
        The result of `gate`.
    transfer
        The result of `transfer`; nan is left out, and the sentence says so.
    confounded
        The sentence of `groups.confounded`, "" if batch and group are not confounded.
    """
    whole = table[table["population"] == keys.ALL]
    few = whole[whole[["n", "n_reference"]].min(axis=1) < FEW_CELLS]
    small = list(dict.fromkeys(few[keys.BATCH]))
    if len(small) == whole[keys.BATCH].nunique():
        fewest = int(few[["n", "n_reference"]].min().min())
        sentence = f"There are too few cells to tell: {fewest} held-out cells on a side, and {FEW_CELLS} are needed."
        return Verdict("too few cells", sentence, ())
    large, transfer = ~table[keys.BATCH].isin(small), transfer[~transfer[keys.BATCH].isin(small)]
    found = _of_enough(table[large], transfer, confounded)
    left_out = f" Batch {', '.join(map(str, small))} has too few cells to tell." if small else ""
    return found._replace(sentence=found.sentence + left_out)


def _of_enough(table: pd.DataFrame, transfer: pd.DataFrame, confounded: str) -> Verdict:
    """The verdict of batches that have cells enough."""
    flagged = table[table[keys.FLAG] != ""]
    markers = tuple(m for m in table[keys.MARKER].unique() if m in set(flagged[keys.MARKER]))
    whole = table[table["population"] == keys.ALL]
    before, after, floor = whole[["emd_before", "emd_after", "floor"]].mean()
    reached = (
        f"the mean EMD to the reference goes from {before:.3f} to {after:.3f}, where sampling alone gives {floor:.3f}"
    )
    if _within_floor(table):
        clause = f"No correction is needed: the mean EMD to the reference is {before:.3f} without one"
        return Verdict("not needed", f"{clause}, and sampling alone gives {floor:.3f}.", markers)
    reasons = _reasons(table, transfer, confounded)
    if reasons:
        return Verdict("do not use", f"Do not use this correction: {'; '.join(reasons)}.", markers)
    unknown = "" if transfer["after"].notna().any() else " Populations are not known, so none was checked by itself."
    if not markers:
        return Verdict("safe", f"Safe: {reached}, and no marker got worse.{unknown}", markers)
    if len(markers) <= FEW:
        clause = ", ".join(_where(flagged[flagged[keys.MARKER] == marker]) for marker in markers)
    else:
        clause = f"{len(markers)} of {table['marker'].nunique()} markers ({', '.join(markers)})"
    return Verdict("safe but", f"Safe but for {clause}: {reached}.{unknown}", markers)


def _within_floor(table: pd.DataFrame) -> bool:
    whole = table[table["population"] == keys.ALL]
    each = whole["emd_before"] <= np.maximum(MARGIN, RARE * whole["floor"])
    means = table.groupby([keys.BATCH, "population"])[["emd_before", "floor"]].mean()
    return bool(each.all() and (means["emd_before"] <= np.maximum(MARGIN, ON_AVERAGE * means["floor"])).all())


def _reasons(table: pd.DataFrame, transfer: pd.DataFrame, confounded: str) -> list[str]:
    reasons = [confounded.rstrip(".")] if confounded else []
    row: Any  # pandas has no types for the fields of a row
    for row in transfer[transfer["before"].notna()].itertuples():
        if not row.after >= row.before - max(DROPPED, RARE * row.error):
            reasons.append(
                f"in batch {row.batch} cells leave their populations (label transfer {row.before:.3f} before, "
                f"{row.after:.3f} after)"
            )
    worse, n = _mostly_flagged(table), table[keys.MARKER].nunique()
    if len(worse) > TOO_MANY * n:
        reasons.append(f"{len(worse)} of {n} markers got worse ({', '.join(worse)})")
    before, after = table.loc[table["population"] == keys.ALL, ["emd_before", "emd_after"]].mean()
    if not before - after >= WORTHWHILE * before:
        reasons.append(f"it brings the batches no closer (mean EMD {before:.3f} before, {after:.3f} after)")
    return reasons


def _mostly_flagged(table: pd.DataFrame) -> list[str]:
    """Markers with a flag over all cells, or in populations with more than half of the cells of a batch."""
    flagged = table[keys.FLAG] != ""
    whole = table["population"] == keys.ALL
    worse = set(table.loc[whole & flagged, keys.MARKER])
    sizes = table[whole].groupby(keys.BATCH)["n"].first()
    cells = table[~whole & flagged].groupby([keys.BATCH, keys.MARKER])["n"].sum()
    counts: dict[Any, Any] = cells.to_dict()  # (batch, marker) -> number of cells
    worse |= {marker for (batch, marker), n in counts.items() if n > MOST * sizes[batch]}
    return [marker for marker in table[keys.MARKER].unique() if marker in worse]


def _where(rows: pd.DataFrame) -> str:
    """A marker with the reasons of its flags and, unless flagged over all cells, the flagged populations."""
    reasons = dict.fromkeys(reason for flag in rows[keys.FLAG] for reason in flag.split(", "))
    opening = f"{rows['marker'].iloc[0]} ({', '.join(reasons)}"
    names = [name for name in rows["population"].unique() if name != keys.ALL]
    return opening + (")" if (rows["population"] == keys.ALL).any() else f" in {', '.join(names)})")


def mean_emd(truth: AnnData, mapped: AnnData, labels: pd.Series | None = None) -> float:
    """Mean EMD to the reference in arcsinh units, over markers, populations of 50 cells or more, and batches.

    Arguments are those of `gate`. The mean is over all cells where populations are not known.
    """
    cells = _cells(truth, mapped, labels)
    found = []
    for batch in np.unique(cells.batches):
        whole, *named = _populations(cells, batch)
        part = [
            batch_distance.emd(cells.mapped[None, rows], cells.target[goal]).mean()
            for _, rows, goal in named or [whole]
        ]
        found.append(np.mean(part))
    return float(np.mean(found))


class _Cells(NamedTuple):
    original: np.ndarray  # (n, M)
    mapped: np.ndarray  # (n, M)
    labels: np.ndarray  # (n,)
    batches: np.ndarray  # (n,)
    groups: np.ndarray  # (n,)
    samples: np.ndarray  # (n,)
    target: np.ndarray  # (m, M)
    target_labels: np.ndarray  # (m,)
    target_samples: np.ndarray  # (m,)


def _cells(truth: AnnData, mapped: AnnData, labels: pd.Series | None) -> _Cells:
    target = truth[truth.obs[keys.BATCH].astype(str).to_numpy() == str(truth.uns[keys.REFERENCE])]
    if not target.n_obs:
        raise InputError(f"no cell of the reference '{truth.uns[keys.REFERENCE]}' is left to judge by; keep some")
    if str(mapped.uns.get(keys.ERROR, "")):
        raise InputError(f"'{mapped.uns.get(keys.ARM, '')}' failed and cannot be judged; judge another method")
    original, target = same_rows(truth, mapped), target[:, mapped.var_names]
    groups = original.obs.get(keys.GROUP, pd.Series("", index=original.obs_names))
    return _Cells(
        np.asarray(original.layers[keys.PREPROCESSED]),
        np.asarray(mapped.X),
        _labels(original, labels),
        original.obs[keys.BATCH].astype(str).to_numpy().astype(str),
        groups.astype(str).to_numpy().astype(str),
        _samples(original),
        np.asarray(target.layers[keys.PREPROCESSED]),
        _labels(target, labels),
        _samples(target),
    )


def _populations(cells: _Cells, batch: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield (name, rows in the batch, rows in the reference) of all cells, then of each large enough population."""
    inside = cells.batches == batch
    yield keys.ALL, np.flatnonzero(inside), np.arange(len(cells.target))
    for name in batch_distance.populations(cells.labels[inside], cells.target_labels):
        rows = np.flatnonzero(inside & (cells.labels == name))
        goal = np.flatnonzero(cells.target_labels == name)
        if min(len(rows), len(goal)) >= LEAST:
            yield name, rows, goal


def between_samples(values: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """The EMD between two groups of samples of a batch, ``(M,)`` in arcsinh units; 0 with fewer than four samples.

    The mean over eight random divisions of the samples of ``values (n, M)`` into halves. It is the expected distance
    between two batches of different donors without a batch effect.
    """
    names = np.unique(samples)
    if len(names) < 4:
        return np.zeros(values.shape[1])
    random = np.random.default_rng(0)
    found = []
    for _ in range(SPLITS):
        half = np.isin(samples, random.permutation(names)[: len(names) // 2])
        found.append(batch_distance.emd(values[None, half], values[~half])[0])
    return np.mean(found, axis=0)


def _judged(
    x: np.ndarray,
    moved: np.ndarray,
    y: np.ndarray,
    design: tuple[np.ndarray, np.ndarray],
    least: np.ndarray,
    markers: pd.Index,
) -> dict[str, object]:
    """The columns of `gate` for cells ``x (n, M)``, the same ``moved (n, M)``, and reference cells ``y (m, M)``.

    ``design`` holds the group and the sample of each cell of ``x``; ``least (M,)`` is the lower limit of the floor.
    """
    before, after = batch_distance.emd(np.stack([x, moved]), y)
    floor = np.maximum(batch_distance.sampling(y, len(x)), least)
    step = np.maximum(MARGIN, floor)
    counts = [peaks(side) for side in (x, moved, y)]
    (least_before, least_after, least_reference), (most_before, most_after, most_reference) = (
        [peaks(side, demand) for side in (x, moved, y)] for demand in (CLEAR, 1 / CLEAR)
    )
    torn_with = partners(pairs(x, moved, y), len(markers))
    found = effect(x, moved, *design)
    unknown = np.full(x.shape[1], np.nan)
    group_before, group_after, change = (unknown, unknown, unknown) if found is None else found[:3]
    flags = {
        # This negated form flags an EMD that is not a number.
        WORSE: ~((after <= before + step) | (after <= CHANCE * floor)),
        PEAKS: (least_after > np.maximum(most_before, most_reference))
        | (most_after < np.minimum(least_before, least_reference)),
        GROUPS: False
        if found is None
        else change
        > np.max([np.full_like(change, MARGIN), LOST * group_before, 2 * found.error, 2 * found.sample_error], axis=0),
        TORN: [bool(names) for names in torn_with],
    }
    flag_table = pd.DataFrame(flags, index=range(x.shape[1]))
    return {
        **{"n": len(x), "n_reference": len(y), "emd_before": before, "emd_after": after, "floor": floor},
        "improved": (after < before - step) & (before > CHANCE * floor),
        **dict(zip(("peaks_before", "peaks_after", "peaks_reference"), counts)),
        **{"group_before": group_before, "group_after": group_after, "group_change": change},
        "partners": [", ".join(markers[names]) for names in torn_with],
        keys.FLAG: [", ".join(flag_table.columns[row]) for row in flag_table.to_numpy(bool)],
    }


def _samples(adata: AnnData) -> np.ndarray:
    return adata.obs.get(keys.SAMPLE, pd.Series("", index=adata.obs_names)).astype(str).to_numpy().astype(str)


def _labels(adata: AnnData, labels: pd.Series | None) -> np.ndarray:
    if labels is not None:
        return labels.reindex(adata.obs_names).astype(str).to_numpy().astype(str)
    known = adata.obs.get(keys.CELL_TYPE, pd.Series("", index=adata.obs_names))
    return known.astype(str).to_numpy().astype(str)
